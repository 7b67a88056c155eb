"""What the server answers to exact frames: the rules of gRPC over HTTP/2 where servers differ.

Run with pytest; WIRE_ECHO names the wire-echo program.
"""

import gzip
import time

import hyperframe.frame as frames
import pytest
from wire_support import (
    SERVICE,
    UNARY,
    Client,
    Echo,
    Raw,
    echo_request,
    framed,
    grpc_headers,
    http1,
    unbase64,
)


@pytest.fixture(scope="module")
def echo():
    server = Echo("cors=https://app.example")
    yield server
    server.stop()


@pytest.fixture
def client(echo):
    connection = Client(echo)
    yield connection
    connection.close()


def with_fields(*extra, drop=(), path=UNARY):
    return grpc_headers(path, drop=drop) + list(extra)


# Content types and methods


def test_content_types_that_are_grpc_are_echoed(client):
    for kind in ("application/grpc", "application/grpc+proto", "Application/GRPC"):
        reply = client.call(with_fields(("content-type", kind), drop=("content-type",)))
        assert reply.http_status == 200 and reply.grpc_status == 0
        assert dict(reply.headers)["content-type"] == kind


@pytest.mark.parametrize(
    "kind", ["image/jpeg", "application/grpc+foo", "application/grpcfoo", "", None]
)
def test_other_content_types_get_415_and_a_list(client, kind):
    extra = [] if kind is None else [("content-type", kind)]
    reply = client.call(with_fields(*extra, drop=("content-type",)))
    assert reply.http_status == 415
    assert "application/grpc" in dict(reply.headers)["accept-post"]


def test_json_is_connect_unary(client):
    reply = client.call(
        with_fields(("content-type", "application/json"), drop=("content-type", "te")),
        b'{"text":"x"}',
    )
    assert reply.http_status == 200 and b'"text":"x"' in reply.data


def test_get_with_a_grpc_content_type_gets_405(client):
    reply = client.call([(":method", "GET")] + with_fields(drop=(":method",)), None)
    assert reply.http_status == 405 and "POST" in dict(reply.headers)["allow"]


def test_te_may_be_absent(client):
    assert client.call(with_fields(drop=("te",))).grpc_status == 0


@pytest.mark.parametrize("path", ["/no.Such/Method", SERVICE + "Nothing", "/a/b/c", "/x", UNARY.lower()])
def test_unknown_methods_are_unimplemented(client, path):
    reply = client.call(grpc_headers(path))
    assert (reply.http_status, reply.grpc_status) == (200, 12)
    assert reply.header_lists == 1


# Timeouts


@pytest.mark.parametrize("text", ["123456789S", "1x", "-1S", "S", "", "1.5S"])
def test_malformed_timeouts_are_internal_errors(client, text):
    reply = client.call(with_fields(("grpc-timeout", text)))
    assert (reply.http_status, reply.grpc_status, reply.header_lists) == (200, 13, 1)


def test_zero_time_has_expired(client):
    assert client.call(with_fields(("grpc-timeout", "0n"))).grpc_status == 4


def test_the_longest_time_does_not_overflow(client):
    assert client.call(with_fields(("grpc-timeout", "99999999H"))).grpc_status == 0


def test_a_deadline_ends_a_slow_call(client):
    began = time.monotonic()
    reply = client.call(with_fields(("grpc-timeout", "100m")), framed(echo_request(delay=5000)))
    assert reply.grpc_status == 4 and reply.header_lists == 1
    assert 0.09 < time.monotonic() - began < 1


def test_a_deadline_between_messages_ends_in_trailers(client):
    reply = client.call(
        with_fields(("grpc-timeout", "250m"), path=SERVICE + "ServerStream"),
        framed(echo_request(count=100, delay=100)),
    )
    assert reply.grpc_status == 4 and reply.trailers is not None and reply.data


