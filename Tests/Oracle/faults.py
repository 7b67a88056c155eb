"""What happens to nodes, database and connections during a run, chosen by the seed."""

import itertools
import os
import random
import signal
import threading
import time

from cluster import Gone, until
from desk import check, party, patient, records
from register import retried

POINTS = ["check.entered", "check.inserted", "check.committed",
          "write.locked", "write.inserted", "write.committed"]
# A write elsewhere must be answered so soon after a node with the lock stands still.
LOCK_SECONDS = 3.0


class Faults:
    """One thread that does one thing after another."""

    def __init__(self, cluster, register, workload, seed, kinds=None, pause=(0.1, 0.5)):
        self.pause = pause  # seconds between two, at least and at most
        self.cluster, self.register, self.workload = cluster, register, workload
        self.dice = random.Random(f"{seed}-faults")
        self.counts = {}
        self.slowest_lock = 0.0
        self.findings = []
        self.points = [f"{point}:{action}" for point in POINTS for action in ("kill", "stop")]
        self.dice.shuffle(self.points)
        self.wanted = threading.Event()
        self.failure = None
        self.thread = None
        times = {self.kill_node: 2, self.stop_node: 3, self.end_sessions: 2,
                 self.end_sessions_after_commit: 2, self.restart_database: 2, self.cut: 4,
                 self.hold_at_lock: 1,
                 self.stop_at_point: len(self.points)}
        self.cards = [f for f, n in times.items() for _ in range(n)
                      if kinds is None or f.__name__ in kinds]
        self.deck = []
        # What a whole deck brings about.
        self.kinds = {f.__name__ for f in self.cards}
        if self.stop_at_point in self.cards:
            self.kinds |= set(self.points)
        # Every card has been played.
        self.all_happened = threading.Event()

    def start(self):
        self.wanted.clear()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def end(self):
        """Every node serves again when this returns."""
        self.wanted.set()
        if self.thread:
            self.thread.join(120)
        self.cluster.proxy.set()
        if self.failure:
            raise self.failure
        for node in self.cluster.nodes:
            node.signal(signal.SIGCONT)
            node.wait_serving()

    def _run(self):
        try:
            while self.cards and not self.wanted.wait(self.dice.uniform(*self.pause)):
                if not self.deck:
                    self.deck = self.dice.sample(self.cards, len(self.cards))
                fault = self.deck.pop()
                self.note(fault.__name__)
                fault()
                if not self.deck:
                    self.all_happened.set()
        except Exception as error:
            self.failure = error

    def note(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1
        self.workload.history.faults.append((time.monotonic_ns(), what))

    def node(self):
        return self.dice.choice(self.cluster.nodes)

    def kill_node(self):
        node = self.node()
        node.kill()
        node.start()
        node.wait_serving()

    def stop_node(self):
        node = self.node()
        node.signal(signal.SIGSTOP)
        self.wanted.wait(self.dice.uniform(0.2, 2.5))
        node.signal(signal.SIGCONT)

    def end_sessions(self):
        """Some backends of the nodes."""
        share = self.dice.choice([0.2, 0.5, 1.0])
        self.cluster.database.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE application_name = 'consentd' AND random() < {share}")

    def end_sessions_after_commit(self):
        """Between the COMMIT of a pipeline and its end, which is where its reply waits."""
        self.cluster.proxy.set(sync=0.5)
        for _ in range(4):
            self.wanted.wait(0.3)
            ended = self.cluster.database.sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                "application_name = 'consentd' AND state = 'active' AND query = 'COMMIT' "
                "AND wait_event = 'ClientRead'")
            for (count,) in ended:
                self.counts["sessions ended after COMMIT"] = int(count) + self.counts.get(
                    "sessions ended after COMMIT", 0)
        self.cluster.proxy.set()

    def restart_database(self):
        """Its first process is killed, or asked to stop at once; the supervisor starts it again."""
        try:
            process = self.cluster.database.postmaster()
            os.kill(process, self.dice.choice([signal.SIGKILL, signal.SIGQUIT, signal.SIGINT]))
        except (OSError, ValueError, IndexError):
            return  # it is just starting

    def cut(self):
        """Connections are cut around COMMIT for a while."""
        self.cluster.proxy.set(reply=0.05, before=0.02, late=0.03, stall=0.002)
        self.wanted.wait(self.dice.uniform(1.0, 2.5))
        self.cluster.proxy.set()

    def stop_at_point(self):
        """A node dies, or stands still, after one step of a check or a change."""
        plan = self.points.pop()
        self.points.insert(0, plan)
        point, action = plan.split(":")
        node = self.node()
        node.kill()
        times = self.dice.randint(1, 6)
        node.start(CONSENTD_STOP_AT=f"{plan}:{times}")

        def reached():
            code = node.process.poll()
            if code not in (None, -signal.SIGKILL):
                # The database was not there yet.
                node.start(CONSENTD_STOP_AT=f"{plan}:{times}")
            return code == -signal.SIGKILL or node.is_stopped()

        try:
            until(reached, 10, plan)
        except Gone:
            self.note(f"{plan} (not reached)")
            node.kill()
            node.start()
            return node.wait_serving()
        self.note(plan)
        if action == "kill":
            node.process.wait()
            node.start()
            return node.wait_serving()
        if point in ("write.locked", "write.inserted"):
            self.write_elsewhere(node)
        else:
            self.wanted.wait(self.dice.uniform(0.3, 2.5))
        node.signal(signal.SIGCONT)

    def hold_at_lock(self):
        """A node falls silent in the middle of what it sends with the lock, as one does that is
        stopped or cut off between two packets."""
        before = self.cluster.proxy.set(hold=1).get("hold", 0)
        try:
            counts = until(lambda: (c := self.cluster.proxy.counts()).get("hold", 0) > before and c,
                           5, "no write to hold")
        except Gone:
            return self.cluster.proxy.set()
        self.write_elsewhere(self.cluster.nodes[counts["held"] - 1])

    def write_elsewhere(self, stopped):
        """The lock of a node that stands still is let go: others write again soon.

        Told by the first change that another node acknowledges, and not by a single one: on a busy
        node that has others before it, each as long as a slow machine takes.
        """
        other = self.dice.choice([n for n in self.cluster.nodes if n is not stopped]).number
        stub = self.register.stubs[other].records
        name = f"after-{time.monotonic_ns()}"
        start = time.monotonic_ns()
        head = self.head()
        retried(lambda: stub.RegisterPatient(records.RegisterPatientRequest(
            fields=patient.PatientFields(
                identifiers=[party.Identifier(system="urn:mrn", value=name)]),
            idempotency_key=name), timeout=10, metadata=self.register.metadata))
        ends = [time.monotonic_ns()] + [
            c.end for c in self.workload.history.changes
            if c.node == other and c.position is not None and c.position > head]
        took = (min(ends) - start) / 1e9
        self.slowest_lock = max(self.slowest_lock, took)
        if took > LOCK_SECONDS:
            self.findings.append(f"with node {stopped.number} standing still at the lock, "
                                 f"another wrote again after {took:.1f} s")

    def head(self):
        """The last position of the feed; nothing gets past it while the lock is held. If it cannot
        be read no position is."""
        rows = self.cluster.database.sql(
            "SELECT max(position) FROM consentd.feed "
            f"WHERE organization_id = '{self.register.organization}'")
        return int(rows[0][0] or 0) if rows else float("inf")


