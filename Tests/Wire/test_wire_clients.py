"""Real clients against the real server: old and new gRPC libraries, Connect's, buf and curl.

Run with pytest; WIRE_ECHO names the wire-echo program. grpc-go and grpc-java run where
CONSENTD_ALL_CLIENTS is set (ops/test --all-clients); a client that is not installed is skipped, but
with CONSENTD_ALL_CLIENTS its absence is a failure.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from protocols import read_fields, read_status
from wire_support import SERVICE, UNARY, Echo, echo_request, framed, varint

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
BUF = ROOT / ".venv" / "bin" / "buf"
ALL = bool(os.environ.get("CONSENTD_ALL_CLIENTS"))
MESSAGE = "not \u2603"


def need(present, what):
    """Skips what this machine does not have, unless every client was asked for."""
    if not present:
        assert not ALL, f"{what} is missing: run ops/test --all-clients, which installs it"
        pytest.skip(f"{what} is not installed")


def only_with_all():
    if not ALL:
        pytest.skip("grpc-go and grpc-java run with ops/test --all-clients")


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    """The generated messages of the echo service and its descriptors."""
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("echo")
    source = ROOT / "Sources" / "wire-echo"
    assert 0 == protoc.main(
        ["protoc", f"-I{source}", f"--python_out={out}", "--include_imports",
         f"--descriptor_set_out={out / 'echo.binpb'}", "echo.proto"]
    )  # fmt: skip
    sys.path.insert(0, str(out))
    import echo_pb2

    yield out, echo_pb2
    sys.path.remove(str(out))


@pytest.fixture(scope="module")
def echo(stubs):
    server = Echo(f"descriptors={stubs[0] / 'echo.binpb'}")
    yield server
    server.stop()


# gRPC libraries: programs that print one fact a line


def error_request():
    text = MESSAGE.encode()
    return echo_request(fail=9) + b"\x32" + varint(len(text)) + text + b"\x3a\x03WHY"


REQUESTS = {
    "unary": echo_request(text="hi"),
    "large": echo_request(payload_bytes=1_000_000),
    "long": echo_request(text="z" * 3000),
    "stream": echo_request(text="s", count=3),
    "endless": echo_request(count=100_000, payload_bytes=1000),
    "slow": echo_request(delay=5000),
    "metadata": echo_request() + b"\x50\x01",
    "error": error_request(),
}


def facts(command, echo, **options):
    requests = [f"{name}={data.hex()}" for name, data in REQUESTS.items()]
    done = subprocess.run(
        [*command, echo.address, *requests], stdout=subprocess.PIPE, text=True, timeout=120, **options
    )
    assert done.returncode == 0
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def message(text):
    return dict(read_fields(bytes.fromhex(text)))


def check_facts(found):
    assert message(found["unary"])[1] == b"hi"
    assert int(found["large"]) > 1_000_000
    assert message(found["gzip"])[1] == b"z" * 3000
    stream = [message(m) for m in found["stream"].split(",")]
    assert [m.get(3, 0) for m in stream] == [0, 1, 2] and {m[1] for m in stream} == {b"s"}
    assert message(found["collect"])[4] == 3
    bidi = [message(m)[1] for m in found["bidi"].split(",")]
    assert bidi == [b"hi", b"s", b"s", b"s"]
    assert found["metadata"] == "00ff10 00ff10"
    code, text, details = found["error"].split(" ")
    assert (code, bytes.fromhex(text).decode()) == ("9", MESSAGE)
    status = read_status(bytes.fromhex(details))
    assert status[:2] == (9, MESSAGE)
    assert [(name, dict(read_fields(data))[1]) for name, data in status[2]] == [
        ("google.rpc.ErrorInfo", b"WHY")
    ]
    assert found["deadline"] == "4" and found["cancel"] == "1"
    assert found["leave"] == "1" and found["unimplemented"] == "12"


def test_grpcio_current(echo):
    check_facts(facts([sys.executable, HERE / "clients" / "grpcio_client.py"], echo))


def test_grpcio_of_debian(echo):
    python = "/usr/bin/python3"
    probe = subprocess.run([python, "-c", "import grpc; print(grpc.__version__)"], capture_output=True)
    need(probe.returncode == 0, "python3-grpcio")
    check_facts(facts([python, HERE / "clients" / "grpcio_client.py"], echo))


def test_grpc_go(echo, tmp_path):
    only_with_all()
    need(shutil.which("go") and pathlib.Path("/usr/share/gocode/src/google.golang.org/grpc").exists(),
         "golang-google-grpc-dev")  # fmt: skip
    package = tmp_path / "src" / "wireclient"
    package.mkdir(parents=True)
    shutil.copy(HERE / "clients" / "go" / "main.go", package)
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{tmp_path}:/usr/share/gocode", "GOFLAGS": "-p=2",
           "GOCACHE": str(tmp_path / "cache")}  # fmt: skip
    subprocess.run(["go", "build", "-o", tmp_path / "client", "wireclient"], check=True, env=env, cwd=tmp_path)
    check_facts(facts([tmp_path / "client"], echo))


def test_grpc_java(echo, tmp_path):
    only_with_all()
    jars = "/usr/share/java/*"
    need(shutil.which("javac") and pathlib.Path("/usr/share/java/grpc-core.jar").exists(), "libgrpc-java")
    source = HERE / "clients" / "java" / "WireClient.java"
    subprocess.run(["javac", "-nowarn", "-cp", jars, "-d", tmp_path, source], check=True)
    check_facts(facts(["java", "-cp", f"{jars}:{tmp_path}", "WireClient"], echo))


# Connect for Python, in its three protocols


def roads():
    for protocol in ("CONNECT", "GRPC", "GRPC_WEB"):
        for version in ("HTTP1", "HTTP2"):
            if (protocol, version) != ("GRPC", "HTTP1"):
                yield protocol, version


@pytest.fixture(params=list(roads()), ids="-".join)
def connect(request, echo, stubs):
    from connectrpc.client import ConnectClientSync
    from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
    from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
    from connectrpc.protocol import ProtocolType
    from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport

    protocol, version = request.param
    pb = stubs[1]

    class Api:
        name, is_http1 = protocol, version == "HTTP1"
        request = pb.EchoRequest

        def __init__(self, codec, **options):
            transport = SyncHTTPTransport(http_version=getattr(HTTPVersion, version))
            self.client = ConnectClientSync(
                f"http://{echo.address}", codec=codec, protocol=ProtocolType[protocol],
                http_client=SyncClient(transport), **options,
            )  # fmt: skip

        def method(self, name, kind):
            return MethodInfo(
                name=name, service_name="wire.echo.v1.EchoService", input=pb.EchoRequest,
                output=pb.EchoResponse, stream_type=StreamType[kind],
                idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS,
            )  # fmt: skip

        def unary(self, message, **options):
            return self.client.execute_unary(request=message, method=self.method("Unary", "UNARY"), **options)

        def stream(self, message, **options):
            method = self.method("ServerStream", "SERVER_STREAM")
            return self.client.execute_server_stream(request=message, method=method, **options)

        def collect(self, messages):
            method = self.method("ClientStream", "CLIENT_STREAM")
            return self.client.execute_client_stream(request=iter(messages), method=method)

        def bidi(self, messages):
            method = self.method("Bidi", "BIDI_STREAM")
            return self.client.execute_bidi_stream(request=iter(messages), method=method)

    Api.codecs = {"proto": google_protobuf_binary_codec(), "json": google_protobuf_json_codec()}
    return Api


@pytest.mark.parametrize("codec", ["proto", "json"])
def test_connect_python_in_all_shapes(connect, codec):
    api = connect(connect.codecs[codec])
    assert api.unary(api.request(text="hi \u2603")).text == "hi \u2603"
    assert len(api.unary(api.request(payload_bytes=100_000)).payload) == 100_000
    assert [m.index for m in api.stream(api.request(count=3))] == [0, 1, 2]
    assert api.collect([api.request(text=t) for t in "abc"]).received == 3
    if not api.is_http1:
        assert [m.text for m in api.bidi([api.request(text=t) for t in "abc"])] == list("abc")
    if api.name == "CONNECT":
        assert api.unary(api.request(text="get"), use_get=True).text == "get"


def test_connect_python_reads_errors(connect):
    from connectrpc.code import Code
    from connectrpc.errors import ConnectError

    api = connect(connect.codecs["proto"], send_compression=None, accept_compression=())
    failing = api.request(fail_code=9, fail_message=MESSAGE, fail_reason="WHY", count=2)
    for call in (api.unary, lambda request: list(api.stream(request))):
        with pytest.raises(ConnectError) as raised:
            call(failing)
        assert raised.value.code == Code.FAILED_PRECONDITION and raised.value.message == MESSAGE
        assert [d.type_name for d in raised.value.details] == ["google.rpc.ErrorInfo"]
    with pytest.raises(ConnectError) as raised:
        api.unary(api.request(delay_milliseconds=5000), timeout_ms=200)
    assert raised.value.code == Code.DEADLINE_EXCEEDED


def test_connect_python_reads_metadata(connect):
    from connectrpc.client import ResponseMetadata

    api = connect(connect.codecs["proto"])
    with ResponseMetadata() as seen:
        api.unary(api.request(echo_metadata=True), headers={"x-echo-a": "one"})
    assert seen.headers.get("x-echo-a") == "one" and seen.trailers.get("x-echo-a") == "one"


# buf curl, which finds the schema by reflection


def buf(echo, *arguments, home):
    done = subprocess.run(
        [BUF, "curl", "--http2-prior-knowledge", *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, "BUF_CACHE_DIR": str(home)},
    )  # fmt: skip
    return done


@pytest.mark.parametrize("protocol", ["grpc", "grpcweb", "connect"])
def test_buf_curl(echo, protocol, tmp_path):
    base = f"http://{echo.address}"
    ask = ["--protocol", protocol]
    listed = buf(echo, *ask, "--list-services", base, home=tmp_path)
    assert "wire.echo.v1.EchoService" in listed.stdout.split(), listed
    assert "grpc.health.v1.Health" in listed.stdout.split()

    def answers(method, data):
        done = buf(echo, *ask, "-d", data, f"{base}{SERVICE}{method}", home=tmp_path)
        decoder, text, found = json.JSONDecoder(), done.stdout.strip(), []
        while text:
            value, end = decoder.raw_decode(text)
            found.append(value)
            text = text[end:].strip()
        return found, done.stderr

    assert answers("Unary", '{"text":"hi"}')[0][0]["text"] == "hi"
    assert [m.get("index", 0) for m in answers("ServerStream", '{"count":3}')[0]] == [0, 1, 2]
    assert answers("ClientStream", '{"text":"a"}{"text":"b"}')[0][0]["received"] == 2
    assert [m["text"] for m in answers("Bidi", '{"text":"a"}{"text":"b"}')[0]] == ["a", "b"]
    _, error = answers("Unary", '{"failCode":9,"failMessage":"no","failReason":"WHY"}')
    assert "failed_precondition" in error and "google.rpc.ErrorInfo" in error


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_buf_curl_by_both_versions_of_reflection(echo, version, tmp_path):
    done = buf(
        echo, "--protocol", "grpc", "--reflect-protocol", f"grpc-{version}", "-d", '{"text":"hi"}',
        f"http://{echo.address}{UNARY}", home=tmp_path,
    )  # fmt: skip
    assert json.loads(done.stdout)["text"] == "hi", done


# curl


def curl(echo, road, path, *arguments, data=None):
    need(shutil.which("curl"), "curl")
    version = "--http1.1" if road == "http1" else "--http2-prior-knowledge"
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", version, "-w", "%{stderr}%{http_code} %{http_version} %{content_type}",
         *arguments, f"http://{echo.address}{path}"], input=data, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done
    return done.stdout, done.stderr.decode()


@pytest.mark.parametrize("road", ["http1", "h2"])
def test_curl(echo, road):
    body, told = curl(echo, road, UNARY, "--json", '{"text":"hi"}')
    assert json.loads(body)["text"] == "hi"
    assert told == ("200 1.1" if road == "http1" else "200 2") + " application/json"
    body, told = curl(echo, road, UNARY, "--json", '{"failCode":5,"failMessage":"none"}')
    assert json.loads(body) == {"code": "not_found", "message": "none"} and told.startswith("404 ")
    body, _ = curl(echo, road, UNARY + "?connect=v1&encoding=json&message=%7B%22text%22%3A%22get%22%7D")
    assert json.loads(body)["text"] == "get"
    web = ["-H", "content-type: application/grpc-web+proto", "--data-binary", "@-"]
    body, _ = curl(echo, road, UNARY, *web, data=framed(echo_request(text="web")))
    assert b"web" in body and b"\x80\0\0\0" in body and body.endswith(b"grpc-status: 0\r\n")
    body, told = curl(echo, road, "/healthz")
    assert len(body) >= 5 and told.startswith("200 ")
    large = json.dumps({"text": "x" * 200_000}).encode()
    body, _ = curl(echo, road, UNARY, "--json", "@-", "--compressed", data=large)
    assert json.loads(body)["text"] == "x" * 200_000
    if road == "h2":
        grpc = ["-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-", "-D", "-"]
        body, _ = curl(echo, road, UNARY, *grpc, data=framed(echo_request(text="raw")))
        assert b"raw" in body and b"grpc-status: 0" in body
