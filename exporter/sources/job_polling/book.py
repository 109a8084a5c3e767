"""What is known of the jobs of a target: those that are open, and those whose end has yet to be described.

A job is in the book from when it is first seen open, or ended after counting began, until its end has been counted, and
as long as something of it goes on that counts by itself: instances in a warm pool, rules that judge it, steps that have
yet to be listed. So it grows with what goes on, not with history. Pure: jobs go in, as listings and Describes tell
them; events come out, and notes by which the next process follows the same jobs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, structs

from exporter.jobs import JOB_TYPES, Job, Step, counts, identity
from exporter.model import HOUR, MINUTE, Event, Target

LAST_END = "ended"  # note of when a job last ended, by type and status
OPEN = "open/"  # notes of jobs in the book, by identity
GIVE_UP = 10 * MINUTE  # after its end: what Describe has not told by then is not waited for, but what it has used up
LEFT = "left/"  # notes of jobs whose end is counted, but not all that they have left behind
RECENT = "recent/"  # notes of jobs that show something after their end
RECENTLY = HOUR  # and for how long

POOL_OPEN = {"Available", "InUse"}

BASIS = "basis"  # in such a note: see Followed
SINCE = "since"  # in one of LEFT, from when its day runs, if that is not the end of the job

_LIFE = ("job_type", "name", "status", "arn", "created", "started", "ended", "modified", "sent", "under")
_SIZE = ("instances", "spot")  # or sums would lack what can't be described any more


class Wants(NamedTuple):
    """What is of interest besides a job's own life, since a family of it is on: it costs calls, or room."""

    pools: bool = False
    rules: bool = False
    steps: bool = False
    final_values: bool = False
    recommendations: bool = False


class Followed(Struct):
    """A job in the book: when it is to be described, and when its end was first seen (`over`, 0 while it is open).

    `refused` says that it could not be described since then: who only waits for its turn is not given up. The end of a
    `counted` one has been counted; only what it has left behind goes on or, of an `untold` one, is not known. `basis`
    is a status that it may have been in since before counting began: when it was last modified tells nothing of that.
    """

    job: Job
    due: float
    over: float = 0.0
    described: bool = False
    refused: bool = False
    counted: bool = False
    untold: bool = False
    basis: str = ""


