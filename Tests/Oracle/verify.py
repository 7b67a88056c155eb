"""What must hold of everything that clients were told, checked against the feed and the log."""

import bisect
import collections
import dataclasses

import grpc

import decision_log
from desk import check, clocks, events
from history import Answer
from linearizable import Call, first_contradiction
from register import retried

GRANTED, REVOKED = 1, 5  # EVENT_KIND_INSTRUMENT_RECORDED, EVENT_KIND_GRANT_REVOKED


@dataclasses.dataclass
class Violation:
    rule: str
    text: str
    key: object = None


def feed(register, stubs):
    """Every event of the organization, as ListEvents gives them."""
    found, after = [], clocks.FeedPosition()
    while True:
        page = retried(lambda: stubs.events.ListEvents(
            events.ListEventsRequest(after=after, page_size=1000), timeout=20,
            metadata=register.metadata))
        found += page.events
        if not page.more:
            return found
        after = page.events[-1].position


def logged(register):
    """Every logged decision of the organization, id to entry; and what is wrong with the logs."""
    return decision_log.read_all(
        register.cluster.database.sql(
            "SELECT log_id, first_leaf, count, encode(root, 'hex'), encode(records, 'hex') "
            "FROM consentd.proof_log_batch "
            f"WHERE organization_id = '{register.organization}'", timeout=120),
        register.organization)


def check_events(history, rows):
    """Dense positions, each event once, the watcher's stream a beginning of the feed, and each
    acknowledged change told by exactly one event."""
    for number, row in enumerate(rows, start=1):
        if row.position.position != number:
            yield Violation("dense positions", f"{row.position.position} in place of {number}")
            break
    ids = collections.Counter(row.event_id for row in rows)
    for event, times in ids.items():
        if times > 1:
            yield Violation("each event once", f"{event} is told {times} times")
    for number, (seen, row) in enumerate(zip(history.events, rows), start=1):
        if seen != row:
            yield Violation("watch follows the feed", f"it told of {seen.position.position} "
                            f"{seen.event_id} as event {number}, which is {row.event_id}")
            break
    if len(history.events) > len(rows):
        yield Violation("watch follows the feed",
                        f"it told of {len(history.events)} events of {len(rows)}")
    kinds = collections.defaultdict(list)
    for row in rows:
        for grant in row.grant_ids:
            kinds[grant, row.kind].append(row.position.position)
    for change in history.changes:
        if change.position is None:
            continue
        told = kinds[change.grant, GRANTED if change.permits else REVOKED]
        if len(told) != 1:
            yield Violation("each change has one event",
                            f"grant {change.grant}: {told or 'none'}", change.key)
        elif told[0] > change.position:
            yield Violation("each change has one event",
                            f"acknowledged at {change.position}, told at {told[0]}", change.key)


def check_linearizable(history):
    """One order of each register's calls explains every answer."""
    calls = collections.defaultdict(list)
    for change in history.changes:
        calls[change.key].append(Call("write", change.permits, change.start, change.end, change))
    for answer in history.answers:
        calls[answer.key].append(Call("read", answer.permits, answer.start, answer.end, answer))
    for key, own in calls.items():
        wrong = first_contradiction(own, initial=False)
        if wrong:
            yield Violation("linearizable", f"no order of the calls explains {wrong.note}", key)


