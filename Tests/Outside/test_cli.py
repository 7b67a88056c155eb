"""consentctl as staff use it: words, exit codes, files, and what is wrong with them by line."""

import json
import subprocess

import pytest

import films
from desk import Desk, v
from service import BIN

CHECK = ["--use", "education", "--audience", "external", "--channel", "publication",
         "--user", "urn:staff|jdoe", "--role", "clinician", "--relationship", "care-team",
         "--recipient", "venue:urn:issn|1234-5678"]


@pytest.fixture
def cli(desk):
    desk.at("2026-03-10T15:00:00Z")

    def run(*arguments, stdin=None, expect=0):
        done = subprocess.run(
            [str(BIN / "consentctl"), *arguments], capture_output=True, text=True, timeout=60,
            input=stdin, env={
                "PATH": "/usr/bin:/bin", "CONSENTD_URL": "http://" + desk.service.address,
                "CONSENTD_TOKEN": desk.service.callers[desk.role].token})
        assert done.returncode == expect, done.stderr + done.stdout
        return done
    run.desk = desk
    return run


PAPER = """
patient: {patient}
second: {{ birth_date: 1970-05-05 }}
kind: authorization
statements: {{ right_to_revoke: true, conditioning: true, redisclosure: true }}
signer: {{ capacity: individual }}
signed: 2026-03-01
received: 2026-03-02T15:00:00Z
signature_present: true
information: the chest films
grants:
  - scope: {{ image: {image} }}
    uses: [education]
    audiences: [external]
    recipients: [{{ kind: venue, system: urn:issn, value: 1234-5678 }}]
    {until}
"""


@pytest.fixture
def paper(cli, tmp_path):
    cli.patient = cli.desk.patient("P-1")
    cli.image = cli.desk.image(cli.patient)

    def write(until="until: 2026-12-31", **more):
        path = tmp_path / "paper.yaml"
        path.write_text(PAPER.format(patient="urn:lakeside:mrn|P-1", image=cli.image, until=until)
                        + "".join(f"{k}: {v}\n" for k, v in more.items()))
        return str(path)
    return write


def test_record_check_explain_revoke_history(cli, paper):
    denied = cli("check", "--image", cli.image, *CHECK, expect=3)
    assert "DENY" in denied.stdout and "NO_AUTHORIZATION" in denied.stdout
    recorded = json.loads(cli("record", paper(), "--json").stdout)
    grant = recorded["instrument"]["grants"][0]["grantId"]
    answer = json.loads(cli("check", "--image", cli.image, *CHECK, "--json").stdout)
    assert answer["effect"] == "EFFECT_PERMIT"
    assert "AUTH_VALID" in cli("explain", answer["decisionId"]).stdout
    listed = cli("report", "expiring", "--days", "400", "--csv").stdout
    assert grant in listed
    out = cli("revoke", "--patient", "urn:lakeside:mrn|P-1", "--birth-date", "1970-05-05",
              "--grant", grant, "--signed", "2026-03-09").stdout
    assert grant in out
    assert "AUTH_REVOKED" in cli("check", "--image", cli.image, *CHECK, expect=3).stdout
    history = cli("history", "urn:lakeside:mrn|P-1").stdout
    for kind in ("patient", "image", "instrument", "revocation"):
        assert kind in history
    watched = cli("watch", "--count", "1", "--kind", "grant-revoked", "--json").stdout
    assert json.loads(watched)["grantIds"] == [grant]


def test_a_missing_element_is_named_before_anything_is_stored(cli, paper):
    before = len(cli.desk.feed())
    refused = cli("record", paper(until=""), expect=65)
    assert "missing: expiry (164.508(c)(1)(v))" in refused.stderr
    assert len(cli.desk.feed()) == before
    cli("record", paper(until=""), "--accept-defects")
    assert "AUTH_INCOMPLETE" in cli("check", "--image", cli.image, *CHECK, expect=3).stdout


