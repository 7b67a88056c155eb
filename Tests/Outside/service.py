"""Runs the real consentd on an embedded PostgreSQL and calls it with generated grpcio stubs."""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CONSENTD_BIN", ROOT / ".build-debug" / "debug"))


def _generate():
    """Python messages from Proto/, made fresh so that they are never stale."""
    out = pathlib.Path(tempfile.mkdtemp(prefix="consentd-stubs-"))
    files = sorted(str(p.relative_to(ROOT / "Proto")) for p in (ROOT / "Proto").rglob("*.proto"))
    from grpc_tools import protoc

    include = pathlib.Path(protoc.__file__).parent / "_proto"
    code = protoc.main(
        ["protoc", f"-I{ROOT / 'Proto'}", f"-I{include}", f"--python_out={out}",
         f"--grpc_python_out={out}"] + files)
    assert code == 0, "protoc could not read Proto/"
    sys.path.insert(0, str(out))
    import atexit

    atexit.register(shutil.rmtree, out, ignore_errors=True)


_generate()

ORGANIZATION = "0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0001"
OTHER_ORGANIZATION = "0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f0002"
ROLES = ["checker", "recorder", "reporter", "auditor", "administrator"]


@dataclasses.dataclass
class Caller:
    name: str
    organization: str = ORGANIZATION
    roles: tuple = ()
    part2: bool = False
    token: str = dataclasses.field(default_factory=lambda: secrets.token_hex(24))


def scenario_organization(number):
    """Organizations of their own, so that each scenario has its own feed and its own time."""
    return f"0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f1{number:03d}"


def callers(scenarios):
    """One caller a role, one of another organization, one with every role and Part 2."""
    everyone = {role: Caller(role, roles=(role,)) for role in ROLES}
    everyone["all"] = Caller("all", roles=tuple(ROLES), part2=True)
    everyone["stranger"] = Caller("stranger", organization=OTHER_ORGANIZATION, roles=tuple(ROLES))
    for number in range(scenarios):
        everyone[f"scenario-{number}"] = Caller(
            f"scenario-{number}", organization=scenario_organization(number), roles=tuple(ROLES))
    return everyone


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Service:
    """consentd with its own database folder; the clock is moved by writing a file."""

    def __init__(self, start="2026-01-05T12:00:00Z", scenarios=0):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="consentd-test-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.callers = callers(scenarios)
        self.unused = iter(range(scenarios))
        self.port = free_port()
        self.process = None
        self.channel = None
        self.extra = []
        (self.folder / "tokens.json").write_text(json.dumps({"tokens": [
            {"name": c.name, "organization": c.organization, "roles": list(c.roles),
             "part2": c.part2, "token_sha256": hashlib.sha256(c.token.encode()).hexdigest()}
            for c in self.callers.values()]}))
        organizations = [(ORGANIZATION, "America/Chicago"), (OTHER_ORGANIZATION, "Europe/Berlin")]
        organizations += [(scenario_organization(n), "America/Chicago") for n in range(scenarios)]
        (self.folder / "organizations.json").write_text(json.dumps({"organizations": [
            {"id": id, "name": "Hospital " + id[-4:], "time_zone": zone}
            for id, zone in organizations]}))
        self.set_clock(start)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def set_clock(self, instant):
        """Moves the service's clock; atomic, so that it never reads half a time."""
        if isinstance(instant, datetime.datetime):
            instant = instant.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.instant = instant
        new = self.folder / "clock.new"
        new.write_text(instant + "\n")
        new.chmod(0o644)
        new.rename(self.folder / "clock")

    def start(self, timeout=60, real_clock=False):
        log = open(self.folder / "consentd.log", "ab")
        self.process = subprocess.Popen(
            [str(BIN / "consentd"), "--listen", self.address,
             "--embedded-postgres", str(self.folder / "pg"),
             "--tokens", str(self.folder / "tokens.json"),
             "--organizations", str(self.folder / "organizations.json"),
             *([] if real_clock else ["--test-clock", str(self.folder / "clock")]),
             *self.extra],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self.channel = self.open_channel()
        self.wait_serving(timeout)
        return self

    def open_channel(self):
        return grpc.insecure_channel(self.address)

    def wait_serving(self, timeout=60):
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        deadline = time.monotonic() + timeout
        stub = health_pb2_grpc.HealthStub(self.channel)
        while True:
            if self.process.poll() is not None:
                raise AssertionError("consentd exited: " + self.log()[-2000:])
            left = deadline - time.monotonic()
            assert left > 0, "consentd does not serve: " + self.log()[-2000:]
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=min(left, 5),
                                    wait_for_ready=True)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                pass
            time.sleep(0.02)  # pace of polling, not synchronization: the loop ends on SERVING

    def log(self):
        return (self.folder / "consentd.log").read_text(errors="replace")

    def stub(self, stub_class, role="all"):
        token = self.callers[role].token
        return stub_class(grpc.intercept_channel(self.channel, _Bearer(token)))

    def kill(self):
        """kill -9: nothing of the process survives, its database does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.channel.close()

    def postmaster_pid(self):
        return int((self.folder / "pg" / "data" / "postmaster.pid").read_text().split()[0]) \
            if (self.folder / "pg" / "data" / "postmaster.pid").exists() \
            else int(next((self.folder / "pg").rglob("postmaster.pid")).read_text().split()[0])

    def stop(self, timeout=60):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout)
        if self.channel:
            self.channel.close()
        return self.process.returncode if self.process else None

    def destroy(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self, token):
        self.metadata = ("authorization", "Bearer " + token)

    def _with(self, details):
        return details._replace(metadata=list(details.metadata or []) + [self.metadata])

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(self._with(details), request)

    def intercept_unary_stream(self, continuation, details, request):
        return continuation(self._with(details), request)