def check_positions(register, history, rows):
    """Each answer is what the feed says at its position, which is of the feed's own history and not
    before any change that was acknowledged, or position that was told, before the question."""
    states = {key: ([0], [False]) for key in register.keys}
    grants = {c.grant: c.key for c in history.changes if c.grant}
    unknown = {id for row in rows if row.kind == GRANTED for id in row.grant_ids} - grants.keys()
    patients = {id: number for number, id in enumerate(register.patient_ids)}
    lost = collections.defaultdict(list)  # grants whose reply never came
    for change in history.changes:
        if change.position is None and change.permits:
            lost[change.key.patient].append(change)
    chains = {row.position.position: row.position.chain for row in rows}
    for row in rows:
        if row.kind not in (GRANTED, REVOKED):
            continue
        for grant in row.grant_ids:
            key = grants.get(grant)
            if key is None and grant in unknown:
                open_ones = lost[patients[row.patient_id]]
                # Which of the lost papers of this patient it is cannot be told when there are two.
                key = open_ones[0].key if len(open_ones) == 1 else None
                grants[grant] = key
            if key is not None:
                states[key][0].append(row.position.position)
                states[key][1].append(row.kind == GRANTED)
    uncertain = {c.key for own in lost.values() if len(own) > 1 for c in own}
    for answer in history.answers:
        if answer.position and chains.get(answer.position) != answer.chain:
            yield Violation("positions are of one history",
                            f"{answer} is of another history", answer.key)
        at, values = states[answer.key]
        if answer.key not in uncertain and \
                values[bisect.bisect_right(at, answer.position) - 1] != answer.permits:
            yield Violation("answers are the feed's", f"{answer} contradicts the feed, which "
                            f"changes at {list(zip(at, values))}", answer.key)
    yield from _not_before(history, rows)


def _not_before(history, rows):
    """Real time: no answer is taken before a change that was acknowledged before its question."""
    at = {(grant, row.kind): row.position.position for row in rows for grant in row.grant_ids}
    told = sorted(
        (c.end, at.get((c.grant, GRANTED if c.permits else REVOKED), c.position))
        for c in history.changes if c.position is not None)
    instants, highest, most = [], [], 0
    for end, position in told:
        most = max(most, position)
        instants.append(end)
        highest.append(most)
    for answer in history.answers:
        before = bisect.bisect_left(instants, answer.start)
        if before and answer.position < highest[before - 1]:
            yield Violation("no older than an acknowledged change",
                            f"{answer} is before position {highest[before - 1]}", answer.key)


def check_log(history, log, wrong=()):
    """Every decision that a client saw is logged once, as it was told, and no request is logged
    twice."""
    for text in wrong:
        yield Violation("logs are what their roots say", text)
    seen = {}
    for answer in history.answers:
        other = seen.setdefault(answer.decision, answer)
        if other is not answer:
            yield Violation("logged once", f"{other} and {answer} have one record", answer.key)
        entry = log.get(answer.decision)
        if entry is None:
            yield Violation("every answer is logged", f"{answer} is not in the log", answer.key)
        elif (entry.permits, entry.position, entry.chain, entry.image, entry.request) != (
                answer.permits, answer.position, answer.chain, answer.image, answer.request):
            yield Violation("logged as told", f"{answer} is logged as {entry}", answer.key)
    requests = collections.Counter((e.request, e.image, e.journal) for e in log.values())
    for (name, image, recipient), times in requests.items():
        if times > 1:
            yield Violation("logged once", f"request {name} for {image}, {recipient} is logged "
                            f"{times} times")


def check_explained(register, stubs, sample):
    """Explain takes a logged decision again and comes to the same."""
    for answer in sample:
        try:
            told = retried(lambda: stubs.checks.Explain(check.ExplainRequest(
                decision_id=answer.decision), timeout=10, metadata=register.metadata))
        except grpc.RpcError as error:
            yield Violation("explained as decided", f"{answer}: {error.code().name} "
                            f"{error.details()}", answer.key)
            continue
        if (told.decision.effect == 1) != answer.permits \
                or told.facts_position.position != answer.position:
            yield Violation("explained as decided", f"{answer} is explained as {told}", answer.key)


def check_all(register, history, stubs, explained=0, dice=None, log=True):
    """Every violation, the gravest first. Clients must be paused."""
    found = [Violation("expected statuses", text) for text in history.unexpected]
    found += check_linearizable(history)
    rows = feed(register, stubs)
    found += check_positions(register, history, rows)
    found += check_events(history, rows)
    if log:
        found += check_log(history, *logged(register))
    if explained and history.answers:
        some: list[Answer] = dice.sample(history.answers, min(explained, len(history.answers)))
        found += check_explained(register, stubs, some)
    return found
