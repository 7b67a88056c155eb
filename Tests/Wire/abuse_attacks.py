"""Attacks on a live server, each bounded to seconds. An attack is a function of a running `Echo`; it
returns when its connection ended or was contained, and asserts what else must hold.
"""

import gzip
import time

import hyperframe.frame as frames
from wire_support import (
    PREFACE,
    SERVICE,
    UNARY,
    Client,
    Raw,
    echo_request,
    framed,
    grpc_headers,
    http1,
    varint,
)

CALM = 11


def attack(raw, make, count, batch=50, seconds=2.0):
    """Sends batches until the connection ends or enough was sent."""
    deadline = time.monotonic() + seconds
    sent = 0
    while sent < count and not raw.ended and time.monotonic() < deadline:
        raw.send(*[make(sent + i) for i in range(batch)])
        sent += batch
        raw.read(0.001)
    return sent


def assert_ended(raw, timeout=2.0):
    raw.read(timeout, until=lambda f: isinstance(f, frames.GoAwayFrame))
    raw.read(0.5)
    goaway = [f for f in raw.frames if isinstance(f, frames.GoAwayFrame)]
    raw.close()
    assert raw.ended or goaway
    return goaway[-1] if goaway else None


def flood(make, count=20_000, batch=100, prepare=None, acknowledge=True, **options):
    """An attack of one repeated item: `make(raw)` returns item number -> bytes or frame."""

    def run(echo):
        raw = Raw(echo, acknowledge=acknowledge)
        if prepare:
            prepare(raw)
        attack(raw, make(raw), count, batch, **options)
        assert_ended(raw)

    return run


def opening(raw, *more):
    """Stream after stream, each followed by `more(stream)`."""

    def make(number):
        stream = 2 * number + 1
        return raw.headers(stream).serialize() + b"".join(
            part.serialize() for m in more for part in m(stream)
        )

    return make


def rapid_reset(raw):
    return opening(raw, lambda stream: [frames.RstStreamFrame(stream, 8)])


def reset_of_closed_streams(raw):
    """CVE-2019-9514: resets of streams that have long ended."""
    raw.send(raw.headers(1), raw.data(1, framed(), end=True))
    raw.read(1, until=lambda f: f.stream_id == 1 and "END_STREAM" in f.flags)
    return lambda number: frames.RstStreamFrame(1, 8)


def window_overflow(raw):
    update = lambda stream: [frames.WindowUpdateFrame(stream, 0x7FFFFFFF)] * 2  # noqa: E731
    return opening(raw, update)


def trailers_without_end(raw):
    return opening(raw, lambda stream: [raw.headers(stream, [("x", "y")])])


def pseudo_header_in_trailers(raw):
    return opening(raw, lambda stream: [raw.headers(stream, [(":path", "/")], end=True)])


def wrong_length(raw):
    def make(number):
        stream = 2 * number + 1
        head = raw.headers(stream, grpc_headers() + [("content-length", "9")])
        return head.serialize() + raw.data(stream, b"x", end=True).serialize()

    return make


def malformed_headers(raw):
    return lambda number: raw.headers(2 * number + 1, [(":method", "GET"), ("", "x")], end=True)


def unacknowledged_streams(raw):
    return lambda number: raw.headers(2 * number + 1)


def header_bomb(raw):
    """A few bytes of HPACK that name megabytes."""
    raw.send(raw.headers(1, grpc_headers() + [("x-bomb", "v" * 3000)], end=True))

    def make(number):
        frame = raw.headers(2 * number + 3, grpc_headers(), end=True)
        frame.data += b"\xbe" * 4000
        return frame

    return make


def many_settings(raw):
    """More entries than a SETTINGS frame may sensibly have."""
    return lambda number: b"\x00\x01\x80\x04\x00\x00\x00\x00\x00" + b"\x00\x04\x00\x00\xff\xff" * 64


