"""The world behind the fake AWS: accounts and regions, the series in them and the resources that publish these.

It knows the truth. Facts are dated and may lie in the past or the future of whoever asks; nothing here has a clock, and
nothing here knows how AWS answers. Every change and every answer takes `lock`, so that threads may share a world.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Condition, RLock
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from exporter.demo.alarms import Alarm
from exporter.demo.calls import SAGEMAKER, ApiCall, Calls, Delays
from exporter.demo.identities import Identity, iam_user
from exporter.demo.jobs import KINDS, Job, Jobs, Work, life
from exporter.demo.logs import LATEST, STANDARD, Event, LogGroup, Writes, event_id
from exporter.demo.notices import Form, Notices
from exporter.demo.people import People
from exporter.demo.prices import Prices
from exporter.demo.quotas import table, usage_series
from exporter.demo.resources import Component, Endpoint, EndpointConfig, EndpointState, Role, ScalableTarget, Variant
from exporter.demo.rules import Road, Rule
from exporter.demo.s3 import Bucket
from exporter.demo.series import Arrivals, Generated, Lateness, Schedule, Scripted
from exporter.demo.sqs import Queue
from exporter.demo.stats import Stat
from exporter.demo.stats import statistic as statistic_named
from exporter.demo.things import KINDS as THINGS
from exporter.demo.things import State, Thing, Things
from exporter.demo.traffic import number_of
from exporter.demo.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from exporter.demo.jobs import Change, Life
    from exporter.demo.series import Dimensions, Series
    from exporter.demo.things import Change as Turn
    from exporter.demo.traffic import Behaviour

Key = tuple[str, str, "Dimensions"]
_Life = TypeVar("_Life", Alarm, Endpoint, Component, LogGroup)
_USUAL_WORK = Work()


@dataclass(slots=True)
class Region:
    """What one account has in one region."""

    account: str
    name: str
    series: dict[Key, Series] = field(default_factory=dict)
    listing: list[Series] = field(default_factory=list)  # in the order in which they came
    by_namespace: dict[str, list[Series]] = field(default_factory=dict)
    endpoints: dict[str, list[Endpoint]] = field(default_factory=dict)  # name to its lives, by time
    configs: dict[str, EndpointConfig] = field(default_factory=dict)
    components: dict[str, list[Component]] = field(default_factory=dict)
    targets: list[ScalableTarget] = field(default_factory=list)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)  # of other resources, by ARN
    alarms: dict[str, list[Alarm]] = field(default_factory=dict)
    jobs: Jobs = field(default_factory=Jobs)
    things: Things = field(default_factory=Things)
    notices: list[tuple[float, str, tuple[str, ...], dict[str, Any]]] = field(default_factory=list)  # see World.notify
    log_groups: dict[str, list[LogGroup]] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    calls: Calls = field(default_factory=lambda: Calls(Delays()))
    logged: set[str] = field(default_factory=set)  # categories of events that a trail logs
    quotas: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # code to (time, value that applies)
    changed: int = 0  # how often something other than series was added or changed

    def alarm(self, name: str, now: float) -> Alarm | None:
        """Return the alarm that has this name now."""
        return _alive(self.alarms.get(name, ()), now)

    def alarms_at(self, now: float) -> list[Alarm]:
        """Return all alarms that exist now."""
        return [life for lives in self.alarms.values() if (life := _alive(lives, now))]

    def log_group(self, name: str, now: float) -> LogGroup | None:
        """Return the log group that has this name now."""
        return _alive(self.log_groups.get(name, ()), now)

    def log_groups_at(self, now: float) -> list[LogGroup]:
        """Return all log groups that exist now."""
        return [life for lives in self.log_groups.values() if (life := _alive(lives, now))]

    def endpoint(self, name: str, now: float) -> Endpoint | None:
        """Return the endpoint that has this name now."""
        return _alive(self.endpoints.get(name, ()), now)

    def endpoints_at(self, now: float) -> list[Endpoint]:
        """Return all endpoints that exist now."""
        return [life for lives in self.endpoints.values() if (life := _alive(lives, now))]

    def component(self, name: str, now: float) -> Component | None:
        """Return the inference component that has this name now."""
        return _alive(self.components.get(name, ()), now)

    def components_at(self, now: float) -> list[Component]:
        """Return all inference components that exist now."""
        return [life for lives in self.components.values() if (life := _alive(lives, now))]


def _alive(lives: Sequence[_Life], now: float) -> _Life | None:
    return next((life for life in reversed(lives) if life.created <= now < life.deleted), None)


class World:
    """Accounts and regions with series and resources. Times are Unix seconds."""

    def __init__(
        self,
        seed: int = 0,
        *,
        lateness: Lateness | None = None,
        listed_after: tuple[float, float] = (120, 840),
        repeated: float = 0.1,
        history_after: float = 0.0,
        cached: int = 100_000,
        call_delays: Delays | None = None,
    ) -> None:
        """Make an empty world.

        `listed_after`: ListMetrics shows a series some time between these seconds after its first datapoint (AWS: up
        to 15 minutes). `repeated`: the share of its pages, and of those of alarms' histories, that name
        something twice. `history_after`: how much later than the change a history shows it. `cached`: how many
        generated datapoints are kept at hand. `call_delays`: how late CloudTrail's records are.
        """
        self.seed = seed
        self.listed_after = listed_after
        self.repeated = repeated
        self.history_after = history_after
        self.alarm_kinds = {"MetricAlarm", "CompositeAlarm", "LogAlarm"}  # that this AWS knows
        self.lock = RLock()
        self.arrival = Condition(self.lock)  # of a message in any queue
        self.arrivals = Arrivals(lateness or Lateness(), cached)
        self.call_delays = call_delays or Delays()
        self.rules: list[Rule | Notices] = []
        self.buckets: dict[str, Bucket] = {}
        self.prices = Prices()
        self.roles: dict[tuple[str, str], Role] = {}
        self._regions: dict[tuple[str, str], Region] = {}
        self._logged = 0  # log events that were written down
        self._called = 0  # calls and corrections that were added
        self._dimensions: dict[Dimensions, Dimensions] = {}  # each set once: a million series share them

    @property
    def regions(self) -> list[Region]:
        """All accounts and regions that hold something."""
        return list(self._regions.values())

    def region(self, account: str, region: str) -> Region:
        """Return what this account has in this region; empty at first."""
        found = self._regions.get((account, region))
        if found is None:
            empty = Region(account, region, calls=Calls(self.call_delays))
            found = self._regions.setdefault((account, region), empty)
        return found

    def _changing(self, account: str, region: str) -> Region:
        place = self.region(account, region)
        place.changed += 1
        return place

    # Series

    def put(
        self,
        account: str,
        region: str,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        at: float,
        value: float | Sequence[float],
        available_at: float | None = None,
        count: float = 1,
        *,
        low: float | None = None,
        high: float | None = None,
        period: int = 60,
        unit: str = "None",
    ) -> None:
        """Put one datapoint of a scripted series, or another version of it.

        A number is the Sum of `count` equal samples, or of unequal ones between `low` and `high` of which no
        percentiles are known; a sequence holds the samples themselves. `at` is rounded down to `period`, which also
        says the resolution. Seen from `available_at` on (default: when its period has ended), until a version that is
        available later replaces it. ValueError: the series is a generated one.
        """
        if isinstance(value, Sequence):
            stat = Stat.of(value)
        else:
            stat = Stat.alike(float(value), float(count))
            if low is not None or high is not None:
                mean = stat.min
                stat = stat._replace(min=mean if low is None else low, max=mean if high is None else high)
        start = int(at // period * period)
        available = start + period if available_at is None else available_at
        with self.lock:
            place = self.region(account, region)
            identity = (namespace, metric, self._set_of(dimensions))
            series = place.series.get(identity)
            if series is None:
                series = Scripted(identity, unit, number_of(self.seed, account, region, identity))
                _enlist(place, identity, series)
            if not isinstance(series, Scripted):
                raise ValueError(f"{namespace} {metric} {dict(dimensions)} is a generated series")  # noqa: TRY004
            series.put(start, stat, available, fine=period < 60)

    def generate(
        self,
        account: str,
        region: str,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        behaviour: Behaviour,
        schedule: Schedule,
        unit: str = "None",
    ) -> None:
        """Add a series that makes up its datapoints. A second one of the same identity changes nothing."""
        with self.lock:
            place = self.region(account, region)
            identity = (namespace, metric, self._set_of(dimensions))
            if identity not in place.series:
                number = number_of(self.seed, account, region, identity)
                series = Generated(identity, unit, number, behaviour, schedule, self.arrivals)
                _enlist(place, identity, series)

    def hide(self, account: str, region: str, dimensions: Mapping[str, str], *, hidden: bool = True) -> None:
        """Take all series that have these dimensions (and maybe more) off ListMetrics, or put them back on it.

        GetMetricData goes on reading them, as it does on AWS.
        """
        wanted = set(dimensions.items())
        with self.lock:
            for series in self.region(account, region).series.values():
                if wanted.issubset(series.dimensions):
                    series.hidden = hidden

    def _set_of(self, dimensions: Mapping[str, str]) -> Dimensions:
        pairs = tuple(sorted(dimensions.items()))
        return self._dimensions.setdefault(pairs, pairs)

    def change_lateness(self, lateness: Lateness, at: float) -> None:
        """Let the generated datapoints of periods that begin after `at` arrive otherwise."""
        with self.lock:
            self.arrivals.change(lateness, at)

    def truth(
        self,
        account: str,
        region: str,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        statistic: str,
        start: float,
        end: float,
        now: float = math.inf,
    ) -> float:
        """Return a statistic over all datapoints of `start` <= t < `end`, as they are in the end.

        With `now`: as a client could know them then. Where there are none Sum and SampleCount are 0, the rest NaN.
        """
        with self.lock:
            series = self.region(account, region).series.get((namespace, metric, self._set_of(dimensions)))
            stats = [stat for _, stat in series.points(start, end, now)] if series else []
        if not stats and statistic in ("Sum", "SampleCount"):
            return 0.0
        value = statistic_named(statistic)(stats) if stats else None
        return math.nan if value is None else value

    def count_usage(self, account: str, region: str, since: float) -> None:
        """Let AWS/Usage tell from then on what is in use there."""
        with self.lock:
            place = self.region(account, region)
            for series in usage_series(place, since):
                _enlist(place, (series.namespace, series.metric, self._set_of(dict(series.dimensions))), series)

    def change_quota(self, account: str, region: str, code: str, at: float, value: float) -> None:
        """Let another value of a quota apply from then on. KeyError: there is no such quota."""
        with self.lock:
            changes = self.region(account, region).quotas.setdefault(table()[code].code, [])
            changes.append((at, value))
            changes.sort()

    # Resources

    def add_endpoint(
        self,
        account: str,
        region: str,
        name: str,
        at: float,
        *,
        variants: Sequence[Variant] = (Variant(),),
        status: str = "InService",
        tags: Mapping[str, str] | None = None,
        config: EndpointConfig | None = None,
    ) -> Endpoint:
        """Create an endpoint; its configuration is `config`, or a plain one with these variants.

        One that had the name before lends it its series: for CloudWatch they are the same metrics, and generated ones
        publish again. ValueError: the name is in use.
        """
        with self.lock:
            place = self._changing(account, region)
            lives = place.endpoints.setdefault(name, [])
            if lives and lives[-1].deleted > at:
                raise ValueError(f"endpoint {name} exists")
            config = config or EndpointConfig(f"{name}-config", at, tuple(variants))
            place.configs[config.name] = config
            endpoint = Endpoint(name, at, [EndpointState(at, status, config)], dict(tags or {}))
            if lives:
                endpoint.schedules = lives[-1].schedules
                for schedule in endpoint.schedules.values():
                    schedule.start(at, schedule.period)
            lives.append(endpoint)
            return endpoint

    def update_endpoint(self, account: str, region: str, name: str, at: float, **changes: Any) -> None:
        """Change fields of an endpoint's EndpointState from `at` on. KeyError: there is no such endpoint."""
        with self.lock:
            place = self._changing(account, region)
            endpoint = _required(place.endpoint(name, at), name)
            state = replace(endpoint.state(at), at=at, **changes)
            endpoint.states.append(state)
            endpoint.states.sort(key=lambda state: state.at)
            for config in (state.config, state.pending):
                if config:
                    place.configs[config.name] = config

    def change_period(self, account: str, region: str, name: str, at: float, period: int) -> None:
        """Let an endpoint publish every `period` seconds from `at` on, as a new MetricsConfig does.

        Utilisation follows it always, invocations only with enhanced metrics. KeyError: there is no such endpoint.
        """
        with self.lock:
            endpoint = _required(self.region(account, region).endpoint(name, at), name)
            config = endpoint.state(at).config
            followers = ("utilization", "invocations") if config.enhanced else ("utilization",)
            for measured in followers:
                if measured in endpoint.schedules:
                    endpoint.schedules[measured].change(at, period)
            new = replace(config, name=f"{name}-every-{period}s-{int(at)}"[:63], created=at, publish_period=period)
            self.update_endpoint(account, region, name, at, config=new)

    def delete_endpoint(self, account: str, region: str, name: str, at: float) -> None:
        """Delete an endpoint; what it published stays readable. KeyError: there is no such endpoint."""
        with self.lock:
            endpoint = _required(self._changing(account, region).endpoint(name, at), name)
            endpoint.deleted = at
            for schedule in endpoint.schedules.values():
                schedule.stop(at)

    def add_component(self, account: str, region: str, component: Component) -> None:
        """Create an inference component. ValueError: the name is in use."""
        with self.lock:
            lives = self._changing(account, region).components.setdefault(component.name, [])
            if lives and lives[-1].deleted > component.created:
                raise ValueError(f"inference component {component.name} exists")
            lives.append(component)

    def delete_component(self, account: str, region: str, name: str, at: float) -> None:
        """Delete an inference component. KeyError: there is none of this name."""
        with self.lock:
            component = _required(self._changing(account, region).component(name, at), name)
            component.deleted = at
            for schedule in component.schedules.values():
                schedule.stop(at)

    def add_job(
        self,
        account: str,
        region: str,
        kind: str,
        name: str,
        at: float,
        *,
        lives: Life | None = None,
        parent: str = "",
        work: Work = _USUAL_WORK,
    ) -> Job:
        """Create a job, or what jobs belong to (see jobs.KINDS); without a life to come it runs for ever.

        `parent`: what it belongs to, as it stands in ARNs. ValueError: the name is in use, or no job of this kind lives
        like that.
        """
        with self.lock:
            return self._changing(account, region).jobs.add(
                Job(KINDS[kind], name, at, life(kind) if lives is None else lives, parent, work)
            )

    def enter_status(
        self, account: str, region: str, job: Job, at: float, status: str, phase: str = "", text: str = ""
    ) -> None:
        """Let a job enter a status; what it would have entered later does not come."""
        with self.lock:
            self._changing(account, region).jobs.enter(job, at, status, phase, text)

    def delete_job(self, account: str, region: str, job: Job, at: float) -> None:
        """Remove a job."""
        with self.lock:
            self._changing(account, region).jobs.delete(job, at)

    def job_changes(self, account: str, region: str, start: float, end: float) -> list[Change]:
        """Return the truth about jobs: every step that one enters from `start` on and before `end`, in order."""
        with self.lock:
            return self.region(account, region).jobs.changes(start, end)

    def add_thing(
        self,
        account: str,
        region: str,
        kind: str,
        name: str,
        at: float,
        *,
        status: str = "",
        id: str = "",  # noqa: A002 - what AWS calls it
        parent: str = "",
        tags: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> Thing:
        """Create what is neither an endpoint nor a job (see things.KINDS), in its usual status if none is given.

        `id`: what stands in its ARN, if not the name. `parent`: what it belongs to, as it stands in ARNs. `facts` bear
        the service model's names. ValueError: the name is in use, or there is no such status.
        """
        of = THINGS[kind]
        state = State(at, status or next(iter(of.statuses), ""), facts)
        with self.lock:
            return self._changing(account, region).things.add(
                Thing(of, name, at, [state], id, parent, dict(tags or {}))
            )

    def change_thing(
        self,
        account: str,
        region: str,
        thing: Thing,
        at: float,
        status: str | None = None,
        *,
        without: Collection[str] = (),
        **facts: Any,
    ) -> None:
        """Let a thing enter a status, or have other facts, from `at` on; what was to come later does not come."""
        with self.lock:
            self._changing(account, region).things.enter(thing, at, status, facts, without)

    def delete_thing(self, account: str, region: str, thing: Thing, at: float) -> None:
        """Remove a thing, and what belongs to it."""
        with self.lock:
            self._changing(account, region).things.delete(thing, at)

    def thing_changes(self, account: str, region: str, start: float, end: float) -> list[Turn]:
        """Return the truth about things: every state that one enters from `start` on and before `end`, in order."""
        with self.lock:
            return self.region(account, region).things.changes(start, end)

    def notify(
        self,
        account: str,
        region: str,
        at: float,
        detail_type: str,
        detail: dict[str, Any],
        resources: Sequence[str] = (),
    ) -> None:
        """Let SageMaker send an event about what this world does not have: tasks of workers, evaluations, ..."""
        with self.lock:
            self.region(account, region).notices.append((at, detail_type, tuple(resources), detail))

    def put_alarm(self, account: str, region: str, alarm: Alarm) -> Alarm:
        """Create an alarm; it lends nothing from one that had its name before. ValueError: the name is in use."""
        with self.lock:
            lives = self.region(account, region).alarms.setdefault(alarm.name, [])
            if lives and lives[-1].deleted > alarm.created:
                raise ValueError(f"alarm {alarm.name} exists")
            lives.append(alarm)
            return alarm

    def set_alarm_state(
        self, account: str, region: str, name: str, at: float, state: str, seen_after: float | None = None
    ) -> None:
        """Let an alarm enter a state; its history shows it so much later. KeyError: there is no such alarm."""
        with self.lock:
            alarm = _required(self.region(account, region).alarm(name, at), name)
            after = self.history_after if seen_after is None else seen_after
            alarm.enter(state, at, "set by hand", at + after)

    def delete_alarm(self, account: str, region: str, name: str, at: float) -> None:
        """Delete an alarm; its history stays. KeyError: there is no such alarm."""
        with self.lock:
            _required(self.region(account, region).alarm(name, at), name).deleted = at

    # Logs

    def add_log_group(
        self,
        account: str,
        region: str,
        name: str,
        at: float,
        *writers: Writes,
        retention: int | None = None,
        log_class: str = STANDARD,
        key: str | None = None,
        metric_filters: int = 0,
        filters: Sequence[str] = (),
    ) -> LogGroup:
        """Create a log group; `filters` are its subscription filters. ValueError: the name is in use."""
        with self.lock:
            lives = self.region(account, region).log_groups.setdefault(name, [])
            if lives and lives[-1].deleted > at:
                raise ValueError(f"log group {name} exists")
            lives.append(LogGroup(name, at, retention, log_class, key, metric_filters, tuple(filters), writers))
            return lives[-1]

    def delete_log_group(self, account: str, region: str, name: str, at: float) -> None:
        """Delete a log group with all that is in it. KeyError: there is none of this name."""
        with self.lock:
            _required(self.region(account, region).log_group(name, at), name).deleted = at

    def log(
        self, account: str, region: str, group: str, stream: str, at: float, message: str, late: float = 0.5
    ) -> Event:
        """Write a log event, which CloudWatch takes in so many seconds later. KeyError: there is no such group."""
        if not 0 <= late <= LATEST:
            raise ValueError(f"late by {late:g} s")
        with self.lock:
            of = _required(self.region(account, region).log_group(group, at), group)
            self._logged += 1
            name = event_id(self.seed, account, region, group, self._logged)
            event = Event(round(at * 1000), round((at + late) * 1000), name, stream, message)
            of.write(event)
            return event

    def log_matches(
        self, account: str, region: str, group: str, pattern: str, start: float, end: float, now: float = math.inf
    ) -> list[Event]:
        """Return the truth: the events of `start` <= t < `end` in a group, in all of its lives, that match a pattern.

        With `now`: as far as CloudWatch has them by then.
        """
        with self.lock:
            lives = self.region(account, region).log_groups.get(group, ())
            return [event for life in lives for event in life.matches(pattern, start, end, now)]

    # Calls

    def add_call(
        self,
        account: str,
        region: str,
        at: float,
        name: str,
        *,
        who: Identity | None = None,
        source: str = SAGEMAKER,
        error: tuple[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        elements: Mapping[str, Any] | None = None,
        delays: Delays | None = None,
        **more: Any,
    ) -> ApiCall:
        """Let somebody (user `anna` by default) have called an operation of AWS, and return the call.

        `at`: when it was completed. `error`: code and text. `delays`: how late its record is, if not as the world says.
        `more`: other members of the record, by AWS's names: eventType, eventCategory, readOnly (by default by the
        verb), eventID, addendum, sharedEventID, vpcEndpointId, ...; None takes one away.
        """
        with self.lock:
            self._called += 1
            number = number_of(self.seed, account, region, "call", self._called)
            who = who or iam_user(account, "anna")
            call = ApiCall(number, at, name, who, source, error, parameters, elements, more, delays)
            return self.region(account, region).calls.add(call)

    def correct_call(
        self, account: str, region: str, call: ApiCall, updated: str, *, delays: Delays | None = None, **corrected: Any
    ) -> ApiCall:
        """Let CloudTrail correct a record (UPDATED_DATA): another of the same call, which is none. Return it.

        `updated`: the names of the fields, as AWS writes them. `corrected`: ApiCall's fields.
        """
        with self.lock:
            self._called += 1
            number = number_of(self.seed, account, region, "correction", self._called)
            addendum = {
                "reason": "UPDATED_DATA",
                "updatedFields": updated,
                "originalRequestID": call.request_id,
                "originalEventID": call.event_id,
            }
            more = {name: value for name, value in call.more.items() if name not in ("eventID", "requestID")}
            changed = {"number": number, "delays": delays, "more": {**more, "addendum": addendum}, **corrected}
            return self.region(account, region).calls.add(replace(call, **changed))

    def add_people(
        self,
        account: str,
        region: str,
        since: float,
        until: float,
        per_hour: float = 1500,
        data_per_hour: float = 0,
    ) -> None:
        """Let people, pipelines and pollers call SageMaker between two times, so often and whenever the world changes.

        `data_per_hour`: data events, which only a trail that logs them shows.
        """
        with self.lock:
            place = self.region(account, region)
            place.calls.callers.append(People(self.seed, place, since, until, per_hour, data_per_hour))

    def calls(self, account: str, region: str, start: float, end: float) -> list[ApiCall]:
        """Return the truth about calls: all of `start` <= t < `end`, in order, whether there is a record yet or not."""
        with self.lock:
            return self.region(account, region).calls.between(start, end)

    # Queues

    def add_queue(self, account: str, region: str, name: str, **attributes: str) -> Queue:
        """Make a queue with these attributes, and return it."""
        with self.lock:
            queue = self.region(account, region).queues[name] = Queue(account, region, name, attributes)
            return queue

    def route(
        self,
        queue: Queue,
        since: float,
        road: Road | None = None,
        *,
        changes: bool = True,
        calls: Literal["none", "write", "all"] = "none",
    ) -> None:
        """Let events of the queue's account and region come into it, from a time on.

        `changes`: what SageMaker sends itself. `calls`: API calls through CloudTrail, as if there were a trail: those
        that write, or, as a rule ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS has it, all management events.
        """
        with self.lock:
            self.rules.append(Rule(queue, since, road or Road(delay=0.0), changes, calls))

    def flow(self, queue: Queue, now: float) -> None:
        """Put what has come by now into a queue."""
        for rule in self.rules:
            if rule.queue is queue:
                rule.flow(self, now)

    def send(self, queue: Queue, body: str, at: float) -> None:
        """Put a message into a queue, as EventBridge does."""
        with self.lock:
            queue.send(body, at)
            self.arrival.notify_all()

    # Buckets

    def add_bucket(self, account: str, region: str, name: str, **settings: Any) -> Bucket:
        """Make a bucket with these settings (see s3.Bucket), and return it."""
        with self.lock:
            bucket = self.buckets[name] = Bucket(name, account, region, **settings)
            return bucket

    def add_trail(
        self, bucket: Bucket, since: float, places: Sequence[tuple[str, str]], name: str = "trail", **settings: Any
    ) -> Trail:
        """Let the records of these (account, region) come into files in a bucket, from a time on; see trail.Trail."""
        with self.lock:
            where = tuple(self.region(*place) for place in places)
            trail = Trail(name, bucket.name, bucket.region, self.seed, where, since, **settings)
            bucket.makers.append(trail)
            for place in where:
                place.logged |= trail.categories
            return trail

    def announce(self, bucket: Bucket, queue: Queue, since: float, form: Form = "s3", **settings: Any) -> None:
        """Let a queue hear of new objects in a bucket, from a time on; see notices.Notices."""
        with self.lock:
            self.rules.append(Notices(queue, bucket, form, since, **settings))

    def add_role(self, account: str, role: Role) -> None:
        """Let others assume a role."""
        with self.lock:
            self.roles[account, role.name] = role


def _enlist(place: Region, identity: Key, series: Series) -> None:
    place.series[identity] = series
    place.listing.append(series)
    place.by_namespace.setdefault(series.namespace, []).append(series)


def _required(life: _Life | None, name: str) -> _Life:
    if life is None:
        raise KeyError(name)
    return life
