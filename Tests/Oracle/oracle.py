"""The safety oracle: three nodes, many clients, faults, and a judge of everything that was told.

Usage: oracle.py short   [--seed N] [--seconds N]
       oracle.py soak    [--seed N] [--minutes N] [--checks N] [--revocations N]
       oracle.py mutants [--seed N] [--only NAME]

--seconds is the most that a round of faults may take; it ends when each has happened.
"""

import argparse
import random
import resource
import sys
import time

from cluster import Cluster
from faults import Faults, lose_positions
from register import FIELDS_LOST, Register
from verify import check_all
from workload import Workload


# Keys that one question of a soak asks about, at most: all of a register.
MOST = 48
# Between two faults of a soak clients get more done than in a short run.
PAUSE = (0.3, 1.5)


class Totals:
    def __init__(self):
        self.begin = time.monotonic()
        self.checks = self.calls = self.permits = 0
        self.grants = self.revocations = self.events = 0
        self.unknown = self.explained = 0
        self.faults, self.kinds = {}, set()
        self.slowest_lock = 0.0
        self.violations = []

    def add(self, workload):
        history = workload.history
        self.checks += workload.lost_answers + len(history.answers)
        self.calls += history.calls
        self.revocations += workload.lost_revocations
        self.permits += sum(a.permits for a in history.answers)
        answered = [c for c in history.changes if c.position is not None]
        self.grants += sum(c.permits for c in answered)
        self.revocations += sum(not c.permits for c in answered)
        self.unknown += len(history.changes) - len(answered)
        self.events += len(history.events)

    def line(self):
        return (f"{time.monotonic() - self.begin:.0f} s: {self.checks} checks in {self.calls} calls "
                f"({self.permits} permits), {self.grants} grants, {self.revocations} revocations, "
                f"{self.unknown} changes without reply, {self.events} events watched, "
                f"{self.explained} explained, {len(self.violations)} violations")

    def missed(self):
        """Kinds of fault that never happened: what they would have shown is not shown."""
        return sorted(self.kinds - self.faults.keys())

    def all_in_one(self, seed):
        """Everything that a long run must be able to show, in one line."""
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return f"{self.line()}; faults: {faults}; seed {seed}"


def say(text):
    print(text, flush=True)


