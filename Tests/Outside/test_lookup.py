"""Decisions are found by patient, image, user and reason at once, and the look-up catches up."""

import http.client
import re
import threading

import pytest

import service as services  # first: makes the stubs importable
from consent.v1 import audit_service_pb2 as audit
from consent.v1 import audit_service_pb2_grpc as audit_grpc
from desk import JOURNAL, Desk, key, party, patient, record, records, reports, signed, v
from service import Service


@pytest.fixture(scope="module")
def killed():
    service = Service(start="2026-03-10T15:00:00Z", scenarios=3).start()
    yield service
    service.destroy()


def listed(service, role, **filter):
    """The ids of every decision that matches, page by page."""
    stub = service.stub(audit_grpc.AuditServiceStub, role)
    found, token = [], ""
    while True:
        page = stub.ListDecisions(audit.ListDecisionsRequest(
            page_size=7, page_token=token, **filter), timeout=20)
        found += [each.decision.decision_id for each in page.decisions]
        token = page.next_page_token
        if not token:
            return found


def metric(service, name, organization):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    line = re.search(rf'^{name}{{organization="{organization}"}} (\S+)$', text, re.MULTILINE)
    return None if line is None else float(line.group(1))


def caught_up(service, organization):
    for _ in range(600):
        if metric(service, "consentd_lookup_behind_decisions", organization) == 0:
            assert metric(service, "consentd_lookup_lag_seconds", organization) == 0
            return
        threading.Event().wait(0.1)  # pace of looking; the loop ends with the metric
    raise AssertionError("the look-up does not catch up: " + service.log()[-2000:])


def test_every_decision_is_listed_however_far_the_look_up_is(killed):
    role, organization = "scenario-0", services.scenario_organization(0)
    desk = Desk(killed, role)
    ids = [desk.patient(f"L-{number}") for number in range(2)]
    images = [desk.image(id) for id in ids for _ in range(2)]
    made = {image: [] for image in images}
    for round in range(6):
        for image in images * 3:
            made[image].append(desk.check(image).decision_id)
        for number, id in enumerate(ids):
            expected = [each for image in images[2 * number:2 * number + 2]
                        for each in made[image]]
            found = listed(killed, role, patient=patient.PatientReference(patient_id=id))
            assert sorted(found) == sorted(expected)
        assert sorted(listed(killed, role, image=key(images[0]))) == sorted(made[images[0]])
        if round % 2 == 1:
            killed.kill()
            killed.start()
            desk = Desk(killed, role)
    desk.check(images[0])
    caught_up(killed, organization)
    everything = sum(len(each) for each in made.values()) + 1
    user = party.Identifier(system="urn:lakeside:staff", value="u1")
    assert len(listed(killed, role, actor=user)) == everything
    assert len(listed(killed, role, reasons=["REASON_NO_AUTHORIZATION"])) == everything


def test_the_accounting_tells_what_was_disclosed_by_hand_and_in_error(killed):
    role = "scenario-1"
    desk = Desk(killed, role)
    id = desk.patient("A-1")
    image = desk.image(id)
    paper = desk.record(id).instrument
    decision = desk.check(image)
    assert decision.effect == v.EFFECT_PERMIT

    def accounting():
        return desk.reports.AccountingOfDisclosures(reports.AccountingOfDisclosuresRequest(
            patient=patient.PatientReference(patient_id=id)))

    assert accounting().total == 0
    recorded = desk.records.RecordDisclosure(records.RecordDisclosureRequest(
        patient=patient.PatientReference(patient_id=id), images=[key(image)],
        disclosed=signed("2026-03-09"), recipient=JOURNAL, information="one chest film",
        purpose="court order", ground=records.DISCLOSURE_GROUND_PERMITTED_BY_LAW,
        idempotency_key=desk.new_key()))
    desk.records.EnterInError(records.EnterInErrorRequest(
        record=record.RecordReference(kind=record.RECORD_KIND_INSTRUMENT, id=paper.instrument_id),
        note="another patient's", idempotency_key=desk.new_key()))
    lines = accounting().lines
    assert [(line.record.id, line.decision_id) for line in lines] == [
        (recorded.disclosure_id, ""), ("", decision.decision_id)]
    assert lines[1].recipient == JOURNAL
