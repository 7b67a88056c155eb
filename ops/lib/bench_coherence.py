"""P5: what it costs that each answer is confirmed by the database after its question came.

Two runs of one program (ops/lib/setup.sh, build_for_faults): as it is, and broken on purpose. Alone,
beside batches that are appended without a look at the feed; then, with as many changes as 1 % of the
checks made through another node and a millisecond added to each round trip to the database, for
both, beside batches that are not sent again when a change made them stale. A release build has no
such switch, and the safety oracle catches both. See ops/decisions/0023.
"""

import contextlib
import json
import os
import statistics
import subprocess
import time
import uuid

import bench_common as bench
from bench_common import BUILD, ROOT, free_port, ratios, say, spread
from bench_node import Node, desk
from desk import party, records, v

BROKEN = ROOT / ".build-soak" / "release" / "consentd"
VALIDATED, BLIND = "validated", "not validated"
DELAY_MICROSECONDS = 1_000
RECORD = "/consent.v1.RecordService/RecordInstrument"


class Database:
    """`consentd database` on a copy of a register, for several nodes."""

    def __init__(self, node):
        self.node = node
        self.login_file = node.folder / "login"
        self.process = subprocess.Popen(
            [BROKEN, "database", "--embedded-postgres", node.folder / "pg",
             "--login-file", self.login_file],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not self.login_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the database does not start")
            time.sleep(0.01)  # pace of looking

    def login(self, socket_folder=None):
        """A file that says how to log in: directly, or through a proxy's socket."""
        if socket_folder is None:
            return self.login_file
        made = socket_folder / "login"
        made.touch(mode=0o600)
        own, other = f"host='{self.node.folder / 'pg' / 'run'}'", f"host='{socket_folder}'"
        text = self.login_file.read_text()
        assert own in text
        made.write_text(text.replace(own, other))
        return made

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


@contextlib.contextmanager
def delayed(database):
    """The login file of a database that is a millisecond further away."""
    folder = database.node.folder / "far"
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [BUILD / "bench-delay", folder / ".s.PGSQL.5432",
         database.node.folder / "pg" / "run" / ".s.PGSQL.5432", str(DELAY_MICROSECONDS)],
        stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()
        yield database.login(folder)
    finally:
        process.kill()
        process.wait()


class Other(Node):
    """A node beside others: what it asks for and compares is that of the register's first."""

    def __init__(self, node, login, mutant=None):
        self.__dict__.update(node.__dict__)
        self.login, self.mutant, self.port = login, mutant, free_port()

    def spawn(self):
        self.spawned = time.monotonic()
        with open(self.folder / "consentd.log", "ab") as log:
            self.log_start = log.tell()
            pg = self.folder / "pg"
            self.process = subprocess.Popen(
                [BROKEN, "--listen", f"127.0.0.1:{self.port}", "--database-file", self.login,
                 "--master-key-file", pg / "master.key", "--log-key-file", pg / "log.key",
                 "--tokens", self.folder / "tokens.json",
                 "--organizations", self.folder / "organizations.json",
                 "--indexed-images", str(max(1_000_000, 2 * self.images))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "CONSENTD_MUTANT": self.mutant or ""})

    def __enter__(self):
        self.start()
        self.index_seconds()
        return self

    def __exit__(self, *_):
        self.stop()


def prepare_changes(node, count=100_000):
    """Papers for another journal, so that no answer of the register changes: patient and idempotency
    key stand next to each other in the message, and are what the load client varies."""
    patients = [line.split()[0] for line in (node.register / "patients").open()]
    body = records.RecordInstrumentRequest(
        second_identifier=desk.patient.SecondIdentifier(birth_date=desk.day("1970-05-05")),
        instrument=desk.Desk.paper(
            desk.Desk.__new__(desk.Desk), signed_on="2026-03-01", received="2026-03-01T12:00:00Z",
            until="2035-12-31", recipients=[party.Party(
                kind=v.RECIPIENT_KIND_VENUE, name="Another journal",
                identifier=party.Identifier(system="urn:issn", value="9999-9999"))]))
    between = bench.field(14, 2, b"")[:1] + bytes([36])
    keys = node.folder / "changes"
    keys.write_bytes(b"".join(
        patients[n % len(patients)].encode() + between + str(uuid.uuid4()).encode() + b"\n"
        for n in range(count)))
    first = keys.open("rb").readline().strip()
    assert records.RecordInstrumentRequest.FromString(b"\x0a\x24" + first).patient_id == patients[0]
    (node.folder / "change").write_bytes(b"\x0a\x24" + first + body.SerializeToString())


def changes(node, writer, rate, seconds):
    """A process that makes changes at a fixed rate."""
    return subprocess.Popen(
        [str(BUILD / "bench-load"), *bench.arguments(dict(
            port=writer.port, path=RECORD, body=node.folder / "change",
            keys=node.folder / "changes", key_offset=2, connections=1, streams=16, rate=rate,
            seconds=seconds, warmup=0.1, header="authorization:Bearer " + node.token))],
        stdout=subprocess.PIPE, text=True)


def rounds(node, login, options, writer=None, share=0.01):
    """Rates of both, in turn; with `writer`, also what changes were made beside them."""
    shape = dict(connections=options.connections, streams=options.streams,
                 seconds=options.seconds, warmup=1)
    rate = 0

    def contestant(name):
        blindly = "skip-head-validation" if writer else "append-blindly"
        with Other(node, login, blindly if name == BLIND else None) as own:
            if writer is None:
                return own.load(**shape)
            made = changes(node, writer, rate, options.seconds + 1)
            result = own.load(**shape)
            result["changes"] = json.loads(made.communicate(timeout=120)[0])
            return result

    if writer:
        with Other(node, login) as own:
            rate = max(1, own.load(**shape)["rate"] * share)
    return bench.interleave({name: lambda name=name: contestant(name)
                             for name in (VALIDATED, BLIND)}, options.pairs)


def tell(title, results, images, out):
    against = ratios(*([r["rate"] for r in results[name]] for name in (VALIDATED, BLIND)))
    cpu = [sum(r["us"][who] for who in ("server", "postgres")) for r in results[VALIDATED]]
    without = [sum(r["us"][who] for who in ("server", "postgres")) for r in results[BLIND]]
    out.add("P5", f"checks/s with vs without validation, {title}; CPU of server and PostgreSQL "
            f"{spread(cpu)} vs {spread(without)} µs a check", images, "0.9x",
            spread(against, 2) + "x", statistics.median(against), 0.9)


def measure(images, options, out):
    say("with and without validation")
    node = Node(images)
    database = None
    try:
        database = Database(node)
        tell("alone", rounds(node, database.login(), options), images, out)
        prepare_changes(node)
        with delayed(database) as far, Other(node, database.login()) as writer:
            results = rounds(node, far, options, writer)
        made = [r["changes"]["rate"] for rs in results.values() for r in rs]
        refused = sum(sum(r["changes"]["failures"].values()) for rs in results.values() for r in rs)
        failed = f", {refused} refused" if refused else ""
        tell(f"{spread(made, 0)} changes/s by another node{failed}, and 1 ms more to the database",
             results, images, out)
    finally:
        if database:
            database.stop()
        node.destroy()
