"""Health, reflection, keepalive and the order of a drain, as clients see them.

Run with pytest; WIRE_ECHO names the wire-echo program.
"""

import pathlib
import socket

import grpc
import hyperframe.frame as frames
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from wire_support import Echo, Raw, framed, grpc_headers

ROOT = pathlib.Path(__file__).parents[2]
EXTENDING = """syntax = "proto2";
package wire.extending;
import "echo.proto";
message Base { extensions 100 to 200; enum Kind { KIND_A = 0; } oneof one { string text = 1; } }
extend Base { optional wire.echo.v1.EchoRequest more = 123; optional string note = 124; }
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("reflection")
    (out / "extending.proto").write_text(EXTENDING)
    assert 0 == protoc.main(
        ["protoc", f"-I{ROOT / 'Sources' / 'wire-echo'}", f"-I{out}", "--include_imports",
         f"--descriptor_set_out={out / 'set.binpb'}", "extending.proto", "echo.proto"]
    )  # fmt: skip
    server = Echo(f"descriptors={out / 'set.binpb'}")
    yield server
    server.stop()


@pytest.fixture
def channel(echo):
    with grpc.insecure_channel(echo.address) as open_channel:
        yield open_channel


# Reflection


@pytest.fixture(params=["v1", "v1alpha"])
def reflect(request, channel):
    """Asks one thing; both versions have the same messages under two names."""
    call = channel.stream_stream(
        f"/grpc.reflection.{request.param}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    def ask(**question):
        question = reflection_pb2.ServerReflectionRequest(host="h", **question)
        (answer,) = call(iter([question]), timeout=10)
        assert answer.valid_host == "h" and answer.original_request == question
        return answer

    ask.call = call
    return ask


def files(answer):
    assert answer.WhichOneof("message_response") == "file_descriptor_response", answer
    parse = descriptor_pb2.FileDescriptorProto.FromString
    return [parse(data).name for data in answer.file_descriptor_response.file_descriptor_proto]


def test_services_are_listed(reflect):
    listed = {s.name for s in reflect(list_services="").list_services_response.service}
    assert {"wire.echo.v1.EchoService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection"} <= listed  # fmt: skip


def test_files_come_with_what_they_import(reflect):
    assert files(reflect(file_by_filename="echo.proto")) == ["echo.proto"]
    assert files(reflect(file_by_filename="extending.proto")) == ["extending.proto", "echo.proto"]


@pytest.mark.parametrize(
    "symbol",
    ["wire.echo.v1.EchoService", "wire.echo.v1.EchoService.Unary", "wire.echo.v1.EchoRequest",
     "wire.echo.v1.EchoRequest.text"],
)  # fmt: skip
def test_symbols_of_every_kind_are_found(reflect, symbol):
    assert files(reflect(file_containing_symbol=symbol)) == ["echo.proto"]


@pytest.mark.parametrize(
    "symbol", ["Base", "Base.Kind", "Base.KIND_A", "Base.one", "Base.text", "more"]
)
def test_nested_symbols_and_extensions_are_found(reflect, symbol):
    assert files(reflect(file_containing_symbol="wire.extending." + symbol))[0] == "extending.proto"


def test_extensions_are_found_by_type_and_number(reflect):
    by_number = reflection_pb2.ExtensionRequest(containing_type="wire.extending.Base", extension_number=123)
    assert files(reflect(file_containing_extension=by_number))[0] == "extending.proto"
    numbers = reflect(all_extension_numbers_of_type="wire.extending.Base").all_extension_numbers_response
    assert (numbers.base_type_name, list(numbers.extension_number)) == ("wire.extending.Base", [123, 124])
    none = reflect(all_extension_numbers_of_type="wire.echo.v1.EchoRequest")
    assert list(none.all_extension_numbers_response.extension_number) == []


def test_what_is_unknown_is_an_answer_and_not_the_end(reflect):
    ask = reflection_pb2.ServerReflectionRequest
    unknown = reflection_pb2.ExtensionRequest(containing_type="wire.extending.Base", extension_number=7)
    questions = [
        ask(file_by_filename="none.proto"), ask(file_containing_symbol="no.Such"), ask(),
        ask(file_containing_extension=unknown), ask(all_extension_numbers_of_type="no.Such"),
        ask(file_by_filename="echo.proto"),
    ]  # fmt: skip
    answers = list(reflect.call(iter(questions), timeout=10))
    codes = [a.error_response.error_code for a in answers[:-1]]
    assert codes == [5, 5, 3, 5, 5] and files(answers[-1]) == ["echo.proto"]


# Health


def test_a_watch_of_an_unknown_service_is_a_message_and_goes_on(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    seen = []
    with pytest.raises(grpc.RpcError) as raised:
        for answer in stub.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=1):
            seen.append(answer.status)
    assert seen == [health_pb2.HealthCheckResponse.SERVICE_UNKNOWN]
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    with pytest.raises(grpc.RpcError) as raised:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


# Keepalive


def ping(raw):
    raw.send(frames.PingFrame(0, b"keepaliv"))
    return raw.read(2, until=lambda f: isinstance(f, (frames.PingFrame, frames.GoAwayFrame)))


def test_pings_have_two_strikes_and_answers_forgive_them(echo):
    raw = Raw(echo)
    for _ in range(3):
        assert isinstance(ping(raw), frames.PingFrame)
    raw.send(raw.headers(1), raw.data(1, framed(), end=True))
    assert raw.read(2, until=lambda f: f.stream_id == 1 and "END_STREAM" in f.flags)
    for _ in range(2):
        assert isinstance(ping(raw), frames.PingFrame)
    goaway = ping(raw)
    assert isinstance(goaway, frames.GoAwayFrame)
    assert (goaway.error_code, goaway.additional_data) == (11, b"too_many_pings")
    raw.read(2)
    assert raw.ended


# Drain


def test_a_drain_says_not_serving_first_and_takes_no_new_connection():
    echo = Echo("grace=5000")
    raw = Raw(echo)
    raw.send(
        raw.headers(1, grpc_headers("/grpc.health.v1.Health/Watch")), raw.data(1, framed(), end=True)
    )
    raw.read(2, until=lambda f: isinstance(f, frames.DataFrame))
    echo.process.stdin.close()
    notice = raw.goaway(3)
    assert (notice.last_stream_id, notice.error_code) == (2**31 - 1, 0)
    with pytest.raises(OSError):
        socket.create_connection((echo.host, echo.port), 1).close()
    raw.read(2, until=lambda f: f.stream_id == 1 and "END_STREAM" in f.flags)
    states = [f.data[-1] for f in raw.frames if isinstance(f, frames.DataFrame) and f.data]
    assert states == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
    probe = next(f for f in raw.frames if isinstance(f, frames.PingFrame))
    answer = frames.PingFrame(0, probe.opaque_data)
    answer.flags.add("ACK")
    raw.send(answer)
    raw.read(3)
    goaways = [f.last_stream_id for f in raw.frames if isinstance(f, frames.GoAwayFrame)]
    assert goaways == [2**31 - 1, 1] and raw.ended
    assert echo.process.wait(5) == 0
