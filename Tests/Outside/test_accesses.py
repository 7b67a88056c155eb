"""Who read whose records: logged before the answer, listed, exported and verified."""

import json
import time
import urllib.request

import pytest

from desk import Desk, day, party, patient, records
from errors import failure
from service import Service
from test_proof import audit

from consent.v1 import audit_service_pb2 as audits
from consent.v1 import audit_service_pb2_grpc as audits_grpc


@pytest.fixture
def audited(tmp_path):
    """On a service of its own, whose log holds nothing of other tests."""
    service = Service(scenarios=1).start()
    yield audit(Desk(service, "scenario-0"), tmp_path)
    service.destroy()


def history(desk, patient_id):
    return desk.records.GetPatientHistory(records.GetPatientHistoryRequest(
        patient=patient.PatientReference(patient_id=patient_id)))


def accesses(desk, **request):
    stub = desk.service.stub(audits_grpc.AuditServiceStub, desk.role)
    found = []
    # Not of one each: the clock stands, and each page is an access of the same instant.
    request = audits.ListAccessesRequest(page_size=3, **request)
    while True:
        page = stub.ListAccesses(request)
        found += page.accesses
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_read_is_listed_exported_and_verified(audited):
    desk = audited.desk
    first, second = desk.patient("P-7"), desk.patient("P-8")
    assert history(desk, first).patient.patient_id == first
    read = accesses(desk, patient=patient.PatientReference(patient_id=first))[0]
    assert read.method == "consent.v1.RecordService/GetPatientHistory"
    assert list(read.patient_ids) == [first] and read.caller == desk.role
    assert not [a for a in accesses(desk, patient=patient.PatientReference(patient_id=second))
                if a.method.endswith("GetPatientHistory")]
    # Looking is logged as well.
    assert [a for a in accesses(desk, patient=patient.PatientReference(patient_id=first))
            if a.method.endswith("ListAccesses")]

    told = [json.loads(line) for line in
            audited.run("accesses", first, "--json").splitlines()]
    assert told[0]["accessId"] == read.access_id and told[0]["patientIds"] == [first]
    text = audited.run("accesses", "urn:lakeside:mrn|P-7", "--caller", desk.role)
    assert "GetPatientHistory" in text and first in text
    assert "GetPatientHistory" not in audited.run("accesses", "--caller", "nobody")

    # In this order: the log grows by itself.
    checkpoint, file = audited.checkpoint(), audited.export()
    told = json.loads(audited.run("verify", "log", file, "--key-file", audited.keys,
                                  "--checkpoint", checkpoint, "--json"))
    assert told["verified"]
    # Whoever changes who was read is found.
    data = bytearray(file.read_bytes())
    place = data.rindex(b"GetPatientHistory")
    data[place] ^= 1
    file.write_bytes(data)
    assert not json.loads(audited.run("verify", "log", file, "--json", expect=1))["verified"]


def test_a_search_is_logged_without_what_was_searched(audited):
    desk = audited.desk
    found = desk.patient("P-7", display_name="Quillfeather")
    answer = desk.records.FindPatients(records.FindPatientsRequest(
        name_and_birth_date=records.NameAndBirthDate(
            display_name="Quillfeather", birth_date=day("1970-05-05"))))
    assert [p.patient_id for p in answer.patients] == [found]
    desk.records.FindPatients(records.FindPatientsRequest(
        identifier=party.Identifier(system="urn:lakeside:mrn", value="P-nobody")))
    searches = [a for a in accesses(desk) if a.method.endswith("FindPatients")]
    assert [(a.subject, list(a.patient_ids)) for a in searches] == [
        ("by=name-and-birth-date", [found]), ("by=identifier", [])]
    assert b"Quillfeather" not in audited.export().read_bytes()


def test_only_auditors_see_who_read(service):
    for role in ["checker", "recorder", "reporter", "administrator"]:
        stub = service.stub(audits_grpc.AuditServiceStub, role)
        assert failure(stub.ListAccesses, audits.ListAccessesRequest())[0] == "PERMISSION_DENIED"
    service.stub(audits_grpc.AuditServiceStub, "auditor").ListAccesses(
        audits.ListAccessesRequest())


def test_the_feed_is_anchored_where_it_moves(audited):
    def anchors():
        page = urllib.request.urlopen(
            f"http://{audited.desk.service.address}/metrics", timeout=10).read().decode()
        return int(page.split("\nconsentd_feed_anchors_total ")[1].split()[0])

    until(lambda: anchors() > 0)
    before = anchors()
    audited.desk.patient("P-7")
    until(lambda: anchors() > before)
    assert audited.run("verify", "log", audited.export(), "--key-file", audited.keys)
