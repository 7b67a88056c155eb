"""The judge itself: histories made by hand, of which it must reject every bad one."""

import random
import types

import pytest

import cluster  # noqa: F401  first: makes the stubs importable
from desk import clocks, event
from decision_log import Entry, Tree
from history import Answer, Change, History, Key
from linearizable import NEVER, Call, first_contradiction
from verify import GRANTED, REVOKED, check_events, check_linearizable, check_log, check_positions

K = Key(0, 0)
REGISTER = types.SimpleNamespace(keys=[K], patient_ids=["p"])


def read(value, start, end):
    return Call("read", value, start, end)


def write(value, start, end=NEVER):
    return Call("write", value, start, end)


GOOD = {
    "nothing": [],
    "reads of the initial value": [read(0, 1, 2), read(0, 1, 3)],
    "a read beside a write sees either": [write(1, 1, 4), read(0, 2, 3), read(1, 2, 3)],
    "a read that began before the write ended": [write(1, 1, 4), read(0, 3, 9)],
    "one after another": [write(1, 1, 2), read(1, 3, 4), write(0, 5, 6), read(0, 7, 8)],
    "a lost write that took effect": [write(1, 1), read(1, 5, 6)],
    "a lost write that never did": [write(1, 1), read(0, 5, 6)],
    "a lost write that did late": [write(1, 1), read(0, 5, 6), read(1, 7, 8)],
    "two lost writes, the second first": [write(1, 1), write(2, 2), read(2, 3, 4), read(1, 5, 6)],
    "a read as long as everything": [read(1, 1, 99), write(1, 2, 3), write(0, 4, 5)],
    "calls that touch": [write(1, 1, 2), read(0, 2, 3)],
}
BAD = {
    "a permit after a revocation": [write(1, 1, 2), write(0, 3, 4), read(1, 5, 6)],
    "a denial after a grant": [write(1, 1, 2), read(0, 3, 4)],
    "there and back": [write(1, 1, 9), read(1, 2, 3), read(0, 4, 5)],
    "a value nobody wrote": [write(1, 1, 2), read(7, 3, 4)],
    "a lost write that is undone": [write(1, 1), read(1, 2, 3), read(0, 4, 5)],
    "a lost write that takes effect twice": [
        write(1, 1), read(1, 2, 3), write(0, 4, 5), read(0, 6, 7), read(1, 8, 9)],
    "two readers who disagree on the order": [
        write(1, 1, 99), write(2, 1, 99), read(1, 2, 3), read(2, 4, 5), read(1, 6, 7)],
    "a read before the write began": [read(1, 1, 2), write(1, 3, 4)],
}


@pytest.mark.parametrize("name", GOOD)
def test_explainable(name):
    assert first_contradiction(GOOD[name], 0) is None


@pytest.mark.parametrize("name", BAD)
def test_unexplainable(name):
    assert first_contradiction(BAD[name], 0) is not None


def simulated(dice, calls=40):
    """A history of a true register: each call takes effect at an instant within its length."""
    effects = sorted(dice.sample(range(100, 900), calls))
    value, made = 0, []
    for n, at in enumerate(effects):
        start, end = at - dice.randint(0, 60), at + dice.randint(0, 60)
        if dice.random() < 0.4:
            value = n
            made.append(write(value, start, NEVER if dice.random() < 0.1 else end))
        else:
            made.append(read(value, start, end))
    return made


@pytest.mark.parametrize("seed", range(60))
def test_true_registers_are_explainable(seed):
    assert first_contradiction(simulated(random.Random(seed)), 0) is None


@pytest.mark.parametrize("seed", range(60))
def test_a_read_far_from_its_write_is_found(seed):
    dice = random.Random(seed)
    calls = simulated(dice)
    writes = sorted((c for c in calls if c.kind == "write" and c.end != NEVER),
                    key=lambda c: c.end)
    calls.append(read(writes[0].value, 2000, 2001))
    last = max((c.start for c in calls if c.kind == "write"), default=0)
    # Only if another write certainly came after it.
    if any(c.start > writes[0].end for c in writes):
        assert last and first_contradiction(calls, 0) is not None


