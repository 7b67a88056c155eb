"""The same rules in gRPC, gRPC-Web and Connect, over HTTP/2 and over HTTP/1.1.

Run with pytest; WIRE_ECHO names the wire-echo program.
"""

import gzip
import time

import pytest
from protocols import CODES, HTTP_STATUS, Wire, read_fields, unpadded
from wire_support import SERVICE, Client, Echo, echo_request, framed, varint

LIMIT = 100_000
ROADS = [
    ("grpc", "h2"), ("web", "h2"), ("web", "http1"), ("connect", "h2"), ("connect", "http1"),
]  # fmt: skip
METADATA = b"\x50\x01"  # EchoRequest.echo_metadata


@pytest.fixture(scope="module", params=["task", "pending"])
def echo(request):
    """Each test with a handler that is a task, and with one that begins on the loop."""
    server = Echo(f"message-bytes={LIMIT}", f"unary={request.param}")
    yield server
    server.stop()


@pytest.fixture(scope="module", params=ROADS, ids=["-".join(road) for road in ROADS])
def wire(request, echo):
    road = Wire(echo, *request.param)
    yield road
    road.close()


def code_of(wire, grpc, connect):
    """The code of a fault that the protocols class differently."""
    return connect if wire.protocol == "connect" else grpc


def texts(outcome):
    return [dict(read_fields(m)).get(1, b"") for m in outcome.messages]


# Shapes


def test_all_four_shapes(wire):
    one = wire.call("Unary", [echo_request(text="one")])
    assert (one.code, texts(one)) == (0, [b"one"])
    many = wire.call("ServerStream", [echo_request(text="m", count=3)])
    assert (many.code, texts(many)) == (0, [b"m"] * 3)
    assert [dict(read_fields(m)).get(3, 0) for m in many.messages] == [0, 1, 2]
    taken = wire.call("ClientStream", [echo_request(text=t) for t in "abc"])
    assert (taken.code, texts(taken)) == (0, [b"c"])
    assert dict(read_fields(taken.messages[0]))[4] == 3
    both = wire.call("Bidi", [echo_request(text=t) for t in "abc"])
    if wire.transport == "http1":
        assert both.http_status == 505 and both.header("connection") == ["close"]
    else:
        assert (both.code, texts(both)) == (0, [b"a", b"b", b"c"])


def test_full_duplex(wire):
    """Each answer comes before the next question is asked, in every protocol that HTTP/2 carries."""
    if wire.transport == "http1":
        pytest.skip("bidirectional streams need HTTP/2")
    client = Client(wire.echo)
    head = [(":method", "POST"), (":scheme", "http"), (":path", SERVICE + "Bidi"), (":authority", "a")]
    stream = client.start(head + [("content-type", wire.content_type(streaming=True))], b"", end=False)
    reply = client.replies[stream]
    for text in ("one", "two", "three"):
        client.h2.send_data(stream, framed(echo_request(text=text)))
        client.flush()
        client.wait(stream, until=lambda: text.encode() in reply.data)
        assert text.encode() in reply.data and not reply.ended
    client.h2.end_stream(stream)
    client.flush()
    client.wait(stream)
    headers = [(k, v) for k, v in reply.headers if not k.startswith(":")]
    outcome = wire.outcome(True, reply.http_status, headers, reply.data, reply.trailers)
    assert (outcome.code, texts(outcome)) == (0, [b"one", b"two", b"three"])
    client.close()


def test_streams_of_nothing(wire):
    none = wire.call("ServerStream", [echo_request()])
    assert (none.code, none.messages) == (0, [])
    taken = wire.call("ClientStream", [])
    assert taken.code == 0 and len(taken.messages) == 1
    if wire.transport == "h2":
        silent = wire.call("Bidi", [])
        assert (silent.code, silent.messages) == (0, [])


def test_empty_messages(wire):
    for method in ("Unary", "ClientStream"):
        outcome = wire.call(method, [b""])
        assert outcome.code == 0 and len(outcome.messages) == 1


# Content types, methods and paths


def test_the_type_is_compared_without_case_and_parameters(wire):
    for method in ("Unary", "ServerStream"):
        kind = wire.content_type(method != "Unary")
        for text in (kind.title(), kind + "; charset=utf-8", kind + ";x=y"):
            assert wire.call(method, content_type=text).code == 0


