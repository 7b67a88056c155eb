"""A clock that contradicts the records permits nothing until an operator confirms it."""

import signal
import time

import pytest

from desk import Desk, check
from errors import failure
from service import Service


@pytest.fixture
def service():
    service = Service(start="2036-03-10T15:00:00Z", scenarios=1)
    yield service
    service.destroy()


def confirm(service):
    """SIGUSR1, and waits until the log tells of it."""
    service.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 30
    while "the clock was confirmed" not in service.log():
        assert service.process.poll() is None, service.log()[-2000:]
        assert time.monotonic() < deadline, service.log()[-2000:]
        time.sleep(0.02)  # pace of polling, not synchronization


def test_a_start_before_the_newest_record(service):
    service.start()
    desk = Desk(service, "scenario-0")
    patient = desk.patient("P-1")
    permitted, other = desk.image(patient), desk.image(patient)
    desk.grant(patient, signed_on="2036-03-01", until="2036-12-31")
    assert desk.answer(permitted) == "PERMIT AUTH_VALID"
    assert service.stop() == 0

    # Ten years earlier by the machine's clock.
    service.start(real_clock=True)
    desk = Desk(service, "scenario-0")
    question = check.CheckRequest(request=desk.ask(permitted))
    assert failure(desk.checks.Check, question) == ("UNAVAILABLE", "UNAVAILABLE", [], True)
    assert desk.answer(other, use="RESEARCH").startswith("DENY")
    assert "earlier than the newest record" in service.log()

    confirm(service)
    assert desk.answer(permitted) == "PERMIT AUTH_VALID"
    assert service.stop() == 0
