"""Passes through listings, newest first, each down to a time: all that was created since is seen once.

Only so does a listing end where it should: AWS's other orders and filters page through all of history. A pass may take
longer than a run and goes on where it was, while the newest jobs are looked at in each run anew.

    now |--head--|                    each run: down to where the last one began, and a bit further
                 |......gap......|    after an outage, or at a first start: down to where everything is known
                                 ^ listed: where a restart begins from
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from exporter.aws import Aws, AwsError
from exporter.jobs import Listing, Parent
from exporter.model import MINUTE, Target

OVERLAP = 10 * MINUTE  # what was created is taken to be listed at the latest so long after that
REFUSED = 3  # parents that are refused, after which a run asks no more: the next would meet the same
PAGES = 40  # of a listing in one run: 40 s of ListTrainingJobs at one a second; the rest follows in the next one


class _Pass:
    """A way through a listing: `todo` are the parameters of what is still to be listed, the first one from `token` on.

    It is None until the parents of what is listed have been listed, where it has any.
    """

    def __init__(self, lower: float, *, head: bool) -> None:
        self.lower = lower
        self.head = head
        self.todo: deque[dict[str, Any]] | None = None
        self.token: str | None = None
        self.pages = 0
        self.moves = True  # it read something in the last run


class Passes:
    """The passes of one listing on one target. Everything created before `listed` has been seen."""

    def __init__(self, listing: Listing, listed: float, now: float, parent: Parent | None = None) -> None:
        """`listed` is what an earlier process has noted."""
        self.parents: list[dict[str, Any]] | None = None  # what it is listed for, as that was last listed
        self.pages = 0  # that have been read
        self._listing, self._parent = listing, parent
        self._begun = max(listed, now - OVERLAP)  # when the last head did
        self._open = [_Pass(listed - OVERLAP, head=False)] if listed < self._begun else []

    @property
    def listed(self) -> float:
        """From when on everything has been seen."""
        return min((one.lower + OVERLAP for one in self._open), default=self._begun)

    @property
    def behind(self) -> bool:
        """Whether something has yet to be listed."""
        return bool(self._open)

    def run(
        self, aws: Aws, target: Target, now: float, oldest: float = math.inf, most: int = PAGES
    ) -> Iterator[tuple[Any, str]]:
        """Yield the summaries on the next pages, with the parent that they are of: the newest first, then the rest.

        Raises `AwsError`: the rest waits. Of what was created since `oldest`, all is listed again.
        """
        head = self._open[0] if self._open and self._open[0].head else None
        lower = min(self._begun, oldest) - OVERLAP
        if not (head and head.pages and head.moves and self._parent):  # or none came to the last of many parents
            if head and head.pages and self._parent:  # what is left of it is refused: a new one has its turn, for both
                self._open[0] = _Pass(min(head.lower, lower), head=True)
            elif head is None or head.pages:  # or there would be one more with each run that is denied
                self._open.insert(0, _Pass(lower, head=True))
            self._begun = now
        left = most
        for one in tuple(self._open):
            before = one.pages
            try:
                yield from self._through(one, aws, target, left)
            finally:
                one.moves = one.pages > before
            left -= one.pages - before
            if one.todo:
                return
            self._open.remove(one)

    def _through(self, one: _Pass, aws: Aws, target: Target, most: int) -> Iterator[tuple[Any, str]]:
        """Yield the summaries on the next pages of a pass, so many at the most, with the parent that they are of."""
        listing, parent = self._listing, self._parent
        if one.todo is None:
            one.todo = deque(self._parents(aws, target, one.lower))
        refused = 0
        for _ in range(most):
            if not one.todo:
                return
            token = {"NextToken": one.token} if one.token else {}
            try:
                answer = aws.call(
                    target, listing.operation, **listing.fixed, **{listing.since: one.lower}, **one.todo[0], **token
                )
            except AwsError as error:
                if parent and error.error_class == "absent":  # deleted since it was listed
                    one.todo.popleft()
                    one.token = None
                    continue
                if parent and error.error_class != "throttled":  # it may be refused by itself: the others go before it
                    one.todo.rotate(-1)
                    one.token, refused = None, refused + 1
                    if refused < min(REFUSED, len(one.todo)):
                        continue
                    raise
                if one.token and error.error_class == "bug":  # it does not last for ever: from the newest on again
                    one.token = None
                    raise AwsError("transient", str(error)) from error
                raise
            under = one.todo[0][parent.parameter] if parent else ""
            yield from ((item, under) for item in answer[listing.member])
            one.pages += 1
            self.pages += 1
            one.token = answer.get("NextToken")
            if not one.token:
                one.todo.popleft()

    def _parents(self, aws: Aws, target: Target, lower: float) -> Iterable[dict[str, Any]]:
        """Return what must be listed apart: nothing but once, or for each parent that may have begun one since."""
        parent = self._parent
        if parent is None:
            return [{}]
        listed = aws.pages(target, parent.listing.operation, **parent.listing.fixed)
        self.parents = [item for page in listed for item in page[parent.listing.member]]
        return [
            {parent.parameter: item[parent.field]}
            for item in self.parents
            if not parent.used or item.get(parent.used, 0.0) >= lower
        ]
