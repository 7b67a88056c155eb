"""Attacks on a live server: each must end or be slowed within two seconds, and an honest client on
another connection must not notice.

Run with pytest; WIRE_ECHO names the wire-echo program.
"""

import time

import hyperframe.frame as frames
import pytest
from wire_support import SERVICE, Client, Echo, Raw, echo_request, framed, grpc_headers, http1

CALM = 11


@pytest.fixture(scope="module")
def echo():
    server = Echo()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def honest(echo):
    """Calls on its own connection before and after the attack, and measures the latter."""
    client = Client(echo)
    assert client.call(grpc_headers()).grpc_status == 0
    yield
    began = time.monotonic()
    assert client.call(grpc_headers()).grpc_status == 0
    assert time.monotonic() - began < 0.5
    client.close()


def attack(raw, make, count, batch=50, seconds=2.0):
    """Sends batches until the connection ends; the number of items sent before."""
    deadline = time.monotonic() + seconds
    sent = 0
    while sent < count and not raw.ended and time.monotonic() < deadline:
        raw.send(*[make(sent + i) for i in range(batch)])
        sent += batch
        raw.read(0.001)
    return sent


def ended(raw, timeout=2.0):
    raw.read(timeout, until=lambda f: isinstance(f, frames.GoAwayFrame))
    raw.read(0.5)
    return raw.ended or any(isinstance(f, frames.GoAwayFrame) for f in raw.frames)


def open_and_reset(raw):
    def make(number):
        stream = 2 * number + 1
        reset = frames.RstStreamFrame(stream, 8)
        return raw.headers(stream).serialize() + reset.serialize()

    return make


def test_rapid_reset_ends_the_connection(echo):
    raw = Raw(echo)
    attack(raw, open_and_reset(raw), 20_000, batch=200)
    assert ended(raw)


def test_resets_forced_by_window_overflow_end_the_connection(echo):
    raw = Raw(echo)

    def make(number):
        stream = 2 * number + 1
        update = frames.WindowUpdateFrame(stream, 0x7FFFFFFF)
        return raw.headers(stream).serialize() + update.serialize() * 2

    attack(raw, make, 5_000)
    assert ended(raw)


def test_resets_forced_by_bad_trailers_end_the_connection(echo):
    raw = Raw(echo)

    def make(number):
        stream = 2 * number + 1
        trailers = raw.headers(stream, [("x", "y")])
        return raw.headers(stream).serialize() + trailers.serialize()

    attack(raw, make, 5_000)
    assert ended(raw)


def test_resets_forced_by_a_wrong_length_end_the_connection(echo):
    raw = Raw(echo)

    def make(number):
        stream = 2 * number + 1
        head = raw.headers(stream, grpc_headers() + [("content-length", "9")])
        return head.serialize() + raw.data(stream, b"x", end=True).serialize()

    attack(raw, make, 5_000)
    assert ended(raw)


def test_malformed_headers_end_the_connection(echo):
    raw = Raw(echo)

    def make(number):
        return raw.headers(2 * number + 1, [(":method", "GET"), ("", "x")], end=True)

    attack(raw, make, 5_000)
    assert ended(raw)


def test_refused_streams_end_the_connection(echo):
    """Never acknowledging SETTINGS makes every stream above the limit a refusal."""
    raw = Raw(echo, acknowledge=False)
    attack(raw, lambda number: raw.headers(2 * number + 1), 5_000)
    assert ended(raw)


def test_a_ping_flood_ends_with_the_text_that_clients_know(echo):
    raw = Raw(echo)
    attack(raw, lambda number: frames.PingFrame(0, b"12345678"), 100, batch=10)
    goaway = raw.goaway()
    assert goaway.error_code == CALM and goaway.additional_data == b"too_many_pings"


@pytest.mark.parametrize(
    "frame",
    [
        lambda raw: frames.SettingsFrame(0),
        lambda raw: frames.WindowUpdateFrame(0, 1),
        lambda raw: frames.PriorityFrame(1, depends_on=0, stream_weight=1),
        lambda raw: b"\x00\x00\x08\x55\x00\x00\x00\x00\x00unknown!",
    ],
    ids=["settings", "window-update", "priority", "unknown"],
)
def test_floods_of_useless_frames_end_the_connection(echo, frame):
    raw = Raw(echo)
    attack(raw, lambda number: frame(raw), 20_000, batch=100)
    assert ended(raw)


def test_empty_data_ends_the_connection(echo):
    raw = Raw(echo)
    raw.send(raw.headers(1))
    attack(raw, lambda number: raw.data(1), 100, batch=5)
    assert ended(raw)


def test_a_continuation_flood_ends_the_connection(echo):
    raw = Raw(echo)
    raw.send(raw.headers(1, end_headers=False))
    attack(raw, lambda number: frames.ContinuationFrame(1, b"\x00\x01a\x01b"), 100, batch=1)
    assert ended(raw)


def test_header_bombs_are_refused_and_then_end_the_connection(echo):
    raw = Raw(echo)
    raw.send(raw.headers(1, grpc_headers() + [("x-bomb", "v" * 3000)], end=True))
    index = b"\xbe"

    def make(number):
        frame = raw.headers(2 * number + 3, grpc_headers(), end=True)
        frame.data += index * 4000
        return frame

    attack(raw, make, 400, batch=5)
    assert ended(raw)


def test_a_reader_without_window_keeps_nobody_from_being_served(echo):
    raw = Raw(echo)
    settings = frames.SettingsFrame(0)
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    raw.send(settings)
    for number in range(100):
        raw.send(
            raw.headers(2 * number + 1, grpc_headers(SERVICE + "ServerStream")),
            raw.data(2 * number + 1, framed(echo_request(count=100000, payload_bytes=60000)), end=True),
        )
    raw.read(0.5)
    client = Client(echo)
    began = time.monotonic()
    assert client.call(grpc_headers()).grpc_status == 0
    assert time.monotonic() - began < 0.5
    client.close()
    raw.close()


def test_many_unfinished_messages_are_bounded(echo):
    client = Client(echo)
    big = b"\0" + (4_000_000).to_bytes(4, "big")
    streams = [client.start(grpc_headers(), big, end=False) for _ in range(8)]
    piece = b"\0" * 16384
    deadline = time.monotonic() + 5
    refused = None
    while refused is None and time.monotonic() < deadline:
        for stream in streams:
            reply = client.replies[stream]
            if reply.grpc_status == 8:
                refused = stream
                break
            if client.h2.local_flow_control_window(stream) >= len(piece):
                client.h2.send_data(stream, piece)
        try:
            client.flush()
        except OSError:
            break
        client.pump(0)
    assert refused is not None
    client.close()


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


def counters(client):
    """Handlers started and cancelled so far."""
    data = client.call(grpc_headers(SERVICE + "Counters")).data[5:]
    values = {1: 0, 2: 0}
    index = 0
    while index < len(data):
        field = data[index] >> 3
        index += 1
        value = shift = 0
        while True:
            byte = data[index]
            index += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        values[field] = value
    return values[1], values[2]


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


def test_pipelined_requests_are_answered_in_order(echo):
    one = b"GET /hello?%d HTTP/1.1\r\nhost: a\r\n\r\n"
    answer, _ = http1(echo, b"".join(one % n for n in range(5)))
    places = [answer.find(b"hello GET %d" % n) for n in range(5)]
    assert -1 not in places and places == sorted(places)


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
