"""Tokens signed by others: an issuer of our own, and everything an attacker would send instead."""

import base64
import datetime
import hashlib
import hmac
import json

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from desk import Desk, check, check_grpc
from service import ORGANIZATION, OTHER_ORGANIZATION, Caller, Service
from tls_service import until

ISSUER, AUDIENCE = "https://id.example", "https://consent.example"
NOW = int(datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.timezone.utc).timestamp())
KEYS = {
    "RS256": rsa.generate_private_key(65_537, 2_048),
    "PS256": rsa.generate_private_key(65_537, 3_072),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
MAKERS = {"RS256": jwt.algorithms.RSAAlgorithm, "PS256": jwt.algorithms.RSAAlgorithm,
          "ES256": jwt.algorithms.ECAlgorithm, "ES384": jwt.algorithms.ECAlgorithm,
          "EdDSA": jwt.algorithms.OKPAlgorithm}


def jwk(algorithm, key, kid):
    return {**MAKERS[algorithm].to_jwk(key.public_key(), as_dict=True), "kid": kid,
            "alg": algorithm, "use": "sig"}


def claims(**changes):
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "service", "client_id": "pacs", "iat": NOW,
            "exp": NOW + 300, "scope": "system/Consent.rs", **changes}
    return {k: v for k, v in said.items() if v is not None}


def token(algorithm="ES256", key=None, kid=None, header=None, **changes):
    return jwt.encode(claims(**changes), key or KEYS[algorithm], algorithm,
                      headers={"kid": kid or algorithm, **(header or {})})


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header, sign, **changes):
    text = part(header) + "." + part(claims(**changes))
    return text + "." + part(sign(text.encode()))


def pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class Issued(Service):
    def __init__(self):
        super().__init__(scenarios=1)
        self.keys({a: jwk(a, k, a) for a, k in KEYS.items()}.values())
        (self.folder / "issuers.json").write_text(json.dumps({"issuers": [
            {"name": "idp", "issuer": ISSUER, "audience": AUDIENCE, "jwks": "jwks.json",
             "organization": ORGANIZATION},
            {"name": "many", "issuer": "https://many.example", "audience": [AUDIENCE],
             "jwks": "jwks.json", "organization_claim": "org", "organizations": [ORGANIZATION],
             "scopes": {"look": ["checker"]}}]}))
        self.extra = ["--issuers", str(self.folder / "issuers.json")]

    def keys(self, keys):
        new = self.folder / "jwks.new"
        new.write_text(json.dumps({"keys": list(keys)}))
        new.rename(self.folder / "jwks.json")

    def ask(self, bearer):
        """The name of the status, and its text."""
        self.callers["jwt"] = Caller("jwt", token=bearer)
        stub = self.stub(check_grpc.CheckServiceStub, "jwt")
        try:
            stub.Check(check.CheckRequest(request=Desk(self, "scenario-0").ask("1.2.3")))
            return "OK", ""
        except grpc.RpcError as error:
            return error.code().name, error.details()


@pytest.fixture(scope="module")
def issued():
    service = Issued().start()
    yield service
    service.destroy()


@pytest.mark.parametrize("algorithm", KEYS)
def test_every_algorithm_of_the_list_is_believed(issued, algorithm):
    assert issued.ask(token(algorithm)) == ("OK", "")


def test_static_tokens_go_on_beside_them(issued):
    assert issued.ask(issued.callers["checker"].token) == ("OK", "")


