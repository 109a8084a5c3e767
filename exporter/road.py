"""Reads one queue in a thread of its own: receive, open, let listeners hear, commit, delete, at once again.

A message is deleted when all that was to hear it has been committed, whoever that was, and also if nobody wanted it.
What can't be opened, and what a listener fails on, is left: SQS moves it to the dead-letter queue in the end.

While the ledger refuses, what has been received is held and tried again, and nothing more is received: each receive
counts, and after a few SQS takes a message for a poisonous one. A poll that waits is not waited for when the road is to
stop. What it still may receive is left, and comes back when its time is over.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from exporter.aws import AwsError
from exporter.aws.queues import BATCH, HELD, LONGEST_HELD, EnvelopeError, Message, Queue, Told, opened
from exporter.clock import Clock
from exporter.collection import Collection as Readings
from exporter.collection import Follower, Listener, Repeats
from exporter.ledger import LedgerError
from exporter.model import Target, Turn
from exporter.tally import Tally

MOST = 100  # messages in one commit
ENOUGH = 1 << 18  # characters in a full batch from which on it is a commit by itself: a message may have a million
AT_ONCE = 10  # calls to the queue, while there is more than one to make
LOOK_EVERY = 60.0  # seconds between two looks at how full the queue is
LAST_GOOD = 900.0  # seconds for which the last look is shown when there is no other
LONGEST_PAUSE = 60.0
NOT_YET = 1.0  # seconds until it is asked again which targets there are

STATES = ("visible", "in_flight", "delayed")

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class State(NamedTuple):
    """How a road stands, for people: whether anybody listens, when it last received, what is wrong."""

    name: str
    target: Target
    listeners: tuple[str, ...]
    received_at: float | None
    trouble: str


class Road:
    """The reader of one queue. `targets` tells what is configured, None while that is not known yet.

    Unless `every` account counts, events of others are passed by. `meet` learns of each that is not configured.
    """

    def __init__(
        self,
        name: str,
        queue: Queue,
        readings: Readings,
        clock: Clock,
        tally: Tally,
        targets: Callable[[], Collection[Target] | None],
        *,
        every: bool = False,
        meet: Callable[[Target], object],
    ) -> None:
        self.name = name
        self._queue = queue
        self._readings = readings
        self._clock = clock
        self._tally = tally
        self._targets = targets
        self._every = every
        self._meet = meet
        self._labels = (queue.target.account_id, queue.target.region, name)
        self._listeners: tuple[Listener | Follower, ...] = ()
        self._met: set[Target] = set()
        self._greeted: set[tuple[Listener, Target]] = set()
        self._stopping = threading.Event()
        self._working = threading.Lock()  # held from the end of a receive until what it brought is deleted, or left
        self._repeats = Repeats()
        self._troubles: dict[str, str] = {}
        self._looked = -math.inf  # monotonic
        self._seen: dict[str, float] = {}  # when a look last showed something (monotonic)
        self._received_at: float | None = None
        self._crew = ThreadPoolExecutor(AT_ONCE, f"queue-{name}-calls")
        self._thread = threading.Thread(target=self._run, name=f"queue-{name}", daemon=True)

    def listen(self, listeners: Iterable[Listener | Follower]) -> None:
        """Let these hear from the next batch on, and nobody else. Nothing is received while there are none."""
        self._listeners = tuple(listeners)
        self._met.clear()
        self._greeted.clear()

    def start(self) -> None:
        """Begin."""
        account, region, name = self._labels
        self._tally.seed("queue_received_total", {"account_id": [account], "region": [region], "queue": [name]})
        self._thread.start()

    def stop(self) -> None:
        """Receive nothing more."""
        self._stopping.set()

    def ended(self, seconds: float) -> bool:
        """Wait until what had been received is dealt with; return whether it is. A poll that waits holds up nobody."""
        free = self._working.acquire(timeout=seconds)
        if free:
            self._working.release()
        return free

    def state(self) -> State:
        """Return how it stands."""
        troubles = "; ".join(self._troubles.values())
        listeners = tuple(listener.name for listener in self._listeners)
        return State(self.name, self._queue.target, listeners, self._received_at, troubles)

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            try:
                waits = self._turn()
            except AwsError as error:
                if self._stopping.is_set():  # which is why
                    break
                pause = min(LONGEST_PAUSE, 2 * pause or 1.0)
                self._complain("receive", error.error_class, str(error))
                self._clock.wait(self._stopping, pause)
            except Exception as error:  # noqa: BLE001 - no bug may end the thread: nobody would read the queue any more
                pause = min(LONGEST_PAUSE, 2 * pause or 1.0)
                if self._complain("bug", type(error).__name__, repr(error)):
                    _log.exception("queue %s: a bug", self.name)
                self._clock.wait(self._stopping, pause)
            else:
                pause = 0.0
                self._content("receive", "bug")
                self._clock.wait(self._stopping, waits)
        self._crew.shutdown(wait=False)

    def _turn(self) -> float:
        """Take one batch through; return the seconds until there can be another one."""
        self._look()
        targets = self._targets()
        if not self._listeners or targets is None:
            return NOT_YET
        self._greet(targets)
        self._heal(targets)
        messages = self._queue.receive()
        targets = self._targets()  # as they are now: a poll may have taken long
        with self._working:
            if self._stopping.is_set() or targets is None:
                self._give_back(messages)
                return 0.0
            if len(messages) == BATCH and sum(len(message.body) for message in messages) < ENOUGH:
                messages += self._more()
            now = self._clock.now()
            self._received_at = now
            oldest = max((now - message.sent for message in messages), default=0.0)
            self._tally.set("queue_oldest_message_age_seconds", *self._labels, value=max(0.0, oldest))
            if messages:
                self._deal(messages, targets)
        return 0.0

    def _greet(self, targets: Collection[Target]) -> None:
        """Let who hears learn of targets before the first message: what happens from then on counts, whenever told."""
        for listener in (one for one in self._listeners if not isinstance(one, Follower)):
            for target in targets:
                if (listener, target) not in self._greeted and not self._stopping.is_set():
                    try:
                        self._readings.hear(listener, target, [])
                    except LedgerError as error:  # asked again in the next turn
                        self._complain("greet", "ledger", str(error))
                        return
                    self._greeted.add((listener, target))
        self._content("greet")

    def _heal(self, targets: Collection[Target]) -> None:
        """Let those who follow messages look for what no message has told of, when that is due."""
        for follower in self._listeners:
            if isinstance(follower, Follower) and follower.due():
                with self._working:
                    try:
                        self._readings.heal(follower, self._queue.target, self._turn_of(follower, targets))
                    except LedgerError as error:  # it will be due again, and messages are held until the ledger is well
                        self._complain("heal", "ledger", str(error))
                    else:
                        self._content("heal")

    def _turn_of(self, follower: Follower, targets: Collection[Target]) -> Turn:
        known = None if self._every else tuple(targets)
        return self._readings.turn(follower.name, partial(self._counts, targets), known, self._stopping.is_set)

    def _counts(self, targets: Collection[Target], target: Target) -> bool:
        """Say whether what happens on a target counts; whoever listens has met it then."""
        if target in targets:
            return True
        if self._every and target not in self._met:
            self._meet(target)
            self._met.add(target)
        return self._every

    def _more(self) -> list[Message]:
        """Return what there is besides, as much as fits into a commit: a full batch is seldom alone."""
        calls = [self._crew.submit(self._queue.receive, 0) for _ in range(MOST // BATCH - 1)]
        found: list[Message] = []
        failed = False
        for call in calls:
            try:
                found += call.result()
            except AwsError as error:  # what the others have brought is to be counted all the same
                failed = True
                self._complain("more", error.error_class, str(error))
        if not failed:
            self._content("more")
        return found

    def _deal(self, messages: Sequence[Message], targets: Collection[Target]) -> None:
        """Let messages be heard, then delete them."""
        heard: dict[tuple[Listener | Follower, Target], list[tuple[Message, Told]]] = {}
        left: set[str] = set()
        unparsed: set[str] = set()
        for message in messages:
            try:
                told = opened(message.body, message.sent)
                for listener, target in self._hearing(told, targets):
                    heard.setdefault((listener, target), []).append((message, told))
            except EnvelopeError as error:
                unparsed.add(message.id)
                self._tell("envelope", "", f"a message can't be read and is left: {error}")
            except Exception as error:  # noqa: BLE001 - one message must not take the others with it
                left.add(message.id)
                if self._tell("hears", "", f"nobody could say who hears a message, it is left: {error!r}"):
                    _log.exception("queue %s: a bug", self.name)
        for (listener, target), pairs in heard.items():
            left |= self._commit(listener, target, pairs, messages, targets)
        still = self._delete([one for one in messages if one.id not in left and one.id not in unparsed])
        for message in messages:
            outcome = (
                "unparsed"
                if message.id in unparsed
                else "left"
                if message.id in left
                else "delete_failed"
                if message.id in still
                else "deleted"
            )
            self._tally.add("queue_received_total", *self._labels, outcome)

    def _hearing(self, told: Told, targets: Collection[Target]) -> list[tuple[Listener | Follower, Target]]:
        """Return who is to hear of it, and for which target: the queue's own, where a message names none.

        Whoever follows it finds out itself whom it is about: a bucket belongs to others than what is told in it.
        """
        here = self._queue.target
        target = Target(told.account or here.account_id, told.region or here.region)
        all_hearing = [listener for listener in self._listeners if listener.hears(told)]
        following: list[tuple[Listener | Follower, Target]] = [
            (one, here) for one in all_hearing if isinstance(one, Follower)
        ]
        hearing = [one for one in all_hearing if not isinstance(one, Follower)]
        if told.account and not self._every and target not in targets:
            for listener in hearing:  # under the queue's account: nobody knows how many others there are
                self._tally.add("events_total", *self._labels[:2], listener.name, "ignored")
            return following
        if hearing and target not in targets and target not in self._met:
            self._meet(target)
            self._met.add(target)
        return following + [(listener, target) for listener in hearing]

    def _commit(
        self,
        listener: Listener | Follower,
        target: Target,
        pairs: Sequence[tuple[Message, Told]],
        held: Sequence[Message],
        targets: Collection[Target],
    ) -> set[str]:
        """Let one listener hear, until that is committed; return the ids of the messages that it could not."""
        every = [told for _, told in pairs]
        pause, began = 1.0, self._clock.monotonic()
        while True:
            try:
                if isinstance(listener, Follower):
                    failed = self._readings.follow(listener, target, every, self._turn_of(listener, targets))
                else:
                    failed = self._readings.hear(listener, target, every)
            except LedgerError:
                over = self._clock.monotonic() - began > LONGEST_HELD - 2 * HELD - LONGEST_PAUSE
                if not over and not self._stopping.is_set():
                    self._hold(held, pause)
                    self._clock.wait(self._stopping, pause)
                    pause = min(LONGEST_PAUSE, 2 * pause)
                if over or self._stopping.is_set():
                    return {message.id for message, _ in pairs}
            else:
                unheard = {id(told) for told in failed}
                return {message.id for message, told in pairs if id(told) in unheard}

    def _hold(self, messages: Sequence[Message], pause: float) -> None:
        """Let nobody else receive messages while we wait: it would count as another try."""
        try:
            self._queue.extend(messages, int(pause) + HELD)
        except AwsError as error:  # they come back, and are then known already
            self._complain("hold", error.error_class, str(error))
        else:
            self._content("hold")

    def _give_back(self, messages: Sequence[Message]) -> None:
        """Let messages that came too late be received at once by whoever reads the queue now."""
        try:
            self._queue.extend(messages, 0)
        except AwsError as error:
            _log.debug("queue %s: %d messages come back by themselves: %s", self.name, len(messages), error)

    def _delete(self, messages: Sequence[Message]) -> set[str]:
        """Delete what is counted; return the ids of what is still there: it comes back, and is then known."""
        batches = [messages[first : first + BATCH] for first in range(0, len(messages), BATCH)]
        calls = [self._crew.submit(self._queue.delete, batch) for batch in batches]
        still: set[str] = set()
        wrong = ("", "")
        for batch, call in zip(batches, calls, strict=True):
            try:
                failed = call.result()
                if failed:
                    wrong = ("entries", f"{len(failed)} messages of a batch could not be deleted, and will come back")
            except AwsError as error:
                failed, wrong = {message.id for message in batch}, (error.error_class, str(error))
            still |= failed
        if still:
            self._complain("delete", *wrong)
        elif messages:
            self._content("delete")
        return still

    # -- what is told of it ------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look how full the queue is, now and then."""
        now = self._clock.monotonic()
        if now < self._looked + LOOK_EVERY:
            return
        self._looked = now
        full = self._ask("look", self._queue.fullness)
        if full or self._stale("look"):
            for state in STATES:
                number = float(full.messages[state]) if full else None
                self._tally.set("queue_messages", *self._labels, state, value=number)
        dead: int | None = None
        if full and full.dead_letters:
            dead = self._ask("dead letters", partial(self._queue.dead_letters, full.dead_letters))
        if dead is not None or (full and not full.dead_letters) or self._stale("dead letters"):
            self._tally.set("queue_dead_letters", *self._labels, value=None if dead is None else float(dead))

    def _ask(self, about: str, look: Callable[[], _T]) -> _T | None:
        """Return what a look shows; None if it failed: then the last one stands for a while."""
        try:
            found = look()
        except AwsError as error:
            self._complain(about, error.error_class, str(error))
            return None
        self._content(about)
        self._seen[about] = self._clock.monotonic()
        return found

    def _stale(self, about: str) -> bool:
        return self._clock.monotonic() > self._seen.get(about, -math.inf) + LAST_GOOD

    def _tell(self, about: str, kind: str, text: str) -> int:
        """Tell of what is wrong, at first and then now and then; return how often it has been so if it is told now."""
        times = self._repeats.tell(about, kind, self._clock.monotonic())
        if times:
            again = f" ({times} times in a row)" if times > 1 else ""
            _log.warning("queue %s%s: %s", self.name, again, text)
        return times

    def _complain(self, about: str, kind: str, text: str) -> int:
        """Tell of what is wrong until it is over; see `_tell`."""
        self._troubles[about] = text
        return self._tell(about, kind, text)

    def _content(self, *about: str) -> None:
        """Learn that nothing is wrong with this any more."""
        for one in about:
            self._troubles.pop(one, None)
            if self._repeats.end(one):
                _log.info("queue %s: %s works again", self.name, one)
