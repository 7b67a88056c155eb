"""What only Connect and plain HTTP have: GET, versions, CORS, and the edges of HTTP/1.1.

Run with pytest; WIRE_ECHO names the wire-echo program.
"""

import base64
import gzip
import json
import time
from urllib.parse import quote

import pytest
from protocols import Wire
from wire_support import SERVICE, UNARY, Echo, Raw, echo_request, framed, http1

ORIGIN = "https://app.example"


@pytest.fixture(scope="module", params=["task", "pending"])
def echo(request):
    server = Echo(f"cors={ORIGIN}", "message-bytes=100000", f"unary={request.param}")
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["h2", "http1"])
def wire(request, echo):
    road = Wire(echo, "connect", request.param)
    yield road
    road.close()


def get(wire, *parameters, method="Unary", **options):
    return wire.call(
        verb="GET", body=b"", drop=("content-type", "connect-protocol-version"),
        path=SERVICE + method + "?" + "&".join(parameters), **options,
    )  # fmt: skip


def url64(data, padded=False):
    text = base64.urlsafe_b64encode(data).decode()
    return text if padded else text.rstrip("=")


# GET


def test_a_get_carries_its_message_in_the_query(wire):
    for message in ('{"text":"a b"}', '{"text":"\u263a+&="}'):
        outcome = get(wire, "encoding=json", "message=" + quote(message))
        assert outcome.code == 0 and json.loads(outcome.messages[0])["text"] == json.loads(message)["text"]
    assert outcome.header("cache-control") == ["no-store"]
    assert "accept-encoding" in ", ".join(outcome.header("vary")).lower()


def test_a_get_in_base64_and_gzip(wire):
    message = echo_request(text="\xfb\xff?>~")
    for padded in (False, True):
        text = "message=" + url64(message, padded)
        assert get(wire, text, "base64=1", "connect=v1", "encoding=proto").code == 0
    packed = "message=" + url64(gzip.compress(message))
    outcome = get(wire, "compression=gzip", "encoding=proto", "other=1", packed, "base64=1")
    assert outcome.code == 0 and "\xfb\xff".encode() in outcome.messages[0]
    assert get(wire, "compression=br", "encoding=proto", packed, "base64=1").code == 12
    assert get(wire, "compression=identity", "encoding=proto", text, "base64=1").code == 0


@pytest.mark.parametrize(
    "query",
    ["connect=v1&message=x", "connect=v1&encoding=xml&message=x", "connect=v1&encoding=json",
     "connect=v2&encoding=proto&message=", "encoding=proto&message=!&base64=1"],
)  # fmt: skip
def test_malformed_gets_are_invalid(wire, query):
    outcome = get(wire, query)
    assert (outcome.code, outcome.http_status) == (3, 400)


def test_a_get_needs_a_method_without_side_effects(wire):
    for method in ("Mutate", "ServerStream"):
        outcome = get(wire, "connect=v1", "encoding=json", "message=%7B%7D", method=method)
        assert outcome.http_status == 405 and outcome.header("allow") == ["POST"]
    plain = get(wire, "x=1")
    assert plain.http_status == 405 and "GET" in plain.header("allow")[0]


def test_a_get_takes_no_body(wire):
    query = "?connect=v1&encoding=json&message=%7B%7D"
    outcome = wire.call(verb="GET", body=b"{}", path=UNARY + query, drop=("content-type",))
    assert outcome.http_status == 415


def test_an_unknown_method_by_get_is_not_found(wire):
    assert get(wire, "connect=v1", "encoding=json", "message=%7B%7D", method="Nothing").http_status == 404


# Versions


def test_the_version_may_be_absent_and_must_be_1(wire):
    assert wire.call(drop=("connect-protocol-version",)).code == 0
    for version in ("2", "", "v1"):
        outcome = wire.call(fields=[("connect-protocol-version", version)], drop=("connect-protocol-version",))
        assert (outcome.code, outcome.http_status) == (3, 400)


def test_errors_are_json_whatever_was_asked(wire):
    outcome = wire.call(messages=[echo_request(fail=5)], fields=[("accept-encoding", "gzip")])
    assert outcome.header("content-type") == ["application/json"]
    outcome = wire.call("ServerStream", [b""], [("connect-protocol-version", "9")], drop=("connect-protocol-version",))
    assert (outcome.code, outcome.http_status) == (3, 200)


