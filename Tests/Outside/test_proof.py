"""The log as an auditor sees it: receipts, proofs and exports, verified offline by consentctl."""

import hashlib
import json
import subprocess
import time

import pytest

from desk import Desk
from service import BIN, Service


@pytest.fixture
def audited(desk, tmp_path):
    return audit(desk, tmp_path)


@pytest.fixture
def audited_alone(tmp_path):
    """On a service of its own, which the test may stop."""
    service = Service(scenarios=1).start()
    yield audit(Desk(service, "scenario-0"), tmp_path)
    service.destroy()


def audit(desk, tmp_path):
    """Some decisions, the key of the log, and consentctl with files to work on."""
    desk.at("2026-03-10T15:00:00Z")
    image = desk.image(desk.patient("P-1"))
    caller = desk.service.callers[desk.role]
    postgres = desk.service.folder / "pg"

    class Audited:
        folder = tmp_path
        decisions = [desk.check(image) for _ in range(5)]

        def run(self, *arguments, expect=0):
            done = subprocess.run(
                [str(BIN / "consentctl"), *map(str, arguments)], capture_output=True, text=True,
                timeout=120, env={
                    "PATH": "/usr/bin:/bin", "CONSENTD_URL": "http://" + desk.service.address,
                    "CONSENTD_TOKEN": caller.token,
                    "PGPASSWORD": (postgres / "superuser.password").read_text().strip()})
            assert done.returncode == expect, done.stderr + done.stdout
            return done.stdout

        def write(self, name, text):
            path = self.folder / name
            path.write_text(text)
            return path

        def export(self, name="logs"):
            path = self.folder / name
            self.run("log", "export", "--database",
                     f"host={postgres / 'run'} user=postgres dbname=postgres",
                     "--organization", caller.organization, "--output", path)
            return path

        def checkpoint(self, name="checkpoint"):
            return self.write(name, self.run("log", "checkpoint"))

    audited = Audited()
    audited.desk, audited.image = desk, image
    found = json.loads(audited.run("log", "checkpoint", "--json"))
    audited.keys = audited.write("keys", found["verifierKey"] + "\n")
    return audited


def test_an_export_verifies_and_one_changed_byte_does_not(audited):
    # In this order: the log of reads and of the feed's heads grows by itself.
    checkpoint, file = audited.checkpoint(), audited.export()
    told = json.loads(audited.run("verify", "log", file, "--key-file", audited.keys,
                                  "--checkpoint", checkpoint, "--json"))
    log, = [entry for entry in told["logs"]
            if entry["origin"].endswith(audited.decisions[0].receipt.log_id)]
    assert told["verified"] and log["size"] == 5 and told["checkpoints"] >= 1
    assert audited.run("verify", "log", file)
    data = bytearray(file.read_bytes())
    place = data.rindex(b"urn:lakeside")
    data[place] ^= 1
    file.write_bytes(data)
    told = json.loads(audited.run("verify", "log", file, "--json", expect=1))
    decision = audited.decisions[-1].decision_id
    assert not told["verified"] and decision in told["fault"] and "changed" in told["fault"]


def test_a_receipt_is_proven_against_a_checkpoint(audited):
    from google.protobuf import json_format

    decision = audited.decisions[2]
    answer = audited.write("answer", json_format.MessageToJson(decision))
    checkpoint = audited.checkpoint()
    proof = audited.write("proof", audited.run("log", "proof", decision.decision_id))
    arguments = ["verify", "receipt", "--answer", answer, "--checkpoint", checkpoint,
                 "--proof", proof, "--key-file", audited.keys]
    assert "verified" in audited.run(*arguments)
    # Another answer is not the leaf that was proven; another key signed nothing.
    other = audited.write("other", json_format.MessageToJson(audited.decisions[3]))
    audited.run(*[other if a == answer else a for a in arguments], expect=1)
    changed = json.loads(proof.read_text())
    changed["hashes"][0] = changed["leafHash"]
    proof.write_text(json.dumps(changed))
    audited.run(*arguments, expect=1)
    audited.run(*arguments[:-2], expect=64)


