"""TLS, client certificates and their renewal, with clients that are not ours."""

import datetime
import json
import signal
import ssl
import stat
import subprocess
import threading

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from prometheus_client.parser import text_string_to_metric_families

from desk import Desk, check, check_grpc, events
from errors import failure
from service import BIN, ORGANIZATION, Caller, free_port
from tls_service import TLSService, consentctl, until, x509

TLS12 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
TLS13 = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
ORIGIN = "https://viewer.example"


@pytest.fixture(scope="module")
def tls():
    port = free_port()
    service = TLSService(
        certificates=[("URI:urn:consentd:client:pacs", "pacs", ["checker"])], scenarios=20)
    service.plaintext = port
    service.extra += ["--client-ca", str(service.tls / "ca.pem"),
                      "--listen-plaintext", f"127.0.0.1:{port}", "--cors-origin", ORIGIN]
    service.start()
    yield service
    service.destroy()


def ask(desk):
    return check.CheckRequest(request=desk.ask("1.2.3"))


@pytest.mark.parametrize("versions", [TLS12, TLS13])
@pytest.mark.parametrize("alpn", [("h2",), ("http/1.1",), ("h2", "http/1.1"), ()])
def test_both_versions_and_both_protocols(tls, versions, alpn):
    version, chosen, *_ = tls.handshake(tls.context(versions=versions, alpn=alpn))
    assert version == {TLS12: "TLSv1.2", TLS13: "TLSv1.3"}[versions]
    assert chosen == (alpn[0] if alpn else None)


