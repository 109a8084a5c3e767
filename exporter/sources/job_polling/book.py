"""What is known of the jobs of a target: those that are open, and those whose end has yet to be described.

A job is in the book from when it is first seen open, or ended after counting began, until its end has been counted. So
it grows with what goes on, not with history. Pure: jobs go in, as listings and Describes tell them; events come out,
and notes by which the next process follows the same jobs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from exporter.jobs import JOB_TYPES, Job, counts, identity
from exporter.model import HOUR, MINUTE, Event, Target

LAST_END = "ended"  # note of when a job last ended, by type and status
OPEN = "open/"  # notes of jobs in the book, by identity
SOONEST, LATEST = 1.0 * MINUTE, 15.0 * MINUTE  # between two Describes of a job; a twentieth of its age in between
GIVE_UP = 10 * MINUTE  # after its end: what Describe has not told by then is not waited for

_KEPT = ("job_type", "name", "status", "arn", "created", "started", "ended", "modified", "under")


class Followed(Struct):
    """A job in the book: when it is to be described, and when its end was first seen (`over`, 0 while it is open).

    `refused` says that it could not be described since then: who only waits for its turn is not given up.
    """

    job: Job
    due: float
    over: float = 0.0
    described: bool = False
    refused: bool = False


class Book:
    """The jobs of one target. Nothing before `begun` counts."""

    def __init__(self, target: Target, notes: Mapping[str, Any], begun: float, now: float) -> None:
        self.target = target
        self.followed: dict[str, Followed] = {}
        self.events: list[Event] = []
        self.notes: dict[str, Any] = {}
        self._begun = begun
        ended = notes.get(LAST_END, {})
        self.last_end: dict[str, dict[str, float]] = {name: dict(of_type) for name, of_type in ended.items()}
        self._done: dict[
            str, float
        ] = {}  # jobs whose end is counted, and when they were created: listed again for a while
        for name, note in notes.items():
            if name.startswith(OPEN):
                job = msgspec.convert(note, Job)
                self.followed[name.removeprefix(OPEN)] = Followed(job, now, now if counts.ended(job) else 0.0)

    @property
    def jobs(self) -> Iterator[Job]:
        """All jobs that are open."""
        return (one.job for one in self.followed.values() if not one.over)

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
            return  # nothing of it counts
        if not self._old(job):
            self._count(counts.changes(self.target, job, now))
            self._count(counts.started(self.target, job))
        if not counts.ended(job) and not counts.open_(job):  # it is being removed
            self._forget(who)
            return
        over = now if counts.ended(job) else 0.0
        self._keep(
            who,
            Followed(_merged(before.job if before else None, job), now, over, before is not None and before.described),
        )
        if over and JOB_TYPES[job.job_type].description is None:
            self._close(who, now)

    def learn(self, who: str, job: Job, now: float) -> None:
        """Take in what Describe tells of a followed job."""
        before = self.followed[who]
        job = _merged(before.job, job)
        if self._old(job):  # of human loops nobody tells when they ended
            self._forget(who)
            return
        for events in (
            counts.changes(self.target, job, now),
            counts.started(self.target, job),
            counts.phases(self.target, job),
        ):
            self._count(events)
        if counts.ended(job):
            self._keep(who, Followed(job, now, before.over or now, described=True))
            self._close(who, now)
        elif not counts.open_(job):
            self._forget(who)
        else:
            age = now - (job.created or now)
            self._keep(who, Followed(job, now + min(LATEST, max(SOONEST, age / 20)), 0.0, described=True))

    def miss(self, who: str, now: float) -> None:
        """Learn that a followed job can't be described, for it is no longer there."""
        one = self.followed[who]
        self._close(who, now) if one.over and not self._old(one.job) else self._forget(who)

    def wait(self, who: str, now: float) -> None:
        """Learn that a followed job could not be described this time."""
        self.followed[who].due = now + SOONEST
        self.followed[who].refused = True

    def wait_all(self, job_type: str, now: float) -> None:
        """Learn that no job of a type can be described this time."""
        for who, one in self.followed.items():
            if one.job.job_type == job_type and one.due <= now + SOONEST:
                self.wait(who, now)

    def due(self, now: float, early: float) -> list[str]:
        """Return whom to describe: first those that have ended, then those that never were, then the longest due.

        Last are those that most probably have ended before counting began, the newest of them first.
        """
        waiting = [(who, one) for who, one in self.followed.items() if one.due <= now + early]
        waiting.sort(
            key=lambda item: (
                -(item[1].job.created or 0.0) if self._old(item[1].job) else -math.inf,
                not item[1].over,
                item[1].described,
                item[1].due,
            )
        )
        return [who for who, one in waiting if JOB_TYPES[one.job.job_type].description]

    def give_up(self, now: float) -> None:
        """Count the ends that Describe has told nothing of for so long: as what was listed."""
        for who, one in tuple(self.followed.items()):
            if one.over and one.refused and now >= one.over + GIVE_UP:
                self._forget(who) if self._old(one.job) else self._close(who, now)

    def tidy(self, listed: float) -> None:
        """Forget ended jobs that no listing shows again: those created long before what has yet to be listed."""
        self._done = {who: created for who, created in self._done.items() if created >= listed - HOUR}

    def _old(self, job: Job) -> bool:
        """Say whether a job may have ended before counting began: only Describe tells when some have."""
        return counts.ended(job) and not counts.dated(job) and (job.created or 0.0) < self._begun

    # -- the pages ---------------------------------------------------------------------------------------------------

    def _count(self, events: Iterable[Event]) -> None:
        self.events += (event for event in events if event.at >= self._begun)

    def _keep(self, who: str, one: Followed) -> None:
        self.followed[who] = one
        kept = {name: getattr(one.job, name) for name in _KEPT}
        self.notes[OPEN + who] = {name: value for name, value in kept.items() if value not in {None, ""}}

    def _close(self, who: str, now: float) -> None:
        """Count the end of a job, by what is known of it now, and follow it no more."""
        job = self.followed[who].job
        self._count(counts.end(self.target, job, now))
        of_type, at = self.last_end.setdefault(job.job_type, {}), counts.since(job, now)
        if at > of_type.get(job.status, 0.0):
            of_type[job.status] = at
            self.notes[LAST_END] = {name: dict(ends) for name, ends in self.last_end.items()}
        self._done[who] = job.created or now
        self._forget(who)

    def _forget(self, who: str) -> None:
        if self.followed.pop(who, None):
            self.notes[OPEN + who] = None


def _merged(before: Job | None, job: Job) -> Job:
    """Return what is known of a job after news of it: what the news does not tell stays."""
    if before is None:
        return job
    empty = structs.asdict(Job(job.job_type, job.name, job.status))
    told = {name: value for name, value in structs.asdict(job).items() if value != empty[name]}
    return structs.replace(before, status=job.status, **{n: v for n, v in told.items() if n != "status"})
