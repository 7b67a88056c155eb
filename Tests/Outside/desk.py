"""The words of the tests: what staff, viewers and officers do, as calls of the real service."""

import datetime
import itertools
import uuid

import service  # first: makes the stubs importable
from consent.v1 import check_service_pb2 as check
from consent.v1 import check_service_pb2_grpc as check_grpc
from consent.v1 import clocks_pb2 as clocks
from consent.v1 import decision_pb2 as decision
from consent.v1 import event_pb2 as event
from consent.v1 import event_service_pb2 as events
from consent.v1 import event_service_pb2_grpc as events_grpc
from consent.v1 import image_pb2 as image
from consent.v1 import instrument_pb2 as instrument
from consent.v1 import party_pb2 as party
from consent.v1 import patient_pb2 as patient
from consent.v1 import record_pb2 as record
from consent.v1 import record_service_pb2 as records
from consent.v1 import record_service_pb2_grpc as records_grpc
from consent.v1 import report_service_pb2 as reports
from consent.v1 import report_service_pb2_grpc as reports_grpc
from consent.v1 import vocabulary_pb2 as v
from google.protobuf import timestamp_pb2

MRN = "urn:lakeside:mrn"
JOURNAL = party.Party(kind=v.RECIPIENT_KIND_VENUE, name="Journal of Films",
                      identifier=party.Identifier(system="urn:issn", value="1234-5678"))
SURGEON = party.Party(kind=v.RECIPIENT_KIND_PERSON, name="Surgeon elsewhere",
                      identifier=party.Identifier(system="urn:npi", value="1234567893"))


def instant(text):
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")))
    return stamp


def day(text):
    d = datetime.date.fromisoformat(text)
    return clocks.LocalDay(year=d.year, month=d.month, day=d.day)


def signed(text):
    """`2026-03-01` is a local day, `2026-03-01T09:00:00Z` an instant."""
    if "T" in text:
        return clocks.SignedTime(instant=instant(text))
    return clocks.SignedTime(local_day=day(text))


def expiry(text):
    """`2026-12-31`, `majority`, `none` or `event:<id>`."""
    if text == "majority":
        return instrument.Expiry(at_majority=instrument.ExpiresAtMajority())
    if text == "none":
        return instrument.Expiry(none=instrument.ExpiresNever())
    if text.startswith("event:"):
        return instrument.Expiry(expiry_event_id=text[6:])
    return instrument.Expiry(until=day(text))


def key(uid):
    return image.ImageKey(sop_instance_uid=uid)


def reason(name):
    return decision.Reason.Value("REASON_" + name)


def name(number):
    return decision.Reason.Name(number).removeprefix("REASON_")


