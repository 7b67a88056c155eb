"""Each bad input gets a precise error that names the field, and nothing is stored."""

import grpc
import pytest

from desk import (Desk, check, check_grpc, clocks, day, decision, events, image, instant,
                  instrument, key, party, patient, records, records_grpc, reports, signed, v)
from errors import failure


@pytest.fixture
def filled(desk):
    desk.at("2026-03-10T15:00:00Z")
    desk.p = desk.patient("P-1")
    desk.i = desk.image(desk.p)
    desk.position = desk.feed()[-1].position.position
    yield desk
    assert desk.feed()[-1].position.position == desk.position, "something was stored"


def check_with(desk, change):
    request = desk.ask(desk.i)
    change(request)
    return failure(desk.checks.Check, check.CheckRequest(request=request))


@pytest.mark.parametrize("field, reason", [
    ("use", "PURPOSE_REQUIRED"), ("audience", "AUDIENCE_REQUIRED"),
    ("channel", "CHANNEL_REQUIRED"), ("actor", "ACTOR_REQUIRED"),
    ("recipient", "RECIPIENT_REQUIRED"),
])
def test_a_check_lacking_a_field_names_it(filled, field, reason):
    code, said, fields, _ = check_with(filled, lambda r: r.ClearField(field))
    assert (code, said) == ("INVALID_ARGUMENT", reason)
    assert any(f.startswith("request." + field) for f in fields)


def test_in_a_batch_that_item_alone_is_denied(filled):
    good, bad = filled.ask(filled.i), filled.ask(filled.i)
    bad.ClearField("use")
    answer = filled.checks.BatchCheck(check.BatchCheckRequest(requests=[good, bad, good]))
    assert [Desk.words(d) for d in answer.decisions] == [
        "DENY NO_AUTHORIZATION", "DENY PURPOSE_REQUIRED", "DENY NO_AUTHORIZATION"]


@pytest.mark.parametrize("field", ["use", "audience", "channel"])
def test_an_unknown_enum_value_is_named(filled, field):
    code, _, fields, _ = check_with(filled, lambda r: setattr(r, field, 99))
    assert code == "INVALID_ARGUMENT" and "request." + field in fields


def test_a_malformed_uid_is_named(filled):
    def spoil(request):
        request.image.sop_instance_uid = "1.2.x"
    code, _, fields, _ = check_with(filled, spoil)
    assert code == "INVALID_ARGUMENT" and fields[0].startswith("request.image")


def test_an_unknown_image_and_a_mismatched_patient_are_logged_denies(filled):
    assert filled.answer("1.2.3.4.5.6.7") == "DENY IMAGE_UNKNOWN"
    other = Desk.check(filled, filled.i, patient=patient.PatientReference(
        identifier=party.Identifier(system="urn:lakeside:mrn", value="P-2")))
    assert Desk.words(other) == "DENY PATIENT_MISMATCH" and other.decision_id


def register(desk, **fields):
    item = records.ImageRegistration(fields=image.ImageFields(**{
        "key": key(desk.uid()), "kind": v.IMAGE_KIND_DICOM_INSTANCE,
        "study_instance_uid": "1.2.3", "series_instance_uid": "1.2.3.4", **fields}))
    return desk.records.RegisterImages, records.RegisterImagesRequest(
        patient=patient.PatientReference(patient_id=desk.p), images=[item],
        idempotency_key=desk.new_key())


def refused(call, request):
    """The fields named, whether the whole call or its one item was refused."""
    try:
        outcome = call(request).outcomes[0]
    except grpc.RpcError:
        code, _, fields, _ = failure(call, request)
        assert code == "INVALID_ARGUMENT"
        return fields
    assert outcome.outcome == records.REGISTRATION_OUTCOME_INVALID, outcome
    return [outcome.field]


@pytest.mark.parametrize("fields, named", [
    (dict(study_instance_uid=""), "study_instance_uid"),
    (dict(study_instance_uid="1..2"), "study_instance_uid"),
    (dict(key=image.ImageKey(sha256=b"short")), "key"),
    (dict(modality="C\0R"), "modality"),
    (dict(department="x" * 1_000_000), "department"),
    (dict(kind=77), "kind"),
    (dict(acquired_on=clocks.LocalDay(year=2026, month=2, day=30)), "acquired_on"),
])
def test_a_bad_image_is_refused(filled, fields, named):
    assert any(named in f for f in refused(*register(filled, **fields)))


def test_an_image_without_patient_is_refused(filled):
    call, request = register(filled)
    request.ClearField("patient")
    assert any("patient" in f for f in refused(call, request))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"00080018": 5}', '{"00080018":{"vr":"UI"}}',
                                  '{"00080018":{"vr":"UI","Value":["1.2.3"]}}', "[" * 100_000])
def test_broken_dicom_json_is_refused(filled, text):
    fields = refused(filled.records.RegisterImages, records.RegisterImagesRequest(
        patient=patient.PatientReference(patient_id=filled.p),
        images=[records.ImageRegistration(dicom_json=text)],
        idempotency_key=filled.new_key()))
    assert any("dicom_json" in f or "images[0]" in f or "study" in f for f in fields)


def record_failure(desk, change=lambda request: None, **paper):
    request = records.RecordInstrumentRequest(
        patient_id=desk.p, second_identifier=desk.second(desk.p),
        instrument=desk.paper(**paper), idempotency_key=desk.new_key())
    change(request)
    return failure(desk.records.RecordInstrument, request)


def test_until_before_from(filled):
    code, _, fields, _ = record_failure(
        filled, signed_on="2026-03-01", effective_from="2026-05-01", until="2026-04-01")
    assert code == "INVALID_ARGUMENT" and any("expiry" in f for f in fields)