BAD = {
    "none": lambda: by_hand({"alg": "none", "kid": "ES256"}, lambda t: b""),
    "none in capitals": lambda: by_hand({"alg": "NONE", "kid": "ES256"}, lambda t: b""),
    "no signature": lambda: token().rsplit(".", 1)[0] + ".",
    "HS256 with the public key, PEM": lambda: by_hand(
        {"alg": "HS256", "kid": "RS256"},
        lambda t: hmac.new(pem(KEYS["RS256"]), t, hashlib.sha256).digest()),
    "HS256 with the public key, JSON": lambda: by_hand(
        {"alg": "HS256", "kid": "RS256"},
        lambda t: hmac.new(jwk("RS256", KEYS["RS256"], "RS256")["n"].encode(), t,
                           hashlib.sha256).digest()),
    "RS256 with the key for PS256": lambda: token("RS256", KEYS["PS256"], "PS256"),
    "RS512 with the key for RS256": lambda: token("RS512", KEYS["RS256"], "RS256"),
    "the key of another": lambda: token("ES256", ec.generate_private_key(ec.SECP256R1())),
    "a key of its own in the header": lambda: token(
        "ES256", (own := ec.generate_private_key(ec.SECP256R1())),
        header={"jwk": jwk("ES256", own, "ES256")}),
    "a key to be fetched": lambda: token(
        "ES256", ec.generate_private_key(ec.SECP256R1()), header={"jku": "https://evil.example"}),
    "an unknown key": lambda: token(kid="ES257"),
    "a file as key": lambda: token(kid="../../dev/null"),
    "expired": lambda: token(exp=NOW - 61),
    "no expiry": lambda: token(exp=None),
    "not yet": lambda: token(nbf=NOW + 120),
    "issued tomorrow": lambda: token(iat=NOW + 86_400),
    "another audience": lambda: token(aud="https://other.example"),
    "no audience": lambda: token(aud=None),
    "another issuer": lambda: token(iss="https://evil.example"),
    "no issuer": lambda: token(iss=None),
    "nobody": lambda: token(sub=None, client_id=None),
    "an ID token": lambda: token(aud="pacs"),
    "a logout token": lambda: token(header={"typ": "logout+jwt"}),
    "an unknown extension": lambda: token(header={"crit": ["b64"], "b64": False}),
    "too long": lambda: token(padding="x" * 8_192),
    "an organization of nobody": lambda: token(iss="https://many.example", scope="look"),
    "another's organization": lambda: token(
        iss="https://many.example", scope="look", org=OTHER_ORGANIZATION),
    "two dots": lambda: "..",
    "deep JSON": lambda: part({"alg": "ES256", "kid": "ES256"}) + "."
    + part(b'{"a":' + b"[" * 3_000 + b"]" * 3_000 + b"}") + ".AA",
    "not UTF-8": lambda: part(b"\xff\xfe") + "." + part(b"\xff") + ".AA",
}


@pytest.mark.parametrize("name", BAD)
def test_everything_else_is_refused_without_an_echo(issued, name):
    bearer = BAD[name]()
    code, text = issued.ask(bearer)
    assert code == "UNAUTHENTICATED", (code, text)
    assert not any(len(p) > 6 and p in text for p in bearer.split(".")), text
    assert bearer not in issued.log()


def test_organizations_by_claim(issued):
    assert issued.ask(token(iss="https://many.example", scope="look", org=ORGANIZATION))[0] == "OK"


def test_scopes_become_roles_and_nothing_more(issued):
    for scope, code in [("system/Consent.read", "OK"), ("openid system/Consent.cruds", "OK"),
                        ("system/Consent.write", "PERMISSION_DENIED"), ("", "PERMISSION_DENIED"),
                        (None, "PERMISSION_DENIED"), ("look", "PERMISSION_DENIED"),
                        ("system/Consent.rs?patient=1", "PERMISSION_DENIED")]:
        assert issued.ask(token(scope=scope))[0] == code, scope


def test_the_clock_of_the_service_decides(issued):
    good = token()
    assert issued.ask(good)[0] == "OK"
    issued.set_clock("2026-01-05T12:05:59Z")
    assert issued.ask(good)[0] == "OK", "the leeway of a minute"
    issued.set_clock("2026-01-05T12:06:00Z")
    assert issued.ask(good)[0] == "UNAUTHENTICATED"
    issued.set_clock("2026-01-05T12:00:00Z")


def test_keys_rotate(issued):
    new = ec.generate_private_key(ec.SECP256R1())
    old, fresh = token(), token("ES256", new, "2026-02")
    assert issued.ask(old)[0] == "OK" and issued.ask(fresh)[0] == "UNAUTHENTICATED"
    # Both, as an issuer does it; then the old one alone goes.
    everything = [jwk(a, k, a) for a, k in KEYS.items()]
    issued.keys(everything + [jwk("ES256", new, "2026-02")])
    until(lambda: issued.ask(fresh)[0] == "OK", what="the new key")
    assert issued.ask(old)[0] == "OK"
    # A set that cannot be read, or that tells a private key, changes nothing.
    private = {**MAKERS["ES256"].to_jwk(new, as_dict=True), "kid": "2026-02"}
    for broken, word in ([], "has no key"), ([private], "private key"):
        said = issued.log().count(word)
        issued.keys(broken)
        until(lambda: issued.log().count(word) > said, what=word)
        assert issued.ask(fresh)[0] == "OK"
    assert private["d"] not in issued.log()
    # A token remembered goes with its key.
    issued.keys([jwk("ES256", new, "2026-02")])
    until(lambda: issued.ask(old)[0] == "UNAUTHENTICATED", what="the end of the old key")
    assert issued.ask(fresh)[0] == "OK"
    issued.keys(everything)
    until(lambda: issued.ask(old)[0] == "OK", what="the old keys again")