def test_json_is_spoken_by_every_protocol(wire):
    outcome = wire.call(
        messages=[b'{"text":"\\u2603 json"}'], content_type=wire.content_type(encoding="json")
    )
    assert outcome.code == 0 and "☃ json".encode() in outcome.messages[0]
    assert "json" in outcome.header("content-type")[0]
    charset = wire.content_type(encoding="json") + "; charset=utf-8"
    assert wire.call(messages=[b"{}"], content_type=charset).code == 0


@pytest.mark.parametrize("suffix", ["foo", "+foo", "+protox", "-text"])
def test_other_types_get_415(wire, suffix):
    base = {"grpc": "application/grpc", "web": "application/grpc-web", "connect": "application/connect"}
    outcome = wire.call(content_type=base[wire.protocol] + suffix)
    assert outcome.http_status == 415 and "application/grpc" in outcome.header("accept-post")[0]


def test_no_type_and_foreign_types_get_415(wire):
    assert wire.call(drop=("content-type",)).http_status == 415
    assert wire.call(content_type="image/jpeg").http_status == 415
    if wire.protocol == "connect":
        assert wire.call(content_type="application/foo").http_status == 415
        for method, kind in (("ServerStream", "application/proto"), ("Unary", "application/connect+proto")):
            assert wire.call(method, content_type=kind).http_status == 415


@pytest.mark.parametrize("verb", ["GET", "DELETE", "PUT", "PATCH"])
def test_other_verbs_get_405(wire, verb):
    outcome = wire.call("Mutate", verb=verb, body=b"")
    assert outcome.http_status == 405 and outcome.header("allow") == ["POST"]


@pytest.mark.parametrize("path", ["/no.Such/Method", SERVICE + "Nothing", SERVICE + "unary"])
def test_unknown_methods_are_unimplemented(wire, path):
    outcome = wire.call(path=path)
    assert outcome.code == 12
    assert outcome.http_status == code_of(wire, 200, 404)


# Timeouts


@pytest.mark.parametrize("method", ["Unary", "ServerStream", "ClientStream", "Bidi"])
def test_a_deadline_ends_every_shape(wire, method):
    if method == "Bidi" and wire.transport == "http1":
        pytest.skip("bidirectional streams need HTTP/2")
    began = time.monotonic()
    outcome = wire.call(
        method, [echo_request(delay=3000, count=method == "ServerStream")], [wire.timeout_field(150)]
    )
    assert outcome.code == 4 and 0.14 < time.monotonic() - began < 2


def test_a_deadline_reaches_the_handler(wire):
    outcome = wire.call("Unary", fields=[wire.timeout_field(30_000)])
    assert 25_000 < dict(read_fields(outcome.messages[0]))[5] <= 30_000


def test_timeouts_at_their_ends(wire):
    name = wire.timeout_field(1)[0]
    zero, longest = code_of(wire, ("0n", "99999999H"), ("0", "9999999999"))
    assert wire.call(fields=[(name, zero)]).code == 4
    assert wire.call(fields=[(name, longest)]).code == 0


@pytest.mark.parametrize("text", ["123456789S", "12345678901", "1x", "-1S", "-1", "", "1.5", "+1"])
def test_malformed_timeouts_are_refused(wire, text):
    outcome = wire.call(fields=[(wire.timeout_field(1)[0], text)])
    assert outcome.code == code_of(wire, 13, 3)


# Compression


@pytest.mark.parametrize("method", ["Unary", "ServerStream"])
def test_unknown_encodings_are_named_unimplemented(wire, method):
    for name in ("br", "foo"):
        outcome = wire.call(method, fields=[wire.encoding_field(method != "Unary", name)])
        assert outcome.code == 12 and "gzip" in outcome.message
    if wire.protocol != "connect":
        assert outcome.header("grpc-accept-encoding") == ["identity,gzip"]


@pytest.mark.parametrize("method", ["Unary", "ServerStream", "ClientStream"])
def test_gzip_both_ways(wire, method):
    streaming = method != "Unary"
    message = gzip.compress(echo_request(text="packed", count=1, payload_bytes=5000))
    fields = [wire.encoding_field(streaming, "gzip"), wire.accept_field(streaming, "br, gzip;q=1")]
    outcome = wire.call(method, [message], fields, flags=1)
    assert outcome.code == 0 and texts(outcome) == [b"packed"]
    encoded = outcome.header(wire.encoding_field(streaming, "")[0])
    assert encoded == ["gzip"] and b"x" * 5000 in outcome.messages[0]