def show(violation, history, seed, limit=40):
    say(f"VIOLATION (seed {seed}) {violation.rule}: {violation.text}")
    if violation.key is None:
        return
    own = [(c.start, "change", c) for c in history.changes if c.key == violation.key]
    own += [(a.start, "answer", a) for a in history.answers if a.key == violation.key]
    own += [(at, "fault", text) for at, text in history.faults]
    own.sort(key=lambda entry: entry[0])
    # The neighbourhood of what was told wrong, if the text names it.
    named = [i for i, entry in enumerate(own)
             if entry[1] == "answer" and entry[2].decision in violation.text]
    middle = named[0] if named else len(own)
    first = max(0, middle - limit)
    say(f"  history of {violation.key}, {len(own)} entries, from {first} on:")
    for at, kind, what in own[first:middle + limit // 4]:
        if kind == "change":
            end = f"{what.end / 1e6:.3f}" if what.position is not None else "never"
            say(f"  {at / 1e6:.3f}..{end} {'grant' if what.permits else 'revoke'} {what.grant} "
                f"on node {what.node}, position {what.position}")
        elif kind == "answer":
            say(f"  {at / 1e6:.3f}..{what.end / 1e6:.3f} "
                f"{'PERMIT' if what.permits else 'DENY'} on node {what.node}, position "
                f"{what.position}, decision {what.decision}")
        else:
            say(f"  {at / 1e6:.3f} fault: {what}")


def round_of(cluster, organization, seed, seconds, totals, explained=100, fail_over=True,
             pause=(0.1, 0.5), **clients):
    """One register from its first patient to the judgement of all that was told of it."""
    dice = random.Random(f"{seed}-round")
    register = Register(cluster, organization)
    workload = Workload(register, seed, **clients)
    faults = Faults(cluster, register, workload, seed, pause=pause)
    judged = []

    def verify(log=True):
        history = workload.history
        stubs = register.stubs[dice.randrange(len(register.stubs))]
        found = check_all(register, history, stubs, explained, dice, log)
        totals.explained += min(explained, len(history.answers))
        if found:
            judged.append((found, history))
        return found

    workload.start()
    faults.start()
    faults.all_happened.wait(seconds)
    if fail_over:
        for _ in lose_positions(cluster, register, workload, faults, dice, 4, verify):
            break  # one is enough to fail
    else:
        faults.end()
        workload.pause()
        verify()
    workload.end()
    totals.add(workload)
    for name, count in faults.counts.items():
        totals.faults[name] = totals.faults.get(name, 0) + count
    totals.kinds |= faults.kinds
    totals.slowest_lock = max(totals.slowest_lock, faults.slowest_lock)
    for text in faults.findings:
        say(f"VIOLATION (seed {seed}) {text}")
        totals.violations.append(text)
    for found, history in judged:
        rules = {}
        for violation in found:
            rules.setdefault(violation.rule, []).append(violation)
        for rule, own in rules.items():
            say(f"{len(own)} violations of: {rule}")
            for violation in own[:2]:
                show(violation, history, seed)
        totals.violations += found
    return workload


def tell_logs(cluster):
    """What the nodes themselves call errors."""
    for node in cluster.nodes:
        text = (cluster.folder / f"node{node.number}.log").read_text(errors="replace")
        lines = [line for line in text.splitlines() if " error " in line
                 and "store unavailable" not in line and "not serving" not in line]
        for line in lines[:10]:
            say(f"  log of node {node.number}: {line[:400]}")


def finish(cluster, totals, seed):
    seconds = time.monotonic() - totals.begin
    if len(FIELDS_LOST) > 2 + totals.checks / 5_000:
        totals.violations.append(f"{len(FIELDS_LOST)} metadata fields were lost: {FIELDS_LOST[0]}")
    rows = [("time", f"{seconds:.0f} s"),
            ("checks answered and judged", f"{totals.checks} ({totals.checks / seconds:.0f}/s)"),
            ("  in so many calls", totals.calls),
            ("  of them PERMIT", totals.permits),
            ("grants acknowledged", totals.grants),
            ("revocations acknowledged", totals.revocations),
            ("changes without a reply", totals.unknown),
            ("events watched", totals.events),
            ("decisions explained", totals.explained),
            ("memory of this process, at most",
             f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")]
    rows += [("fault: " + name, count) for name, count in sorted(totals.faults.items())]
    rows += [("fault that never happened", name) for name in totals.missed()]
    cut = {k: n for k, n in cluster.proxy.counts().items() if k != "held"}
    rows += [("connection: " + name, count) for name, count in sorted(cut.items())]
    rows += [("slowest write beside a silent holder of the lock", f"{totals.slowest_lock:.2f} s"),
             ("calls whose metadata the client library lost a field of", len(FIELDS_LOST)),
             ("violations", len(totals.violations))]
    say("")
    for name, value in rows:
        say(f"{name:52} {value}")
    if totals.violations:
        tell_logs(cluster)
        say(f"FAILED; again with --seed {seed}")
        return 1
    return 0


def short(arguments):
    seed = arguments.seed
    say(f"seed {seed}")
    totals = Totals()
    cluster = Cluster(seed, organizations=2)
    try:
        round_of(cluster, cluster.organizations[0], seed, arguments.seconds, totals)
        return finish(cluster, totals, seed)
    finally:
        cluster.destroy()


def soak(arguments):
    """Rounds of their own organization each, judged and forgotten: memory stays that of one."""
    seed = arguments.seed
    say(f"seed {seed}")
    totals = Totals()
    deadline = time.monotonic() + arguments.minutes * 60
    reached = False
    # A round takes half a minute or more. Not many more organizations than that: each is looked at
    # by every node that starts.
    cluster = Cluster(seed, organizations=10 + round(2 * arguments.minutes))
    try:
        for number, organization in enumerate(cluster.organizations):
            left = deadline - time.monotonic()
            if left < 0 or reached or totals.violations:
                break
            round_of(cluster, organization, f"{seed}-{number}", min(90, left), totals,
                     fail_over=number % 4 == 3, pause=PAUSE, writers=24, readers=12, most=MOST)
            say(totals.line())
            reached = (totals.checks >= arguments.checks
                       and totals.revocations >= arguments.revocations)
        failed = finish(cluster, totals, seed)
        say("both counts reached" if reached else "ended before both counts were reached")
        say(totals.all_in_one(seed))
        return 1 if failed or (reached and totals.missed()) else 0
    finally:
        cluster.destroy()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["short", "soak", "mutants"])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--checks", type=int, default=1_000_000)
    parser.add_argument("--revocations", type=int, default=10_000)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    if arguments.what == "mutants":
        from mutants import run

        return run(arguments.seed, arguments.only)
    return {"short": short, "soak": soak}[arguments.what](arguments)


if __name__ == "__main__":
    sys.exit(main())