FLOODS = {
    "rapid-reset": flood(rapid_reset, batch=200),
    "reset-of-closed-streams": flood(reset_of_closed_streams),
    "window-overflow": flood(window_overflow, 5_000, 50),
    "trailers-without-end": flood(trailers_without_end, 5_000, 50),
    "pseudo-header-in-trailers": flood(pseudo_header_in_trailers, 5_000, 50),
    "wrong-length": flood(wrong_length, 5_000, 50),
    "malformed-headers": flood(malformed_headers, 5_000, 50),
    "unacknowledged-streams": flood(unacknowledged_streams, 5_000, 50, acknowledge=False),
    "streams-above-the-limit": flood(unacknowledged_streams, 5_000, 50, lambda raw: raw.read(0.1)),
    "settings": flood(lambda raw: lambda n: frames.SettingsFrame(0)),
    "settings-with-many-entries": flood(many_settings, 100, 1),
    "window-updates": flood(lambda raw: lambda n: frames.WindowUpdateFrame(0, 1)),
    "priorities": flood(lambda raw: lambda n: frames.PriorityFrame(n % 200 * 2 + 1, 0, 1)),
    "unknown-frames": flood(lambda raw: lambda n: b"\0\0\x08\x55\0\0\0\0\0unknown!"),
    "empty-data": flood(
        lambda raw: lambda n: raw.data(1), 100, 5, lambda raw: raw.send(raw.headers(1))
    ),
    "continuations": flood(
        lambda raw: lambda n: frames.ContinuationFrame(1, b"\x00\x01a\x01b"), 100, 1,
        lambda raw: raw.send(raw.headers(1, end_headers=False)),
    ),
    "header-bomb": flood(header_bomb, 400, 5),
}  # fmt: skip


def ping_flood(echo):
    raw = Raw(echo)
    raw.send(*[frames.PingFrame(0, b"12345678")] * 10)
    goaway = assert_ended(raw)
    assert goaway.error_code == CALM and goaway.additional_data == b"too_many_pings"


def unread_ping_flood(echo):
    """CVE-2019-9512: the answers are never read, so they would pile up."""
    raw = Raw(echo)
    raw.socket.settimeout(0.5)
    ping = frames.PingFrame(0, b"12345678").serialize() * 2_000
    for _ in range(20):
        raw.send(ping)
    raw.read(0.5)
    assert raw.ended
    raw.close()


def slow_prefaces(echo):
    raws = [Raw(echo, handshake=False) for _ in range(100)]
    for byte in PREFACE[:8]:
        for raw in raws:
            raw.send(bytes([byte]))
    for raw in raws:
        raw.close()


def reader_without_window(echo):
    """CVE-2019-9517: a hundred long answers asked for and none taken."""
    raw = Raw(echo)
    settings = frames.SettingsFrame(0)
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    raw.send(settings)
    ask = framed(echo_request(count=100_000, payload_bytes=60_000))
    for number in range(100):
        stream = 2 * number + 1
        raw.send(
            raw.headers(stream, grpc_headers(SERVICE + "ServerStream")),
            raw.data(stream, ask, end=True),
        )
    raw.read(0.4)
    raw.close()


def reader_by_the_byte(echo):
    """CVE-2019-9511: answers taken in windows of one byte."""
    raw = Raw(echo)
    settings = frames.SettingsFrame(0)
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 1}
    ask = framed(echo_request(count=100, payload_bytes=60_000))
    raw.send(settings, raw.headers(1, grpc_headers(SERVICE + "ServerStream")), raw.data(1, ask, end=True))
    for _ in range(300):
        raw.send(frames.WindowUpdateFrame(1, 1))
        raw.read(0.001)
    raw.close()


