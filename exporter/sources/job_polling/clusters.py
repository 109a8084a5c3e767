"""What HyperPod clusters log, listed for each of them: it counts once, whether an event told of it or not.

Which clusters there are, and which of them have a log, the inventory tells. Where it could not look, a cluster is asked
all the same, and one that refuses is left alone for a while. What a cluster logs between the last listing and its
deletion is gone with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import structs

from exporter.aws import Aws, AwsError
from exporter.inventory import Thing as Listed
from exporter.inventory import Things
from exporter.jobs import UnreadableError, cluster_events, counts
from exporter.model import HOUR, Event, Failure, Target
from exporter.sources.job_polling.passes import OVERLAP, Passes

NOTE = "clusters"  # since when what is logged counts, and of each cluster: since when it does, until when it is listed
CALLS = 60  # in one run: 12 s at 5 a second. Who was listed longest ago comes first
PAGES = 20  # of one cluster in one run: a noisy one leaves others their share
REFUSED_FOR = HOUR  # a cluster that has no log, as far as is known, is asked again so much later


class Asked(NamedTuple):
    """A cluster whose log is asked for, and whether it is known that it has one."""

    name: str
    known: bool


class _Log:
    """The log of a cluster: `since` when it counts, and how far it has been listed."""

    def __init__(self, name: str, since: float, listed: float, now: float) -> None:
        fixed = {**cluster_events.LISTING.fixed, "ClusterName": name}
        listing = structs.replace(cluster_events.LISTING, fixed=fixed)
        self.since = since
        self.passes = Passes(listing, max(listed, now - counts.HORIZON), now)
        self._read: dict[str, float] = {}

    def new(self, event: Event) -> bool:
        """Say whether an event counts, as far as is known here: listings overlap."""
        if event.at < self.since or event.identity in self._read:
            return False
        self._read[event.identity] = event.at
        return True

    def forget(self, before: float) -> None:
        """Forget what no listing will show again."""
        self._read = {who: at for who, at in self._read.items() if at >= before}


class Clusters:
    """The logs of the clusters of one target."""

    def __init__(self, notes: Mapping[str, Any], now: float) -> None:
        noted: tuple[float, Mapping[str, Any]] = notes.get(NOTE, (now, {}))
        self._since = noted[0]
        self._logs = {name: _Log(name, since, listed, now) for name, (since, listed) in noted[1].items()}
        self._tried: dict[str, float] = {}
        self._refused: dict[Asked, tuple[float, AwsError]] = {}  # until when that is believed, and how it was said

    @property
    def note(self) -> list[Any]:
        """What the next process must know."""
        return [self._since, {name: [log.since, log.passes.listed] for name, log in self._logs.items()}]

    def listed(self, clusters: Things, now: float) -> Iterator[float]:
        """Yield from when on all is listed of each cluster that is asked."""
        for one in with_log(clusters):
            if one.known or not self._left_alone(one, now):
                yield self._logs[one.name].passes.listed

    def read(
        self, aws: Aws, target: Target, clusters: Things, wants: Callable[[str], bool], failed: list[Failure]
    ) -> Iterator[Event]:
        """Yield what clusters have logged that is new, and some that is not."""
        now = aws.now()
        self._meet(clusters, wants, now)
        left = CALLS
        for one in sorted(with_log(clusters), key=lambda one: self._tried.get(one.name, 0.0)):
            if left <= 0 or not wants(one.name):
                continue
            if self._left_alone(one, now):
                if one.known:  # then it has a log, at which nobody looks: that stays a failure
                    error = self._refused[one][1]
                    failed.append(_failure(error.error_class, error))
                continue
            self._tried[one.name] = now
            log = self._logs[one.name]
            log.forget(now - 2 * OVERLAP)
            before = log.passes.pages
            try:
                for item, _ in log.passes.run(aws, target, aws.now(), most=min(left, PAGES)):
                    try:
                        event = cluster_events.logged(target, item)
                    except UnreadableError as error:
                        failed.append(_failure("transient", error))
                    else:
                        if log.new(event):
                            yield event
            except AwsError as error:
                left -= 1  # that failed too was a call
                if self._expected(one, error, now):
                    continue
                failed.append(_failure(error.error_class, error))
                if error.error_class in {"throttled", "transient"}:  # as it would be with the next one
                    return
            finally:
                left -= log.passes.pages - before

    def _meet(self, clusters: Things, wants: Callable[[str], bool], now: float) -> None:
        """Learn which clusters there are. What one logs while it is not wanted never counts."""
        if not clusters.at:
            return
        there = {one.name: one for one in clusters.by_key.values()}
        self._logs = {name: log for name, log in self._logs.items() if name in there}
        self._tried = {name: at for name, at in self._tried.items() if name in there}
        self._refused = {one: told for one, told in self._refused.items() if one.name in there}
        for name, one in there.items():
            if not wants(name):
                self._logs[name] = _Log(name, now, now, now)
            elif name not in self._logs:
                self._logs[name] = _Log(name, self._since, max(self._since, one.created), now)

    def _expected(self, one: Asked, error: AwsError, now: float) -> bool:
        """Say whether an error is no failure: the cluster is gone, or has no log. One that refuses is left alone."""
        if error.error_class == "bug" or (error.error_class == "absent" and not one.known):
            self._refused[one] = now + REFUSED_FOR, error
        return error.error_class == "absent" or (error.error_class == "bug" and not one.known)

    def _left_alone(self, one: Asked, now: float) -> bool:
        return one in self._refused and self._refused[one][0] > now


def with_log(clusters: Things) -> Iterator[Asked]:
    """Yield the clusters that have a log, or may have one."""
    for one in clusters.by_key.values():
        continuous = _continuous(one)
        if continuous is not False:
            yield Asked(one.name, continuous is True)


def _continuous(cluster: Listed) -> bool | None:
    """Say whether a cluster provisions its nodes continuously; None where its description could not be had."""
    told = cluster.told.get("DescribeCluster")
    if told is None or told.failed or not told.at:
        return None
    return any(facts.get("NodeProvisioningMode") == cluster_events.CONTINUOUS for facts in told.items)


def _failure(error_class: str, error: Exception) -> Failure:
    return Failure(cluster_events.LISTING.operation, error_class, str(error))