def test_a_misspelt_key_does_not_vanish(cli, paper):
    assert "expires" in cli("record", paper(until="expires: 2026-12-31"), expect=65).stderr


def test_questions_are_asked_without_a_file(cli, paper):
    paper()
    answers = ["urn:lakeside:mrn|P-1", "1970-05-05", "consent", "films", "y", "y", "y",
               "individual", "y", "2026-03-01", "permit", "image:" + cli.image, "n", "education",
               "trainees-supervised", "", "", "2026-12-31", "n"]
    out = cli("record", stdin="\n".join(answers) + "\n")
    assert "recorded instrument" in out.stdout


def test_dicom_files_are_registered_without_pixels(cli):
    path = next(path for path, _ in films.datasets().values() if path.name == "CT_small.dcm")
    out = cli("register", "--new-patients", "--issuer", "urn:test", str(path))
    assert "1 registered" in out.stdout
    again = cli("register", "--new-patients", "--issuer", "urn:test", str(path))
    assert "1 already-registered" in again.stdout


def test_csv(cli, tmp_path):
    cli.desk.patient("P-5")
    path = tmp_path / "images.csv"
    path.write_text(
        "patient_system,patient_value,sop_instance_uid,study_instance_uid,modality,acquired_on\r\n"
        'urn:lakeside:mrn,P-5,1.2.3.4.1,1.2.3,"CR",2026-01-02\r\n'
        "urn:lakeside:mrn,P-5,1.2.3.4.2,1.2.3,CR,2026-01-02\r\n")
    assert "2 registered" in cli("register", str(path)).stdout


@pytest.mark.parametrize("text, line", [
    ("patient_system,colour\nurn:m,red\n", "line 1: colour is not a column"),
    ("patient_system,patient_value,sop_instance_uid\nurn:m,1,1.2\nurn:m,1\n", "line 3: 2 values"),
    ("sop_instance_uid,acquired_on,patient_system,patient_value\n1.2,2026-13,m,1\n", "line 2"),
    ('sop_instance_uid\n"1.2\n', "line 2: a quote that never ends"),
])
def test_a_wrong_csv_names_its_line(cli, tmp_path, text, line):
    path = tmp_path / "images.csv"
    path.write_text(text)
    assert line in cli("register", str(path), expect=65).stderr


def test_coverage_adds_up(cli, paper):
    cli("record", paper())
    cli.desk.image(cli.patient)
    rows = [json.loads(line)["row"] for line in
            cli("report", "coverage", "--use", "education", "--audience", "external",
                "--json").stdout.splitlines() if '"row"' in line]
    assert rows and all(
        sum(int(c["images"]) for c in row["counts"]) == int(row["images"]) for row in rows)
    text = cli("report", "coverage", "--use", "education", "--audience", "external").stdout
    assert "50 %" in text and "2 images of 1 patients" in text
    assert "education,external" in cli(
        "report", "coverage", "--use", "education", "--audience", "external", "--csv").stdout


def test_exit_codes(cli):
    assert "CONSENTD_URL" in cli("check", "--help").stdout + cli("--help").stdout
    cli("check", expect=64)
    cli("check", "--image", "1.2.x", *CHECK, expect=65)
    dead = subprocess.run(
        [str(BIN / "consentctl"), "health"], env={"CONSENTD_URL": "http://127.0.0.1:1"},
        capture_output=True, text=True)
    assert dead.returncode == 69
    cli("health")
    assert "complete" in cli("--generate-completion-script", "bash").stdout


def test_a_token_is_printed_once_and_only_its_hash_is_kept(cli, tmp_path):
    path = tmp_path / "tokens.json"
    token = cli("token", "--file", str(path), "--name", "ehr", "--organization",
                "0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0001", "--role", "checker").stdout.strip()
    assert len(token) >= 40 and token not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    cli("token", "--file", str(path), "--name", "x", "--organization", "no", "--role", "checker",
        expect=64)