def test_a_flag_without_encoding_is_an_internal_error(wire):
    for fields in ([], [wire.encoding_field(True, "identity")]):
        assert wire.call("ServerStream", [gzip.compress(b"")], fields, flags=1).code == 13


def test_an_empty_compressed_message_is_empty(wire):
    assert wire.call(messages=[b""], fields=[wire.encoding_field(False, "gzip")], flags=1).code == 0


@pytest.mark.parametrize("method", ["Unary", "ServerStream"])
def test_damaged_and_oversized_gzip(wire, method):
    fields = [wire.encoding_field(method != "Unary", "gzip")]
    good = gzip.compress(echo_request(text="cut short"))
    for damaged in (b"not gzip", good[:-4], good[:-5] + b"\0" + good[-4:], good + b"x"):
        outcome = wire.call(method, [damaged], fields, flags=1)
        bare = wire.protocol == "connect" and method == "Unary"
        assert outcome.code == (3 if bare else 13)
    bomb = gzip.compress(b"\x4a" + varint(8 << 20) + b"\0" * (8 << 20))
    assert len(bomb) < LIMIT
    assert wire.call(method, [bomb], fields, flags=1).code == 8


# Framing, cardinality, sizes


def test_undefined_flags_are_internal_errors(wire):
    for flags in (2, 4, 0x80, 0xFF):
        assert wire.call("ServerStream", flags=flags).code == 13


def test_a_truncated_message_is_an_internal_error(wire):
    for body in (b"\0", b"\0\0\0\0", b"\0\0\0\0\x05abc", framed() + b"\0\0\0"):
        assert wire.call("ClientStream", body=body).code == 13


def test_one_message_means_one(wire):
    methods = ["ServerStream"] if wire.protocol == "connect" else ["Unary", "ServerStream"]
    for method in methods:
        for messages in ([], [b"", b""], [echo_request(text="a")] * 3):
            assert wire.call(method, messages).code == 12


def test_unreadable_messages(wire):
    for method in ("Unary", "ServerStream"):
        assert wire.call(method, [b"\xff\xff\xff"]).code == code_of(wire, 13, 3)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"text":1}', b'{"txet":"x"}', b"\xff"])
def test_unreadable_json(wire, body):
    outcome = wire.call(messages=[body], content_type=wire.content_type(encoding="json"))
    assert outcome.code == code_of(wire, 13, 3)


def sized(size):
    """A request of exactly this many bytes."""
    head = len(varint(size)) + 1
    message = b"\x4a" + varint(size - head) + b"p" * (size - head)
    return message if len(message) == size else b"\x4a" + varint(size - head + 1) + b"p" * (size - head)


@pytest.mark.parametrize("method", ["Unary", "ServerStream", "ClientStream", "Bidi"])
def test_the_limit_is_exact(wire, method):
    if method == "Bidi" and wire.transport == "http1":
        pytest.skip("bidirectional streams need HTTP/2")
    fits = sized(LIMIT)
    assert len(fits) == LIMIT
    assert wire.call(method, [fits]).code == 0
    assert wire.call(method, [sized(LIMIT + 1)]).code == 8
    if method == "ClientStream":
        outcome = wire.call(method, [fits, fits])
        assert outcome.code == 0 and dict(read_fields(outcome.messages[0]))[4] == 2
        assert wire.call(method, [fits, sized(LIMIT + 1)]).code == 8


@pytest.mark.parametrize("method", ["Unary", "ServerStream"])
def test_the_limit_holds_for_inflated_messages(wire, method):
    fields = [wire.encoding_field(method != "Unary", "gzip")]
    assert wire.call(method, [gzip.compress(sized(LIMIT))], fields, flags=1).code == 0
    assert wire.call(method, [gzip.compress(sized(LIMIT + 1))], fields, flags=1).code == 8


def test_answers_have_the_limit_too(wire):
    assert wire.call(messages=[echo_request(payload_bytes=LIMIT + 1)]).code == 8
    assert wire.call(messages=[echo_request(payload_bytes=LIMIT - 50)]).code == 0