@pytest.mark.parametrize("old", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(tls, old):
    version = getattr(ssl.TLSVersion, old)
    with pytest.warns(DeprecationWarning):
        context = tls.context(versions=(version, version), ciphers="ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls.handshake(context)


@pytest.mark.parametrize("algorithm", ["ECDSA", "RSA"])
def test_only_forward_secret_authenticated_ciphers(algorithm):
    """Named by what RFC 9113 Appendix A rules out; each with a key that it could use."""
    service = TLSService()
    try:
        if algorithm == "RSA":
            service.issue("server", rsa.generate_private_key(65_537, 2_048))
        service.start()
        for cipher in ["AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256",
                       f"ECDHE-{algorithm}-AES128-SHA", f"ECDHE-{algorithm}-AES256-SHA384"]:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                service.handshake(service.context(versions=TLS12, ciphers=cipher + ":@SECLEVEL=0"))
        for cipher in ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]:
            service.handshake(
                service.context(versions=TLS12, ciphers=f"ECDHE-{algorithm}-{cipher}"))
    finally:
        service.destroy()


def test_curl_over_both_protocols(tls):
    desk = Desk(tls, "scenario-0")
    from google.protobuf import json_format
    question = json_format.MessageToJson(ask(desk))
    for option, version in (("--http2", "2"), ("--http1.1", "1.1")):
        out = tls.curl("/consent.v1.CheckService/Check", option, "--json", question, "-H",
                       "authorization: Bearer " + tls.callers["scenario-0"].token,
                       "-w", " %{http_version}")
        answer, _, said = out.stdout.rpartition(" ")
        assert said == version, out
        assert json.loads(answer)["decision"]["reason"] == "REASON_IMAGE_UNKNOWN", out


def test_plaintext_is_for_its_own_listener(tls):
    assert tls.curl("/healthz", port=tls.plaintext, scheme="http").stdout == "serving\n"
    assert tls.curl("/healthz", scheme="http").returncode != 0
    assert tls.curl("/healthz", port=tls.plaintext).returncode != 0


def test_a_certificate_says_who_calls(tls):
    desk = Desk(tls, "scenario-0")
    with tls.open_channel("pacs") as channel:
        stub = check_grpc.CheckServiceStub(channel)
        assert stub.Check(ask(desk)).decision.reason
        # Its role is checker, nothing else.
        assert failure(stub.Explain, check.ExplainRequest(decision_id="x"))[0] == "INVALID_ARGUMENT"
        from consent.v1 import audit_service_pb2 as audit, audit_service_pb2_grpc as audit_grpc
        assert failure(audit_grpc.AuditServiceStub(channel).ListDecisions,
                       audit.ListDecisionsRequest())[0] == "PERMISSION_DENIED"
    with tls.open_channel("unknown") as channel:
        assert failure(check_grpc.CheckServiceStub(channel).Check, ask(desk))[0] \
            == "UNAUTHENTICATED"
    with tls.open_channel() as channel:
        assert failure(check_grpc.CheckServiceStub(channel).Check, ask(desk))[0] \
            == "UNAUTHENTICATED"


def test_a_bad_token_is_refused_however_good_the_certificate(tls):
    desk = Desk(tls, "scenario-0")
    with tls.open_channel("pacs") as channel:
        stub = check_grpc.CheckServiceStub(channel)
        bad = [("authorization", "Bearer nonsense")]
        assert failure(stub.Check, ask(desk), metadata=bad)[0] == "UNAUTHENTICATED"
        # A good one says who calls: an auditor may not check.
        good = [("authorization", "Bearer " + tls.callers["auditor"].token)]
        assert failure(stub.Check, ask(desk), metadata=good)[0] == "PERMISSION_DENIED"


def test_certificates_that_are_not_to_be_believed_end_at_the_handshake(tls, tmp_path):
    consentctl("dev-ca", "--directory", tmp_path, "--client", "pacs")
    (tls.tls / "client-foreign.pem").write_bytes((tmp_path / "client-pacs.pem").read_bytes())
    (tls.tls / "client-foreign-key.pem").write_bytes((tmp_path / "client-pacs-key.pem").read_bytes())
    names = [x509.UniformResourceIdentifier("urn:consentd:client:pacs")]
    tls.issue("client-expired", names=names, usage="client", ends=-datetime.timedelta(days=1))
    tls.issue("client-wrong-usage", names=names, usage="server")
    for client in ["foreign", "expired", "wrong-usage"]:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            tls.handshake(tls.context(client, alpn=("http/1.1",)))
    tls.issue("client-good", names=names, usage="client")
    tls.handshake(tls.context("good", alpn=("http/1.1",)))


def test_consentctl_speaks_tls_with_token_or_certificate(tls):
    url = {"CONSENTD_URL": f"https://localhost:{tls.port}", "CONSENTD_CA": str(tls.tls / "ca.pem")}
    assert consentctl("health", env=url).stdout == "serving\n"
    from test_cli import CHECK
    ask = ["check", "--image", "1.2.3", *CHECK]
    pair = {"CONSENTD_CLIENT_CERTIFICATE": str(tls.tls / "client-pacs.pem"),
            "CONSENTD_CLIENT_KEY": str(tls.tls / "client-pacs-key.pem")}
    for who in ({"CONSENTD_TOKEN": tls.callers["checker"].token}, pair):
        done = subprocess.run([str(BIN / "consentctl"), *ask], capture_output=True, text=True,
                              timeout=60, env={"PATH": "/usr/bin:/bin", **url, **who})
        assert done.returncode == 3, done
    without = {"CONSENTD_URL": url["CONSENTD_URL"]}
    assert consentctl("health", env=without, expect=69)


def test_a_required_certificate_is_asked_at_the_handshake():
    service = TLSService(certificates=[("DNS:pacs.example", "pacs", ["checker"])])
    port = free_port()
    service.extra += ["--client-ca", str(service.tls / "ca.pem"), "--require-client-certificate",
                      "--listen-plaintext", f"127.0.0.1:{port}"]
    service.issue("client-dns", names=[x509.DNSName("pacs.example")], usage="client")
    service.open_channel = lambda client="dns": grpc.secure_channel(
        service.address, service.credentials(client))
    service.start()
    try:
        desk = Desk(service, "checker")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            service.handshake(service.context(alpn=("http/1.1",)))
        with service.open_channel() as channel:
            assert check_grpc.CheckServiceStub(channel).Check(ask(desk)).decision.reason
    finally:
        service.destroy()


def test_a_certificate_is_renewed_under_load_and_nobody_notices(tls):
    desk = Desk(tls, "scenario-1")
    desk.patient("P-1")
    stream = desk.events.Watch(events.WatchRequest())
    positions = (m.event.position.position for m in stream if m.HasField("event"))
    assert next(positions) == 1
    context = tls.context(versions=TLS12, alpn=("http/1.1",))
    *_, before, session, _ = tls.handshake(context)
    assert tls.handshake(context, session=session)[4], "a session of the same certificate resumes"

    stop, failures, calls = threading.Event(), [], [0]

    def load():
        while not stop.is_set():
            try:
                desk.checks.Check(ask(desk), timeout=30)
                calls[0] += 1
            except grpc.RpcError as error:
                failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        # Rotations one after the other, then one that is broken.
        for _ in range(3):
            consentctl("dev-ca", "--directory", tls.tls, "--renew")
            until(lambda: tls.handshake()[2] != before, what="a new certificate")
            before = tls.handshake()[2]
        assert not tls.handshake(context, session=session)[4], "an old session does not resume"
        good = [(tls.tls / n).read_bytes() for n in ("server.pem", "server-key.pem")]
        tls.put("server", b"-----BEGIN CERTIFICATE-----\nnonsense\n", good[1])
        until(lambda: "cannot be used; the old one stays in force" in tls.log(), what="a refusal")
        assert tls.handshake()[2] == before
        tls.put("server", *good)
        asked = tls.log().count("read again")
        tls.process.send_signal(signal.SIGHUP)
        until(lambda: tls.log().count("read again") > asked, what="SIGHUP")
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not failures and calls[0] > 0, failures[:3]
    desk.patient("P-2")
    assert next(positions) == 2, "the stream that was open before all this goes on"
    stream.cancel()


def test_callers_are_read_again(tls):
    desk = Desk(tls, "scenario-0")
    new = Caller("new", roles=("checker",))
    tls.callers["new"] = new
    import hashlib
    stub = tls.stub(check_grpc.CheckServiceStub, "new")
    assert failure(stub.Check, ask(desk))[0] == "UNAUTHENTICATED"
    entry = {"name": "new", "organization": ORGANIZATION, "roles": ["checker"],
             "token_sha256": hashlib.sha256(new.token.encode()).hexdigest()}

    def refused():
        try:
            stub.Check(ask(desk))
            return False
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED
            return True

    tls.change_tokens(lambda file: file["tokens"].append(entry))
    until(lambda: not refused(), what="the new caller")
    # One of an organization that is not served spoils the file, and the old one stays.
    spoilt = {**entry, "organization": "0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2fffff"}
    said = tls.log().count("which is not in the database")
    tls.change_tokens(lambda file: file["tokens"].__setitem__(-1, spoilt))
    until(lambda: tls.log().count("which is not in the database") > said, what="the refusal")
    assert not refused()
    tls.change_tokens(lambda file: file["tokens"].pop())
    until(refused, what="the removal")


def test_browsers_of_listed_origins_only(tls):
    def allowed(origin):
        out = tls.curl("/consent.v1.CheckService/Check", "-X", "OPTIONS", "-D", "-", "-H",
                       f"origin: {origin}", "-H", "access-control-request-method: POST")
        return f"access-control-allow-origin: {origin}" in out.stdout
    assert allowed(ORIGIN)
    for other in ["https://viewer.example.org", "http://viewer.example", ORIGIN + ":8443", "null"]:
        assert not allowed(other), other


def test_metrics_parse_and_count(tls):
    def read():
        text = tls.curl("/metrics").stdout
        families = {f.name: f for f in text_string_to_metric_families(text)}
        assert all(f.documentation and f.type != "unknown" for f in families.values())
        return families

    def value(name, **labels):
        return next((s.value for f in read().values() for s in f.samples
                     if s.name == name and labels.items() <= s.labels.items()), 0)

    failures = value("consentd_tls_handshake_failures_total")
    tls.curl("/healthz", scheme="http")
    until(lambda: value("consentd_tls_handshake_failures_total") > failures, what="a failure")
    assert value("consentd_connections_accepted_total") > value("consentd_connections_open") > 0
    assert until(lambda: value("consentd_database_transaction_id_age") > 0, what="the age")
    assert "alarm above 1000000000" in read()["consentd_database_transaction_id_age"].documentation
    assert value("consentd_database_connections", pool="read") == 4
    assert value("consentd_tls_certificate_not_after_seconds") > 1_700_000_000
    assert "consentd_feed_lag_events" in read()
    # A client that pings without end is sent away, and counted by what it was told.
    import h2.config
    import h2.connection
    import socket
    raw = socket.create_connection(("127.0.0.1", tls.plaintext), timeout=10)
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    for _ in range(5):
        client.ping(b"12345678")
    raw.sendall(client.data_to_send())
    while raw.recv(65_536):
        pass
    assert value("consentd_abuse_verdicts_total", kind="too_many_pings") == 1


def test_readiness_is_its_own_page(tls):
    out = tls.curl("/readyz", "-w", "%{http_code}")
    assert out.stdout == "ready\n200"


def refused(tmp_path, *arguments):
    (tmp_path / "tokens.json").write_text('{"tokens":[]}')
    done = subprocess.run(
        [str(BIN / "consentd"), "--tokens", str(tmp_path / "tokens.json"), "--database",
         "host=/nonexistent", "--master-key-file", str(tmp_path / "none"), *arguments],
        capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.returncode, done.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.org:80",
                                     "127.0.0.1.example.org:80"])
