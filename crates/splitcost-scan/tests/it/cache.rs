//! The cache changes only the time that a scan takes, never its result.

use std::fs;

use splitcost_model::finding::Scan;
use splitcost_scan::{Options, graph, scan};

/// A program in a directory of its own, with its cache beside it.
struct Program {
    dir: tempfile::TempDir,
}

impl Program {
    fn new() -> Self {
        let program = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(program.dir.path().join("app")).unwrap();
        program.write("main.py", "import helper\nasync def wait():\n    helper.pause()\n");
        program.write("helper.py", "import time\ndef pause():\n    time.sleep(1)\n");
        program
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join("app").join(name), text).unwrap();
    }

    fn options(&self, is_cached: bool) -> Options {
        let cache = is_cached.then(|| self.dir.path().join("cache"));
        Options { paths: vec![self.dir.path().join("app")], cache, ..Options::default() }
    }

    /// Scans with the cache, and checks that the result is the same without it.
    fn found(&self) -> Scan {
        let found = scan(&self.options(true)).unwrap();
        assert_eq!(found, scan(&self.options(false)).unwrap());
        assert_eq!(graph(&self.options(true)).unwrap(), graph(&self.options(false)).unwrap());
        found
    }

    /// Returns the files of the cache.
    fn cached(&self) -> Vec<std::path::PathBuf> {
        fs::read_dir(self.dir.path().join("cache")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn a_change_of_a_file_changes_the_result() {
    let program = Program::new();
    assert_eq!(program.found().findings.len(), 1);
    assert_eq!(program.cached().len(), 2, "forms and findings");
    assert_eq!(program.found().findings.len(), 1);
    program.write("helper.py", "def pause():\n    pass\n");
    assert_eq!(program.found().findings.len(), 0);
    program.write("broken.py", "import time\nasync def wait(:\n    time.sleep(1)\n");
    assert_eq!(program.found().skipped.len(), 1);
    assert_eq!(program.found().skipped.len(), 1);
}

#[test]
fn the_result_for_other_codes_is_not_reused() {
    let program = Program::new();
    let select = |code: &str| Options { select: vec![code.to_owned()], ..program.options(true) };
    assert_eq!(scan(&select("SC2")).unwrap().findings.len(), 0);
    assert_eq!(scan(&select("SC1")).unwrap().findings.len(), 1);
}

#[test]
fn a_damaged_cache_is_ignored() {
    let program = Program::new();
    program.found();
    for (index, damage) in [&b""[..], b"\xff\x00\xff", b"{\"key\": 1}", &[0x7f; 64]].into_iter().enumerate() {
        for path in program.cached() {
            let mut bytes = fs::read(&path).unwrap();
            bytes.splice(..bytes.len().min(7 * index), damage.iter().copied());
            fs::write(&path, bytes).unwrap();
        }
        assert_eq!(program.found().findings.len(), 1);
    }
}
