"""Log groups of SageMaker: what they keep and for how long, and how many of their events match rules, each once.

    sagemaker_log_group_matches_total{...,log_group_name="/aws/sagemaker/TrainingJobs",rule="nccl_error"} 3.0

    groups    what DescribeLogGroups lists -> what is shown of it
    matches   rules and log groups -> searches; log events -> what counts
    passes    which stretches of time are searched when, page by page

A search is a rule in one log group, or all presets that apply to it: CloudWatch finds what has any of their phrases,
and which of them a message has is told here. CloudWatch alone decides what matches a rule of the user's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from exporter.aws import Aws, AwsError, read_as
from exporter.catalogue import CATALOGUE, log_rules
from exporter.catalogue.logs import MATCHES, SOURCE
from exporter.config import Config, stands
from exporter.inventory import Census, Inventory, Selection
from exporter.model import HOUR, Failure, Forecast, Known, Reading, Sample, Target
from exporter.sources.cloudwatch_logs.groups import (
    FILTERS,
    LAST_EVENT,
    Asked,
    Groups,
    LogGroup,
    Value,
    shown,
)
from exporter.sources.cloudwatch_logs.matches import LISTED, Matches, Rules, searched, switched_off

__all__ = ["SOURCE", "CloudWatchLogs", "switched_off"]

GROUPS = "groups"  # the scope of what is listed
PAGE = 50  # groups, the most that AWS gives
CALLS = 100  # in one run, of each call that is about one group: 20 s at 5 a second; the others follow in the next one
SHARED = 6  # groups of jobs, notebooks and the like that a forecast assumes beside those of endpoints


class CloudWatchLogs:
    """Lists log groups, shows what is known of them, and counts events that match.

    `begin` (seconds, 0 or less) moves the start of counting, as that of `Parts` does.
    """

    name = SOURCE
    thrifty = False

    def __init__(self, aws: Aws, inventory: Inventory, config: Config, begin: float = 0.0) -> None:
        settings = config.sources.cloudwatch_logs
        self._aws = aws
        self._inventory = inventory
        self._every = settings.every
        self._last_good = stands(settings)
        self._pages = settings.pages_per_cycle
        self._selection = Selection(config.resources)
        self._on = {name for name, row in CATALOGUE.items() if row.source == self.name and config.on(name)}
        self._rules = Rules(settings, self._on)
        self._matches = Matches(aws, self._rules, settings, begin)
        self._asked = [one for one in (FILTERS, LAST_EVENT) if one.family in self._on]
        self._when: dict[Target, dict[tuple[str, str], float]] = {}  # a call about a group was last made
        self._found: dict[Target, Sequence[LogGroup]] = {}  # by the last survey

    def confirm(self, receipts: tuple[Any, ...]) -> None:
        """Do nothing: what was read is still there."""

    def read(self, target: Target, known: Known, now: float) -> Reading:
        """List groups, ask about each what is due, search them.

        Where groups can't be listed, those are searched that have been: new ones come late, nothing is lost. Raises
        `AwsError` if none have been, or where no other call is worth a try.
        """
        failed: list[Failure] = []
        looked: list[str] = []
        samples: list[Sample] = []
        census = self._inventory.census(target)
        try:
            groups = self._list(target, census)
        except AwsError as error:
            if LISTED not in known.notes or error.error_class == "throttled" or error.login:
                raise
            groups = self._sorted(census, map(LogGroup, searched(known.notes)), listed=False)
            failed.append(Failure(GROUPS, error.error_class, str(error)))
        else:
            looked.append(GROUPS)
            values = [value for group in groups.wanted for value in shown(group)]
            samples += self._samples(target, values, GROUPS, now + self._last_good)
            for asked in self._asked:
                samples += self._ask_about(target, asked, groups.wanted, now, looked, failed)
            looked += self._left(known, {group.log_group_name for group in groups.wanted})
        matched = self._matches.read(target, known, groups, census, self._aws.now() + 0.8 * self._every)
        return Reading(
            self.name,
            target,
            now,
            samples=tuple(samples),
            looked=tuple(looked),
            failed=(*failed, *matched.failed),
            seeds=tuple(matched.seeds),
            ended=tuple(matched.ended),
            events=tuple(matched.events),
            not_before=now - matched.horizon,
            notes=matched.notes,
            tallies=tuple(matched.tallies),
            lost_seconds=matched.lost_seconds,
            read_until=None if matched.read_until is None else min(matched.read_until, now),
            behind=matched.behind,
        )

    def survey(self, target: Target, now: float) -> tuple[Failure, ...]:  # noqa: ARG002 - groups have no age here
        """List all groups."""
        try:
            self._found[target] = self._list(target, self._inventory.census(target)).wanted
        except AwsError as error:
            return (Failure(GROUPS, error.error_class, str(error)),)
        return ()

    def forecast(self, censuses: Mapping[Target, Census], usd: float, now: float) -> Forecast:  # noqa: ARG002 - free of charge
        """Return what an hour takes where each search of a group finds few events, or what `pages_per_cycle` allows.

        Where no run has pages enough for all searches, how long it takes until each has had its turn is told too.
        """
        calls = {"DescribeLogGroups": 0.0, **{one.operation: 0.0 for one in self._asked}}
        every = [self._every]
        runs = HOUR / self._every
        for target, census in censuses.items():
            groups = self._found.get(target) or list(_assumed(census))
            calls["DescribeLogGroups"] += max(1, -(-len(groups) // PAGE)) * runs
            for asked in self._asked:
                calls[asked.operation] += min(len(groups), CALLS) * runs
            if MATCHES in self._on:
                searches = len(self._rules.searches(groups))
                calls["FilterLogEvents"] = calls.get("FilterLogEvents", 0.0) + min(searches, self._pages) * runs
                every.append(self._every * max(1, -(-searches // self._pages)))
        return Forecast(tuple(dict.fromkeys(sorted(every))), calls)

    # -- looking -----------------------------------------------------------------------------------------------------

    def _list(self, target: Target, census: Census) -> Groups:
        """Return all groups."""
        pages = self._aws.pages(target, "DescribeLogGroups", logGroupNamePrefix=log_rules.PREFIX, limit=PAGE)
        listed = [group for page in pages for group in read_as(LogGroup, page["logGroups"])]
        return self._sorted(census, {group.log_group_name: group for group in listed}.values(), listed=True)

    def _sorted(self, census: Census, groups: Iterable[LogGroup], *, listed: bool) -> Groups:
        """Sort groups: wanted are those of resources that are, and those that are of no single one."""
        wanted: list[LogGroup] = []
        barred: set[str] = set()
        for group in groups:
            kind, resource = log_rules.resource_of(group.log_group_name)
            of = census, kind.replace("_", "-"), resource
            if not resource or self._selection.admits(*of):
                wanted.append(group)
            elif self._selection.bars(*of):
                barred.add(group.log_group_name)
        return Groups(wanted, frozenset(barred), listed)

    def _ask_about(
        self,
        target: Target,
        asked: Asked,
        groups: Iterable[LogGroup],
        now: float,
        looked: list[str],
        failed: list[Failure],
    ) -> Iterator[Sample]:
        """Yield what a call tells of each group whose turn it is; a value stays until its group has had two turns."""
        when = self._when.setdefault(target, {})
        names = [group.log_group_name for group in groups if asked.covers(group)]
        for gone in {name for operation, name in when if operation == asked.operation}.difference(names):
            del when[asked.operation, gone]
        turns = -(-len(names) // CALLS)
        until = now + max(self._last_good, 3 * turns * self._every)
        failures = 0
        for name in sorted(names, key=lambda name: when.get((asked.operation, name), -math.inf))[:CALLS]:
            when[asked.operation, name] = now
            scope = f"{asked.operation} {name}"
            try:
                values = asked.ask(self._aws, target, name)
            except AwsError as error:
                if error.error_class == "absent":  # deleted since it was listed
                    continue
                failed.append(Failure(scope, error.error_class, str(error)))
                failures += 1
                if error.error_class == "throttled" or failures == 3:
                    return
            else:
                looked.append(scope)
                yield from self._samples(target, values, scope, until)

    def _left(self, known: Known, names: set[str]) -> Iterator[str]:
        """Yield the scopes of groups that are not there any more."""
        operations = {one.operation for one in (FILTERS, LAST_EVENT)}
        for scope in known.scopes:
            operation, _, name = scope.partition(" ")
            if operation in operations and name not in names:
                yield scope

    def _samples(self, target: Target, values: Iterable[Value], scope: str, until: float) -> Iterator[Sample]:
        for family, labels, value in values:
            if value is not None and family in self._on:
                yield Sample(
                    family, (target.account_id, target.region, *labels), float(value), scope=scope, until=until
                )


def _assumed(census: Census) -> Iterator[LogGroup]:
    """Yield the groups that there are where nobody has looked: one of each endpoint, and those of all jobs."""
    yield from (LogGroup(f"{log_rules.PREFIX}Endpoints/{name}") for name in census.endpoints)
    yield from (LogGroup(kind.name) for kind in log_rules.GROUP_KINDS[-SHARED:])
