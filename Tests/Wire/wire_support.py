"""Helpers of the wire tests: a running echo server and raw HTTP/2 and HTTP/1.1 connections."""

import base64
import os
import select
import socket
import struct
import subprocess
import time

import h2.config
import h2.connection
import h2.events
import hpack
import hyperframe.frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SERVICE = "/wire.echo.v1.EchoService/"
UNARY = SERVICE + "Unary"


class Echo:
    """The echo server as a child process; it ends when its standard input closes."""

    def __init__(self, *options, binary=None):
        binary = binary or os.environ["WIRE_ECHO"]
        self.process = subprocess.Popen(
            [binary, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening "), line
        self.host, port = line.split()[1].rsplit(":", 1)
        self.port = int(port)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def echo_request(text="", count=0, payload_bytes=0, delay=0, fail=0):
    """An EchoRequest, encoded by hand."""
    out = b""
    if text:
        out += b"\x0a" + varint(len(text.encode())) + text.encode()
    for tag, value in ((0x10, payload_bytes), (0x18, count), (0x20, delay), (0x28, fail)):
        if value:
            out += bytes([tag]) + varint(value)
    return out


def framed(message=b"", flags=0):
    return bytes([flags]) + struct.pack(">I", len(message)) + message


def grpc_headers(path=UNARY, drop=(), **changes):
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    for name, value in changes.items():
        fields[name.replace("_", "-") if not name.startswith(":") else name] = value
    return [(n, v) for n, v in fields.items() if n not in drop]


class Reply:
    def __init__(self):
        self.headers = None
        self.header_lists = 0
        self.trailers = None
        self.data = b""
        self.reset = None
        self.ended = False
        self.closed = False

    def field(self, name):
        """A field of the trailers, or of the headers in a trailers-only reply."""
        for fields in (self.trailers, self.headers):
            for key, value in fields or []:
                if key == name:
                    return value
        return None

    @property
    def http_status(self):
        return int(dict(self.headers)[":status"])

    @property
    def grpc_status(self):
        value = self.field("grpc-status")
        return None if value is None else int(value)


class Client:
    """A well-behaved HTTP/2 connection through the `h2` library, one call at a time."""

    def __init__(self, echo, acknowledge=True, validate=False):
        self.socket = socket.create_connection((echo.host, echo.port), 5)
        # As every gRPC client does: otherwise a call may wait 40 ms for the peer's delayed ACK.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="utf-8",
            validate_outbound_headers=validate,
            normalize_outbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.flush()
        self.replies = {}
        self.goaway = None
        self.pings = []
        self.ended = False

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def start(self, headers, body=None, end=True):
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=body is None and end)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=end)
        self.flush()
        self.replies[stream] = Reply()
        return stream

    def pump(self, timeout):
        """Reads once and notes what came; False when nothing did."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return False
        for event in self.h2.receive_data(data):
            self.note(event)
        try:
            self.flush()
        except OSError:
            pass
        return True

    def note(self, event):
        reply = self.replies.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ResponseReceived):
            reply.headers = event.headers
            reply.header_lists += 1
        elif isinstance(event, h2.events.TrailersReceived):
            reply.trailers = event.headers
            reply.header_lists += 1
        elif isinstance(event, h2.events.DataReceived):
            reply.data += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            reply.ended = True
        elif isinstance(event, h2.events.StreamReset):
            reply.reset = int(event.error_code)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event
        elif isinstance(event, h2.events.PingAckReceived):
            self.pings.append(event.ping_data)

    def wait(self, stream, timeout=5, until=None):
        reply = self.replies[stream]
        until = until or (lambda: reply.ended or reply.reset is not None)
        deadline = time.monotonic() + timeout
        while not until() and not self.ended and time.monotonic() < deadline:
            self.pump(deadline - time.monotonic())
        return reply

    def call(self, headers, body=framed(), end=True, timeout=5):
        return self.wait(self.start(headers, body, end), timeout)

    def linger(self, seconds=0.3):
        """Gives frames that follow an answer the time to arrive."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.ended:
            self.pump(max(0, deadline - time.monotonic()))

    def close(self):
        self.socket.close()


class Raw:
    """Bare frames, for what no library would send."""

    def __init__(self, echo, handshake=True, acknowledge=True):
        self.socket = socket.create_connection((echo.host, echo.port), 5)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.buffer = b""
        self.frames = []
        self.ended = False
        self.acknowledge = acknowledge
        if handshake:
            self.socket.sendall(PREFACE)
            self.send(frames.SettingsFrame(0))

    def send(self, *items):
        """Sends frames or bytes; a connection already lost is not an error here."""
        out = b"".join(i if isinstance(i, bytes) else i.serialize() for i in items)
        try:
            self.socket.sendall(out)
        except OSError:
            self.ended = True

    def headers(self, stream, fields=None, end=False, end_headers=True):
        frame = frames.HeadersFrame(stream)
        frame.data = self.encoder.encode(fields or grpc_headers())
        if end:
            frame.flags.add("END_STREAM")
        if end_headers:
            frame.flags.add("END_HEADERS")
        return frame

    def data(self, stream, content=b"", end=False):
        frame = frames.DataFrame(stream, content)
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def read(self, timeout=1.0, until=None):
        """Collects frames until `until(frame)`, the end, or the timeout."""
        deadline = time.monotonic() + timeout
        while not self.ended:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                break
            try:
                data = self.socket.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.ended = True
                break
            self.buffer += data
            if self.parse(until):
                return self.frames[-1]
        return None

    def parse(self, until):
        found = False
        while len(self.buffer) >= 9:
            frame, length = frames.Frame.parse_frame_header(memoryview(self.buffer[:9]))
            if len(self.buffer) < 9 + length:
                break
            frame.parse_body(memoryview(self.buffer[9 : 9 + length]))
            self.buffer = self.buffer[9 + length :]
            self.frames.append(frame)
            if (
                isinstance(frame, frames.SettingsFrame)
                and "ACK" not in frame.flags
                and self.acknowledge
            ):
                ack = frames.SettingsFrame(0)
                ack.flags.add("ACK")
                self.send(ack)
            if until and until(frame):
                found = True
                break
        return found

    def goaway(self, timeout=3.0):
        """The GOAWAY that ends the connection; None when it ended without one or did not end."""
        self.read(timeout, until=lambda f: isinstance(f, frames.GoAwayFrame))
        found = [f for f in self.frames if isinstance(f, frames.GoAwayFrame)]
        return found[-1] if found else None

    def fields(self, frame):
        return dict(self.decoder.decode(bytes(frame.data)))

    def close(self):
        self.socket.close()


def http1(echo, request, timeout=3.0):
    """Sends bytes to a new connection and returns all that comes back until it closes or rests."""
    connection = socket.create_connection((echo.host, echo.port), 5)
    connection.sendall(request)
    answer = b""
    deadline = time.monotonic() + timeout
    closed = False
    while time.monotonic() < deadline:
        if not select.select([connection], [], [], min(0.4, deadline - time.monotonic()))[0]:
            if answer:
                break
            continue
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            closed = True
            break
        answer += data
    connection.close()
    return answer, closed


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


def unbase64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))