class Book:
    """The jobs of one target. Nothing before `begun` counts."""

    def __init__(self, target: Target, notes: Mapping[str, Any], begun: float, now: float, wants: Wants) -> None:
        self.target = target
        self.wants = wants
        self.followed: dict[str, Followed] = {}
        self.events: list[Event] = []
        self.notes: dict[str, Any] = {}
        self.closed: list[Job] = []  # since they were last looked at
        self._begun = begun
        ended = notes.get(LAST_END, {})
        self.last_end: dict[str, dict[str, float]] = {name: dict(of_type) for name, of_type in ended.items()}
        self._done: dict[
            str, float
        ] = {}  # jobs whose end is counted, and when they were created: listed again for a while
        self._recent: dict[str, Job] = {}  # jobs that have ended and show something all the same
        for name, note in notes.items():
            prefix, _, who = name.partition("/")
            if f"{prefix}/" in {OPEN, LEFT}:
                job = msgspec.convert(note, Job)
                left = f"{prefix}/" == LEFT
                over = note.get(SINCE, counts.since(job, now)) if left else now if counts.ended(job) else 0.0
                basis, untold = note.get(BASIS, ""), SINCE in note
                self.followed[who] = Followed(job, now, over, counted=left, untold=untold, basis=basis)
            elif f"{prefix}/" == RECENT:
                self._recent[who] = msgspec.convert(note, Job)

    @property
    def jobs(self) -> Iterator[Job]:
        """All jobs that are open."""
        return (one.job for one in self.followed.values() if not one.over)

    @property
    def kept(self) -> Iterator[Job]:
        """All jobs, open or not, of which something goes on."""
        return (one.job for one in self.followed.values())

    @property
    def recent(self) -> Iterable[Job]:
        """Jobs that ended a short while ago, with what they show after their end."""
        return self._recent.values()

    def knows_sizes(self, job_type: str) -> bool:
        """Say whether it is known of all open jobs of a type on what they are."""
        return JOB_TYPES[job_type].description is None or all(
            one.described or one.job.instances
            for one in self.followed.values()
            if one.job.job_type == job_type and not one.over
        )

    @property
    def knows_pools(self) -> bool:
        """Whether it is known of all jobs that may have a warm pool whether they do."""
        return all(one.described for one in self.followed.values() if one.job.job_type == "training")

    def oldest(self, job_type: str) -> float:
        """Return when the oldest open job of a type was created: one that is not described has to be listed again."""
        return min((job.created or 0.0 for job in self.jobs if job.job_type == job_type), default=math.inf)

    def see(self, job: Job, now: float) -> None:
        """Take in a job as a listing shows it."""
        who = identity(self.target, job)
        if who is None:
            return
        if who in self._done:
            if not counts.ended(job):  # its record is being removed
                self._count(counts.changes(self.target, job, now))
            return
        before = self.followed.get(who)
        if before and before.job.status == job.status:
            return
        if counts.ended(job) and counts.since(job, now) < self._begun:
            if before is None and self.wants.pools and job.warm_pool and job.warm_pool.status in POOL_OPEN:
                self._leave(who, job, now)
            return  # nothing else of it counts
        unplaced = before is None and not counts.ended(job) and (job.created or 0.0) < self._begun
        basis = before.basis if before else job.status if unplaced else ""
        if not self._old(job):
            self._count(counts.changes(self.target, job, now), basis)
            self._count(counts.started(self.target, job))
        if not counts.ended(job) and not counts.open_(job):  # it is being removed
            self._forget(who)
            return
        over = now if counts.ended(job) else 0.0
        self._keep(
            who,
            Followed(
                _merged(before.job if before else None, job),
                now,
                over,
                before is not None and before.described,
                basis=basis,
            ),
            now,
        )
        if over and JOB_TYPES[job.job_type].description is None:
            self._close(who, now)

    def learn(self, who: str, job: Job, now: float) -> None:
        """Take in what Describe tells of a followed job."""
        before = self.followed[who]
        job = _merged(before.job, job)
        if before.counted:
            self._learn_left(who, job, now)
            return
        if self._old(job):  # of human loops nobody tells when they ended
            self._forget(who)
            return
        known = before.described and job.status == before.job.status and not counts.ended(job)
        if not known:  # or the status of one that goes on would count anew one day
            self._count(counts.changes(self.target, job, now), before.basis)
        for events in (counts.started(self.target, job), counts.phases(self.target, job)):
            self._count(events)
        if counts.ended(job):
            self._keep(who, Followed(job, now, before.over or now, described=True, basis=before.basis), now)
            self._close(who, now)
        elif not counts.open_(job):
            self._forget(who)
        else:
            due = now + counts.pause(job.created or now, now)
            self._keep(who, Followed(job, due, 0.0, described=True, basis=before.basis), now)

    def _learn_left(self, who: str, job: Job, now: float) -> None:
        """Take in what Describe tells of what an ended job has left behind."""
        for left in (counts.work, counts.pool, counts.rules):
            self._count(left(self.target, job, now))
        if self._goes_on(job):
            self._leave(who, job, now)
        else:
            self._forget(who)

    def step(self, who: str, steps: Iterable[Step], now: float) -> None:
        """Take in all steps of a followed execution."""
        one = self.followed[who]
        self._count(counts.steps(self.target, one.job, steps, now))
        if one.counted:
            self._forget(who)

    def miss(self, who: str, now: float) -> None:
        """Learn that a followed job can't be described, for it is no longer there."""
        one = self.followed[who]
        if one.counted:
            self._forget(who)
            return
        self._close(who, now) if one.over and not self._old(one.job) else self._forget(who)

    def wait(self, who: str, now: float) -> None:
        """Learn that a followed job could not be described this time."""
        one = self.followed[who]
        one.due = now + (counts.pause(one.over, now) if one.counted else counts.SOONEST)
        one.refused = True

    def wait_all(self, job_type: str, now: float) -> None:
        """Learn that no job of a type can be described this time."""
        for who, one in self.followed.items():
            if one.job.job_type == job_type and one.due <= now + counts.SOONEST:
                self.wait(who, now)

    def due(self, now: float, early: float) -> list[str]:
        """Return whom to describe: first those that have ended, then those that never were, then the longest due.

        Last are those that most probably have ended before counting began, the newest of them first, and then those
        that could not be described when their end counted.
        """
        waiting = [(who, one) for who, one in self.followed.items() if one.due <= now + early]
        waiting.sort(
            key=lambda item: (
                item[1].untold,
                -(item[1].job.created or 0.0) if self._old(item[1].job) else -math.inf,
                not item[1].over or item[1].counted,
                item[1].described,
                item[1].due,
            )
        )
        return [who for who, one in waiting if JOB_TYPES[one.job.job_type].description]

    def give_up(self, now: float) -> None:
        """Count the ends that Describe has told nothing of for so long: as what was listed."""
        for who, one in tuple(self.followed.items()):
            if one.counted:
                if now >= one.over + counts.LEFT_FOR:
                    self._forget(who)
            elif one.over and one.refused and now >= one.over + GIVE_UP:
                self._forget(who) if self._old(one.job) else self._close(who, now, untold=True)

    def tidy(self, listed: float, now: float) -> None:
        """Forget ended jobs that no listing shows again: those created long before what has yet to be listed.

        And those that have shown long enough what they left.
        """
        for who, job in tuple(self._recent.items()):
            if now >= (job.ended or 0.0) + RECENTLY:
                del self._recent[who]
                self.notes[RECENT + who] = None
        self._done = {who: created for who, created in self._done.items() if created >= listed - HOUR}

    def _old(self, job: Job) -> bool:
        """Say whether a job may have ended before counting began: only Describe tells when some have."""
        return counts.ended(job) and not counts.dated(job) and (job.created or 0.0) < self._begun

    # -- the pages ---------------------------------------------------------------------------------------------------

    def _count(self, events: Iterable[Event], basis: str = "") -> None:
        """Count events, but not that a job is in the status that it may have been in before counting began."""
        self.events += (
            event
            for event in events
            if event.at >= self._begun
            and not (event.kind in {counts.STATE, counts.EXECUTION} and event.effects[0].labels[-1] == basis)
        )

    def _keep(self, who: str, one: Followed, now: float) -> None:
        """Follow a job. The time at which a status was first seen stands for one that AWS does not tell.

        Else it would be a change of now each time, and count anew once its identity is forgotten.
        """
        if counts.open_(one.job) and not counts.dated(one.job):
            one.job = structs.replace(one.job, sent=now)
        self.followed[who] = one
        self.notes[OPEN + who] = {**_noted(one.job), **({BASIS: one.basis} if one.basis else {})}

    def _close(self, who: str, now: float, *, untold: bool = False) -> None:
        """Count the end of a job, by what is known of it now, and follow it no more, but for what is `untold`."""
        job = self.followed[who].job
        self._count(counts.end(self.target, job, now))
        of_type, at = self.last_end.setdefault(job.job_type, {}), counts.since(job, now)
        if at > of_type.get(job.status, 0.0):
            of_type[job.status] = at
            self.notes[LAST_END] = {name: dict(ends) for name, ends in self.last_end.items()}
        self.closed.append(job)
        self._done[who] = job.created or now
        self._forget(who)
        self._remember(who, job, now)
        for events in (counts.pool(self.target, job, now), counts.rules(self.target, job, now)):
            self._count(events)
        if untold and counts.uses(job):
            self.followed[who] = Followed(job, now + counts.SOONEST, now, counted=True, untold=True)
            self.notes[LEFT + who] = {**_noted(job), SINCE: now}
        elif self._goes_on(job) or (self.wants.steps and job.job_type == "pipeline_execution" and at >= self._begun):
            self._leave(who, job, now)

    def _goes_on(self, job: Job) -> bool:
        """Say whether an ended job has left something behind that has yet to come to an end, and counts then."""
        pool = self.wants.pools and job.warm_pool is not None and job.warm_pool.status in POOL_OPEN
        return pool or (self.wants.rules and any(rule.status in counts.RULE_OPEN for rule in job.rules))

    def _leave(self, who: str, job: Job, now: float) -> None:
        """Follow what an ended job has left behind: as often as a job that began when it ended."""
        over = counts.since(job, now)
        first = who not in self.followed or self.followed[who].untold
        due = now if first else now + counts.pause(over, now)
        self.followed[who] = Followed(job, due, over, described=True, counted=True)
        if first:
            self.notes[LEFT + who] = _noted(job)

    def _remember(self, who: str, job: Job, now: float) -> None:
        """Keep what a job shows after its end."""
        values = job.final_values if self.wants.final_values else ()
        found = job.recommendations if self.wants.recommendations else ()
        if values or found:
            ended = counts.since(job, now)
            kept = Job(job.job_type, job.name, job.status, ended=ended, final_values=values, recommendations=found)
            self._recent[who] = kept
            self.notes[RECENT + who] = msgspec.to_builtins(kept)

    def _forget(self, who: str) -> None:
        one = self.followed.pop(who, None)
        if one:
            self.notes[(LEFT if one.counted else OPEN) + who] = None


def _noted(job: Job) -> dict[str, Any]:
    """Return what the next process must know of a job in order to follow it."""
    kept = {name: getattr(job, name) for name in _LIFE + _SIZE}
    return {name: value for name, value in kept.items() if value}


def _merged(before: Job | None, job: Job) -> Job:
    """Return what is known of a job after news of it: what the news does not tell stays, and so does its name."""
    if before is None:
        return job
    empty = structs.asdict(Job(job.job_type, job.name, job.status))
    told = {name: value for name, value in structs.asdict(job).items() if value != empty[name]}
    kept = {"status", "name", "under"}  # Describe takes the name of a nested job from its ARN, in lower case
    sent = before.sent if job.status == before.status else None
    changed = {name: value for name, value in told.items() if name not in kept}
    return structs.replace(before, **{"sent": sent, **changed, "status": job.status})
