"""The clients of a run: writers that grant and revoke, readers that ask, a watcher."""

import collections
import dataclasses
import itertools
import random
import threading
import time
import zlib

import grpc

from register import is_lost
from desk import check, clocks, events
from history import Answer, Change, Gate, History

CHECK_SECONDS = 4
WRITE_SECONDS = 5
# How long a writer waits for what it asked after a change. A node that stands still answers later,
# perhaps, and its answer is judged; nobody stands still with it.
ASK_SECONDS = 0.5
# The share of a client's calls that go to its own node: while one node stands still, the clients of
# the others go on.
AT_HOME = 0.8
# A write without a reply for so long is given up: it may have taken effect, or never will.
GIVE_UP_SECONDS = 20


def revocations(history):
    return sum(not c.permits for c in history.changes if c.position is not None)


class Asked:
    """A question on its way: some keys, at one node, from now on."""

    def __init__(self, workload, number, pairs, name):
        self.workload, self.number, self.pairs, self.name = workload, number, pairs, name
        self.history = workload.history
        self.start = time.monotonic_ns()

    def answered(self, answer):
        end = time.monotonic_ns()
        found = answer.decisions if hasattr(answer, "decisions") else [answer.decision]
        if len(found) != len(self.pairs):
            self.history.unexpected.append(
                f"{len(found)} answers to {len(self.pairs)} questions")
        self.history.calls += 1
        for (key, uid), decision in zip(self.pairs, found):
            position = decision.position
            self.history.answers.append(self.workload.faulty(Answer(
                key, uid, decision.effect == 1, self.start, end, position.position,
                position.chain, decision.decision_id, self.name, self.number)))

    def failed(self, error):
        """Whether a fault explains it."""
        if is_lost(error):
            return True
        self.workload.unexpected(f"check on node {self.number}", error)
        return False


