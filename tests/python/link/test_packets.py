"""`splitcost link --packets`: the counters of the kernel, and the removal of the network device."""

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


def device_of(address: str) -> int:
    """Returns the number of the network device for an address. The kernel uses each number once."""
    (wanted,) = struct.unpack("=I", socket.inet_aton(address))
    for route in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = route.split()
        network, mask = int(fields[1], 16), int(fields[7], 16)
        if mask and wanted & mask == network:
            return socket.if_nametoindex(fields[0])
    raise AssertionError(f"no route leads to {address}")


def devices() -> set[int]:
    """Returns the numbers of all network devices."""
    return {number for number, _ in socket.if_nameindex()}


def may_have_devices() -> bool:
    """Returns true if this process may make a network device."""
    capabilities = re.search(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1]
    return os.path.exists("/dev/net/tun") and bool(int(capabilities, 16) >> NET_ADMIN & 1)


def start(upstream: str, *faults: str) -> tuple[subprocess.Popen[str], tuple[str, int]]:
    """Starts a link of the packet engine. Returns the process and its address."""
    options = [option for fault in faults for option in ("--fault", fault)]
    command = [shutil.which("splitcost"), "link", "--packets", "--to", upstream, "--seed", "7", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    if not may_have_devices():
        rest = process.communicate(timeout=DEADLINE_SECS)[1]
        assert process.returncode == 2
        assert line.startswith("error: failed to emulate packets: ")
        assert rest.startswith("hint: ")
        pytest.skip("network devices cannot be made here, and the link gave this reason")
    host, port = re.search(r"listening on ([\d.]+):(\d+)", line).groups()
    return process, (host, int(port))


@pytest.fixture
def upstream() -> Iterator[str]:
    """A server that receives until the end of the stream, then sends back the length and the checksum."""
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
    """Returns the kernel's estimate of the round trip in µs, and the number of retransmitted packets."""
    info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("=I", info, 68)[0], struct.unpack_from("=I", info, 100)[0]


def test_the_kernel_measures_the_round_trip_and_retransmits_lost_packets(upstream: str) -> None:
    """Two million bytes arrive unchanged, and TCP_INFO shows round trip and retransmissions."""
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
    """The kernel removes the device with the process."""
    process, address = start(upstream, "delay 1ms")
    try:
        with socket.create_connection(address, DEADLINE_SECS) as one:
            ours = device_of(address[0])
            assert socket.if_indextoname(ours).startswith("splitcost")
            one.sendall(b"left unanswered")
            process.send_signal(how)
            process.communicate(timeout=DEADLINE_SECS)
        assert ours not in devices()
    finally:
        process.kill()
        process.communicate()


def test_rules_that_packets_cannot_follow_are_refused_by_name(upstream: str) -> None:
    """The engine refuses other addresses than its own, and faults that need a message."""
    process, _ = start(upstream)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_SECS)
    command = [shutil.which("splitcost"), "link", "--packets", "--to", upstream]
    for option, value, problem in [
        (
            "--listen",
            "127.0.0.1:0",
            "failed to listen on 127.0.0.1:0: the packet engine listens on its own address",
        ),
        ("--fault", "loss 1% over 64kB", "failed to emulate this link with packets: loss is not possible"),
        ("--fault", "close at-connect", "failed to emulate this link with packets: close is not possible"),
    ]:
        ended = subprocess.run([*command, option, value], capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"error: {problem}")
