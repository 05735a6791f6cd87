//! The time that a recording takes from the raw log to Parquet and back, and to be summarised.
//!
//! `cargo bench -p splitcost-recording --features parquet --bench convert -- [requests] [directory]`; 30 calls per
//! request. A directory given is kept, to be looked at with other tools.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use splitcost_model::recording::Meta;
use splitcost_recording::log::{Frame, FunctionKindCode, HEADER, PayloadClassCode, Record, ViaCode, frame_header};
use splitcost_recording::summary::summarize;
use splitcost_recording::{convert, store};

/// Calls of each request, the root among them.
const CALLS: u64 = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let requests: u64 = arguments.next().map_or(Ok(20_000), |count| count.parse())?;
    let temporary = tempfile::tempdir()?;
    let dir = arguments.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);

    convert::begin(&dir, &Meta::default())?;
    write_log(&convert::raw_dir(&dir).join("1.log"), requests)?;
    let start = Instant::now();
    let recording = convert::convert(&convert::raw_dir(&dir), Meta::default())?;
    println!("log to call trees  {:6.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    store::write(&dir, &recording)?;
    println!("to Parquet         {:6.2} s", start.elapsed().as_secs_f64());
    let bytes: u64 = fs::read_dir(&dir)?.map(|entry| Ok(entry?.metadata()?.len())).sum::<std::io::Result<u64>>()?;
    let start = Instant::now();
    let read = store::read(&dir)?;
    println!("and back           {:6.2} s", start.elapsed().as_secs_f64());
    assert!(read == recording, "what was read differs from what was written");
    let start = Instant::now();
    let summary = summarize(&read);
    println!("summarised         {:6.2} s", start.elapsed().as_secs_f64());
    println!(
        "{} endpoints, {requests} requests, {} calls, {bytes} bytes on disk",
        summary.endpoints.len(),
        requests * CALLS
    );
    Ok(())
}

/// A log in which each request's handler gathers some calls and makes the others one after the other.
fn write_log(path: &Path, requests: u64) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&HEADER)?;
    let mut frame = Frame::default();
    definitions(&mut frame);
    for request in 0..requests {
        encode_request(request, &mut frame);
        if frame.bytes().len() > 1 << 20 {
            file.write_all(&frame_header(frame.bytes()))?;
            file.write_all(frame.bytes())?;
            frame.clear();
        }
    }
    file.write_all(&frame_header(frame.bytes()))?;
    file.write_all(frame.bytes())?;
    file.flush()
}

fn definitions(out: &mut Frame) {
    out.put(&Record::Process { pid: 1, python_version: "3.13.0".into(), mode: "monitoring".into() });
    out.put(&Record::Shape { id: 0, skeleton: r#"["int"]"#.into() });
    for id in 0..8 {
        out.put(&Record::Module { id, name: format!("shop.module{id}") });
        let (qualname, file) = (format!("function{id}"), format!("shop/module{id}.py"));
        out.put(&Record::Function {
            id,
            module: id,
            qualname,
            file,
            line: 10,
            kind: FunctionKindCode::Coroutine,
            is_unnamed: false,
            is_made: false,
        });
    }
}

fn encode_request(request: u64, out: &mut Frame) {
    let start = request * 1_000_000;
    let call = |n: u64| request * CALLS + n + 1;
    let mut clock = start;
    let mut tick = || {
        clock += 1_000;
        (clock, clock)
    };
    out.put(&Record::RequestStart { request: request + 1, wall: start, process_cpu: start, left_out: 0 });
    let enter = |n: u64, parent: u64, via: ViaCode, (wall, cpu): (u64, u64), out: &mut Frame| {
        let function = (n % 8) as u32;
        out.put(&Record::Enter { call: call(n), parent, request: request + 1, function, via, thread: 1, wall, cpu });
    };
    enter(0, 0, ViaCode::Inline, tick(), out);
    for n in 1..CALLS {
        let task = n % 3 == 0;
        enter(
            n,
            call(if n % 2 == 0 { n / 2 } else { 0 }),
            if task { ViaCode::Task } else { ViaCode::Inline },
            tick(),
            out,
        );
        if task {
            let (wall, cpu) = tick();
            out.put(&Record::Suspend { call: call(n), wall, cpu });
            let (wall, cpu) = tick();
            out.put(&Record::Resume { call: call(n), thread: 1, wall, cpu });
        }
        if request.is_multiple_of(64) {
            let (path, file) = (String::new(), "shop/module1.py".to_owned());
            out.put(&Record::Payload {
                call: call(n),
                result: false,
                shape: 0,
                encoded_bytes: n,
                nodes: n,
                class: PayloadClassCode::Adapter,
                path,
                obstacles: Vec::new(),
                receiver: None,
                file,
                line: 7,
            });
        }
        let (wall, cpu) = tick();
        out.put(&Record::Leave { call: call(n), wall, cpu, exception: String::new() });
    }
    let (wall, cpu) = tick();
    out.put(&Record::Leave { call: call(0), wall, cpu, exception: String::new() });
    let endpoint = format!("GET /endpoint{}", request % 10);
    out.put(&Record::RequestEnd {
        request: request + 1,
        wall,
        process_cpu: wall,
        left_out: 0,
        status: 200,
        handler: None,
        endpoint,
    });
}
