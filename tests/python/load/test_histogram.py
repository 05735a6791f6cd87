"""The Python library of HdrHistogram reads the histograms of `splitcost bench`."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hdrh.histogram import HdrHistogram


class Greeting(BaseHTTPRequestHandler):
    """Sends the same answer to each request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"hi")

    def log_message(self, *_: object) -> None:
        pass


def test_hdrhistogram_reads_the_same_percentiles(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Greeting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log = tmp_path / "times.hdr"
    url = f"http://127.0.0.1:{server.server_port}/"
    command = [shutil.which("splitcost"), "bench", url, "--requests", "500", "--warm-up", "0"]
    try:
        done = subprocess.run([*command, "--hdr", log, "--format", "json"], capture_output=True, timeout=60)
    finally:
        server.shutdown()
        server.server_close()
    # On a busy machine the run may be invalid, with exit status 1; its histogram is the same.
    assert done.returncode in (0, 1), done.stderr.decode()
    found = json.loads(done.stdout)
    lines = [line for line in log.read_text().splitlines() if "HIST" in line]
    assert len(lines) == 2
    for line, kind in zip(lines, ("response", "service"), strict=True):
        histogram = HdrHistogram.decode(line.rsplit(",", 1)[1])
        assert histogram.get_total_count() == found["ok"] == 500
        percentiles = {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "p99_9_ms": 99.9, "max_ms": 100}
        for key, percentile in percentiles.items():
            assert histogram.get_value_at_percentile(percentile) / 1e6 == found[kind][key], (kind, key)
