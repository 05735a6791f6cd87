"""`splitcost link --packets`: what the kernel's own counters say, and that nothing is left of it."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

DEADLINE_SECS = 60
NET_ADMIN = 12


def devices() -> set[str]:
    """The network devices that there are."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    return {line.split(":")[0].strip() for line in lines}


def may_have_devices() -> bool:
    """Whether this process may make a network device."""
    capabilities = re.search(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1]
    return os.path.exists("/dev/net/tun") and bool(int(capabilities, 16) >> NET_ADMIN & 1)


def start(upstream: str, *faults: str) -> tuple[subprocess.Popen[str], tuple[str, int]]:
    """A link of packets, and where it listens."""
    options = [option for fault in faults for option in ("--fault", fault)]
    command = [shutil.which("splitcost"), "link", "--packets", "--to", upstream, "--seed", "7", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    if not may_have_devices():
        rest = process.communicate(timeout=DEADLINE_SECS)[1]
        assert process.returncode == 2
        assert line.startswith("error: failed to emulate packets: ")
        assert rest.startswith("hint: ")
        pytest.skip("network devices cannot be made here, and the link has said so")
    host, port = re.search(r"listening on ([\d.]+):(\d+)", line).groups()
    return process, (host, int(port))


@pytest.fixture
def upstream() -> Iterator[str]:
    """A server that counts what comes until the end, and sends its length and sum back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(one: socket.socket) -> None:
        length = crc = 0
        with one:
            while data := one.recv(65536):
                length, crc = length + len(data), zlib.crc32(data, crc)
            one.sendall(struct.pack("!QI", length, crc))

    def accept() -> None:
        try:
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        except OSError:
            pass

    threading.Thread(target=accept, daemon=True).start()
    yield "{}:{}".format(*listener.getsockname())
    listener.close()


def tcp_info(one: socket.socket) -> tuple[int, int]:
    """The kernel's estimate of the round trip in µs, and how many packets it sent again."""
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("=I", info, 68)[0], struct.unpack_from("=I", info, 100)[0]


def test_the_kernel_sees_the_round_trip_and_sends_again_what_was_lost(upstream: str) -> None:
    """Two million bytes at 5 % loss arrive as they were, and TCP_INFO tells what it took."""
    process, address = start(upstream, "delay 5ms", "loss 5%")
    try:
        sent = bytes(range(256)) * 8192
        with socket.create_connection(address, DEADLINE_SECS) as one:
            one.sendall(sent)
            one.shutdown(socket.SHUT_WR)
            answer = b""
            while data := one.recv(64):
                answer += data
            rtt_micros, sent_again = tcp_info(one)
        assert struct.unpack("!QI", answer) == (len(sent), zlib.crc32(sent))
        assert rtt_micros >= 10_000
        assert sent_again > 0
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE_SECS)
        sent_packets, lost = re.search(r"packets +([\d,]+) sent, ([\d,]+) lost", out).groups()
        share = int(lost.replace(",", "")) / int(sent_packets.replace(",", ""))
        assert 0.03 < share < 0.07
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_device_is_left_however_it_ends(upstream: str, how: signal.Signals) -> None:
    """The device goes with the process."""
    before = devices()
    process, address = start(upstream, "delay 1ms")
    try:
        with socket.create_connection(address, DEADLINE_SECS) as one:
            (ours,) = devices() - before
            assert ours.startswith("splitcost")
            one.sendall(b"left unanswered")
            process.send_signal(how)
            process.communicate(timeout=DEADLINE_SECS)
        assert ours not in devices()
    finally:
        process.kill()
        process.communicate()


def test_what_packets_cannot_do_is_refused_by_name(upstream: str) -> None:
    """An address to listen on, and faults that need a message."""
    process, _ = start(upstream)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_SECS)
    command = [shutil.which("splitcost"), "link", "--packets", "--to", upstream]
    for option, value, problem in [
        (
            "--listen",
            "127.0.0.1:0",
            "failed to listen on 127.0.0.1:0: packets come to an address of the link",
        ),
        ("--fault", "loss 1% over 64kB", "failed to emulate this link with packets: loss cannot be done so"),
        ("--fault", "close at-connect", "failed to emulate this link with packets: close cannot be done so"),
    ]:
        ended = subprocess.run([*command, option, value], capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"error: {problem}")