def test_a_deadline_inside_a_message_resets_the_stream(echo):
    """Trailers would stand behind bytes that the caller does not take."""
    raw = Raw(echo)
    settings = frames.SettingsFrame(0)
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 100}
    fields = with_fields(("grpc-timeout", "300m"), path=SERVICE + "ServerStream")
    ask = framed(echo_request(count=100, payload_bytes=5000))
    raw.send(settings, raw.headers(1, fields), raw.data(1, ask, end=True))
    reset = raw.read(3, until=lambda f: isinstance(f, frames.RstStreamFrame))
    assert reset is not None and reset.error_code == 8
    raw.close()


def test_te_with_another_value_is_malformed(client):
    stream = client.start(with_fields(("te", "gzip"), drop=("te",)), framed())
    assert client.wait(stream).reset == 1
    assert client.call(grpc_headers()).grpc_status == 0


# Compression


def test_an_unknown_encoding_is_unimplemented_and_the_known_ones_are_named(client):
    reply = client.call(with_fields(("grpc-encoding", "br")))
    assert reply.grpc_status == 12
    assert dict(reply.headers)["grpc-accept-encoding"] == "identity,gzip"


@pytest.mark.parametrize("extra", [[], [("grpc-encoding", "identity")]])
def test_a_compressed_message_needs_an_encoding(client, extra):
    reply = client.call(with_fields(*extra), framed(gzip.compress(b""), flags=1))
    assert reply.grpc_status == 13


def test_gzip_is_read(client):
    body = framed(gzip.compress(echo_request(text="packed")), flags=1)
    reply = client.call(with_fields(("grpc-encoding", "gzip")), body)
    assert reply.grpc_status == 0 and b"packed" in reply.data


def test_damaged_gzip_is_an_internal_error(client):
    reply = client.call(with_fields(("grpc-encoding", "gzip")), framed(b"not gzip", flags=1))
    assert reply.grpc_status == 13


def test_a_bomb_stops_at_the_limit(client):
    body = framed(gzip.compress(b"\x4a" + b"\0" * (8 << 20)), flags=1)
    assert client.call(with_fields(("grpc-encoding", "gzip")), body).grpc_status == 8


def test_long_answers_are_compressed_for_who_asked(client):
    body = framed(echo_request(payload_bytes=5000))
    asked = client.call(with_fields(("grpc-accept-encoding", "gzip")), body)
    assert asked.data[0] == 1 and dict(asked.headers)["grpc-encoding"] == "gzip"
    assert b"x" * 5000 in gzip.decompress(asked.data[5:])
    plain = client.call(with_fields(), body)
    assert plain.data[0] == 0 and "grpc-encoding" not in dict(plain.headers)
    short = client.call(with_fields(("grpc-accept-encoding", "gzip")))
    assert "grpc-encoding" not in dict(short.headers)


# Framing and cardinality


def test_undefined_flags_are_internal_errors(client):
    assert client.call(grpc_headers(), framed(flags=2)).grpc_status == 13


def test_a_truncated_message_is_an_internal_error(client):
    assert client.call(grpc_headers(), b"\0\0\0\0\x05abc").grpc_status == 13


@pytest.mark.parametrize("body", [b"", framed() + framed()])
def test_a_unary_call_takes_exactly_one_message(client, body):
    assert client.call(grpc_headers(), body).grpc_status == 12


def test_no_message_with_end_on_the_headers(client):
    assert client.call(grpc_headers(), None).grpc_status == 12


def test_an_unreadable_message_is_an_internal_error(client):
    assert client.call(grpc_headers(), framed(b"\xff\xff\xff")).grpc_status == 13


def test_messages_may_be_split_anywhere(echo):
    raw = Raw(echo)
    body = framed(echo_request(text="in pieces"))
    raw.send(raw.headers(1))
    for byte in body:
        raw.send(raw.data(1, bytes([byte])))
    raw.send(raw.data(1, b"", end=True))
    raw.read(2, until=lambda f: f.stream_id == 1 and "END_STREAM" in f.flags)
    data = b"".join(f.data for f in raw.frames if isinstance(f, frames.DataFrame))
    assert b"in pieces" in data
    raw.close()