def test_an_overrides_own_receipt_is_signed_and_proven(audited_alone):
    from google.protobuf import json_format

    audited = audited_alone
    desk = audited.desk
    # Whatever it answers, an attested emergency is written in a transaction of its own.
    decision = desk.check(audited.image, emergency="unconscious, surgery now", use="DIAGNOSIS",
                          audience="OWN_WORKFORCE", channel="PACS_VIEWER")
    receipt = decision.receipt
    assert len(receipt.signature) == 64 and receipt.log_id != audited.decisions[0].receipt.log_id

    def proven():
        answer = audited.write("override", json_format.MessageToJson(decision))
        log = ["--log", receipt.log_id]
        checkpoint = audited.write("own", audited.run("log", "checkpoint", *log))
        proof = audited.write("proof", audited.run("log", "proof", decision.decision_id))
        audited.run("verify", "receipt", "--answer", answer, "--checkpoint", checkpoint,
                    "--proof", proof, "--key-file", audited.keys)
        # A receipt that somebody else signed is none.
        forged = type(decision)()
        forged.CopyFrom(decision)
        forged.receipt.signature = bytes(64)
        answer = audited.write("forged", json_format.MessageToJson(forged))
        audited.run("verify", "receipt", "--answer", answer, "--checkpoint", checkpoint,
                    "--proof", proof, "--key-file", audited.keys, expect=1)

    proven()
    desk.service.stop()
    desk.service.start()
    proven()


def test_the_log_of_a_killed_node_is_closed_by_the_next(audited_alone):
    audited = audited_alone
    service, log = audited.desk.service, audited.decisions[0].receipt.log_id
    service.kill()
    service.start()
    deadline = time.monotonic() + 120
    while "the log of a node that died is closed" not in service.log():
        assert time.monotonic() < deadline, service.log()[-2000:]
        time.sleep(0.1)
    file = audited.export()
    told = json.loads(audited.run("verify", "log", file, "--key-file", audited.keys, "--json"))
    closed, = [entry for entry in told["logs"] if entry["origin"].endswith(log)]
    assert closed["size"] == closed["signed_size"] == 5 and closed["own_signed_size"] == 4
    assert closed["closed_by"]
    assert "closed by another node" in audited.run("verify", "log", file)
    # Its end is a checkpoint for every receipt of it, and says who says so.
    checkpoint = audited.write("end", audited.run("log", "checkpoint", "--log", log))
    assert "closed by another node; its own node signed 4" in checkpoint.read_text()
    from google.protobuf import json_format

    decision = audited.decisions[4]
    answer = audited.write("answer", json_format.MessageToJson(decision))
    proof = audited.write("proof", audited.run("log", "proof", decision.decision_id))
    audited.run("verify", "receipt", "--answer", answer, "--checkpoint", checkpoint,
                "--proof", proof, "--key-file", audited.keys)


def test_two_checkpoints_of_a_log_are_consistent(audited):
    first = audited.checkpoint("first")
    audited.desk.check(audited.image)
    second = audited.checkpoint("second")
    log = audited.decisions[0].receipt.log_id
    proof = audited.write("proof", audited.run("log", "consistency", "--log", log, "--first", "5"))
    arguments = ["--proof", proof, "--key-file", audited.keys]
    assert "grew" in audited.run(
        "verify", "consistency", "--first", first, "--second", second, *arguments)
    audited.run("verify", "consistency", "--first", second, "--second", first, *arguments, expect=1)
    # An export from between shows that the log went back behind the later checkpoint.
    early = audited.export("early")
    audited.desk.check(audited.image)
    late = audited.checkpoint("late")
    audited.run("verify", "log", early, "--key-file", audited.keys, "--checkpoint", second)
    fault = json.loads(audited.run("verify", "log", early, "--key-file", audited.keys,
                                   "--checkpoint", late, "--json", expect=1))["fault"]
    assert "shorter" in fault


def test_the_record_of_a_decision_is_the_leaf(audited):
    from consent.v1 import audit_service_pb2 as audit
    from consent.v1 import audit_service_pb2_grpc as rpc

    stub = rpc.AuditServiceStub(audited.desk.service.channel)
    metadata = [("authorization",
                 "Bearer " + audited.desk.service.callers[audited.desk.role].token)]
    id = audited.decisions[1].decision_id
    shown = stub.GetDecision(audit.GetDecisionRequest(decision_id=id), metadata=metadata)
    proof = stub.ProveInclusion(audit.ProveInclusionRequest(decision_id=id), metadata=metadata)
    assert hashlib.sha256(b"\0" + shown.log_record).digest() == proof.leaf_hash
    assert shown.decision.decision.receipt == audited.decisions[1].receipt
    assert len(audited.decisions[1].receipt.signature) == 64
