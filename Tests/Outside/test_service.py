"""The service as a process and as a port: health, other clients, deadlines, a graceful stop."""

import json
import os
import pathlib
import subprocess
import threading

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from desk import Desk, check, decision, events, key
from errors import failure
from service import BIN, ROOT, Service

BUF = ROOT / ".venv" / "bin" / "buf"


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def next_event(stream):
    """The position of the next event, past any heartbeat."""
    return next(m.event.position.position for m in stream if m.HasField("event"))


def test_health_needs_no_token(service):
    stub = health_pb2_grpc.HealthStub(service.channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    assert stub.Check(health_pb2.HealthCheckRequest()).status == serving
    assert failure(stub.Check, health_pb2.HealthCheckRequest(service="nobody"))[0] == "NOT_FOUND"
    page = subprocess.run(["curl", "-sS", "-w", " %{http_code}",
                           f"http://{service.address}/healthz"], capture_output=True, text=True)
    assert page.stdout.endswith(" 200"), page


def test_buf_curl_calls_it_with_our_schema(desk):
    p = desk.patient("P-1")
    uid = desk.image(p)
    from google.protobuf import json_format
    question = json_format.MessageToJson(check.CheckRequest(request=desk.ask(uid)))
    token = desk.service.callers[desk.role].token
    out = subprocess.run(
        [str(BUF), "curl", "--http2-prior-knowledge", "--protocol", "grpc",
         "--schema", str(ROOT / "Proto"), "-H", "Authorization: Bearer " + token, "-d", question,
         f"http://{desk.service.address}/consent.v1.CheckService/Check"],
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "BUF_CACHE_DIR": str(desk.service.folder / "buf")})
    assert json.loads(out.stdout)["decision"]["reason"] == "REASON_NO_AUTHORIZATION", out


def test_curl_reads_an_answer_as_json(desk):
    from google.protobuf import json_format
    question = json_format.MessageToJson(check.CheckRequest(request=desk.ask("1.2.3")))
    out = subprocess.run(
        ["curl", "-sS", "--json", question, "-H",
         "authorization: Bearer " + desk.service.callers[desk.role].token,
         f"http://{desk.service.address}/consent.v1.CheckService/Check"],
        capture_output=True, text=True, timeout=60)
    assert json.loads(out.stdout)["decision"]["reason"] == "REASON_IMAGE_UNKNOWN", out


def test_an_expired_deadline_is_said_and_harms_nothing(desk):
    request = check.CheckRequest(request=desk.ask("1.2.3"))
    assert failure(desk.checks.Check, request, timeout=0.000001)[0] == "DEADLINE_EXCEEDED"
    assert desk.answer("1.2.3") == "DENY IMAGE_UNKNOWN"


def test_a_cancelled_watch_ends_and_others_go_on(desk):
    desk.patient("P-1")
    first = desk.events.Watch(events.WatchRequest())
    second = desk.events.Watch(events.WatchRequest())
    assert next_event(first) == next_event(second) == 1
    first.cancel()
    desk.patient("P-2")
    assert next_event(second) == 2
    second.cancel()


def test_a_watch_that_waits_is_told_at_once(desk):
    """A stream opened before the change sees it, without asking again."""
    got, opened = [], threading.Event()

    def follow():
        stream = desk.events.Watch(events.WatchRequest(), timeout=30)
        for message in stream:
            opened.set()
            if message.HasField("event"):
                got.append(message.event.position.position)
                if len(got) == 2:
                    stream.cancel()
                    return

    desk.patient("P-1")
    thread = threading.Thread(target=follow)
    thread.start()
    assert opened.wait(30)
    desk.patient("P-2")
    thread.join(30)
    assert got == [1, 2]


def test_every_answer_is_in_the_log(desk):
    answers = [desk.check("1.2.3") for _ in range(5)]
    for answer in answers:
        explained = desk.checks.Explain(check.ExplainRequest(decision_id=answer.decision_id))
        assert explained.decision.reason == answer.reason
        assert explained.decision.decision_id == answer.decision_id
    assert len({a.decision_id for a in answers}) == 5
    assert failure(desk.checks.Explain, check.ExplainRequest(
        decision_id=answers[0].decision_id[:-1] + "999999"))[0] in ("NOT_FOUND", "INVALID_ARGUMENT")


def test_sigterm_stops_everything_in_good_order():
    service = Service(scenarios=1).start()
    try:
        postmaster = service.postmaster_pid()
        desk = Desk(service, "scenario-0")
        desk.patient("P-1")
        stream = desk.events.Watch(events.WatchRequest())
        next(stream)
        assert service.stop() == 0
        assert not alive(postmaster)
        try:
            for _ in stream:
                pass
            ended = "OK"
        except grpc.RpcError as error:
            ended = error.code().name
        assert ended in ("OK", "UNAVAILABLE", "CANCELLED"), ended
        service.start()
        assert len(Desk(service, "scenario-0").feed()) == 1
    finally:
        service.destroy()


def test_the_test_clock_is_refused_on_a_database_of_ones_own(tmp_path):
    (tmp_path / "clock").write_text("2026-01-05T12:00:00Z\n")
    (tmp_path / "tokens.json").write_text('{"tokens":[]}')
    done = subprocess.run(
        [str(BIN / "consentd"), "--listen", "127.0.0.1:0", "--database", "host=127.0.0.1",
         "--tokens", str(tmp_path / "tokens.json"), "--test-clock", str(tmp_path / "clock")],
        capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "--embedded-postgres" in done.stderr


def test_a_password_in_the_arguments_is_refused(tmp_path):
    done = subprocess.run(
        [str(BIN / "consentd"), "--database", "host=127.0.0.1 password=secret",
         "--tokens", str(tmp_path / "none")], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "secret" not in done.stderr
