"""Several nodes of the real consentd on one PostgreSQL, each behind a proxy that can cut it off."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Outside"))
from service import BIN, ROLES, Caller, free_port  # noqa: E402  (makes the stubs importable)

from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CHANNEL = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50),
           ("grpc.max_reconnect_backoff_ms", 300), ("grpc.use_local_subchannel_pool", 1)]


class Gone(Exception):
    """What the run stands on has ended, which no fault here asks for."""


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Gone(f"waited {seconds} s in vain: {what}")
        time.sleep(0.01)  # pace of looking, not synchronization: the loop ends on the condition


class Database:
    """`consentd database`: the embedded cluster by itself."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "pg"
        self.login_file = folder / "login"
        self.process = None

    def start(self):
        with open(self.folder / "database.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(BIN / "consentd"), "database", "--embedded-postgres", str(self.root),
                 "--login-file", str(self.login_file)], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

        def ready():
            if self.process.poll() is not None:
                raise Gone("the database ended: " + (self.folder / "database.log").read_text())
            return self.login_file.exists()

        until(ready, 120, "the database does not start")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    @property
    def socket(self):
        return self.root / "run" / ".s.PGSQL.5432"

    def postmaster(self):
        return int((self.root / "data" / "postmaster.pid").read_text().split()[0])

    def sql(self, text, timeout=20):
        """As superuser; rows as lists of text. An error is an empty answer: the server may be down."""
        environment = dict(os.environ, PGPASSWORD=(self.root / "superuser.password").read_text())
        done = subprocess.run(
            ["psql", "-XAtq", "-F", "\t", "-h", str(self.root / "run"), "-U", "postgres",
             "-c", text], env=environment, capture_output=True, text=True, timeout=timeout)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def save(self, name):
        """A copy of the data folder; the server must be stopped."""
        shutil.rmtree(self.root / name, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.root / "data"), str(self.root / name)], check=True)

    def put_back(self, name):
        """The data are again what they were when saved: what was committed since is lost."""
        shutil.rmtree(self.root / "data")
        subprocess.run(["cp", "-a", str(self.root / name), str(self.root / "data")], check=True)


class Proxy:
    def __init__(self, folder, database, nodes, seed):
        self.sockets = []
        for number in range(nodes):
            place = folder / f"p{number}"
            place.mkdir(mode=0o700)
            self.sockets.append(place / ".s.PGSQL.5432")
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "proxy.py"), str(seed), str(database.socket)]
            + [str(s) for s in self.sockets], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        self.process.stdout.readline()

    def set(self, **chances):
        return self._ask(json.dumps(chances))

    def counts(self):
        return self._ask("")

    def _ask(self, line):
        with self.lock:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()


class Node:
    def __init__(self, cluster, number):
        self.cluster = cluster
        self.number = number
        self.port = free_port()
        self.environment = {}
        # The third node holds few images: it reads most of what it is asked for.
        self.arguments = ["--indexed-images", "12"] if number == 2 else []
        self.process = None
        self.conninfo = cluster.folder / f"node{number}.login"
        login = cluster.database.login_file.read_text()
        place = cluster.proxy.sockets[number].parent
        self.conninfo.touch(mode=0o600)
        self.conninfo.write_text(
            login.replace(f"host='{cluster.database.root}/run'", f"host='{place}'"))
        assert str(place) in self.conninfo.read_text()
        self.channel = grpc.insecure_channel(self.address, options=CHANNEL)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self, **environment):
        environment = {**self.cluster.environment, **self.environment, **environment}
        with open(self.cluster.folder / f"node{self.number}.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(BIN / "consentd"), "--listen", self.address,
                 "--database-file", str(self.conninfo),
                 "--master-key-file", str(self.cluster.database.root / "master.key"),
                 "--log-key-file", str(self.cluster.database.root / "log.key"),
                 "--tokens", str(self.cluster.folder / "tokens.json"),
                 "--organizations", str(self.cluster.folder / "organizations.json"),
                 *self.arguments],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, **environment})

    def wait_serving(self, seconds=60):
        stub = health_pb2_grpc.HealthStub(self.channel)

        def serving():
            if self.process.poll() is not None:
                # A lost connection while starting ends the start; it is begun again, as a
                # supervisor would.
                self.start()
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
                return answer.status == health_pb2.HealthCheckResponse.SERVING
            except grpc.RpcError:
                return False

        until(serving, seconds, f"node {self.number} does not serve: {self.log_end()}")

    def signal(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def is_stopped(self):
        """Whether SIGSTOP has taken effect: state T of /proc/PID/stat."""
        try:
            text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return False
        return text[text.rindex(")") + 2] == "T"

    def log_end(self):
        return (self.cluster.folder / f"node{self.number}.log").read_text(errors="replace")[-1500:]


class Cluster:
    """Nodes whose clocks differ: the offsets are in milliseconds."""

    def __init__(self, seed, nodes=3, organizations=200, clock_offsets=(0, 3000, -1500)):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="consentd-oracle-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.organizations = [f"0f7d5a52-6d1c-4f7a-9d5e-2d7f5f3{n:05d}"
                              for n in range(organizations)]
        self.callers = {o: Caller("oracle", organization=o, roles=tuple(ROLES))
                        for o in self.organizations}
        self.environment = {}
        self._write_files()
        self.database = Database(self.folder)
        self.proxy = None
        self.nodes = []
        try:
            self.database.start()
            self.proxy = Proxy(self.folder, self.database, nodes, seed)
            self.nodes = [Node(self, number) for number in range(nodes)]
            for node, offset in zip(self.nodes, clock_offsets):
                node.environment = {"CONSENTD_CLOCK_OFFSET_MS": str(offset)}
            self.start_nodes()
        except BaseException:
            self.destroy()
            raise

    def start_nodes(self, **environment):
        self.environment = environment
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_serving()

    def kill_nodes(self):
        for node in self.nodes:
            node.kill()

    def token(self, organization):
        return self.callers[organization].token

    def _write_files(self):
        (self.folder / "tokens.json").write_text(json.dumps({"tokens": [
            {"name": c.name, "organization": c.organization, "roles": list(c.roles),
             "part2": False, "token_sha256": hashlib.sha256(c.token.encode()).hexdigest()}
            for c in self.callers.values()]}))
        (self.folder / "organizations.json").write_text(json.dumps({"organizations": [
            {"id": o, "name": "Hospital " + o[-5:], "time_zone": "America/Chicago"}
            for o in self.organizations]}))

    def destroy(self):
        for node in self.nodes:
            if node.process:
                node.kill()
            node.channel.close()
        if self.proxy:
            self.proxy.stop()
        self.database.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
