"""The changes of one alarm, each counted once. Pure: what a look and the history tell in, what is new out.

The history is the truth: an item of it is one change. But it may come late, repeated and in any order, so a look at the
alarm counts too: one that shows OK or ALARM since a time proves that the alarm entered that state then. The item that
tells of the same change later takes the look's place and counts nothing. What a look proves is told from what it may
only repeat by the runs rule: next to a change to the same state it proves nothing.

An alarm begins in INSUFFICIENT_DATA, which is no change, so that state is counted from the history alone.

After a change the history is read at once, and again when it is `SETTLED` old. If it then does not join up, it is read
again and again for a day, until what is missing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, structs

from exporter.model import DAY, HOUR, MINUTE

SETTLED = 15 * MINUTE  # an item of the history is taken to come at most so late, unless another one shows its absence
GIVE_UP = DAY
KEPT = 30 * DAY  # CloudWatch keeps the history of an alarm, deleted or not
LONGEST = 1000  # changes that are kept of an alarm whose history has not settled
BEGINNING = "INSUFFICIENT_DATA"

LOOK, BASIS = "", "="  # instead of the old state: told by a look, and not counted, or known for certain


class Change(Struct, frozen=True, array_like=True):
    """An alarm entered a state. `old` is the one it left, as far as the history has told of it."""

    at: float
    old: str
    new: str


class Track(Struct, frozen=True):
    """What is known of the changes of one alarm.

    Everything before `closed` is final. `changes` are those since, and the last one before. `shown` is what the last
    look showed. The history is to be read when `due`, from `reached` on if a reading of it has been broken off; 0 says
    that there is no need. `read` is when it was last read whole, `gone` when the alarm was first missing (0: never).
    `proved` is the time of the look that was counted last: one item may take its place, and it must not count again.
    """

    kind: str
    closed: float
    changes: tuple[Change, ...] = ()
    shown: tuple[float, str] = (0.0, "")
    due: float = 0.0
    reached: float = 0.0
    read: float = 0.0
    gone: float = 0.0
    proved: float = 0.0

    @property
    def since(self) -> float:
        """From when the history is to be read."""
        return self.reached or self.closed

    @property
    def newest(self) -> float:
        """When something last happened to the alarm, as far as is known."""
        return max((self.gone, self.shown[0], *(change.at for change in self.changes)))


def begin(kind: str, at: float, state: str, since: float) -> Track:
    """Return the track of an alarm that is seen for the first time; nothing before `since` counts."""
    if at < since:
        return Track(kind, since, (Change(at, BASIS, state),), (at, state))
    return Track(kind, since, (), (at, state), due=since)


def look(track: Track, kind: str, at: float, state: str, now: float, looked: float) -> Track:
    """Return the track after a look; the history is due if anything has happened since the last one, at `looked`."""
    moved = at > track.shown[0]  # one that goes back is an older answer
    if not moved and not track.gone:
        return track
    shown = (at, state) if moved else track.shown
    return structs.replace(track, kind=kind, shown=shown, gone=0.0, due=now, closed=_unmoved(track, looked))


def miss(track: Track, now: float, looked: float) -> Track:
    """Return the track of an alarm that is no longer there; what it did before must still be read."""
    return track if track.gone else structs.replace(track, gone=now, due=now, closed=_unmoved(track, looked))


def _unmoved(track: Track, looked: float) -> float:
    """Return until when all is final: nothing has happened to an alarm that the last look showed as it was before.

    This keeps an alarm that was quiet for months from being looked for in a history that does not go back so far.
    """
    return track.closed if track.due else max(track.closed, looked - SETTLED)


def hear(track: Track, items: Iterable[Change], until: float | None = None) -> tuple[Track, list[Change]]:
    """Take in items of the history; return the track and those that count. After `until` it was not whole."""
    changes, fresh = list(track.changes), []
    for item in sorted(set(items), key=lambda change: change.at):
        if item.at < track.closed or (track.gone and item.at > track.gone) or item in changes:
            continue
        after = next((n for n, change in enumerate(changes) if change.at > item.at), len(changes))
        for beside in (after - 1, after):
            if 0 <= beside < len(changes) and (changes[beside].old, changes[beside].new) == (LOOK, item.new):
                changes[beside] = item
                break
        else:
            changes.insert(after, item)
            fresh.append(item)
    reached = 0.0 if until is None else until
    if len(changes) > LONGEST:  # one that flaps faster than its history settles
        changes = changes[-LONGEST:]
        track = structs.replace(track, closed=changes[0].at)
    return structs.replace(track, changes=tuple(changes), reached=reached), fresh


def prove(track: Track) -> tuple[Track, list[Change]]:
    """Count what the last look proves beyond what the history has told."""
    at, state = track.shown
    if at < track.closed or at == track.proved or state == BEGINNING or track.gone:
        return track, []
    after = next((n for n, change in enumerate(track.changes) if change.at > at), len(track.changes))
    if any(change.new == state for change in track.changes[max(0, after - 1) : after + 1]):
        return track, []
    change = Change(at, LOOK, state)
    changes = (*track.changes[:after], change, *track.changes[after:])
    return structs.replace(track, changes=changes, proved=at), [change]


def settle(track: Track, now: float) -> tuple[Track, float]:
    """Return the track after its history was read whole, and the seconds of it that are lost for good."""
    lost = max(0.0, now - KEPT - max(track.closed, track.read))
    if lost:
        told = tuple(change for change in track.changes if change.at >= now - KEPT)
        track = structs.replace(track, closed=now - KEPT, changes=told)
    track = structs.replace(track, read=now)
    age = now - track.newest
    joined = _joined(track)
    if age < SETTLED:
        due = min(now + MINUTE, track.newest + SETTLED) if not joined else track.newest + SETTLED
        return structs.replace(track, due=due), lost
    if not joined and age < GIVE_UP:
        return structs.replace(track, due=now + max(SETTLED, min(HOUR, age))), lost
    if not joined:
        lost += track.newest - track.closed
    closed = max(track.closed, now - SETTLED)
    last = [structs.replace(change, old=BASIS) for change in track.changes if change.at < closed][-1:]
    rest = [change for change in track.changes if change.at >= closed]
    return structs.replace(track, closed=closed, changes=(*last, *rest), due=0.0), lost


def over(track: Track, now: float) -> bool:
    """Say whether a track can be forgotten: its alarm is gone, its history final, its last change a day old."""
    return bool(track.gone) and not track.due and now >= track.newest + DAY


def behind(track: Track) -> bool:
    """Say whether the history has not been read since something last happened."""
    return bool(track.due) and track.read < track.newest


def _joined(track: Track) -> bool:
    """Say whether each change leaves the state that the one before entered, and the last look shows the last one.

    Before its beginning an alarm had an earlier life, whatever state that ended in.
    """
    state = ""
    for change in track.changes:
        if change.old == LOOK or (change.old != BASIS and state and change.old not in {state, BEGINNING}):
            return False
        state = change.new
    at, shown = track.shown
    told = any(change.new == shown and abs(change.at - at) <= MINUTE for change in track.changes)
    return told or at < track.closed or shown == BEGINNING or bool(track.gone)
