"""A consentd on an embedded database with a large register, for ops/bench ledger."""

import hashlib
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import time

import bench_common as bench
from bench_common import BUILD, RELEASE, ROOT, free_port, say

sys.path.insert(0, str(ROOT / "Tests" / "Outside"))
import desk  # noqa: E402  (makes the messages importable)
from desk import check  # noqa: E402

ORGANIZATION = "0f7d5a52-6d1c-4f7a-9d5e-2d7f5f2f1000"
PATH = "/consent.v1.CheckService/Check"
ROLES = ["checker", "recorder", "reporter", "auditor", "administrator"]
SEED = 20261125


def register(images):
    """The cluster folder of a register of so many images, made once and kept in .build-bench."""
    made_by = hashlib.sha256()
    for source in sorted([*(ROOT / "Schema").glob("*.sql"),
                          *(ROOT / "Sources" / "bench-register").glob("*.swift")]):
        made_by.update(source.read_bytes())
    folder = BUILD / "registers" / f"{images}-{made_by.hexdigest()[:12]}"
    if not (folder / "done").exists():
        bench.remove(folder)
        folder.mkdir(parents=True)
        for each in (folder, folder.parent, BUILD):
            each.chmod(0o755)
        say(f"making a register of {images} images")
        began = time.monotonic()
        subprocess.run([RELEASE / "bench-register", folder / "pg", str(images), str(SEED),
                        folder / "keys", folder / "patients"], check=True)
        (folder / "done").write_text(f"{time.monotonic() - began:.1f} s\n")
    return folder


class Node:
    """consentd on a copy of a register."""

    def __init__(self, images, lanes=None):
        self.images = images
        self.register = register(images)
        self.folder = bench.scratch()
        subprocess.run(["cp", "-a", "--reflink=auto", self.register / "pg", self.folder / "pg"],
                       check=True)
        self.token = secrets.token_hex(24)
        (self.folder / "tokens.json").write_text(json.dumps({"tokens": [{
            "name": "bench", "organization": ORGANIZATION, "roles": ROLES, "part2": False,
            "token_sha256": hashlib.sha256(self.token.encode()).hexdigest()}]}))
        (self.folder / "organizations.json").write_text(json.dumps({"organizations": [{
            "id": ORGANIZATION, "name": "Hospital 1000", "time_zone": "America/Chicago"}]}))
        self.port = free_port()
        self.process = None
        self.is_analyzed = False
        self.keys = self.register / "keys"
        first = self.keys.open().readline().split()
        self.known, self.effect = first[0], int(first[1])
        body = self.request(self.known)
        (self.folder / "body").write_bytes(body)
        self.offset = body.index(self.known.encode())
        self.body = body

    @staticmethod
    def request(uid):
        return check.CheckRequest(request=desk.Desk.ask(None, uid)).SerializeToString()

    def start(self):
        """Starts it and returns the seconds until its first correct answer."""
        self.spawn()
        self.wait_correct()
        seconds = time.monotonic() - self.spawned
        if not self.is_analyzed:
            # Autovacuum does it about a minute after an import.
            self.sql("ANALYZE")
            self.is_analyzed = True
        return seconds

    def spawn(self):
        self.spawned = time.monotonic()
        with open(self.folder / "consentd.log", "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                [RELEASE / "consentd", "--listen", f"127.0.0.1:{self.port}",
                 "--embedded-postgres", self.folder / "pg",
                 "--tokens", self.folder / "tokens.json",
                 "--organizations", self.folder / "organizations.json",
                 "--indexed-images", str(max(1_000_000, 2 * self.images))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_correct(self, timeout=300):
        deadline = time.monotonic() + timeout
        while self.answer(self.known) != self.effect:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("consentd gives no correct answer: " + self.log()[-2000:])
            time.sleep(0.001)  # pace of asking; the loop ends with the answer

    def answer(self, uid):
        """The effect of one check, by the Connect protocol over HTTP/1.1; None: no answer."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("POST", PATH, self.request(uid), {
                "content-type": "application/proto", "authorization": "Bearer " + self.token})
            response = connection.getresponse()
            body = response.read()
            connection.close()
        except (OSError, http.client.HTTPException):
            return None
        if response.status != 200:
            return None
        self.answer_bytes = len(body)
        return check.CheckResponse.FromString(body).decision.effect

    @property
    def postmaster(self):
        return int((self.folder / "pg" / "data" / "postmaster.pid").read_text().split()[0])

    @property
    def cpu(self):
        return [f"server:{self.process.pid}", f"postgres:{self.postmaster}"]

    def load(self, **options):
        """Checks with changing images, every answer compared with the register."""
        return bench.load(
            port=self.port, path=PATH, body=self.folder / "body", keys=self.keys,
            key_offset=self.offset, expect_number="1.1",
            header="authorization:Bearer " + self.token, cpu=self.cpu, **options)

    def conninfo(self, database="postgres"):
        return (f"host={self.folder / 'pg' / 'run'} port=5432 user=postgres dbname={database} "
                f"password={(self.folder / 'pg' / 'superuser.password').read_text().strip()}")

    def sql(self, text, database="postgres"):
        done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-"], input=text,
                              capture_output=True, text=True, env={
            **os.environ, "PGHOST": str(self.folder / "pg" / "run"), "PGPORT": "5432",
            "PGUSER": "postgres", "PGDATABASE": database,
            "PGPASSWORD": (self.folder / "pg" / "superuser.password").read_text().strip()})
        if done.returncode != 0:
            raise SystemExit(f"psql: {done.stderr}")
        return done.stdout.strip()

    def append(self, count, seconds, rate, database="peer"):
        """A process that commits rows of `count` bytes; its result is read with `json.loads`."""
        return subprocess.Popen(
            [BUILD / "bench-append", str(count), str(seconds), str(rate)], stdout=subprocess.PIPE,
            text=True, env={**os.environ, "PEER_DATABASE": self.conninfo(database)})

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")

    def log(self):
        return (self.folder / "consentd.log").read_text(errors="replace")

    def index_seconds(self, limit=900):
        """Waits until the register is in memory: seconds from the start of the process. `None`
        of a version that keeps no index."""
        said = b"the register is in memory"
        if said not in (RELEASE / "consentd").read_bytes():
            return None
        while True:
            with open(self.folder / "consentd.log", "rb") as log:
                log.seek(self.log_start)
                text = log.read()
                if said in text:
                    self.index_is_partial = b"a part of the register is in memory" in text
                    return time.monotonic() - self.spawned
            if self.process.poll() is not None or time.monotonic() - self.spawned > limit:
                raise SystemExit("the register is not read: " + self.log()[-2000:])
            time.sleep(0.01)  # pace of looking

    def kill(self):
        """kill -9: the database outlives it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def destroy(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