class Desk:
    uids = itertools.count(1)

    def __init__(self, service, role):
        self.service = service
        self.role = role
        self.records = service.stub(records_grpc.RecordServiceStub, role)
        self.checks = service.stub(check_grpc.CheckServiceStub, role)
        self.events = service.stub(events_grpc.EventServiceStub, role)
        self.reports = service.stub(reports_grpc.ReportServiceStub, role)
        self.birth_dates = {}

    def at(self, text):
        self.service.set_clock(text)

    @staticmethod
    def new_key():
        return str(uuid.uuid4())

    def patient(self, mrn, born="1970-05-05", display_name="Test Person"):
        answer = self.records.RegisterPatient(records.RegisterPatientRequest(
            fields=patient.PatientFields(
                identifiers=[party.Identifier(system=MRN, value=mrn)],
                display_name=display_name, birth_date=day(born)),
            idempotency_key=self.new_key()))
        self.birth_dates[answer.patient.patient_id] = born
        return answer.patient.patient_id

    def uid(self):
        return f"1.2.826.0.1.3680043.10.9999.{next(self.uids)}"

    def image(self, patient_id, study=None, acquired="2025-11-03", uid=None, **fields):
        uid = uid or self.uid()
        answer = self.records.RegisterImages(records.RegisterImagesRequest(
            patient=patient.PatientReference(patient_id=patient_id),
            images=[records.ImageRegistration(fields=image.ImageFields(**{
                "key": key(uid), "kind": v.IMAGE_KIND_DICOM_INSTANCE,
                "study_instance_uid": study or self.uid(), "series_instance_uid": self.uid(),
                "modality": "CR", "acquired_on": day(acquired), **fields}))],
            idempotency_key=self.new_key()))
        assert answer.outcomes[0].outcome == records.REGISTRATION_OUTCOME_REGISTERED, answer
        return uid

    def dicom(self, patient_id, dataset):
        """Registers a pydicom dataset through its DICOM JSON Model."""
        return self.records.RegisterImages(records.RegisterImagesRequest(
            patient=patient.PatientReference(patient_id=patient_id),
            images=[records.ImageRegistration(dicom_json=dataset)],
            idempotency_key=self.new_key())).outcomes[0]

    def second(self, patient_id):
        return patient.SecondIdentifier(birth_date=day(self.birth_dates[patient_id]))

    def terms(self, scope=None, uses=("EDUCATION",), audiences=("EXTERNAL",), until="2026-12-31",
              effect="PERMIT", recipients=(JOURNAL,), disclosers=(), present_only=False, channels=(),
              effective_from=None):
        scope = scope or instrument.Scope(patient=instrument.WholePatient())
        terms = instrument.GrantTerms(
            effect=v.GrantEffect.Value("GRANT_EFFECT_" + effect), scope=scope,
            reach=v.REACH_PRESENT_ONLY if present_only else v.REACH_PRESENT_AND_FUTURE,
            uses=[v.Use.Value("USE_" + u) for u in uses],
            audiences=[v.Audience.Value("AUDIENCE_" + a) for a in audiences],
            recipients=recipients, disclosers=disclosers,
            channels=[v.Channel.Value("CHANNEL_" + c) for c in channels],
            expiry=expiry(until))
        if effective_from:
            terms.effective_from.CopyFrom(signed(effective_from))
        return terms

    def paper(self, kind="AUTHORIZATION", signed_on="2026-03-01", grants=None,
              capacity="INDIVIDUAL", authority="", received=None, statements=True, **terms):
        signer = instrument.Signer(
            capacity=v.SignerCapacity.Value("SIGNER_CAPACITY_" + capacity))
        if capacity != "INDIVIDUAL":
            signer.representative.CopyFrom(party.Identifier(system="urn:id", value=capacity))
            if authority:
                signer.authority_description = authority
        stated = v.STATED_YES if statements else v.STATED_UNSPECIFIED
        return instrument.InstrumentFields(
            kind=v.InstrumentKind.Value("INSTRUMENT_KIND_" + kind),
            statements=instrument.FormStatements(
                right_to_revoke=stated, conditioning=stated, redisclosure=stated),
            signer=signer, signed=signed(signed_on),
            received_at=instant(received or self.service.instant),
            patient_named=v.STATED_YES, signature_present=v.STATED_YES,
            information_described="the X-ray images named below",
            parts=[instrument.InstrumentPart(
                number=1, compound=v.STATED_NO, conditioned=v.STATED_NO,
                grants=grants or [self.terms(**terms)])])

    def record(self, patient_id, validate_only=False, **paper):
        return self.records.RecordInstrument(records.RecordInstrumentRequest(
            patient_id=patient_id, second_identifier=self.second(patient_id),
            instrument=self.paper(**paper), validate_only=validate_only,
            idempotency_key=self.new_key()))

    def grant(self, patient_id, **paper):
        """Records a paper and returns the ids of its grants."""
        return [g.grant_id for g in self.record(patient_id, **paper).instrument.grants]

    def revoke(self, patient_id, grants, signed_at, received=None, method="WRITTEN"):
        return self.records.Revoke(records.RevokeRequest(
            patient_id=patient_id, second_identifier=self.second(patient_id),
            grants=records.GrantList(grant_ids=grants),
            method=v.RevocationMethod.Value("REVOCATION_METHOD_" + method),
            signer=instrument.Signer(capacity=v.SIGNER_CAPACITY_INDIVIDUAL),
            signed=signed(signed_at), received_at=instant(received or self.service.instant),
            idempotency_key=self.new_key()))

    def ask(self, uid, use="EDUCATION", audience="EXTERNAL", channel="PUBLICATION",
            recipient=JOURNAL, role="CLINICIAN", relationship="CARE_TEAM", emergency=None,
            **more):
        request = decision.UseRequest(
            image=uid if isinstance(uid, image.ImageKey) else key(uid),
            use=v.Use.Value("USE_" + use), audience=v.Audience.Value("AUDIENCE_" + audience),
            channel=v.Channel.Value("CHANNEL_" + channel),
            actor=party.Actor(
                user=party.Identifier(system="urn:lakeside:staff", value="u1"),
                role_class=v.RoleClass.Value("ROLE_CLASS_" + role),
                relationship=v.Relationship.Value("RELATIONSHIP_" + relationship)),
            intent=v.INTENT_USE, **more)
        if audience not in ("OWN_WORKFORCE", "TRAINEES_SUPERVISED") and recipient:
            request.recipient.CopyFrom(recipient)
        if emergency:
            request.emergency.CopyFrom(decision.EmergencyAttestation(
                attester=party.Identifier(system="urn:lakeside:staff", value="u1"),
                statement=emergency, attested_at=instant(self.service.instant)))
        return request

    def check(self, uid, **ask):
        return self.checks.Check(check.CheckRequest(request=self.ask(uid, **ask))).decision

    def answer(self, uid, **ask):
        """`PERMIT AUTH_VALID` or `DENY AUTH_REVOKED`."""
        return self.words(self.check(uid, **ask))

    @staticmethod
    def words(d):
        return v.Effect.Name(d.effect).removeprefix("EFFECT_") + " " + name(d.reason)

    @staticmethod
    def reasons(d):
        return [name(r.reason) for r in d.reasons]

    def explain(self, uid, effective_at, known_at, **ask):
        return self.checks.Explain(check.ExplainRequest(hypothetical=check.HypotheticalRequest(
            request=self.ask(uid, **ask), effective_at=instant(effective_at),
            known_at=instant(known_at)))).decision

    def feed(self, kinds=()):
        """Every event of the organization, read page by page."""
        found, after = [], clocks.FeedPosition()
        while True:
            page = self.events.ListEvents(events.ListEventsRequest(
                after=after, page_size=100, filter=events.EventFilter(
                    kinds=[event.EventKind.Value("EVENT_KIND_" + k) for k in kinds])))
            found += page.events
            if not page.more:
                return found
            after = page.events[-1].position

    def wait_for(self, kind, count=1, timeout=20):
        """Follows Watch until `count` events of a kind have come."""
        found = []
        stream = self.events.Watch(events.WatchRequest(), timeout=timeout)
        for message in stream:
            if message.HasField("event") and \
                    message.event.kind == event.EventKind.Value("EVENT_KIND_" + kind):
                found.append(message.event)
                if len(found) == count:
                    stream.cancel()
                    break
        return found

    def reliance(self, **subject):
        return self.reports.Reliance(reports.RelianceRequest(page_size=100, **subject))
