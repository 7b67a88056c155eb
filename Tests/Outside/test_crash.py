"""kill -9 of consentd and of PostgreSQL between and during the steps: nothing lost, nothing twice."""

import contextlib
import os
import random
import signal
import threading

import grpc
import pytest

from desk import Desk, clocks, events, party, patient, records
from service import Service

SEED = int(os.environ.get("CONSENTD_TEST_SEED", "20260310"))


@pytest.fixture(scope="module")
def crashing():
    service = Service(start="2026-03-10T15:00:00Z", scenarios=20).start()
    yield service
    service.destroy()


def fresh(service, role):
    """Stubs on the channel of the running process."""
    return Desk(service, role)


def kill_consentd(service):
    service.kill()
    service.start()


def kill_postgres(service):
    # Killed a moment ago, it may be dead while a session of it still gave the answer in between.
    with contextlib.suppress(ProcessLookupError):
        os.kill(service.postmaster_pid(), signal.SIGKILL)


def retried(service, role, call):
    """Calls until it is answered, as a client with the same idempotency key would."""
    for _ in range(2000):
        try:
            return call(fresh(service, role))
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN,
                                    grpc.StatusCode.DEADLINE_EXCEEDED), error
            threading.Event().wait(0.02)  # pace of the retries
    raise AssertionError("never answered again")


def dense(feed):
    assert [e.position.position for e in feed] == list(range(1, len(feed) + 1))
    assert len({e.event_id for e in feed}) == len(feed)


@pytest.mark.parametrize("kill", [kill_consentd, kill_postgres])
def test_between_every_step(crashing, kill):
    service = crashing
    role = f"scenario-{next(service.unused)}"
    born = {}

    def step(call):
        result = retried(service, role, lambda desk: call(_with(desk, born)))
        kill(service)
        return result

    service.set_clock("2026-03-10T15:00:00Z")
    keys = {n: f"key-{n}" for n in ("patient", "image", "paper", "short", "revoke")}
    p = step(lambda d: d.records.RegisterPatient(records.RegisterPatientRequest(
        fields=patient.PatientFields(identifiers=[party.Identifier(system="urn:m", value="1")],
                                     birth_date=clocks.LocalDay(year=1970, month=5, day=5)),
        idempotency_key=keys["patient"]))).patient.patient_id
    born[p] = "1970-05-05"
    uid = step(lambda d: d.image(p))

    def record(key, until):
        def call(d):
            return d.records.RecordInstrument(records.RecordInstrumentRequest(
                patient_id=p, second_identifier=d.second(p), idempotency_key=key,
                # The one that is revoked later is signed last, so that it speaks.
                instrument=d.paper(until=until, received="2026-03-10T15:00:00Z",
                                   signed_on="2026-03-02" if until > "2026-12" else "2026-03-01")))
        return call

    paper = step(record(keys["paper"], "2026-12-31"))
    again = retried(service, role, lambda d: record(keys["paper"], "2026-12-31")(_with(d, born)))
    assert again.instrument.instrument_id == paper.instrument.instrument_id
    step(record(keys["short"], "2026-03-20"))
    assert step(lambda d: d.answer(uid)) == "PERMIT AUTH_VALID"

    seen = step(lambda d: d.wait_for("INSTRUMENT_RECORDED", 2))
    service.set_clock("2026-04-01T15:00:00Z")  # the second paper fell due while it was down
    kill(service)
    expired = retried(service, role, lambda d: d.wait_for("GRANT_EXPIRED"))
    assert expired[0].effective_at.ToJsonString() == "2026-03-21T05:00:00Z"

    revoked = step(lambda d: _with(d, born).revoke(
        p, [paper.instrument.grants[0].grant_id], "2026-03-31", "2026-04-01T15:00:00Z"))
    assert revoked.revocation_id
    assert step(lambda d: d.answer(uid)) == "DENY AUTH_REVOKED"
    feed = retried(service, role, lambda d: d.feed())
    dense(feed)
    kinds = [e.kind for e in feed]
    assert kinds.count(seen[0].kind) == 2
    assert kinds.count(expired[0].kind) == 1
    assert len(retried(service, role, lambda d: d.feed(["GRANT_REVOKED"]))) == 1
    resumed = retried(service, role, lambda d: _resume(d, feed))
    assert [e.position.position for e in resumed] == [e.position.position for e in feed]


