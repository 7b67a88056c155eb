"""A register of patients, images and papers in one organization, and the requests about it."""

import datetime
import itertools
import threading
import types
import uuid

import grpc

import cluster  # first: makes the stubs importable
from desk import (Desk, check_grpc, clocks, day, events_grpc, image, instant, instrument, key, party,
                  patient, records, records_grpc, v)
from consent.v1 import audit_service_pb2_grpc as audit_grpc

from history import Key

BORN = "1970-05-05"
BASE = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(30)
# What a fault explains. Anything else is a finding.
LOST = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED}


def is_lost(error):
    """grpcio says UNKNOWN when a connection is reset under a call."""
    return error.code() in LOST or loses_a_field(error) or (
        error.code() == grpc.StatusCode.UNKNOWN and "Stream removed" in (error.details() or ""))


FIELDS_LOST = []


def loses_a_field(error):
    """About once in 10,000 calls to a node that stands still, grpcio 1.85 drops a metadata field.

    Seen where it drops `grpc-encoding` of an answer and takes its compressed bytes for the message:
    a recorder on the connection had the field, and grpcio 1.51 never does it. The call counts as
    lost; that it stays rare is judged at the end. A field of a request that the service does not see
    is a finding: tokens that it lost were once taken for the same.
    """
    details = error.details() or ""
    lost = error.code() == grpc.StatusCode.INTERNAL and "deserializing response" in details
    if lost:
        FIELDS_LOST.append(f"{error.code().name} {details}")
    return lost


def moment(number):
    """Signing times go up with each paper of a key, so that the last one speaks."""
    return (BASE + datetime.timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def journal(number):
    return party.Party(kind=v.RECIPIENT_KIND_VENUE, name=f"Journal {number}",
                       identifier=party.Identifier(system="urn:issn", value=f"0000-000{number}"))


class Stubs:
    def __init__(self, channel):
        self.records = records_grpc.RecordServiceStub(channel)
        self.checks = check_grpc.CheckServiceStub(channel)
        self.events = events_grpc.EventServiceStub(channel)
        self.audit = audit_grpc.AuditServiceStub(channel)


class Register:
    """Patients with two images and two journals each. Not more: contention finds faults."""

    def __init__(self, cluster, organization, patients=24, journals=2, images=2):
        self.cluster = cluster
        self.organization = organization
        self.metadata = [("authorization", "Bearer " + cluster.token(organization))]
        self.stubs = [Stubs(node.channel) for node in cluster.nodes]
        self.desk = Desk(types.SimpleNamespace(stub=lambda *_: None, instant=moment(0)), "")
        self.patient_ids, self.images = [], []
        self.keys = [Key(p, j) for p in range(patients) for j in range(journals)]
        self.sequence = {k: itertools.count(1) for k in self.keys}
        self.templates = {}
        self._load(patients, images)
        for k in self.keys:
            for uid in self.images[k.patient]:
                self.templates[k, uid] = self.desk.ask(uid, recipient=journal(k.journal))

    def _load(self, patients, images):
        stubs, uids = self.stubs[0], itertools.count(1)
        prefix = f"2.25.{uuid.uuid4().int % 10 ** 20}"
        for number in range(patients):
            found = retried(lambda: stubs.records.RegisterPatient(
                records.RegisterPatientRequest(
                    fields=patient.PatientFields(
                        identifiers=[party.Identifier(system="urn:mrn", value=f"P{number}")],
                        birth_date=day(BORN)), idempotency_key=f"patient-{number}"),
                timeout=10, metadata=self.metadata))
            self.patient_ids.append(found.patient.patient_id)
            own = [f"{prefix}.{next(uids)}" for _ in range(images)]
            retried(lambda: stubs.records.RegisterImages(
                records.RegisterImagesRequest(
                    patient=patient.PatientReference(patient_id=self.patient_ids[-1]),
                    images=[records.ImageRegistration(fields=image.ImageFields(
                        key=key(uid), kind=v.IMAGE_KIND_DICOM_INSTANCE, study_instance_uid=uid,
                        modality="CR", acquired_on=day("2025-11-03"))) for uid in own],
                    idempotency_key=f"images-{number}"), timeout=10, metadata=self.metadata))
            self.images.append(own)

    def question(self, k, uid, request):
        question = self.templates[k, uid]
        copy = type(question)()
        copy.CopyFrom(question)
        copy.actor.user.value = request
        return copy

    def grant_request(self, k):
        at = moment(next(self.sequence[k]))
        return records.RecordInstrumentRequest(
            patient_id=self.patient_ids[k.patient],
            second_identifier=patient.SecondIdentifier(birth_date=day(BORN)),
            instrument=self.desk.paper(signed_on=at, received=at, until="2035-12-31",
                                       recipients=[journal(k.journal)]),
            idempotency_key=str(uuid.uuid4()))

    def revoke_request(self, k, grant):
        at = moment(next(self.sequence[k]))
        return records.RevokeRequest(
            patient_id=self.patient_ids[k.patient],
            second_identifier=patient.SecondIdentifier(birth_date=day(BORN)),
            grants=records.GrantList(grant_ids=[grant]), method=v.REVOCATION_METHOD_WRITTEN,
            signer=instrument.Signer(capacity=v.SIGNER_CAPACITY_INDIVIDUAL),
            signed=clocks.SignedTime(instant=instant(at)), received_at=instant(at),
            idempotency_key=str(uuid.uuid4()))


def retried(call, seconds=60):
    """Calls until it is answered, as a client with the same idempotency key would."""
    def attempt():
        try:
            return call()
        except grpc.RpcError as error:
            if not is_lost(error):
                raise
            return None

    return cluster.until(attempt, seconds, "a call is never answered")