# Ways in which an asynchronous fail-over loses what was committed.
LOSSES = ["decisions", "positions", "positions, and grows past"]


def lose_positions(cluster, register, workload, faults, dice, seconds, verify, losses=LOSSES):
    """The database goes back to an earlier state of itself: only decisions had come since; or
    changes too, and its head goes back; or it also grows past the old position through one node
    while the others stand still, so that only the history tells.

    Yields what `verify` finds, of the histories that are lost too. Ends with clients paused.
    """
    faults.end()
    workload.pause()
    cluster.database.stop()
    cluster.database.save("saved")
    cluster.database.start()
    state = workload.state()
    for loss in losses:
        workload.reads_only = loss == "decisions"
        workload.resume()
        settle(register)
        time.sleep(seconds)  # the length of the lost history
        workload.pause()
        workload.reads_only = False
        yield from verify()
        head = max((c.position or 0 for c in workload.history.changes), default=0)
        others = cluster.nodes[1:] if "grows" in loss else []
        for node in others:
            node.signal(signal.SIGSTOP)
        cluster.database.stop()
        cluster.database.put_back("saved")
        cluster.database.start()
        workload.restore(state)
        state = workload.state()
        faults.note("lost: " + loss)
        if others:
            settle(register, nodes=1)
            while max((c.position or 0 for c in workload.history.changes), default=0) <= head:
                free = [k for k in register.keys if k not in workload.retired]
                workload.change(dice, dice.choice(free), node=0, ask=[0])
            for node in others:
                node.signal(signal.SIGCONT)
    workload.resume()
    settle(register)
    time.sleep(seconds)  # the length of the new history
    workload.pause()
    yield from verify()


def settle(register, nodes=None, numbers=itertools.count()):
    """Waits until each node answers."""
    key, uid = register.keys[0], register.images[0][0]
    for stubs in register.stubs[:nodes]:
        # Each try is a request of its own: one whose answer was lost may be in the log.
        retried(lambda: stubs.checks.Check(check.CheckRequest(
            request=register.question(key, uid, f"settle-{next(numbers)}")), timeout=5,
            metadata=register.metadata))
