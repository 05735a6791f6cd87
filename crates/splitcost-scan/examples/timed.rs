//! x
fn main() {
    let paths = std::env::args().skip(1).map(Into::into).collect();
    let t = std::time::Instant::now();
    let s = splitcost_scan::scan(&splitcost_scan::Options { paths, ..Default::default() }).unwrap();
    println!(
        "{:?} files {} functions {} calls {} unresolved {} findings {}",
        t.elapsed(),
        s.files,
        s.functions,
        s.calls,
        s.unresolved_calls,
        s.findings.len()
    );
}