def row(position, kind, grant, patient="p"):
    return event.Event(event_id=f"e{position}", kind=kind, patient_id=patient, grant_ids=[grant],
                       position=clocks.FeedPosition(position=position, chain=bytes([position])))


ROWS = [row(1, GRANTED, "g"), row(2, REVOKED, "g"), row(3, GRANTED, "h")]


def answer(permits, position, start=100, chain=None, decision="d", request="q"):
    return Answer(K, "i", permits, start, start + 1, position,
                  bytes([position]) if chain is None else chain, decision, request, 0)


def history(*answers, events=()):
    made = History()
    made.answers += answers
    made.events += events
    made.changes += [Change(K, True, 1, 2, 1, b"", "g"), Change(K, False, 3, 4, 2, b"", "g"),
                     Change(K, True, 200, 201, 3, b"", "h")]
    return made


def rules(found):
    return {violation.rule for violation in found}


def test_what_is_right_is_accepted():
    good = history(answer(False, 2), answer(True, 3, start=300), events=ROWS)
    assert not rules(check_linearizable(good))
    assert not rules(check_positions(REGISTER, good, ROWS))
    assert not rules(check_events(good, ROWS))


def test_wrong_answers_are_found():
    assert rules(check_linearizable(history(answer(True, 2)))) == {"linearizable"}
    assert "answers are the feed's" in rules(
        check_positions(REGISTER, history(answer(True, 2)), ROWS))
    assert rules(check_positions(REGISTER, history(answer(True, 1)), ROWS)) == {
        "no older than an acknowledged change"}
    assert rules(check_positions(REGISTER, history(answer(False, 2, chain=b"lost")), ROWS)) == {
        "positions are of one history"}


def test_wrong_events_are_found():
    assert "dense positions" in rules(check_events(history(), [ROWS[0], ROWS[2]]))
    again = row(4, GRANTED, "x")
    again.event_id = "e1"
    assert "each event once" in rules(check_events(history(), ROWS + [again]))
    assert "each change has one event" in rules(check_events(history(), ROWS[:2]))
    assert "each change has one event" in rules(
        check_events(history(), ROWS + [row(4, REVOKED, "g")]))
    for seen in ([ROWS[1]], [ROWS[0], ROWS[0]], ROWS + [again]):
        assert "watch follows the feed" in rules(check_events(history(events=seen), ROWS))


def entry(permits, position, image="i", request="q"):
    return Entry(permits, position, bytes([position]), image, "j", request)


def test_wrong_logs_are_found():
    told = history(answer(True, 3))
    assert not rules(check_log(told, {"d": entry(True, 3)}))
    assert rules(check_log(told, {})) == {"every answer is logged"}
    assert rules(check_log(told, {"d": entry(False, 3)})) == {"logged as told"}
    assert rules(check_log(told, {"d": entry(True, 2)})) == {"logged as told"}
    assert rules(check_log(told, {"d": entry(True, 3), "e": entry(True, 3)})) == {"logged once"}
    twice = history(answer(True, 3), answer(True, 3, request="r"))
    assert "logged once" in rules(check_log(twice, {"d": entry(True, 3)}))
    assert rules(check_log(told, {"d": entry(True, 3)}, ["bad root"])) == {
        "logs are what their roots say"}


def test_the_tree_is_that_of_rfc_6962():
    """The roots of Certificate Transparency's own test data: eight leaves, each size."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657",
              "606162636465666768696a6b6c6d6e6f"]
    roots = ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
             "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
             "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
             "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
             "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
             "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
             "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"]
    tree = Tree()
    for leaf, root in zip(leaves, roots):
        tree.append(bytes.fromhex(leaf))
        assert tree.root().hex() == root
