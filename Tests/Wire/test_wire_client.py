"""Our client against our server and against C-core's.

Run with pytest; WIRE_ECHO names the wire-echo program. The messages are written by hand, so no
generated code is needed.
"""

import os
import socket
import subprocess
import threading
import time
from concurrent import futures

import grpc
import h2.config
import h2.connection
import h2.events
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from wire_support import Echo, varint


def fields(data):
    """The varint and bytes fields of a message by number."""
    found, index = {}, 0

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
            found[tag >> 3] = number()
        else:
            length = number()
            found[tag >> 3] = data[index : index + length]
            index += length
    return found


def response(text=b"", payload=0, index=0):
    out = b"\x0a" + varint(len(text)) + text
    if payload:
        out += b"\x12" + varint(payload) + b"x" * payload
    return out + b"\x18" + varint(index)


def unary(data, context):
    request = fields(data)
    time.sleep(request.get(4, 0) / 1000)
    if 5 in request:
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason=request[7].decode()))
        status = status_pb2.Status(
            code=request[5], message=request[6].decode(), details=[detail]
        )
        context.abort_with_status(rpc_status.to_status(status))
    return response(request.get(1, b""), request.get(2, 0))


def stream(data, context):
    for index in range(fields(data).get(3, 0)):
        yield response(index=index)


@pytest.fixture(params=["own", "c-core"])
def address(request):
    if request.param == "own":
        echo = Echo()
        yield echo.address
        echo.stop()
        return
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "wire.echo.v1.EchoService",
                {
                    "Unary": grpc.unary_unary_rpc_method_handler(unary),
                    "ServerStream": grpc.unary_stream_rpc_method_handler(stream),
                },
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0)


def test_the_client_reads_every_kind_of_end(address):
    done = subprocess.run(
        [os.environ["WIRE_ECHO"], f"call={address}"], stdout=subprocess.PIPE, timeout=30
    )
    lines = dict(line.split(" ", 1) for line in done.stdout.decode().splitlines())
    assert lines["unary"] == "hi"
    assert lines["large"] == "1000000"
    assert lines["stream"] == "0,1,2"
    assert lines["error"] == "failed_precondition WHY not ☃"
    assert lines["deadline"].startswith("deadline_exceeded")
    assert lines["unimplemented"].startswith("unimplemented")


class Rude:
    """A server that answers every request with one HTTP status or one reset, and no grpc-status."""

    def __init__(self, kind, number):
        self.kind, self.number = kind, number
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.initiate_connection()
        connection.sendall(server.data_to_send())
        while data := connection.recv(65536):
            for event in server.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self.answer(server, event.stream_id)
            connection.sendall(server.data_to_send())

    def answer(self, server, stream):
        if self.kind == "reset":
            server.reset_stream(stream, self.number)
        else:
            server.send_headers(stream, [(":status", str(self.number))], end_stream=True)


@pytest.mark.parametrize(
    "kind, number, code",
    [("reset", 7, "unavailable"), ("reset", 8, "canceled"), ("reset", 11, "resource_exhausted"),
     ("reset", 12, "permission_denied"), ("reset", 2, "internal"), ("status", 400, "internal"),
     ("status", 401, "unauthenticated"), ("status", 403, "permission_denied"),
     ("status", 404, "unimplemented"), ("status", 503, "unavailable"), ("status", 500, "unknown")],
)  # fmt: skip
def test_the_client_reads_answers_without_a_status(kind, number, code):
    server = Rude(kind, number)
    done = subprocess.run(
        [os.environ["WIRE_ECHO"], f"call={server.address}"], stdout=subprocess.PIPE, timeout=30
    )
    server.listener.close()
    lines = dict(line.split(" ", 1) for line in done.stdout.decode().splitlines())
    assert lines["unary"].split()[0] == code and lines["stream"].split()[0] == code
