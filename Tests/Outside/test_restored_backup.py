"""A backup restored while nothing ran may have lost revocations: nothing is answered from it until
an operator accepts it."""

import json
import os
import shutil

import pytest

from desk import Desk, check, clocks, events
from errors import failure
from service import Service, scenario_organization

FIRST = scenario_organization(0)


@pytest.fixture
def service():
    service = Service(scenarios=1)
    yield service
    service.destroy()


def use(service, *extra):
    """Starts it, and a front desk in the register that is restored."""
    service.extra = list(extra)
    service.start()
    return Desk(service, "scenario-0")


def refused(service, *extra):
    """Why it does not start."""
    service.extra = list(extra)
    before = len(service.log())
    with pytest.raises(AssertionError, match="exited"):
        service.start()
    assert service.process.returncode == 69
    return service.log()[before:]


def copy(source, target):
    """With owners: the database runs as a user of its own where the tests run as root."""
    shutil.copytree(source, target, symlinks=True)
    for old in [source, *source.rglob("*")]:
        new = target / old.relative_to(source)
        status = old.lstat()
        os.chown(new, status.st_uid, status.st_gid, follow_symlinks=False)


@pytest.fixture
def restored(service):
    """A register whose one grant was revoked, on a backup that does not know of it."""
    desk = use(service)
    patient = desk.patient("P-1")
    image = desk.image(patient)
    grant = desk.grant(patient, signed_on="2026-01-02", until="2026-12-31")
    assert desk.answer(image) == "PERMIT AUTH_VALID"
    assert service.stop() == 0
    data = service.folder / "pg" / "data"
    backup = service.folder / "backup"
    copy(data, backup)

    births, desk = desk.birth_dates, use(service)
    desk.birth_dates = births
    lost = desk.revoke(patient, grant, "2026-01-05T11:00:00Z").position
    assert desk.answer(image).startswith("DENY")
    assert service.stop() == 0
    shutil.rmtree(data)
    copy(backup, data)
    return service, image, patient, lost


def test_a_shorter_feed_is_refused_until_it_is_accepted(restored):
    service, image, _, _ = restored
    why = refused(service)
    assert f"organization {FIRST} ends at position" in why and "--accept-history" in why

    desk = use(service, "--accept-history")
    assert desk.answer(image) == "PERMIT AUTH_VALID"  # the revocation is lost, as was said
    assert "another history was accepted" in service.log()
    assert service.stop() == 0
    use(service)  # accepted once and for all


def test_a_feed_that_has_grown_past_it_again_is_refused(restored):
    service, image, patient, lost = restored
    # Another node, which saw nothing of the lost revocation, goes on with the backup.
    desk = use(service, "--seen-file", str(service.folder / "other.json"))
    for _ in range(3):
        desk.image(patient)
    assert service.stop() == 0
    assert f"organization {FIRST} holds another history at position" in refused(service)

    # Whoever holds a position of the lost history is told so, and not given the other one for it.
    desk = use(service, "--accept-history")
    listing = events.ListEventsRequest(after=lost)
    assert failure(desk.events.ListEvents, listing)[:2] == ("FAILED_PRECONDITION", "HISTORY_REPLACED")
    watching = events.WatchRequest(after=lost)
    told = failure(lambda: next(desk.events.Watch(watching, timeout=30)))
    assert told[:2] == ("FAILED_PRECONDITION", "HISTORY_REPLACED")
    question = check.CheckRequest(request=desk.ask(image), min_position=lost)
    assert failure(desk.checks.Check, question)[0] == "UNAVAILABLE"
    bare = clocks.FeedPosition(position=lost.position)
    assert desk.events.ListEvents(events.ListEventsRequest(after=bare)).position.chain != lost.chain


def test_another_cluster_is_refused(restored):
    service, *_ = restored
    seen = service.folder / "pg" / "seen.json"
    remembered = json.loads(seen.read_text())
    remembered["cluster"] = "7"
    remembered["heads"] = {}
    seen.write_text(json.dumps(remembered))
    assert "its cluster is" in refused(service)


def test_an_unreadable_memory_is_not_taken_for_none(restored):
    service, *_ = restored
    (service.folder / "pg" / "seen.json").write_text("{")
    service.extra = []
    with pytest.raises(AssertionError, match="cannot be read as the history seen"):
        service.start()


@pytest.mark.parametrize("mutant, noticing", [
    ("trust-any-history", test_a_shorter_feed_is_refused_until_it_is_accepted),
    ("trust-any-history", test_a_feed_that_has_grown_past_it_again_is_refused),
    ("trust-any-history", test_another_cluster_is_refused),
    ("trust-positions", test_a_feed_that_has_grown_past_it_again_is_refused),
])
def test_a_server_that_does_not_compare_is_noticed(restored, monkeypatch, mutant, noticing):
    service = restored[0]
    monkeypatch.setenv("CONSENTD_MUTANT", mutant)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        noticing(restored)
    told = "this server is broken on purpose" in service.log()
    assert told, "only a debug build can be broken"
