"""One call in any of the three protocols over HTTP/2 or HTTP/1.1, down to the bytes.

`Wire.call` sends exactly what it is given and reads the answer by the rules of its protocol; what
a protocol forbids in an answer (a status on DATA, two ends, an empty error object) is asserted here
once, for every test.
"""

import base64
import gzip
import http.client
import json
import struct
from urllib.parse import unquote_to_bytes

from wire_support import SERVICE, Client, framed, unbase64

CODES = (
    "ok canceled unknown invalid_argument deadline_exceeded not_found already_exists "
    "permission_denied resource_exhausted failed_precondition aborted out_of_range unimplemented "
    "internal unavailable data_loss unauthenticated"
).split()
HTTP_STATUS = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400,
    12: 501, 13: 500, 14: 503, 15: 500, 16: 401,
}  # fmt: skip
BINARY_FIELDS = ("grpc-status-details-bin",)


class Outcome:
    """What a call came to; metadata as lists of (name, value), protocol fields left in."""

    def __init__(self, http_status, headers, messages, code, message="", details=None, trailers=()):
        self.http_status = http_status
        self.headers = headers
        self.messages = messages
        self.code = code
        self.message = message
        self.details = details or []
        self.trailers = list(trailers)

    def header(self, name):
        return [value for key, value in self.headers if key == name]

    def trailer(self, name):
        return [value for key, value in self.trailers if key == name]