class Workload:
    def __init__(self, register, seed, writers=12, readers=9, most=20, fault=None):
        self.register = register
        self.most = most  # keys that one question asks about
        self.seed = seed
        self.gate = Gate()
        self.history = History()
        self.fault = fault  # a broken client, for the test of the oracle itself
        self.reads_only = False
        self.hot = collections.deque(maxlen=6)
        self.grants = {key: None for key in register.keys}
        self.retired = set()  # keys whose value is not known for certain any more
        self.numbers = itertools.count()
        self.watched = clocks.FeedPosition()
        self.failure = None
        self.threads = []
        # What was told and judged, and lost in a fail-over since.
        self.lost_answers = self.lost_revocations = 0
        keys = list(register.keys)
        random.Random(seed).shuffle(keys)
        for number in range(writers):
            self._thread(self._write, number, number, keys[number::writers])
        for number in range(readers):
            self._thread(self._read, number, number)
        self._thread(self._watch, 0)

    def _thread(self, body, number, *arguments):
        dice = random.Random(f"{self.seed}-{body.__name__}-{number}")

        def run():
            try:
                body(dice, *arguments)
            except Exception as error:  # a defect of the harness must not look like a quiet run
                self.failure = error
                raise

        self.threads.append(threading.Thread(target=run, daemon=True))

    def start(self):
        for thread in self.threads:
            thread.start()

    def pause(self):
        self.gate.close()
        if self.failure:
            raise self.failure

    def resume(self):
        self.gate.open()

    def end(self):
        self.gate.end()
        for thread in self.threads:
            thread.join(60)

    def state(self):
        """To go back to, when a fail-over loses what came after. Only while paused."""
        return (self.history.copy(), dict(self.grants), set(self.retired), self.watched)

    def restore(self, state):
        """Forgets what came after. A change without a reply may still come about, later."""
        open_ones = [c for c in self.history.changes if c.position is None]
        self.lost_answers += len(self.history.answers) - len(state[0].answers)
        self.lost_revocations += revocations(self.history) - revocations(state[0])
        self.history, grants, retired, self.watched = state
        known = {(c.key, c.start) for c in self.history.changes}
        for change in open_ones:
            if (change.key, change.start) not in known:
                self.history.changes.append(change)
        self.grants = dict(grants)
        self.retired = retired | {change.key for change in open_ones}

    def unexpected(self, what, error):
        self.history.unexpected.append(f"{what}: {error.code().name} {error.details()}")

    def _node(self, dice, client):
        nodes = len(self.register.stubs)
        return client % nodes if dice.random() < AT_HOME else dice.randrange(nodes)

    # Writers

    def _write(self, dice, client, keys):
        while not self.gate.ended:
            with self.gate:
                if self.gate.ended:
                    return
                key = dice.choice(keys)
                if not self.reads_only and key not in self.retired:
                    self.change(dice, key, self._node(dice, client))
                    continue
            time.sleep(0.02)  # nothing to do: no busy loop

    def change(self, dice, key, node=None, ask=None):
        """Turns a register over, then asks every node about it."""
        grant = self.grants[key]
        request = (self.register.revoke_request(key, grant) if grant
                   else self.register.grant_request(key))
        self.hot.append(key)
        made = Change(key, permits=grant is None, start=time.monotonic_ns(), grant=grant or "")
        self.history.changes.append(made)
        if not self._send(dice, request, made, node):
            self.retired.add(key)
            return
        self.grants[key] = made.grant if made.permits else None
        position = clocks.FeedPosition(position=made.position, chain=made.chain)
        nodes = list(range(len(self.register.stubs))) if ask is None else ask
        asked = [self.ask_later(number, key, dice.choice(self.register.images[key.patient]),
                                position if dice.random() < 0.25 else None)
                 for number in dice.sample(nodes, len(nodes))]
        deadline = time.monotonic() + ASK_SECONDS
        for done in asked:
            done.wait(max(0, deadline - time.monotonic()))

    def _send(self, dice, request, made, node):
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            number = dice.randrange(len(self.register.stubs)) if node is None else node
            stub = self.register.stubs[number].records
            call = stub.RecordInstrument if made.permits else stub.Revoke
            made.node = number
            if self.fault == "lost-write" and not made.permits and dice.random() < 0.02:
                made.end, made.position = time.monotonic_ns(), 1
                return True
            try:
                answer = call(request, timeout=WRITE_SECONDS, metadata=self.register.metadata)
            except grpc.RpcError as error:
                if not is_lost(error):
                    self.unexpected(f"change of {made.key} on node {number}", error)
                    return False
                if dice.random() < 0.03:
                    return False  # a client that does not come back
                node = None  # another, perhaps
                time.sleep(0.02)  # pace of the retries
                continue
            made.end = time.monotonic_ns()
            made.position, made.chain = answer.position.position, answer.position.chain
            if made.permits:
                made.grant = answer.instrument.grants[0].grant_id
            return True
        return False

    # Readers

    def _read(self, dice, client):
        keys = self.register.keys
        while not self.gate.ended:
            with self.gate:
                if self.gate.ended:
                    return
                number = self._node(dice, client)
                hot = list(self.hot)
                if dice.random() < 0.5:
                    key = dice.choice(hot) if hot and dice.random() < 0.7 else dice.choice(keys)
                    self._ask(number, [(key, dice.choice(self.register.images[key.patient]))])
                    continue
                some = dice.sample(keys, min(len(keys), dice.randint(4, self.most)))
                some = list(dict.fromkeys(hot + some))
                self._ask(number, [(k, dice.choice(self.register.images[k.patient]))
                                   for k in some], batch=True)

    def _ask(self, number, pairs, batch=False):
        call, request, asked = self._question(number, pairs, batch)
        try:
            answer = call(request, timeout=CHECK_SECONDS, metadata=self.register.metadata)
        except grpc.RpcError as error:
            if asked.failed(error):
                time.sleep(0.005)  # a node that is down refuses at once: no busy loop
            return
        asked.answered(answer)

    def ask_later(self, number, key, uid, least=None):
        """Asks without waiting; the event is set when what came of it is in the history."""
        call, request, asked = self._question(number, [(key, uid)], False, least)
        done = threading.Event()

        def end(future):
            try:
                error = future.exception()
                asked.failed(error) if error else asked.answered(future.result())
            except Exception as error:  # a defect of the harness
                self.failure = error
                raise
            finally:
                self.gate.release()
                done.set()

        self.gate.hold()
        call.future(request, timeout=CHECK_SECONDS,
                    metadata=self.register.metadata).add_done_callback(end)
        return done

    def _question(self, number, pairs, batch, least=None):
        """-> the call, its request, and what becomes of it."""
        name = f"q{next(self.numbers)}"
        checks = self.register.stubs[number].checks
        questions = [self.register.question(k, uid, name) for k, uid in pairs]
        if batch:
            call, request = checks.BatchCheck, check.BatchCheckRequest(requests=questions)
        else:
            call, request = checks.Check, check.CheckRequest(request=questions[0])
        if least:
            request.min_position.CopyFrom(least)
        return call, request, Asked(self, number, pairs, name)

    def faulty(self, answer):
        """What a broken service would have told; only in the test of the oracle."""
        chance = zlib.crc32(f"{self.seed} {answer.request}".encode()) % 200
        if self.fault == "stale-cache" and not answer.permits and chance == 0:
            return dataclasses.replace(answer, permits=True)
        if self.fault == "unlogged" and answer.permits and chance == 0:
            return dataclasses.replace(answer, decision=answer.decision[:-1] + "f0")
        if self.fault == "reused-decision" and answer.permits and chance == 0:
            old = next((a for a in self.history.answers if a.permits), answer)
            return dataclasses.replace(answer, decision=old.decision)
        if self.fault == "old-position" and chance == 0 and answer.position > 40:
            return dataclasses.replace(answer, position=answer.position - 40)
        return answer

    # The watcher

    def _watch(self, dice):
        while not self.gate.ended:
            with self.gate:
                if self.gate.ended:
                    return
                history, after = self.history, clocks.FeedPosition()
                after.CopyFrom(self.watched)
                number = dice.randrange(len(self.register.stubs))
                stream = self.register.stubs[number].events.Watch(
                    events.WatchRequest(after=after), timeout=dice.uniform(0.5, 2.0),
                    metadata=self.register.metadata)
                try:
                    for message in stream:
                        if message.HasField("event"):
                            if self.fault == "event-twice" and len(history.events) == 60:
                                history.events.append(message.event)
                            history.events.append(message.event)
                            self.watched = message.event.position
                except grpc.RpcError as error:
                    if not is_lost(error):
                        self.unexpected(f"watch on node {number} after {after.position} "
                                        f"{after.chain.hex()[:8]}", error)