def test_plaintext_on_a_network_has_to_be_asked_for(tmp_path, address):
    code, said = refused(tmp_path, "--listen", address)
    assert code == 64 and "--tls-certificate" in said
    # With the flag the start goes on, to the database that is not there.
    code, said = refused(tmp_path, "--listen", address, "--plaintext-on-network")
    assert code != 64, said


def test_settings_that_do_not_fit_are_named(tmp_path):
    consentctl("dev-ca", "--directory", tmp_path / "tls")
    consentctl("dev-ca", "--directory", tmp_path / "other")
    pair = ["--tls-certificate", str(tmp_path / "tls/server.pem"),
            "--tls-key", str(tmp_path / "tls/server-key.pem")]
    for arguments, word in [
            (pair[:2], "go together"), (pair[2:], "go together"),
            (["--client-ca", "x"], "--client-ca needs"),
            (pair + ["--require-client-certificate"], "needs --client-ca"),
            (["--listen-plaintext", "127.0.0.1:0"], "beside a TLS"),
            (pair + ["--listen-plaintext", "0.0.0.0:0"], "loopback"),
            (["--cors-origin", "*"], "--cors-origin"),
            (["--cors-origin", "https://a.example/"], "--cors-origin"),
            (["--max-connections", "0"], "--max-connections"),
            (["--max-connection-age", "0s"], "max-connection-age"),
            (["--max-connection-age", "9999h"], "max-connection-age")]:
        code, said = refused(tmp_path, *arguments)
        assert code == 64 and word in said, (arguments, said)
    (tmp_path / "tls/server-key.pem").chmod(0o644)
    code, said = refused(tmp_path, *pair)
    assert code == 78 and "chmod 600" in said
    (tmp_path / "tls/server-key.pem").chmod(0o600)
    other = ["--tls-certificate", str(tmp_path / "other/server.pem"), *pair[2:]]
    code, said = refused(tmp_path, *other)
    assert code == 78 and "cannot be used together" in said
    (tmp_path / "tls/server.pem").write_text("nonsense")
    code, said = refused(tmp_path, *pair)
    assert code == 78 and "certificate chain cannot be read" in said


