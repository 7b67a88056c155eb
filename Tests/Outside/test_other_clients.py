"""One question in three protocols by a client that is not gRPC's: the decision is the same."""

import json
import os
import subprocess

import pytest
from google.protobuf import json_format

from desk import check
from service import ROOT


@pytest.mark.parametrize("protocol", ["CONNECT", "GRPC", "GRPC_WEB"])
@pytest.mark.parametrize("codec", ["proto", "json"])
def test_connect_python_asks(desk, protocol, codec):
    from connectrpc.client import ConnectClientSync
    from connectrpc.code import Code
    from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
    from connectrpc.errors import ConnectError
    from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
    from connectrpc.protocol import ProtocolType
    from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport

    codecs = {"proto": google_protobuf_binary_codec(), "json": google_protobuf_json_codec()}
    client = ConnectClientSync(
        f"http://{desk.service.address}", codec=codecs[codec], protocol=ProtocolType[protocol],
        http_client=SyncClient(SyncHTTPTransport(http_version=HTTPVersion.HTTP2)))
    method = MethodInfo(
        name="Check", service_name="consent.v1.CheckService", input=check.CheckRequest,
        output=check.CheckResponse, idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY)
    question = check.CheckRequest(request=desk.ask("1.2.3"))
    token = desk.service.callers[desk.role].token
    answer = client.execute_unary(
        request=question, method=method, headers={"authorization": "Bearer " + token})
    assert json_format.MessageToDict(answer)["decision"]["reason"] == "REASON_IMAGE_UNKNOWN"
    with pytest.raises(ConnectError) as raised:
        client.execute_unary(request=question, method=method)
    assert raised.value.code == Code.UNAUTHENTICATED
    assert [d.type_name for d in raised.value.details] == ["google.rpc.ErrorInfo"]


@pytest.mark.parametrize("protocol", ["grpc", "grpcweb", "connect"])
def test_buf_curl_needs_no_schema(desk, protocol):
    """Reflection tells it all."""
    token = desk.service.callers[desk.role].token
    common = [str(ROOT / ".venv" / "bin" / "buf"), "curl", "--http2-prior-knowledge", "--protocol", protocol,
              "--reflect-header", "Authorization: Bearer " + token]
    env = {**os.environ, "BUF_CACHE_DIR": str(desk.service.folder / "buf")}
    base = f"http://{desk.service.address}"
    listed = subprocess.run(common + ["--list-services", base], capture_output=True, text=True, timeout=60,
                            env=env)
    assert "consent.v1.CheckService" in listed.stdout.split(), listed
    question = json_format.MessageToJson(check.CheckRequest(request=desk.ask("1.2.3")))
    done = subprocess.run(
        common + ["-H", "Authorization: Bearer " + token, "-d", question, base + "/consent.v1.CheckService/Check"],
        capture_output=True, text=True, timeout=60, env=env)
    assert json.loads(done.stdout)["decision"]["reason"] == "REASON_IMAGE_UNKNOWN", done


def test_metrics_and_health_by_curl_over_both_versions(desk):
    for version in ("--http1.1", "--http2-prior-knowledge"):
        for path, text in (("/healthz", ""), ("/metrics", "# TYPE")):
            done = subprocess.run(
                ["curl", "-sSf", version, f"http://{desk.service.address}{path}"],
                capture_output=True, text=True, timeout=30)
            assert done.returncode == 0 and len(done.stdout) >= 5 and text in done.stdout, done