# CORS


def cors(echo, fields, road="http1", **options):
    wire = Wire(echo, "connect", road)
    try:
        return wire.call(fields=[("origin", ORIGIN), *fields], **options)
    finally:
        wire.close()


@pytest.mark.parametrize("road", ["h2", "http1"])
def test_preflights_are_answered_for_listed_origins(echo, road):
    ask = [("access-control-request-method", "POST"), ("access-control-request-headers", "x")]
    allowed = cors(echo, ask, road, verb="OPTIONS", body=b"", drop=("content-type",))
    assert allowed.http_status == 204
    assert allowed.header("access-control-allow-origin") == [ORIGIN]
    assert "Connect-Timeout-Ms" in allowed.header("access-control-allow-headers")[0]
    assert allowed.header("content-length") in ([], ["0"])
    wire = Wire(echo, "connect", road)
    denied = wire.call(
        verb="OPTIONS", body=b"", drop=("content-type",), fields=[("origin", "https://evil.example"), *ask]
    )
    wire.close()
    assert denied.http_status == 204 and denied.header("access-control-allow-origin") == []


@pytest.mark.parametrize("road", ["h2", "http1"])
@pytest.mark.parametrize(
    "options",
    [{}, {"messages": [echo_request(fail=5)]}, {"path": "/nothing.At/All"}, {"content_type": "image/png"},
     {"verb": "DELETE", "body": b""}, {"method": "ServerStream"}],
    ids=["answer", "error", "unknown", "type", "verb", "stream"],
)  # fmt: skip
def test_every_answer_names_the_origin(echo, road, options):
    outcome = cors(echo, [], road, **options)
    assert outcome.header("access-control-allow-origin") == [ORIGIN]
    assert "Grpc-Status" in outcome.header("access-control-expose-headers")[0]
    assert "Origin" in ", ".join(outcome.header("vary"))


# HTTP/1.1


HEAD = b"POST " + UNARY.encode() + b" HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer else None


