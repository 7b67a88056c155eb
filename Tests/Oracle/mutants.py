"""Variants that must be caught: of the service, chosen by CONSENTD_MUTANT, and of a client."""

import random
import time

from cluster import Cluster
from faults import Faults, lose_positions
from register import Register
from verify import check_all
from workload import Workload

# A broken client: what it tells wrongly, this must find. They prove that each rule can fail.
CLIENTS = ["stale-cache", "unlogged", "reused-decision", "old-position", "lost-write",
           "event-twice"]
# CheckingMutant of the service, by the names that CONSENTD_MUTANT takes.
SERVICE = ["skip-head-validation", "append-blindly", "compare-with-applied", "fill-without-position",
           "answer-before-commit", "ignore-log-tail", "reuse-position", "known-from-clock"]
# What has to happen beside a mutant to bring it out.
PROVOKED_BY = {"fill-without-position": ["kill_node"]}
LOSES = {"ignore-log-tail": ["decisions"]}
# Batches held between two steps, so that the index overtakes them.
HELD_AT = {"compare-with-applied": "check.taken:pause:100000"}
SECONDS = 4
SLICES = 3


def run(seed, only):
    from oracle import say

    say(f"seed {seed}")
    rows, missed = [], []
    names = [n for n in [f"client:{c}" for c in CLIENTS] + SERVICE if only in (None, n)]
    cluster = Cluster(seed, organizations=len(names) + 1)
    try:
        for number, name in enumerate(names):
            is_client, what = name.startswith("client:"), name.removeprefix("client:")
            if not is_client:
                cluster.kill_nodes()
                held = {"CONSENTD_STOP_AT": HELD_AT[what]} if what in HELD_AT else {}
                cluster.start_nodes(CONSENTD_MUTANT=what, **held)
            caught, checks = attempt(cluster, cluster.organizations[number], f"{seed}-{name}",
                                     what, is_client)
            if caught is None:
                missed.append(name)
            rows.append((name, caught or "NOT CAUGHT", checks))
            say(f"{name:32} {rows[-1][1]:44} after {checks} checks")
    finally:
        cluster.destroy()
    say(f"{len(rows) - len(missed)} of {len(rows)} mutants caught; seed {seed}")
    return 1 if missed else 0


def attempt(cluster, organization, seed, what, is_client):
    """Runs until something is found wrong, some slices at most."""
    register = Register(cluster, organization, patients=6)
    workload = Workload(register, seed, fault=what if is_client else None)
    faults = Faults(cluster, register, workload, seed, kinds=PROVOKED_BY.get(what, []))
    dice = random.Random(seed)

    def verify():
        return check_all(register, workload.history, register.stubs[0], 10, dice)

    workload.start()
    try:
        for _ in range(SLICES):
            if faults.cards:
                faults.start()
            workload.resume()
            time.sleep(SECONDS)  # the length of a slice
            workload.pause()
            if faults.cards:
                faults.end()
            found = verify()
            if not found and what in LOSES:
                found = list(lose_positions(cluster, register, workload, faults, dice, 2, verify,
                                            LOSES[what]))
            if found:
                return found[0].rule, len(workload.history.answers)
        return None, len(workload.history.answers)
    finally:
        workload.end()
