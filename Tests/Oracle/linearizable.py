"""Whether the calls on one register can be put in one order that explains every answer.

A register holds one value. Each call has an instant before which it cannot have taken effect and
one after which it must have; a write whose reply was lost has no such end, and may never take
effect. Linearizability is local (Herlihy and Wing 1990), so each register is judged by itself, and
that is cheap. The search walks through the instants in order and carries every state that is still
possible (Lowe 2017, "just in time").
"""

import dataclasses

NEVER = float("inf")


@dataclasses.dataclass(frozen=True)
class Call:
    """`kind` is read or write. `end` is NEVER when no reply came."""
    kind: str
    value: object
    start: int
    end: float
    note: object = None


def first_contradiction(calls, initial):
    """The call whose answer no order explains, or None.

    A state is (value, writes that took effect and have not returned, reads whose answer was right at
    some instant since they began). A read that is right now loses nothing by taking effect now.
    """
    calls = list(calls)
    # At one instant, beginnings come first: calls that touch may be in either order.
    moments = sorted(
        [(call.start, 0, i) for i, call in enumerate(calls)]
        + [(call.end, 1, i) for i, call in enumerate(calls) if call.end != NEVER])
    reads, writes = set(), set()  # open ones
    states = {(initial, frozenset(), frozenset())}
    for _, is_end, i in moments:
        call = calls[i]
        if call.kind == "read":
            if not is_end:
                if call.end == NEVER:
                    continue  # a question without an answer says nothing
                reads.add(i)
                states = {_settle(state, reads, calls) for state in states}
                continue
            reached = _closure(states, writes, reads, calls, lambda s: i in s[2])
            states = {(v, w, r - {i}) for v, w, r in reached}
            reads.discard(i)
        elif not is_end:
            writes.add(i)
            continue
        else:
            reached = _closure(states, writes, reads, calls, lambda s: i in s[1])
            states = {(v, w - {i}, r) for v, w, r in reached}
            writes.discard(i)
        if not states:
            return call
    return None


def _settle(state, reads, calls):
    value, done, right = state
    more = {i for i in reads if i not in right and calls[i].value == value}
    return (value, done, right | more) if more else state


def _closure(states, writes, reads, calls, wanted):
    """Every state reachable by letting open writes take effect, as far as `wanted` holds."""
    found, seen, queue = set(), set(states), list(states)
    while queue:
        state = queue.pop()
        if wanted(state):
            found.add(state)
            continue
        value, done, right = state
        for i in writes - done:
            following = _settle((calls[i].value, done | {i}, right), reads, calls)
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return found