@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
        b"content-length: 2, 2\r\n\r\n{}",
        b"content-length: +2\r\n\r\n{}",
        b"content-length: -2\r\n\r\n{}",
        b"content-length: 0x2\r\n\r\n{}",
        b"content-length: 99999999999999999999\r\n\r\n{}",
        b"transfer-encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"transfer-encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"transfer-encoding:\x0bchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b" folded: x\r\ncontent-length: 2\r\n\r\n{}",
        b"host: b\r\ncontent-length: 2\r\n\r\n{}",
        b"x\x00y: z\r\ncontent-length: 2\r\n\r\n{}",
        b"x: a\rb\r\ncontent-length: 2\r\n\r\n{}",
        b"transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
    ],
)  # fmt: skip
def test_what_could_smuggle_is_refused_and_closed(echo, fields):
    """Two servers that read such a request differently would split it at different places."""
    answer, closed = http1(echo, HEAD + fields + b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n")
    assert closed and answer.count(b"HTTP/1.1 ") <= 1 and b"hello GET" not in answer
    assert status(answer) in (None, 400)


def test_chunks_make_one_message(echo):
    body = b"7\r\n{\"text\"\r\n5;x=y\r\n:\"hi\"\r\n1\r\n}\r\n0\r\ntrailer: x\r\n\r\n"
    answer, _ = http1(echo, HEAD + b"transfer-encoding: chunked\r\n\r\n" + body)
    assert status(answer) == 200 and b'"text":"hi"' in answer


def test_a_malformed_chunk_after_a_good_head_is_told(echo):
    answer, closed = http1(echo, HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")
    assert closed and status(answer) == 400


def test_the_absolute_form_is_understood(echo):
    answer, _ = http1(echo, b"GET http://a/hello?x HTTP/1.1\r\nhost: a\r\n\r\n")
    assert status(answer) == 200 and b"hello GET x" in answer


@pytest.mark.parametrize(
    "target", [b"*", b"//hello", b"hello", b"/hello/..", b"/%68ello", b"http://a", b"http:///hello"]
)
def test_odd_targets_find_nothing(echo, target):
    answer, _ = http1(echo, b"GET " + target + b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert status(answer) in (400, 404, None)


def test_oversized_heads_get_431(echo):
    for fields in (b"x: " + b"y" * 9000 + b"\r\n", b"".join(b"x%d: y\r\n" % n for n in range(200)),
                   b"".join(b"x%d: %s\r\n" % (n, b"y" * 1000) for n in range(20))):  # fmt: skip
        answer, closed = http1(echo, b"GET /hello HTTP/1.1\r\nhost: a\r\n" + fields + b"\r\n")
        assert closed and status(answer) == 431
    answer, closed = http1(echo, b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    assert closed and status(answer) in (400, 414, 431, None)


def test_pipelined_calls_are_answered_in_order(echo):
    """Slow before fast: the answers still come in the order of the requests."""
    calls = b""
    for number, delay in enumerate((300, 0, 100, 0)):
        body = b'{"text":"call %d","delayMilliseconds":%d}' % (number, delay)
        calls += HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    answer, _ = http1(echo, calls)
    places = [answer.find(b'"call %d"' % n) for n in range(4)]
    assert -1 not in places and places == sorted(places)


def test_a_refused_request_in_a_pipeline_ends_it(echo):
    good = b"GET /hello?%d HTTP/1.1\r\nhost: a\r\n\r\n"
    answer, closed = http1(echo, good % 1 + b"GET /hello?2 HTTP/1.1\r\n\r\n" + good % 3)
    assert closed and b"hello GET 1" in answer and b" 400 " in answer and b"hello GET 3" not in answer


def test_http_1_0_is_answered_and_closed(echo):
    answer, closed = http1(echo, b"GET /hello HTTP/1.0\r\n\r\n")
    assert closed and status(answer) == 200 and b"hello GET" in answer


def test_head_has_no_body_and_the_same_length(echo):
    answer, _ = http1(echo, b"HEAD /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert status(answer) == 200 and answer.endswith(b"\r\n\r\n") and b"content-length: 11" in answer


def test_the_fields_of_answers_over_http1(echo):
    wire = Wire(echo, "connect", "http1")
    for outcome in (wire.call(), wire.call(messages=[echo_request(fail=5)]), wire.call(path="/x")):
        assert outcome.header("date") and outcome.header("x-content-type-options") == ["nosniff"]
        assert outcome.header("content-length") and not outcome.header("transfer-encoding")
    stream = wire.call("ServerStream", [echo_request(count=2)])
    assert stream.header("transfer-encoding") == ["chunked"] and not stream.header("content-length")
    page, _ = http1(echo, b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert b"content-security-policy: default-src 'self'" in page


def test_upgrades_are_ignored(echo):
    answer, _ = http1(
        echo,
        b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
        b"http2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    )
    assert status(answer) == 200


def test_grpc_over_http1_is_told_so(echo):
    answer, closed = http1(
        echo, b"POST " + UNARY.encode() + b" HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\n"
        b"content-length: 5\r\n\r\n\0\0\0\0\0",
    )  # fmt: skip
    assert closed and status(answer) == 505


def test_a_large_refused_body_does_not_hide_its_refusal(echo):
    """Closing with bytes unread would reset the connection and lose the answer on its way."""
    wire = Wire(echo, "connect", "http1")
    for _ in range(5):
        outcome = wire.call(messages=[b"\x4a" + b"\xff" * 6_000_000])
        assert (outcome.code, outcome.http_status) == (8, 429)
    raw = Raw(echo, handshake=False)
    raw.send(HEAD + b"content-length: 6000000\r\n\r\n" + b"x" * 300_000)
    answer = b""
    while part := raw.socket.recv(65536):
        answer += part
    assert status(answer) == 429
    raw.socket.sendall(b"x" * 300_000)
    raw.close()


def test_a_stream_over_http1_comes_message_by_message(echo):
    import http.client

    connection = http.client.HTTPConnection(echo.host, echo.port, timeout=5)
    body = framed(echo_request(text="m", count=3, delay=150))
    connection.request("POST", SERVICE + "ServerStream", body, {"content-type": "application/connect+proto"})
    reply = connection.getresponse()
    began, seen = time.monotonic(), []
    for _ in range(3):
        head = reply.read(5)
        reply.read(int.from_bytes(head[1:], "big"))
        seen.append(time.monotonic() - began)
    assert seen[0] < 0.14 and seen[2] > 0.25
    connection.close()