# Metadata


def values(outcome, name):
    """The values of a repeated field, whichever way it was joined."""
    def split(found):
        return [part.strip() for value in found for part in value.split(",")]

    return split(outcome.header(name)), split(outcome.trailer(name))


@pytest.mark.parametrize("method", ["Unary", "ServerStream", "ClientStream"])
@pytest.mark.parametrize("fail", [0, 13])
def test_metadata_comes_back_as_header_and_trailer(wire, method, fail):
    raw = bytes(range(256))
    fields = [
        ("x-echo-a", "one"), ("x-echo-a", "two, three"), ("x-echo-b", "~ !\"#$%&'()*+"),
        ("x-echo-raw-bin", unpadded(raw)), ("x-echo-raw-bin", unpadded(b"")),
        ("x-echo-pad-bin", "AAE="), ("x-echo-two-bin", "AAE,/+8="),
    ]  # fmt: skip
    if method == "ClientStream" and fail:
        fail = 0  # it fails before its end, where the metadata is echoed
    outcome = wire.call(method, [echo_request(fail=fail, count=1) + METADATA], fields)
    assert outcome.code == fail
    for part in values(outcome, "x-echo-a"):
        assert part == ["one", "two", "three"]
    for part in values(outcome, "x-echo-b"):
        assert part == ["~ !\"#$%&'()*+"]
    for part in values(outcome, "x-echo-raw-bin"):
        assert part == [unpadded(raw), ""]
    for part in values(outcome, "x-echo-pad-bin"):
        assert part == ["AAE"]
    for part in values(outcome, "x-echo-two-bin"):
        assert part == ["AAE", "/+8"]


@pytest.mark.parametrize("text", ["a", "!!!!", "AAE==", "A=AA", "AAE,!"])
def test_bad_base64_is_refused(wire, text):
    assert wire.call(fields=[("x-echo-bin", text)]).code == 13


def test_wide_values_harm_nobody(wire):
    """Bytes above 0x7E are no metadata, but no reason to fail either; they are not sent back."""
    fields = [("x-echo-wide", "caf\u00e9 \u2603"), ("x-echo-a", "a")]
    outcome = wire.call(messages=[echo_request(text="w") + METADATA], fields=fields)
    assert outcome.code == 0 and outcome.header("x-echo-a") == ["a"]
    assert outcome.header("x-echo-wide") == []


# Errors


@pytest.mark.parametrize("code", range(1, 17))
def test_every_code(wire, code):
    outcome = wire.call(messages=[echo_request(fail=code)])
    assert outcome.code == code
    assert outcome.http_status == code_of(wire, 200, HTTP_STATUS[code])
    for method in ("ServerStream", "ClientStream"):
        outcome = wire.call(method, [echo_request(fail=code)])
        assert (outcome.code, outcome.http_status, outcome.messages) == (code, 200, [])
    after = wire.call("ServerStream", [echo_request(count=2, fail=code)])
    assert after.code == code and len(after.messages) == 2
    assert CODES[code]


UNICODE = "\nwhite\tspace\r\n%41 \u263a and \U0001f608\n\u0000\u007f end"


@pytest.mark.parametrize("method", ["Unary", "ServerStream"])
def test_messages_and_details_survive(wire, method):
    message = UNICODE.encode()
    request = echo_request(fail=9) + b"\x32" + varint(len(message)) + message + b"\x3a\x04ANY_"
    outcome = wire.call(method, [request])
    assert (outcome.code, outcome.message) == (9, UNICODE)
    assert [name for name, _ in outcome.details] == ["google.rpc.ErrorInfo"]
    assert dict(read_fields(outcome.details[0][1])) == {1: b"ANY_", 2: b"wire.echo"}


def test_a_long_message_is_cut_between_characters(wire):
    message = ("\u263a" * 2000).encode()
    request = echo_request(fail=9) + b"\x32" + varint(len(message)) + message
    outcome = wire.call(messages=[request])
    assert outcome.code == 9 and set(outcome.message) == {"\u263a"}


def test_plain_errors_say_nothing(wire):
    outcome = wire.call(messages=[b"\x40\x01"])
    assert outcome.code == 2 and "Plain" not in outcome.message and not outcome.details