class Wire:
    """A protocol ("grpc", "web", "connect") over a transport ("h2", "http1")."""

    def __init__(self, echo, protocol, transport):
        self.echo = echo
        self.protocol = protocol
        self.transport = transport
        self.client = None

    def __str__(self):
        return f"{self.protocol}-{self.transport}"

    def close(self):
        if self.client:
            self.client.close()
            self.client = None

    # Names of fields and types

    def content_type(self, streaming=False, encoding="proto"):
        if self.protocol == "grpc":
            return f"application/grpc+{encoding}"
        if self.protocol == "web":
            return f"application/grpc-web+{encoding}"
        return f"application/connect+{encoding}" if streaming else f"application/{encoding}"

    def timeout_field(self, milliseconds):
        if self.protocol == "connect":
            return ("connect-timeout-ms", str(milliseconds))
        return ("grpc-timeout", f"{milliseconds}m")

    def encoding_field(self, streaming, value):
        if self.protocol != "connect":
            return ("grpc-encoding", value)
        return ("connect-content-encoding" if streaming else "content-encoding", value)

    def accept_field(self, streaming, value="gzip"):
        if self.protocol != "connect":
            return ("grpc-accept-encoding", value)
        return ("connect-accept-encoding" if streaming else "accept-encoding", value)

    # Calls

    def call(
        self, method="Unary", messages=(b"",), fields=(), *, body=None, flags=0, verb="POST",
        path=None, content_type=None, drop=(), timeout=8,
    ):  # fmt: skip
        """Calls with messages, or with `body` exactly as given; `None` as content type sends none."""
        streaming = method != "Unary" and method != "Mutate"
        bare = self.protocol == "connect" and not streaming
        if body is None:
            body = b"".join(messages) if bare else b"".join(framed(m, flags) for m in messages)
        kind = content_type if content_type is not None else self.content_type(streaming)
        sent = [] if "content-type" in drop else [("content-type", kind)]
        if self.protocol == "connect" and "connect-protocol-version" not in drop:
            sent.append(("connect-protocol-version", "1"))
        sent += list(fields)
        path = path or SERVICE + method
        if self.transport == "h2":
            return self.outcome(streaming, *self.over_h2(verb, path, sent, body, timeout))
        return self.outcome(streaming, *self.over_http1(verb, path, sent, body, timeout))

    def over_h2(self, verb, path, sent, body, timeout):
        if self.client is None or self.client.ended or self.client.goaway:
            self.client = Client(self.echo)
        head = [(":method", verb), (":scheme", "http"), (":path", path), (":authority", "localhost")]
        if self.protocol == "grpc":
            sent = sent + [("te", "trailers")]
        stream = self.client.start(head + sent, b"", end=False) if body else None
        if stream is None:
            stream = self.client.start(head + sent, None)
        else:
            self.send_body(stream, body)
        reply = self.client.wait(stream, timeout)
        assert reply.headers is not None and (reply.ended or reply.reset == 0), vars(reply)
        headers = [(k, v) for k, v in reply.headers if not k.startswith(":")]
        if self.protocol != "grpc":
            assert reply.trailers is None, "only gRPC has HTTP trailers"
        return reply.http_status, headers, reply.data, reply.trailers

    def send_body(self, stream, body):
        client, sent = self.client, 0
        reply = client.replies[stream]
        while sent < len(body) and not reply.ended and reply.reset is None:
            room = min(
                client.h2.local_flow_control_window(stream),
                client.h2.max_outbound_frame_size,
                len(body) - sent,
            )
            if room == 0:
                assert client.pump(5)
                continue
            client.h2.send_data(stream, body[sent : sent + room], sent + room == len(body))
            client.flush()
            sent += room
            if sent < len(body):
                client.pump(0)

    def over_http1(self, verb, path, sent, body, timeout):
        connection = http.client.HTTPConnection(self.echo.host, self.echo.port, timeout=timeout)
        try:
            connection.putrequest(verb, path, skip_accept_encoding=True)
            for name, value in sent:
                connection.putheader(name, value.encode() if isinstance(value, str) else value)
            if body or verb == "POST":
                connection.putheader("content-length", str(len(body)))
            connection.endheaders()
            try:
                connection.send(body)
            except OSError:
                pass  # an early answer may close what still sends
            reply = connection.getresponse()
            headers = [(k.lower(), v) for k, v in reply.getheaders()]
            data = reply.read()
            return reply.status, headers, data, None
        finally:
            connection.close()

    # Answers

    def outcome(self, streaming, http_status, headers, data, trailers):
        kind = dict(headers).get("content-type", "")
        if self.protocol == "connect":
            if streaming and kind.startswith("application/connect+"):
                return self.connect_stream(http_status, headers, data)
            return self.connect_unary(http_status, headers, data)
        if not kind.lower().startswith("application/grpc"):
            return Outcome(http_status, headers, [data], None)
        if self.protocol == "web":
            return self.web(http_status, headers, data)
        return self.grpc(http_status, headers, data, trailers)

    def messages(self, data, headers, encoding):
        """(flags, message) of each frame; compressed ones are inflated."""
        found = []
        while data:
            flags, size = data[0], struct.unpack(">I", data[1:5])[0]
            content = data[5 : 5 + size]
            assert len(content) == size, "the answer ends inside a message"
            if flags & 1:
                assert dict(headers).get(encoding) == "gzip"
                content = gzip.decompress(content)
            found.append((flags & ~1, content))
            data = data[5 + size :]
        return found

    def grpc(self, http_status, headers, data, trailers):
        assert http_status == 200
        assert not (trailers and "grpc-status" in dict(headers)), "one status, at the end"
        frames = self.messages(data, headers, "grpc-encoding")
        assert all(flags == 0 for flags, _ in frames)
        return self.status(headers, [m for _, m in frames], trailers or headers)

    def web(self, http_status, headers, data):
        assert http_status == 200
        frames = self.messages(data, headers, "grpc-encoding")
        if not frames and "grpc-status" in dict(headers):
            return self.status(headers, [], headers)
        assert frames and frames[-1][0] == 0x80, "the last frame is the trailers"
        assert all(flags == 0 for flags, _ in frames[:-1])
        block = frames[-1][1].decode("ascii")
        assert block.endswith("\r\n") and not block.endswith("\r\n\r\n")
        lines = [line.split(": ", 1) for line in block[:-2].split("\r\n")]
        assert all(name == name.lower() for name, _ in lines)
        return self.status(headers, [m for _, m in frames[:-1]], lines)

    def status(self, headers, messages, trailers):
        fields = {}
        for name, value in trailers:
            if name.startswith("grpc-status") or name == "grpc-message":
                assert name not in fields, "sent once"
                fields[name] = value
        code = fields["grpc-status"]
        assert code == str(int(code))
        message = unquote_to_bytes(fields.get("grpc-message", "")).decode()
        details = []
        if "grpc-status-details-bin" in fields:
            status = read_status(unbase64(fields["grpc-status-details-bin"]))
            assert status[0] == int(code) and status[1] == message
            details = status[2]
        return Outcome(200, headers, messages, int(code), message, details, trailers)

    def connect_unary(self, http_status, headers, data):
        plain = [(k, v) for k, v in headers if not k.startswith("trailer-")]
        trailers = [(k[8:], v) for k, v in headers if k.startswith("trailer-")]
        if dict(headers).get("content-encoding") == "gzip":
            data = gzip.decompress(data)
        if http_status == 200:
            return Outcome(200, plain, [data], 0, trailers=trailers)
        if dict(headers).get("content-type") != "application/json":
            return Outcome(http_status, plain, [data], None)
        error = json.loads(data)
        code, message, details = read_error(error)
        return Outcome(http_status, plain, [], code, message, details, trailers)

    def connect_stream(self, http_status, headers, data):
        assert http_status == 200
        frames = self.messages(data, headers, "connect-content-encoding")
        assert frames and frames[-1][0] == 2, "the last envelope ends the stream"
        assert all(flags == 0 for flags, _ in frames[:-1])
        end = json.loads(frames[-1][1])
        assert set(end) <= {"error", "metadata"} and end.get("error", True)
        trailers = [(k, v) for k, values in end.get("metadata", {}).items() for v in values]
        code, message, details = read_error(end["error"]) if "error" in end else (0, "", [])
        return Outcome(200, headers, [m for _, m in frames[:-1]], code, message, details, trailers)


def read_error(error):
    """Code, message and details of Connect's error object."""
    assert set(error) <= {"code", "message", "details"}
    details = []
    for detail in error.get("details", []):
        assert "/" not in detail["type"] and "=" not in detail["value"]
        details.append((detail["type"], unbase64(detail["value"])))
    return CODES.index(error["code"]), error.get("message", ""), details


def read_fields(data):
    """(number, value) of each field of an encoded message."""
    found, index = [], 0

    def number():
        nonlocal index
        value = shift = 0
        while True:
            byte = data[index]
            index += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while index < len(data):
        tag = number()
        if tag & 7 == 0:
            found.append((tag >> 3, number()))
        else:
            assert tag & 7 == 2
            length = number()
            found.append((tag >> 3, data[index : index + length]))
            index += length
    return found


def read_status(data):
    """Code, message and (type, value) details of a google.rpc.Status."""
    code, message, details = 0, "", []
    for number, value in read_fields(data):
        if number == 1:
            code = value
        elif number == 2:
            message = value.decode()
        elif number == 3:
            any_fields = dict(read_fields(value))
            details.append((any_fields[1].decode().rsplit("/", 1)[-1], any_fields.get(2, b"")))
    return code, message, details


def unpadded(data):
    return base64.b64encode(data).decode().rstrip("=")