def unread_answers(echo):
    """Long unary answers asked for and none taken: above 16 MiB of them, the rest is refused."""
    raw = Raw(echo)
    settings = frames.SettingsFrame(0)
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    raw.send(settings)
    raw.read(0.1)
    ask = framed(echo_request(payload_bytes=1_000_000))
    for number in range(40):
        stream = 2 * number + 1
        raw.send(raw.headers(stream), raw.data(stream, ask, end=True))
    refused = set()

    def note(frame):
        if isinstance(frame, frames.HeadersFrame) and "END_STREAM" in frame.flags:
            refused.add(frame.stream_id)
        return len(refused) == 24

    assert raw.read(3, until=note), len(refused)
    lists = [raw.fields(f) for f in raw.frames if isinstance(f, frames.HeadersFrame)]
    raw.close()
    assert sum(fields.get("grpc-status") == "8" for fields in lists) == 24


def compressed_answers(echo):
    """Long answers asked for in gzip, which takes milliseconds each to make."""
    raw = Raw(echo)
    ask = framed(echo_request(payload_bytes=1_000_000))
    fields = grpc_headers() + [("grpc-accept-encoding", "gzip")]
    for number in range(12):
        stream = 2 * number + 1
        raw.send(raw.headers(stream, fields), raw.data(stream, ask, end=True))
    ended = set()

    def note(frame):
        if "END_STREAM" in frame.flags:
            ended.add(frame.stream_id)
        return len(ended) == 12

    assert raw.read(3, until=note), len(ended)
    raw.close()


def unfinished_messages(echo):
    """Bytes of messages that never end are given back to flow control, so they have a limit of their own."""
    client = Client(echo)
    big = b"\0" + (4_000_000).to_bytes(4, "big")
    streams = [client.start(grpc_headers(), big, end=False) for _ in range(8)]
    piece = b"\0" * 16384
    deadline = time.monotonic() + 3

    def refused():
        return any(client.replies[stream].grpc_status == 8 for stream in streams)

    while not refused() and time.monotonic() < deadline:
        for stream in streams:
            if client.replies[stream].ended or client.replies[stream].reset is not None:
                continue
            if client.h2.local_flow_control_window(stream) >= len(piece):
                client.h2.send_data(stream, piece)
        try:
            client.flush()
        except OSError:
            break
        client.pump(0)
    client.close()
    assert refused()


def packed(size, delay=0):
    """An EchoRequest of zeros, as small as gzip makes it."""
    return gzip.compress(echo_request(delay=delay) + b"\x4a" + varint(size) + b"\0" * size)


BOMB = packed(8 << 20)
# The last four bytes claim less than there is.
LYING = BOMB[:-4] + (4_000_000).to_bytes(4, "little")
FITTING = packed(4_000_000, delay=500)
GZIP = grpc_headers() + [("grpc-encoding", "gzip")]


def zip_bombs(echo):
    client = Client(echo)
    for _ in range(10):
        assert client.call(GZIP, framed(BOMB, flags=1)).grpc_status == 8
    client.close()


def zip_bombs_that_lie(echo):
    """What is claimed is within the limit, so that it takes inflating to find out."""
    client = Client(echo)
    for _ in range(10):
        assert client.call(GZIP, framed(LYING, flags=1)).grpc_status == 13
    client.close()


def zip_bombs_that_fit(echo):
    """Each is below the limit of a message; together they would be 160 megabytes, twice."""
    raw = Raw(echo)
    raw.read(0.2)
    body = framed(FITTING, flags=1)
    for number in range(40):
        stream = 2 * number + 1
        raw.send(raw.headers(stream, GZIP), raw.data(stream, body, end=True))
    ended = set()

    def note(frame):
        if "END_STREAM" in frame.flags:
            ended.add(frame.stream_id)
        return len(ended) == 40

    raw.read(5, until=note)
    lists = [raw.fields(f) for f in raw.frames if isinstance(f, frames.HeadersFrame)]
    raw.close()
    assert sum(fields.get("grpc-status") == "8" for fields in lists) >= 30