def test_a_claimed_length_above_the_limit_is_refused_before_the_body(client):
    stream = client.start(grpc_headers(), b"\0" + (5 << 20).to_bytes(4, "big"), end=False)
    reply = client.wait(stream, until=lambda: client.replies[stream].reset is not None)
    assert reply.grpc_status == 8 and reply.header_lists == 1
    assert reply.reset == 0
    assert client.call(grpc_headers()).grpc_status == 0


def test_an_early_answer_to_an_open_request_resets_without_error(client):
    stream = client.start(
        grpc_headers(SERVICE + "ClientStream"), framed(echo_request(fail=5)), end=False
    )
    reply = client.wait(stream, until=lambda: client.replies[stream].reset is not None)
    assert reply.grpc_status == 5 and reply.reset == 0


def test_large_bodies_pass_through_small_windows(client):
    size = 2_000_000
    message = b"\x4a" + bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14]) + b"p" * size
    body = framed(message)
    stream = client.start(grpc_headers(), b"", end=False)
    sent = 0
    while sent < len(body):
        room = min(
            client.h2.local_flow_control_window(stream),
            client.h2.max_outbound_frame_size,
            len(body) - sent,
        )
        if room == 0:
            assert client.pump(3)
            continue
        client.h2.send_data(stream, body[sent : sent + room], end_stream=sent + room == len(body))
        client.flush()
        sent += room
    assert client.wait(stream).grpc_status == 0


# Metadata


def test_bad_base64_is_an_internal_error(client):
    assert client.call(with_fields(("x-echo-bin", "a"))).grpc_status == 13
    assert client.call(with_fields(("x-echo-bin", "!!!!"))).grpc_status == 13


def test_binary_values_may_be_padded_or_not(client):
    for text in ("AAE=", "AAE", "AAE=,AAE"):
        assert client.call(with_fields(("x-echo-bin", text))).grpc_status == 0


def test_metadata_above_the_limit_is_refused_in_the_protocol(client):
    big = [(f"x-big-{i}", "v" * 1000) for i in range(20)]
    assert client.call(grpc_headers() + big).grpc_status == 8
    many = [(f"x-{i}", "v") for i in range(200)]
    assert client.call(grpc_headers() + many).grpc_status == 8
    reply = client.call(with_fields(("content-type", "application/json"), drop=("content-type",)) + big)
    assert reply.http_status == 431
    assert client.call(grpc_headers()).grpc_status == 0


def test_two_hosts_are_refused(client):
    assert client.call(with_fields(("host", "a"), ("host", "b"))).grpc_status in (13, None)
    assert client.call(with_fields(("host", "a"))).grpc_status == 0


# Errors


def test_errors_before_a_message_are_one_header_list(client):
    reply = client.call(grpc_headers(), framed(echo_request(fail=7)))
    assert reply.grpc_status == 7 and reply.header_lists == 1 and reply.ended


def test_errors_after_messages_are_trailers(client):
    reply = client.call(
        grpc_headers(SERVICE + "ServerStream"), framed(echo_request(count=2, fail=9))
    )
    assert reply.grpc_status == 9 and reply.header_lists == 2 and reply.data


def test_messages_are_percent_encoded(client):
    message = b"\x32\x07a%\xe2\x98\x83\n~"
    reply = client.call(grpc_headers(), framed(echo_request(fail=5) + message))
    assert reply.field("grpc-message") == "a%25%E2%98%83%0A~"


def test_details_are_unpadded_base64_of_a_status(client):
    reply = client.call(grpc_headers(), framed(echo_request(fail=5) + b"\x3a\x01R"))
    text = reply.field("grpc-status-details-bin")
    assert "=" not in text
    status = unbase64(text)
    assert status[:2] == b"\x08\x05" and b"type.googleapis.com/google.rpc.ErrorInfo" in status


def test_a_plain_error_says_nothing_of_itself(client):
    reply = client.call(grpc_headers(), framed(b"\x40\x01"))
    assert reply.grpc_status == 2 and "Plain" not in reply.field("grpc-message")


# Flow control


