"""Attacks on a live server. Each is bounded to seconds, must end or be contained, must leave the
server's memory bounded, and must not be felt by an honest client on another connection.

Run with pytest; WIRE_ECHO_OPTIMIZED names the wire-echo program of an optimized build: one without
optimization does the same work several times as slowly, and hides what an attack costs among what
the build does. WIRE_ECHO is taken in its place where it is not set.
"""

import os
import time

import hyperframe.frame as frames
import pytest
from abuse_attacks import ATTACKS, MUTANTS, assert_ended
from abuse_measure import MEMORY_BYTES, measure
from wire_support import (
    Client,
    Echo,
    Raw,
    counters,
    echo_request,
    framed,
    grpc_headers,
    http1,
)


def start():
    return Echo(binary=os.environ.get("WIRE_ECHO_OPTIMIZED"))


@pytest.fixture(scope="module")
def echo():
    server = start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def spare():
    """Takes the attacks of the controls."""
    server = start()
    yield server
    server.stop()


def harm(echo, spare, run):
    """What was measured, if it is harm: by the first measurement, and by two of three."""
    seen = []
    for _ in range(3):
        figures = measure(echo, spare, run)
        assert figures.growth < MEMORY_BYTES, f"memory grew by {figures.growth >> 20} MiB"
        if figures.is_harm:
            seen.append(str(figures))
        elif not seen:
            return None
    return "; ".join(seen) if len(seen) > 1 else None


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(echo, spare, name):
    found = harm(echo, spare, ATTACKS[name])
    assert not found, f"the honest client waited, p99: {found}"


@pytest.mark.parametrize("name", MUTANTS)
def test_the_harm_of_a_broken_server_is_seen(echo, spare, name):
    """Methods that do on the event loop what must not be done there. Here it is the noise of a busy
    machine that could hide something, so one measurement of three has to see it."""
    seen = [measure(echo, spare, MUTANTS[name]) for _ in range(3)]
    assert any(figures.is_harm for figures in seen), f"such a server would be missed: {seen}"


# Faults that end the connection at once


def closed_stream(raw):
    raw.send(raw.headers(1), raw.data(1, framed(), end=True))
    raw.read(1, until=lambda f: f.stream_id == 1 and "END_STREAM" in f.flags)


@pytest.mark.parametrize(
    "send",
    [
        lambda raw: raw.send(b"\0\0\x04\x08\0\0\0\0\0" + b"\0\0\0\0"),
        lambda raw: (closed_stream(raw), raw.send(raw.data(1, b"x"))),
        lambda raw: (closed_stream(raw), raw.send(raw.headers(1))),
        lambda raw: raw.send(b"\0\0\x04\x02\0\0\0\0\x01\0\0\0\0"),
        lambda raw: raw.send(raw.headers(1), frames.PriorityFrame(1, depends_on=1, stream_weight=1)),
        lambda raw: raw.send(*[frames.WindowUpdateFrame(0, 0x7FFFFFFF)] * 2),
        lambda raw: raw.send(raw.headers(2)),
        lambda raw: raw.send(frames.PushPromiseFrame(1, 2, b"")),
        lambda raw: raw.send(b"\0\x80\0\0\0\0\0\0\x01" + b"x" * 32768),
    ],
    ids=["increment-0", "data-after-end", "headers-after-end", "short-priority", "own-parent",
         "window-overflow", "even-id", "push", "frame-size"],
)  # fmt: skip
def test_a_fault_of_the_connection_ends_it(echo, send):
    raw = Raw(echo)
    send(raw)
    goaway = assert_ended(raw)
    if goaway is None:
        # Bad lengths and self-parents may also be faults of the stream alone.
        raise AssertionError("no GOAWAY")
    assert goaway.error_code in (1, 3, 5, 6)


def test_a_reset_cancels_the_handler(echo):
    client = Client(echo)
    before = counters(client)
    for _ in range(20):
        stream = client.start(grpc_headers(), framed(echo_request(delay=5000)))
        client.linger(0.01)
        client.h2.reset_stream(stream, 8)
        client.flush()
    # A reset that arrives together with its request starts no handler at all.
    deadline = time.monotonic() + 3
    started, cancelled = 0, -1
    while time.monotonic() < deadline and started != cancelled:
        now = counters(client)
        started, cancelled = now[0] - before[0], now[1] - before[1]
    assert started == cancelled and 0 < started <= 20
    client.close()


# HTTP/1.1


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431),
        (b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999\r\n\r\n", 413),
    ],
    ids=["smuggling", "no-host", "two-hosts", "large-field", "many-fields", "large-body"],
)
def test_bad_http1_requests_are_refused_and_closed(echo, request_bytes, status):
    answer, closed = http1(echo, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d" % status) or (answer == b"" and status in (400, 431))
    assert closed


def test_chunks_of_one_byte_are_no_abuse(echo):
    body = b'{"text":"%s"}' % (b"x" * 20_000)
    head = (
        b"POST /wire.echo.v1.EchoService/Unary HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    answer, _ = http1(echo, head + chunks)
    assert answer.startswith(b"HTTP/1.1 200")


def test_expect_is_answered_at_once(echo):
    head = (
        b"POST /wire.echo.v1.EchoService/Unary HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"content-length: 2\r\nexpect: 100-continue\r\n\r\n"
    )
    answer, _ = http1(echo, head)
    assert answer.startswith(b"HTTP/1.1 100")


def test_a_connect_body_above_the_limit_is_refused_in_the_protocol(echo):
    head = (
        b"POST /wire.echo.v1.EchoService/Unary HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"content-length: 9999999\r\n\r\n"
    )
    answer, closed = http1(echo, head)
    assert answer.startswith(b"HTTP/1.1 429") and b'"resource_exhausted"' in answer and closed
