"""The scenarios that must be right, on real DICOM headers, real PostgreSQL and grpcio."""

import pytest

import films
from desk import (SURGEON, check, decision, instrument, key, name, patient, records, reports, v)

INTERNAL = dict(audience="OWN_WORKFORCE", channel="PRESENTATION")
DIAGNOSIS = dict(use="DIAGNOSIS", audience="OWN_WORKFORCE", channel="PACS_VIEWER")


def of_study(uid):
    return instrument.Scope(study_instance_uid=uid)


def of_image(uid):
    return instrument.Scope(image=key(uid))


@pytest.fixture
def films_of_1001(desk):
    """I1 and I2 in study S1 of patient P-1001, registered from real headers."""
    p = desk.patient("P-1001")
    (i1, d1), (i2, d2) = films.study_of_two()
    for dataset in (d1, d2):
        outcome = desk.dicom(p, films.dicom_json(dataset))
        assert outcome.outcome == records.REGISTRATION_OUTCOME_REGISTERED, outcome
    return p, i1, i2, d1.StudyInstanceUID


def test_1_revoked_mid_day(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-02T15:00:00Z")
    [grant] = desk.grant(p, signed_on="2026-03-01", until="2026-12-31", scope=of_image(i1))
    desk.at("2026-06-10T13:59:00Z")
    permit = desk.check(i1)
    assert desk.words(permit) == "PERMIT AUTH_VALID"
    desk.at("2026-06-10T14:05:00Z")
    revoked = desk.revoke(p, [grant], "2026-06-10T09:00:00Z", received="2026-06-10T14:05:00Z")
    assert list(revoked.revoked_grant_ids) == [grant]
    assert revoked.reliance_count == 1
    assert desk.answer(i1) == "DENY AUTH_REVOKED"
    desk.at("2026-06-10T18:00:00Z")
    assert desk.answer(i1) == "DENY AUTH_REVOKED"
    desk.at("2026-11-10T14:05:00Z")
    assert desk.words(desk.explain(i1, "2026-06-10T13:59:00Z", "2026-06-10T13:59:00Z")) == \
        "PERMIT AUTH_VALID"
    again = desk.checks.Explain(check.ExplainRequest(decision_id=permit.decision_id))
    assert desk.words(again.decision) == "PERMIT AUTH_VALID"
    relied = desk.reliance(grant_id=grant)
    assert [u.decision_id for u in relied.uses] == [permit.decision_id]
    assert (relied.before_notice_count, relied.after_notice_count) == (1, 0)
    assert len(desk.feed(["GRANT_REVOKED"])) == 1


def test_1_a_use_after_notice_is_listed_apart(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-02T15:00:00Z")
    [grant] = desk.grant(p, signed_on="2026-03-01", until="2026-12-31")
    desk.at("2026-06-10T15:00:00Z")
    assert desk.answer(i1) == "PERMIT AUTH_VALID"
    desk.at("2026-06-10T16:30:00Z")
    desk.revoke(p, [grant], "2026-06-10T09:00:00Z", received="2026-06-10T14:05:00Z")
    relied = desk.reliance(grant_id=grant)
    assert [u.after_notice for u in relied.uses] == [True]


def test_2_turning_18(desk):
    desk.at("2026-01-10T12:00:00Z")
    p = desk.patient("P-2002", born="2008-09-30")
    i3 = desk.image(p)
    desk.grant(p, signed_on="2026-01-09", until="majority", capacity="PARENT",
               authority="mother, custody order on file")
    desk.at("2026-09-29T12:00:00Z")
    assert desk.answer(i3) == "PERMIT AUTH_VALID"
    desk.at("2026-09-30T04:59:59.999999Z")
    assert desk.answer(i3) == "PERMIT AUTH_VALID"
    desk.at("2026-09-30T05:00:00Z")
    assert desk.answer(i3) == "DENY AUTH_EXPIRED_EVENT"
    [expired] = desk.wait_for("GRANT_EXPIRED")
    assert expired.effective_at.ToJsonString() == "2026-09-30T05:00:00Z"


def test_2_a_parents_signature_does_not_outlast_majority(desk):
    desk.at("2026-01-10T12:00:00Z")
    p = desk.patient("P-2002", born="2008-09-30")
    i3 = desk.image(p)
    desk.grant(p, signed_on="2026-01-09", until="2030-06-30", capacity="PARENT",
               authority="father")
    desk.at("2026-09-30T04:59:59Z")
    before = desk.check(i3)
    assert desk.words(before) == "PERMIT AUTH_VALID"
    assert before.valid_until.ToJsonString() == "2026-09-30T05:00:00Z"
    desk.at("2026-09-30T05:00:00Z")
    assert desk.answer(i3) == "DENY MAJORITY_REVIEW_REQUIRED"


def test_3_one_image_not_its_sibling(desk, films_of_1001):
    p, i1, i2, s1 = films_of_1001
    desk.at("2026-03-02T15:00:00Z")
    desk.grant(p, scope=of_image(i1))
    assert desk.answer(i1) == "PERMIT AUTH_VALID"
    assert desk.answer(i2) == "DENY NO_AUTHORIZATION"
    request = desk.ask(i1)
    request.ClearField("image")
    group = desk.checks.CheckGroup(check.CheckGroupRequest(
        request=request, study_instance_uid=s1, expected_count=2))
    assert desk.words(group.decision) == "DENY PARTIAL_SCOPE"
    assert [d.image.sop_instance_uid for d in group.differing] == [i2]
    assert (group.image_count, group.permitted_count) == (2, 1)


def test_4_an_image_deny_stands_against_older_and_newer_study_grants(desk, films_of_1001):
    p, i1, _, s1 = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    desk.grant(p, signed_on="2026-03-01", scope=of_study(s1))
    desk.grant(p, signed_on="2026-03-05", kind="REFUSAL", effect="DENY", scope=of_image(i1))
    assert desk.answer(i1) == "DENY DENY_MORE_SPECIFIC"
    desk.grant(p, signed_on="2026-03-09", scope=of_study(s1))
    assert desk.answer(i1) == "DENY DENY_MORE_SPECIFIC"


def test_4_present_only_is_judged_by_acquisition_not_by_registration(desk, films_of_1001):
    p, _, _, s1 = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    desk.grant(p, signed_on="2026-03-01", scope=of_study(s1), present_only=True)
    desk.at("2026-04-10T15:00:00Z")
    later = desk.image(p, study=s1, acquired="2026-03-02")
    sameday = desk.image(p, study=s1, acquired="2026-03-01")
    assert desk.answer(later) == "DENY NOT_IN_DESCRIBED_INFORMATION"
    assert desk.answer(sameday) == "PERMIT AUTH_VALID"


def test_5_permit_and_deny_of_the_same_day(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    desk.grant(p, signed_on="2026-03-01", scope=of_image(i1))
    refusal = desk.record(p, signed_on="2026-03-01", kind="REFUSAL", effect="DENY",
                          scope=of_image(i1))
    conflict = desk.check(i1)
    assert desk.words(conflict) == "DENY CONFLICT_DENY_WINS"
    assert len({r.grant_id for r in conflict.records}) >= 2
    desk.grant(p, signed_on="2026-03-01", scope=of_image(i1))
    assert desk.answer(i1) == "DENY CONFLICT_DENY_WINS", "importing the permit again changes nothing"
    desk.grant(p, signed_on="2026-03-02", scope=of_image(i1))
    assert desk.answer(i1) == "PERMIT AUTH_VALID"
    assert refusal.instrument.instrument_id


def test_6_expiry_on_a_named_event(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    declared = desk.records.DeclareExpiryEvent(records.DeclareExpiryEventRequest(
        name="end of the residency", idempotency_key=desk.new_key()))
    event_id = declared.expiry_event.expiry_event_id
    desk.grant(p, signed_on="2026-03-01", until="event:" + event_id)
    desk.at("2026-07-03T15:00:00Z")
    between = desk.check(i1)
    assert desk.words(between) == "PERMIT AUTH_VALID"
    desk.at("2026-07-06T15:00:00Z")
    from desk import signed
    resolved = desk.records.ResolveExpiryEvent(records.ResolveExpiryEventRequest(
        expiry_event_id=event_id, occurred=signed("2026-06-30"), idempotency_key=desk.new_key()))
    assert resolved.uses_in_between_count == 1
    assert desk.answer(i1) == "DENY AUTH_EXPIRED_EVENT"
    assert len(desk.wait_for("GRANT_EXPIRED")) == 1
    listed = desk.reliance(expiry_event_id=event_id)
    assert [u.decision_id for u in listed.uses] == [between.decision_id]


def test_7_break_glass_against_an_agreed_restriction(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    desk.grant(p, kind="RESTRICTION_AGREED", effect="DENY", uses=("DIAGNOSIS",),
               audiences=("OWN_WORKFORCE",), recipients=(), until="2027-12-31")
    assert desk.answer(i1, **DIAGNOSIS) == "DENY RESTRICTION_AGREED" or \
        desk.answer(i1, **DIAGNOSIS) == "DENY ACCESS_RESTRICTED"
    broken = desk.check(i1, emergency="unconscious, surgery now", **DIAGNOSIS)
    assert desk.words(broken) == "PERMIT EMERGENCY_OVERRIDE"
    assert broken.valid_until.seconds - broken.decided_at.seconds == 3600
    assert v.OBLIGATION_KIND_REVIEW_WITHIN in [o.kind for o in broken.obligations]
    assert len(desk.feed(["EMERGENCY_OVERRIDE_USED"])) == 1
    assert desk.reports.Overrides(reports.OverridesRequest()).awaiting_review == 1


def test_7_a_requested_restriction_is_a_note(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    desk.grant(p, kind="RESTRICTION_REQUEST", effect="DENY", uses=("DIAGNOSIS",),
               audiences=("OWN_WORKFORCE",), recipients=(), until="2027-12-31")
    answer = desk.check(i1, emergency="unconscious, surgery now", **DIAGNOSIS)
    assert desk.words(answer) == "PERMIT TREATMENT_NO_AUTHORIZATION_REQUIRED"
    assert "RESTRICTION_REQUESTED" in desk.reasons(answer)
    assert not desk.feed(["EMERGENCY_OVERRIDE_USED"])


@pytest.mark.parametrize("findings, features, expected", [
    (True, True, "PERMIT NOT_PHI_DEIDENTIFIED"),
    (None, None, "DENY DEID_UNPROVEN"),
    (True, False, "DENY DEID_FACIAL_FEATURES"),
])
def test_8_a_deidentified_copy_for_teaching(desk, films_of_1001, findings, features, expected):
    from desk import image, signed
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    copy = desk.image(p, kind=v.IMAGE_KIND_DERIVATIVE, sources=[key(i1)])
    said = {None: v.STATED_UNSPECIFIED, True: v.STATED_YES, False: v.STATED_NO}
    desk.records.RecordDeidentification(records.RecordDeidentificationRequest(
        determination=image.DeidentificationFields(
            image=key(copy), method=v.DEIDENTIFICATION_METHOD_EXPERT_DETERMINATION,
            determined_by="the statistician",
            determined=signed("2026-03-09"), identity_removed=said[findings],
            no_burned_in_text=said[findings], no_recognizable_features=said[features]),
        idempotency_key=desk.new_key()))
    assert desk.answer(copy) == expected


def test_9_a_phone_photo_by_personal_messaging(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    photo = bytes(range(32))
    from desk import image
    answer = desk.records.RegisterImages(records.RegisterImagesRequest(
        patient=patient.PatientReference(patient_id=p),
        images=[records.ImageRegistration(fields=image.ImageFields(
            key=image.ImageKey(sha256=photo), kind=v.IMAGE_KIND_PHOTO, sources=[]))],
        idempotency_key=desk.new_key()))
    assert answer.outcomes[0].outcome == records.REGISTRATION_OUTCOME_REGISTERED
    sent = desk.check(image.ImageKey(sha256=photo), use="CONSULTATION",
                      audience="TREATING_PROVIDER", channel="PERSONAL_MESSAGING",
                      recipient=SURGEON)
    assert desk.words(sent) == "DENY CHANNEL_NOT_PERMITTED"
    assert desk.reasons(sent)[1] == "TREATMENT_NO_AUTHORIZATION_REQUIRED"


def test_10_a_financial_power_of_attorney(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    recorded = desk.record(p, capacity="FINANCIAL_POWER_OF_ATTORNEY", authority="")
    elements = [v.InstrumentElement.Name(d.element) for d in recorded.defects]
    assert "INSTRUMENT_ELEMENT_REPRESENTATIVE_AUTHORITY" in elements
    denied = desk.check(i1)
    assert desk.words(denied) == "DENY AUTH_INCOMPLETE"
    assert v.INSTRUMENT_ELEMENT_REPRESENTATIVE_AUTHORITY in denied.reasons[0].elements
    desk.records.RecordAuthorityEvidence(records.RecordAuthorityEvidenceRequest(
        instrument_id=recorded.instrument.instrument_id,
        finding=instrument.AUTHORITY_FINDING_SHOWS_NO_AUTHORITY,
        verified_by="records office", note="financial matters only",
        idempotency_key=desk.new_key()))
    assert desk.answer(i1) == "DENY SIGNER_NO_AUTHORITY"
    desk.grant(p, signed_on="2026-03-09")
    assert desk.answer(i1) == "PERMIT AUTH_VALID"


def test_11_general_consent_does_not_publish(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    desk.grant(p, kind="CONSENT", audiences=("EXTERNAL", "TRAINEES_SUPERVISED"), recipients=())
    assert desk.answer(i1) == "DENY CONSENT_NOT_SUFFICIENT"
    assert desk.answer(i1, audience="TRAINEES_SUPERVISED", channel="PRESENTATION") == \
        "PERMIT CONSENT_VALID"


def test_12_refusal_and_treatment(desk, films_of_1001):
    p, i1, _, _ = films_of_1001
    desk.at("2026-03-10T15:00:00Z")
    desk.grant(p, kind="REFUSAL", effect="DENY", uses=("DIAGNOSIS", "CONSULTATION", "EDUCATION"),
               audiences=("OWN_WORKFORCE", "TRAINEES_SUPERVISED", "TREATING_PROVIDER", "EXTERNAL"),
               recipients=(), until="none")
    treating = desk.check(i1, use="DIAGNOSIS", audience="TREATING_PROVIDER",
                          channel="SECURE_MESSAGING", recipient=SURGEON)
    assert desk.words(treating) == "PERMIT TREATMENT_NO_AUTHORIZATION_REQUIRED"
    assert "RESTRICTION_REQUESTED" in desk.reasons(treating)
    assert desk.answer(i1) == "DENY REFUSED"


def test_13_a_neighbours_film(desk, films_of_1001):
    _, i1, _, _ = films_of_1001
    assert desk.answer(i1, role="BILLING", **DIAGNOSIS) == "DENY ROLE_NOT_PERMITTED"
    assert desk.answer(i1, relationship="NONE_STATED", **DIAGNOSIS) == \
        "DENY RELATIONSHIP_REQUIRED"
    assert desk.answer(i1, **DIAGNOSIS) == "PERMIT TREATMENT_NO_AUTHORIZATION_REQUIRED"


def test_every_bundled_dicom_file_registers_with_its_own_identity(desk):
    """UIDs, modality and identification flags come from the header, file by file."""
    p = desk.patient("P-9000")
    for uid, (path, dataset) in films.datasets().items():
        outcome = desk.dicom(p, films.dicom_json(dataset))
        assert outcome.outcome == records.REGISTRATION_OUTCOME_REGISTERED, (path.name, outcome)
        stored = desk.records.GetImage(records.GetImageRequest(image=key(uid))).image.fields
        assert stored.study_instance_uid == dataset.StudyInstanceUID
        assert stored.modality == (dataset.get("Modality") or "")
        claim = {"YES": v.STATED_YES, "NO": v.STATED_NO}.get(
            str(dataset.get("PatientIdentityRemoved", "")), v.STATED_UNSPECIFIED)
        assert stored.claims.patient_identity_removed == claim, path.name