def test_trailers_follow_even_when_the_window_is_used_up(echo):
    """An answer exactly as long as the window must not wait for more of it."""
    raw = Raw(echo, handshake=False)
    raw.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    probe = Raw(echo)
    probe.send(probe.headers(1), probe.data(1, framed(echo_request(payload_bytes=300)), end=True))
    probe.read(2, until=lambda f: f.stream_id == 1 and "END_STREAM" in f.flags)
    size = sum(len(f.data) for f in probe.frames if isinstance(f, frames.DataFrame))
    probe.close()
    settings = frames.SettingsFrame(0)
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: size}
    raw.send(settings, raw.headers(1), raw.data(1, framed(echo_request(payload_bytes=300)), end=True))
    end = raw.read(2, until=lambda f: f.stream_id == 1 and "END_STREAM" in f.flags)
    assert isinstance(end, frames.HeadersFrame)
    raw.close()


@pytest.mark.parametrize("by_settings", [False, True])
def test_a_long_answer_arrives_through_a_small_window(echo, by_settings):
    """However long the queue: the WINDOW_UPDATE or SETTINGS that let it go must be read."""
    size = 2_000_000
    raw = Raw(echo)
    raw.send(raw.headers(1), raw.data(1, framed(echo_request(payload_bytes=size)), end=True))

    def received():
        return sum(len(f.data) for f in raw.frames if isinstance(f, frames.DataFrame))

    raw.read(3, until=lambda f: received() >= 65535)
    settings = frames.SettingsFrame(0)
    settings.settings = {frames.SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 24}
    raw.send(frames.WindowUpdateFrame(0, 1 << 24))
    raw.send(settings if by_settings else frames.WindowUpdateFrame(1, 1 << 24))
    assert raw.read(5, until=lambda f: f.stream_id == 1 and "END_STREAM" in f.flags) is not None
    assert received() > size
    raw.close()


def test_a_slow_reader_suspends_the_producer(echo):
    raw = Raw(echo)
    raw.send(
        raw.headers(1, grpc_headers(SERVICE + "ServerStream")),
        raw.data(1, framed(echo_request(count=100000, payload_bytes=1000)), end=True),
    )
    raw.read(0.7)
    received = sum(len(f.data) for f in raw.frames if isinstance(f, frames.DataFrame))
    assert received == 65535
    honest = Client(echo)
    assert honest.call(grpc_headers()).grpc_status == 0
    honest.close()
    raw.close()


# Connection


def test_a_skipped_stream_id_may_not_come_later(echo):
    raw = Raw(echo)
    raw.send(raw.headers(5), raw.data(5, framed(), end=True))
    raw.read(1, until=lambda f: f.stream_id == 5 and "END_STREAM" in f.flags)
    raw.send(raw.headers(3), raw.data(3, framed(), end=True))
    assert raw.goaway().error_code == 1
    raw.close()


def test_nothing_is_sent_before_the_preface(echo):
    raw = Raw(echo, handshake=False)
    assert raw.read(0.3) is None and not raw.frames
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":
        raw.send(bytes([byte]))
        time.sleep(0.002)
    raw.send(frames.SettingsFrame(0))
    assert isinstance(raw.read(1, until=lambda f: True), frames.SettingsFrame)
    raw.close()


def test_garbage_is_answered_with_nothing(echo):
    answer, closed = http1(echo, b"\x16\x03\x01\x02\x00garbage\r\n\r\n")
    assert answer == b"" and closed
    answer, closed = http1(echo, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
    assert answer == b"" and closed


def test_what_was_under_way_when_we_answered_is_no_offence(client):
    """The rest of a large body, sent before the early answer was read, must not end the connection."""
    client.linger(0.2)  # the larger window comes with the server's SETTINGS
    body = b"\0" + (5 << 20).to_bytes(4, "big") + b"z" * 200_000
    stream = client.start(grpc_headers(), b"", end=False)
    for start in range(0, len(body), 16384):
        client.h2.send_data(stream, body[start : start + 16384])
    client.flush()
    reply = client.wait(stream, until=lambda: client.replies[stream].reset is not None)
    assert reply.grpc_status == 8
    client.linger(0.2)
    assert client.call(grpc_headers()).grpc_status == 0
