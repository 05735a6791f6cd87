//! A link with a constant delay that uses the timers of tokio, for `bench/link`: `tokio_link TO DELAY_MICROS`.
//!
//! It prints its address. When its standard input ends, it prints its lateness.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "only the policy is pure"
)]

use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

type Lateness = Arc<Mutex<Histogram<u64>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(to), Some(micros)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tokio_link TO DELAY_MICROS".into());
    };
    let delay = Duration::from_micros(micros.parse()?);
    let lateness: Lateness = Arc::new(Mutex::new(Histogram::new(3)?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // A failure to read counts as the end of the input, too.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    tokio::select! {
        accepted = accept(listener, to, delay, Arc::clone(&lateness)) => accepted?,
        _ = end => {}
    }
    let found = lateness.lock().map_err(|_| "a task has panicked")?;
    let micros = |q| found.value_at_quantile(q) as f64 / 1e3;
    println!(
        "{{\"lateness\": {{\"p50_micros\": {}, \"p99_micros\": {}, \"p99_9_micros\": {}}}}}",
        micros(0.5),
        micros(0.99),
        micros(0.999)
    );
    Ok(())
}

async fn accept(listener: TcpListener, to: String, delay: Duration, lateness: Lateness) -> std::io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(&to).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        tokio::spawn(forward(from_client, to_server, delay, Arc::clone(&lateness)));
        tokio::spawn(forward(from_server, to_client, delay, Arc::clone(&lateness)));
    }
}

/// Forwards bytes after the delay, and reads further bytes meanwhile.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration, lateness: Lateness) {
    let (chunks, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            if chunks.send((Instant::now() + delay, buffer[..count].to_vec())).await.is_err() {
                break;
            }
        }
    });
    while let Some((at, bytes)) = due.recv().await {
        sleep_until(at).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
        if let Ok(mut lateness) = lateness.lock() {
            // The histogram resizes itself.
            let _ = lateness.record(at.elapsed().as_nanos() as u64);
        }
    }
}