def zip_bombs_over_http1(echo):
    head = (
        f"POST {UNARY} HTTP/1.1\r\nhost: a\r\ncontent-type: application/proto\r\nconnection: close\r\n"
        f"content-encoding: gzip\r\ncontent-length: {len(BOMB)}\r\n\r\n"
    ).encode()
    for _ in range(5):
        answer, _ = http1(echo, head + BOMB)
        assert answer.startswith(b"HTTP/1.1 429")


def requests_never_taken(echo):
    """Long messages to a handler that waits: each but its last piece has left the window when it is whole."""
    client = Client(echo)
    first = framed(echo_request(delay=2_000))
    streams = [client.start(grpc_headers(SERVICE + "ClientStream"), first, end=False) for _ in range(4)]
    message = framed(b"\x4a" + varint(3_000_000) + b"\0" * 3_000_000)
    sent = dict.fromkeys(streams, 0)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline and not client.ended:
        for stream in streams:
            room = min(client.h2.local_flow_control_window(stream), 16_384)
            if room > 0:
                start = sent[stream] % len(message)
                piece = message[start : start + room]
                client.h2.send_data(stream, piece)
                sent[stream] += len(piece)
        client.flush()
        client.pump(0.001)
    client.close()


def deep_json(echo):
    client = Client(echo)
    fields = grpc_headers(drop=("content-type",)) + [("content-type", "application/json")]
    for _ in range(5):
        assert client.call(fields, b'{"text":' + b"[" * 16_000).http_status == 400
    client.close()


def endless_head_over_http1(echo):
    raw = Raw(echo, handshake=False)
    raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n")
    for number in range(2_000):
        raw.send(b"x-%d: %s\r\n" % (number, b"y" * 500))
        if raw.ended:
            break
    raw.socket.settimeout(2)
    try:
        while raw.socket.recv(65536):
            pass
    except OSError:
        pass
    raw.close()


def endless_chunk_extension(echo):
    raw = Raw(echo, handshake=False)
    raw.send(
        b"POST " + UNARY.encode() + b" HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n1;"
    )
    for _ in range(200):
        raw.send(b"x" * 16_384)
    raw.read(1)
    assert raw.ended
    raw.close()


def many_connections(echo):
    for _ in range(200):
        Raw(echo).close()


OTHERS = [
    ping_flood, unread_ping_flood, slow_prefaces, reader_without_window, reader_by_the_byte, unread_answers,
    compressed_answers, unfinished_messages, zip_bombs, zip_bombs_that_lie, zip_bombs_that_fit, zip_bombs_over_http1, requests_never_taken, deep_json, endless_head_over_http1,
    endless_chunk_extension, many_connections,
]  # fmt: skip
ATTACKS = {**FLOODS, **{run.__name__.replace("_", "-"): run for run in OTHERS}}


# The same at methods that are wrong on purpose (Sources/wire-echo/Mutants.swift): the suite must see it.

MUTANT = "/wire.echo.v1.MutantService/"


def asked_together(path, message, count):
    """As `unread_answers`: only the heads of the answers come."""

    def run(echo):
        raw = Raw(echo)
        settings = frames.SettingsFrame(0)
        settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 0}
        raw.send(settings)
        for stream in range(1, 2 * count, 2):
            raw.send(raw.headers(stream, grpc_headers(path)), raw.data(stream, framed(message), end=True))
        heads = set()

        def note(frame):
            if isinstance(frame, frames.HeadersFrame):
                heads.add(frame.stream_id)
            return len(heads) == count

        assert raw.read(5, until=note), len(heads)
        raw.close()

    return run


MUTANTS = {
    "answers-made-on-the-loop": asked_together(
        MUTANT + "AnswerOnLoop", echo_request(payload_bytes=4_000_000), 60),
    "bombs-inflated-on-the-loop": asked_together(
        MUTANT + "InflateOnLoop", b"\x4a" + varint(len(FITTING)) + FITTING, 12),
}  # fmt: skip
