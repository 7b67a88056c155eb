"""consentd with TLS from the development CA, and what else an attacker or operator would make."""

import datetime
import ipaddress
import json
import socket
import ssl
import subprocess
import time

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from service import BIN, ORGANIZATION, Service


def consentctl(*arguments, env=None, expect=0):
    done = subprocess.run([str(BIN / "consentctl"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=60, env={"PATH": "/usr/bin:/bin", **(env or {})})
    assert done.returncode == expect, done.stderr + done.stdout
    return done


def until(condition, seconds=30, what="it"):
    """Polls; the loop ends on the condition, not on the time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)
    return value


HERE = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


class TLSService(Service):
    """`certificates` maps what a client certificate says to the roles of its holder."""

    def __init__(self, certificates=(), arguments=(), **more):
        super().__init__(**more)
        self.tls = self.folder / "tls"
        consentctl("dev-ca", "--directory", self.tls, "--client", "pacs", "--client", "unknown")
        self.change_tokens(lambda file: file.update(certificates=[
            {"certificate": identity, "name": name, "organization": ORGANIZATION, "roles": roles}
            for identity, name, roles in certificates]))
        self.extra = ["--tls-certificate", str(self.tls / "server.pem"),
                      "--tls-key", str(self.tls / "server-key.pem"), *arguments]

    def change_tokens(self, change):
        path = self.folder / "tokens.json"
        file = json.loads(path.read_text())
        change(file)
        new = self.folder / "tokens.new"
        new.write_text(json.dumps(file))
        new.rename(path)

    def credentials(self, client=None):
        read = lambda name: (self.tls / name).read_bytes()
        pair = (read(f"client-{client}-key.pem"), read(f"client-{client}.pem")) if client \
            else (None, None)
        return grpc.ssl_channel_credentials(read("ca.pem"), *pair)

    def open_channel(self, client=None):
        return grpc.secure_channel(self.address, self.credentials(client))

    def context(self, client=None, versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
                alpn=("h2", "http/1.1"), ciphers=None):
        context = ssl.create_default_context(cafile=str(self.tls / "ca.pem"))
        if ciphers:
            context.set_ciphers(ciphers)
        context.minimum_version, context.maximum_version = versions
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if client:
            context.load_cert_chain(self.tls / f"client-{client}.pem",
                                    self.tls / f"client-{client}-key.pem")
        return context

    def handshake(self, context=None, session=None):
        """(version, ALPN, serial number of the server's certificate, session, was it resumed)"""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw:
            with (context or self.context()).wrap_socket(
                    raw, server_hostname="localhost", session=session) as tls:
                serial = int(tls.getpeercert()["serialNumber"], 16)
                # A client's refusal by TLS 1.3 comes after the handshake; an answer proves it did not.
                if tls.selected_alpn_protocol() != "h2":
                    tls.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    assert tls.recv(1_000).startswith(b"HTTP/1.1 200")
                else:
                    # SETTINGS come first; an alert would raise.
                    assert tls.recv(1_000)
                return (tls.version(), tls.selected_alpn_protocol(), serial, tls.session,
                        tls.session_reused)

    def issue(self, name, key=None, names=HERE, usage="server",
              ends=datetime.timedelta(days=30), authority="ca"):
        """A certificate of the development CA that consentctl would not make."""
        now = datetime.datetime.now(datetime.timezone.utc)
        key = key or ec.generate_private_key(ec.SECP256R1())
        ca = x509.load_pem_x509_certificate((self.tls / f"{authority}.pem").read_bytes())
        ca_key = serialization.load_pem_private_key(
            (self.tls / f"{authority}-key.pem").read_bytes(), None)
        oid = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
        certificate = (
            x509.CertificateBuilder().subject_name(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(ca.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=60)).not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName(list(names)), False)
            .add_extension(x509.ExtendedKeyUsage([oid[usage]]), False)
            .sign(ca_key, hashes.SHA256()))
        self.put(name, certificate.public_bytes(serialization.Encoding.PEM),
                 key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                   serialization.NoEncryption()))

    def put(self, name, certificate, key):
        for path, data in ((f"{name}-key.pem", key), (f"{name}.pem", certificate)):
            new = self.tls / "new.pem"
            new.write_bytes(data)
            new.chmod(0o600)
            new.rename(self.tls / path)

    def curl(self, path, *arguments, port=None, scheme="https"):
        return subprocess.run(
            ["curl", "-sS", "--cacert", str(self.tls / "ca.pem"), *arguments,
             f"{scheme}://127.0.0.1:{port or self.port}{path}"],
            capture_output=True, text=True, timeout=60)