def test_the_development_ca_keeps_what_is_there(tmp_path):
    first = consentctl("dev-ca", "--directory", tmp_path, "--client", "a", "--host", "db.example",
                       "--host", "192.0.2.7")
    assert "development" in first.stderr
    names = ["ca", "server", "client-a"]
    for name in names:
        assert stat.S_IMODE((tmp_path / f"{name}-key.pem").stat().st_mode) == 0o600
        subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", tmp_path / "ca.pem",
                        tmp_path / f"{name}.pem"], check=True, capture_output=True)
    text = subprocess.run(["openssl", "x509", "-in", tmp_path / "server.pem", "-noout", "-ext",
                           "subjectAltName"], capture_output=True, text=True).stdout
    for name in ["DNS:localhost", "DNS:db.example", "IP Address:127.0.0.1", "IP Address:192.0.2.7",
                 "IP Address:0:0:0:0:0:0:0:1"]:
        assert name in text, text
    read = lambda: {n: (tmp_path / f"{n}.pem").read_bytes() for n in names}
    before = read()
    assert "kept" in consentctl("dev-ca", "--directory", tmp_path, "--client", "a").stdout
    assert read() == before
    consentctl("dev-ca", "--directory", tmp_path, "--client", "a", "--renew")
    after = read()
    assert after["ca"] == before["ca"]
    assert after["server"] != before["server"] and after["client-a"] != before["client-a"]
    (tmp_path / "ca-key.pem").unlink()
    consentctl("dev-ca", "--directory", tmp_path, expect=65)
    consentctl("dev-ca", "--directory", tmp_path, "--client", "a/b", expect=64)


def test_the_token_file_keeps_both_kinds_of_callers(tmp_path):
    path = tmp_path / "tokens.json"
    who = ["--organization", ORGANIZATION, "--role", "checker"]
    consentctl("token", "--file", path, "--name", "a", *who)
    consentctl("token", "--file", path, "--name", "b", "--certificate", "DNS:b.example", *who)
    consentctl("token", "--file", path, "--name", "c", *who)
    file = json.loads(path.read_text())
    assert [e["name"] for e in file["tokens"]] == ["a", "c"]
    assert [(e["name"], e["certificate"]) for e in file["certificates"]] == [("b", "DNS:b.example")]
    consentctl("token", "--file", path, "--name", "d", "--certificate", "CN:d", *who, expect=64)


def test_a_key_that_others_could_read_is_not_taken_until_its_mode_is_mended(tls):
    before = tls.handshake()[2]
    key = tls.tls / "server-key.pem"
    said = tls.log().count("others can read")
    key.chmod(0o644)
    until(lambda: tls.log().count("others can read") > said, what="the refusal")
    consentctl("dev-ca", "--directory", tls.tls, "--renew")
    until(lambda: tls.handshake()[2] != before, what="the new certificate, with its mode")