def test_effective_before_signing(filled):
    code, _, fields, _ = record_failure(
        filled, signed_on="2026-03-01", effective_from="2026-02-01")
    assert code == "INVALID_ARGUMENT" and any("effective_from" in f for f in fields)


def test_a_signature_in_the_future(filled):
    code, _, fields, _ = record_failure(filled, signed_on="2026-03-12")
    assert code == "INVALID_ARGUMENT" and any("signed" in f for f in fields)


def test_received_in_the_future(filled):
    code, _, fields, _ = record_failure(filled, received="2026-03-12T00:00:00Z")
    assert code == "INVALID_ARGUMENT" and any("received_at" in f for f in fields)


def test_the_wrong_second_identifier(filled):
    def change(request):
        request.second_identifier.CopyFrom(
            patient.SecondIdentifier(birth_date=day("1999-01-01")))
    code, _, fields, _ = record_failure(filled, change)
    assert code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")


def test_a_revocation_before_its_signature(filled):
    [grant] = filled.grant(filled.p, signed_on="2026-03-01")
    filled.position = filled.feed()[-1].position.position
    request = records.RevokeRequest(
        patient_id=filled.p, second_identifier=filled.second(filled.p),
        grants=records.GrantList(grant_ids=[grant]), method=v.REVOCATION_METHOD_WRITTEN,
        signer=instrument.Signer(capacity=v.SIGNER_CAPACITY_INDIVIDUAL),
        signed=signed("2026-02-01"), received_at=instant("2026-03-10T15:00:00Z"),
        idempotency_key=filled.new_key())
    code, _, fields, _ = failure(filled.records.Revoke, request)
    assert code == "INVALID_ARGUMENT" and any("signed" in f for f in fields)


def test_an_unknown_instrument(filled):
    unknown = "00000000-0000-4000-8000-000000000000"
    assert failure(filled.records.GetInstrument,
                   records.GetInstrumentRequest(instrument_id=unknown))[0] == "NOT_FOUND"
    assert failure(filled.records.GetInstrument,
                   records.GetInstrumentRequest(instrument_id="not-an-id"))[0] == "INVALID_ARGUMENT"
    assert failure(filled.records.EndRestriction, records.EndRestrictionRequest(
        instrument_id=unknown, idempotency_key=filled.new_key()))[0] in (
            "NOT_FOUND", "INVALID_ARGUMENT")


def test_the_same_key_with_other_content(filled):
    request = records.RegisterPatientRequest(
        fields=patient.PatientFields(
            identifiers=[party.Identifier(system="urn:lakeside:mrn", value="P-77")]),
        idempotency_key="key-1")
    first = filled.records.RegisterPatient(request)
    again = filled.records.RegisterPatient(request)
    assert first == again
    filled.position = filled.feed()[-1].position.position
    request.fields.identifiers[0].value = "P-78"
    assert failure(filled.records.RegisterPatient, request)[0] == "ALREADY_EXISTS"


def test_a_write_without_key(filled):
    code, _, fields, _ = failure(filled.records.RegisterPatient, records.RegisterPatientRequest(
        fields=patient.PatientFields(
            identifiers=[party.Identifier(system="urn:lakeside:mrn", value="P-79")])))
    assert code == "INVALID_ARGUMENT" and fields == ["idempotency_key"]


def test_invalid_utf8_is_refused(filled):
    spoiled = records.RegisterPatientRequest(
        fields=patient.PatientFields(display_name="AAAA"),
        idempotency_key=filled.new_key()).SerializeToString().replace(b"AAAA", b"\xff\xfe\xff\xfe")
    raw = filled.service.channel.unary_unary("/consent.v1.RecordService/RegisterPatient")
    token = filled.service.callers[filled.role].token
    code = failure(raw, spoiled, metadata=[("authorization", "Bearer " + token)])[0]
    assert code in ("INTERNAL", "INVALID_ARGUMENT")


def test_the_wrong_organization_sees_nothing(filled):
    stranger = Desk(filled.service, "stranger")
    assert stranger.answer(filled.i) == "DENY IMAGE_UNKNOWN"
    assert failure(stranger.records.GetImage,
                   records.GetImageRequest(image=key(filled.i)))[0] == "NOT_FOUND"
    assert failure(stranger.records.GetPatientHistory, records.GetPatientHistoryRequest(
        patient=patient.PatientReference(patient_id=filled.p)))[0] == "NOT_FOUND"


def test_a_missing_role_and_a_missing_token(service):
    checker = service.stub(records_grpc.RecordServiceStub, "checker")
    assert failure(checker.RegisterPatient, records.RegisterPatientRequest())[0] == \
        "PERMISSION_DENIED"
    naked = check_grpc.CheckServiceStub(service.channel)
    assert failure(naked.Check, check.CheckRequest())[0] == "UNAUTHENTICATED"
    assert failure(naked.Check, check.CheckRequest(),
                   metadata=[("authorization", "Bearer nobody")])[0] == "UNAUTHENTICATED"


def test_a_position_not_yet_reached_is_unavailable(filled):
    request = check.CheckRequest(request=filled.ask(filled.i),
                                 min_position=clocks.FeedPosition(position=10**9))
    code, _, _, retry = failure(filled.checks.Check, request)
    assert code == "UNAVAILABLE" and retry


def test_logs_hold_no_patient_data(desk):
    desk.at("2026-03-10T15:00:00Z")
    p = desk.patient("MRN-SECRET-4711", display_name="Zebulon Quillfeather")
    desk.grant(p)
    log = desk.service.log()
    for secret in ("MRN-SECRET-4711", "Zebulon", "Quillfeather",
                   desk.service.callers[desk.role].token):
        assert secret not in log