def _with(desk, born):
    desk.birth_dates = born
    return desk


def _resume(desk, feed):
    """Follows Watch with a new stream after every event."""
    got, after = [], clocks.FeedPosition()
    while len(got) < len(feed):
        stream = desk.events.Watch(events.WatchRequest(after=after), timeout=20)
        for message in stream:
            if message.HasField("event"):
                got.append(message.event)
                after = message.event.position
                stream.cancel()
                break
    return got


@pytest.mark.parametrize("kill", [kill_consentd, kill_postgres])
def test_during_writes(crashing, kill):
    """Writers with keys of their own, killed at random: each acknowledged change is there once."""
    service = crashing
    role = f"scenario-{next(service.unused)}"
    print("seed", SEED)
    chance = random.Random(SEED)
    service.set_clock("2026-05-01T15:00:00Z")
    acknowledged, lock, gate = {}, threading.Lock(), threading.Lock()
    wanted, moment = 4 * 30, threading.Semaphore(0)

    def writer(number):
        for n in range(30):
            key = f"{number}-{n}"
            while True:
                with gate:
                    desk = fresh(service, role)
                try:
                    answer = desk.records.RegisterPatient(records.RegisterPatientRequest(
                        fields=patient.PatientFields(
                            identifiers=[party.Identifier(system="urn:m", value=key)]),
                        idempotency_key=key), timeout=10)
                except (grpc.RpcError, ValueError):  # ValueError: its channel was closed
                    threading.Event().wait(0.01)
                    continue
                with lock:
                    acknowledged[key] = answer
                moment.release()
                break

    threads = [threading.Thread(target=writer, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        for _ in range(chance.randint(5, 25)):
            moment.acquire()
        with gate:
            kill(service)
    for thread in threads:
        thread.join(120)
    assert len(acknowledged) == wanted
    feed = retried(service, role, lambda d: d.feed(["PATIENT_REGISTERED"]))
    dense(feed)
    assert sorted(e.patient_id for e in feed) == sorted(
        a.patient.patient_id for a in acknowledged.values())
    for key, answer in list(acknowledged.items())[:10]:
        again = retried(service, role, lambda d: d.records.RegisterPatient(
            records.RegisterPatientRequest(fields=patient.PatientFields(
                identifiers=[party.Identifier(system="urn:m", value=key)]),
                idempotency_key=key)))
        assert again == answer


def test_a_database_that_is_down_answers_nothing():
    """UNAVAILABLE with RetryInfo, no answer guessed; and answers again when it is back."""
    from errors import failure
    from desk import check

    service = Service(start="2026-03-10T15:00:00Z", scenarios=1).start()
    try:
        desk = fresh(service, "scenario-0")
        p = desk.patient("P-1")
        uid = desk.image(p)
        desk.grant(p)
        assert desk.answer(uid) == "PERMIT AUTH_VALID"
        postmaster = service.postmaster_pid()
        os.kill(postmaster, signal.SIGSTOP)
        for line in os.popen(f"pgrep -P {postmaster}").read().split():
            os.kill(int(line), signal.SIGSTOP)
        code, _, _, retry = failure(
            desk.checks.Check, check.CheckRequest(request=desk.ask(uid)), timeout=60)
        assert (code, retry) == ("UNAVAILABLE", True)
        for line in os.popen(f"pgrep -P {postmaster}").read().split():
            os.kill(int(line), signal.SIGCONT)
        os.kill(postmaster, signal.SIGCONT)
        assert retried(service, "scenario-0", lambda d: d.answer(uid)) == "PERMIT AUTH_VALID"
    finally:
        service.destroy()
