"""The life of connections: timers, keepalive, draining, ages and limits.

Run with pytest; WIRE_ECHO names the wire-echo program.
"""

import shutil
import socket
import subprocess
import time

import hyperframe.frame as frames
import pytest
from wire_support import (
    PREFACE,
    SERVICE,
    UNARY,
    Client,
    Echo,
    Raw,
    counters,
    echo_request,
    framed,
    grpc_headers,
    http1,
)


@pytest.fixture
def start():
    servers = []

    def make(*options):
        servers.append(Echo(*options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def closed_after(raw, limit=5.0):
    began = time.monotonic()
    raw.read(limit)
    assert raw.ended
    return time.monotonic() - began


def test_a_silent_connection_is_closed(start):
    raw = Raw(start("first-bytes=300"), handshake=False)
    assert 0.2 < closed_after(raw) < 2 and not raw.frames


def test_half_a_preface_is_closed(start):
    raw = Raw(start("first-bytes=300"), handshake=False)
    raw.send(PREFACE[:10])
    assert 0.2 < closed_after(raw) < 2 and not raw.frames


def test_half_an_http1_head_is_closed(start):
    raw = Raw(start("first-bytes=500"), handshake=False)
    raw.send(b"GET /healthz HTTP/1.1\r\nhost")
    assert closed_after(raw) < 4


def test_an_idle_http1_connection_is_closed(start):
    raw = Raw(start("http1-idle=500"), handshake=False)
    raw.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    began = time.monotonic()
    while not raw.ended and time.monotonic() - began < 5:
        if not raw.socket.recv(65536):
            break
    assert 0.4 < time.monotonic() - began < 4


def test_settings_never_acknowledged_end_the_connection(start):
    raw = Raw(start("settings-ack=500"), acknowledge=False)
    assert raw.goaway(4).error_code == 4


def test_a_stalled_body_is_answered(start):
    echo = start("body-stall=500")
    client = Client(echo)
    stream = client.start(grpc_headers(), b"\0\0\0\0\x09abc", end=False)
    assert client.wait(stream, 4).grpc_status == 4
    answer, closed = http1(
        echo,
        b"POST /wire.echo.v1.EchoService/Unary HTTP/1.1\r\nhost: a\r\n"
        b"content-type: application/json\r\ncontent-length: 9\r\n\r\n{",
        timeout=4,
    )
    assert answer.startswith(b"HTTP/1.1 408") and closed


def test_an_open_stream_may_be_silent(start):
    client = Client(start("body-stall=500"))
    stream = client.start(grpc_headers(SERVICE + "ClientStream"), framed(), end=False)
    client.linger(2)
    assert client.replies[stream].grpc_status is None
    client.h2.end_stream(stream)
    client.flush()
    assert client.wait(stream).grpc_status == 0


def test_a_reply_nobody_takes_is_reset(start):
    raw = Raw(start("write-stall=500"))
    raw.send(
        raw.headers(1, grpc_headers(SERVICE + "ServerStream")),
        raw.data(1, framed(echo_request(count=1000, payload_bytes=10000)), end=True),
    )
    reset = raw.read(5, until=lambda f: isinstance(f, frames.RstStreamFrame))
    assert reset is not None and reset.error_code == 8


def test_a_reply_nobody_takes_over_http1_ends_its_connection(start):
    echo = start("write-stall=500")
    raw = Raw(echo, handshake=False)
    body = framed(echo_request(count=1_000_000, payload_bytes=60_000))
    raw.send(
        f"POST {SERVICE}ServerStream HTTP/1.1\r\nhost: a\r\ncontent-type: application/connect+proto\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode() + body
    )
    deadline = time.monotonic() + 6
    other = Client(echo)
    while counters(other)[1] == 0:
        assert time.monotonic() < deadline, "the handler of a reply that nobody takes still runs"
    raw.close()


def test_a_tls_handshake_that_does_not_come_is_closed(start, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    echo = start(f"tls={both}", "tls-handshake=400")
    for first in (b"", b"\x16\x03\x01", PREFACE):
        raw = Raw(echo, handshake=False)
        raw.send(first)
        began = time.monotonic()
        while raw.socket.recv(4096):
            pass
        assert time.monotonic() - began < 3


def test_silence_is_probed_and_then_ended(start):
    raw = Raw(start("ping-silence=300", "ping-timeout=500"))
    ping = raw.read(4, until=lambda f: isinstance(f, frames.PingFrame))
    assert ping is not None
    assert closed_after(raw, 4) < 4


def test_an_answered_probe_keeps_the_connection(start):
    client = Client(start("ping-silence=300", "ping-timeout=1000"))
    client.linger(4)
    assert not client.ended and client.call(grpc_headers()).grpc_status == 0


@pytest.mark.parametrize("option", ["max-age=500", "max-idle=500"])
def test_old_and_idle_connections_are_drained(start, option):
    raw = Raw(start(option))
    first = raw.goaway(5)
    assert first is not None and first.last_stream_id == 2**31 - 1
    ack = frames.PingFrame(0, next(f for f in raw.frames if isinstance(f, frames.PingFrame)).opaque_data)
    ack.flags.add("ACK")
    raw.send(ack)
    raw.read(3)
    goaways = [f for f in raw.frames if isinstance(f, frames.GoAwayFrame)]
    assert goaways[-1].last_stream_id == 0 and goaways[-1].error_code == 0 and raw.ended


def test_a_drain_serves_what_is_under_way_and_what_was_sent_meanwhile(start):
    echo = start("grace=5000")
    raw = Raw(echo)
    slow = framed(echo_request(text="slow", delay=1500))
    raw.send(raw.headers(1), raw.data(1, slow, end=True))
    raw.read(0.3)
    echo.process.stdin.close()
    notice = raw.goaway(3)
    assert notice.last_stream_id == 2**31 - 1
    raw.send(raw.headers(3), raw.data(3, framed(echo_request(text="late")), end=True))
    ping = next((f for f in raw.frames if isinstance(f, frames.PingFrame)), None) or raw.read(
        2, until=lambda f: isinstance(f, frames.PingFrame)
    )
    ack = frames.PingFrame(0, ping.opaque_data)
    ack.flags.add("ACK")
    raw.send(ack)
    raw.read(4)
    data = b"".join(f.data for f in raw.frames if isinstance(f, frames.DataFrame))
    assert b"slow" in data and b"late" in data
    goaways = [f for f in raw.frames if isinstance(f, frames.GoAwayFrame)]
    assert goaways[-1].last_stream_id == 3 and raw.ended
    assert echo.process.wait(5) == 0


def test_a_drain_ends_watches_with_unavailable_and_stops_after_the_grace(start):
    echo = start("grace=1000")
    raw = Raw(echo)
    raw.send(
        raw.headers(1, grpc_headers("/grpc.health.v1.Health/Watch")),
        raw.data(1, framed(), end=True),
    )
    raw.read(2, until=lambda f: isinstance(f, frames.DataFrame))
    raw.send(raw.headers(3, grpc_headers(SERVICE + "ClientStream")), raw.data(3, framed()))
    raw.read(0.2)
    began = time.monotonic()
    echo.process.stdin.close()
    raw.read(4)
    watch = [f for f in raw.frames if isinstance(f, frames.HeadersFrame) and f.stream_id == 1]
    fields = [raw.fields(f) for f in watch]
    assert fields[-1]["grpc-status"] == "14"
    assert raw.ended and echo.process.wait(5) == 0
    assert time.monotonic() - began < 4


def test_a_drain_closes_http1_after_the_answer_and_at_once_when_idle(start):
    echo = start("grace=5000")
    idle = socket.create_connection((echo.host, echo.port), 5)
    idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    assert idle.recv(4096).startswith(b"HTTP/1.1 200")
    busy = socket.create_connection((echo.host, echo.port), 5)
    body = b'{"text":"last","delayMilliseconds":800}'
    busy.sendall(
        f"POST {UNARY} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode() + body
    )
    other = Client(echo)
    while counters(other)[0] == 0:
        pass
    echo.process.stdin.close()
    assert idle.recv(4096) == b""
    answer = b""
    while part := busy.recv(4096):
        answer += part
    assert b'"last"' in answer and b"connection: close" in answer.lower()
    other.close()
    assert echo.process.wait(6) == 0


def test_connections_above_the_limit_are_closed(start):
    echo = start("connections=2")
    one, two = Client(echo), Client(echo)
    assert one.call(grpc_headers()).grpc_status == 0
    assert two.call(grpc_headers()).grpc_status == 0
    raw = Raw(echo)
    closed_after(raw, 2)
    one.close()
    time.sleep(0.2)
    three = Client(echo)
    assert three.call(grpc_headers()).grpc_status == 0
