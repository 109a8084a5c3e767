"""The whole street on a bad day of one part of it: what only all rooms together can get wrong."""

from __future__ import annotations

import itertools
import math

import pytest
from street import ACCOUNT, REGION, RUN, Street
from worlds import T0, values

from exporter.catalogue import CATALOGUE
from exporter.demo import World
from exporter.demo.call import AwsError as Refusal
from exporter.demo.fake import _OPERATIONS
from exporter.demo.jobs import life
from exporter.model import DAY, HOUR, MINUTE, Reading
from exporter.sources.cloudwatch_metrics.rests import STAGES

INVOCATIONS = "sagemaker_endpoint_invocations_total"
ERRORS = "sagemaker_endpoint_invocation_5xx_errors_total"
CONCURRENT = "sagemaker_endpoint_concurrent_requests_per_model_max"
PIPELINES = "sagemaker_pipeline_execution_failed_total"
HOST_CPU = "sagemaker_training_job_cpu_utilization_ratio"
ENDPOINT_CPU = "sagemaker_endpoint_cpu_utilization_ratio"
HOSTS = "/aws/sagemaker/TrainingJobs"
VARIANT = {"EndpointName": "e", "VariantName": "AllTraffic"}


def only(*families, more=""):
    """Return a configuration in which these families alone are asked."""
    others = [name for name, row in CATALOGUE.items() if row.ask and row.on and name not in families]
    return f"families: {{exclude: [{', '.join(others)}]}}\n{more}"


def world(**more):
    made = World(seed=1, listed_after=(0, 0), repeated=0, **more)
    made.add_endpoint(ACCOUNT, REGION, "e", T0 - DAY)
    return made


def requests(made, minutes, each=1.0, name="e", seen=MINUTE):
    """Let an endpoint have requests in minutes since T0, each minute seen so much later."""
    for minute in minutes:
        at = T0 + MINUTE * minute
        dimensions = VARIANT | {"EndpointName": name}
        made.put(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", dimensions, at, each, at + seen)


@pytest.fixture
def street():
    """Start a street; it ends with the test."""
    begun = []

    def start(made, text="", **more):
        begun.append(Street(made, text=text, **more))
        return begun[-1]

    yield start
    for one in begun:
        one.kill()


def run(street, minutes, step=1):
    """Let minutes pass; return the last snapshot."""
    for _ in range(minutes // step):
        snapshot = street.cycle(step * MINUTE)
    return snapshot


def shown(street, family):
    return values(street.ledger.snapshot(), family)


def counter(street, metric):
    """Return the meter and position of the only counter of a metric."""
    known = street.ledger.known("cloudwatch_metrics", street.target).meters.values()
    ((meter, i),) = ((meter, i) for meter in known for (of, _), i in meter.position.items() if of == metric)
    return meter, i


# -- a clock that lags -------------------------------------------------------------------------------------------------


def test_a_clock_that_lags_invents_no_past(street):
    made = world()
    requests(made, range(-600, -60), each=10.0, seen=HOUR)
    one = street(made, only(INVOCATIONS))
    one.clock.off = -9.0 * HOUR
    one.cycle(60)
    one.clock.off = 0.0
    run(one, 40, step=5)
    assert shown(one, INVOCATIONS) == {(ACCOUNT, REGION, "e", "AllTraffic"): 0.0}


def test_a_family_that_is_switched_on_by_a_clock_that_lags_counts_nothing_again(street):
    made = world()
    requests(made, range(10, 490), each=10.0)
    one = street(made, only(INVOCATIONS, ERRORS))
    run(one, 3)
    run(one, 600, step=15)
    meter, i = counter(one, "Invocations")
    assert meter.total(i) == 4800.0
    one.kill()
    one.start(only(ERRORS))
    one.cycle(60)
    one.kill()
    one.clock.off = -9.0 * HOUR
    one.start(only(INVOCATIONS, ERRORS))
    one.cycle(60)
    one.clock.off = 0.0
    run(one, 120, step=5)
    assert list(shown(one, INVOCATIONS).values()) == [4800.0]


# -- spellings ---------------------------------------------------------------------------------------------------------

SPELLINGS = ("AWS/Sagemaker/ModelBuildingPipeline", "AWS/SageMaker/ModelBuildingPipeline")


@pytest.mark.parametrize("failing", SPELLINGS)
def test_a_spelling_that_can_not_be_read_holds_up_its_counter(street, failing):
    """The other one is complete and empty, which says nothing about this one."""
    made, failures = world(), {"PipelineName": "nightly"}
    for namespace in SPELLINGS:
        made.put(ACCOUNT, REGION, namespace, "ExecutionFailed", failures, T0 - 1800, 1.0, T0 - 1700)
    one = street(made, only(PIPELINES))
    run(one, 5)
    one.fake.faults.add("http_500", operation="GetMetricData", namespace=failing)
    for minute in range(20, 30):
        at = T0 + MINUTE * minute
        made.put(ACCOUNT, REGION, failing, "ExecutionFailed", failures, at, 5.0, at + MINUTE)
    run(one, 300, step=5)
    assert shown(one, PIPELINES) == {}, "it can't be known"
    one.fake.faults.clear()
    run(one, 200, step=5)
    assert list(shown(one, PIPELINES).values()) == [50.0]


# -- hosts of jobs -----------------------------------------------------------------------------------------------------


@pytest.fixture
def training(street):
    """A street on which a training job runs all day; begun, and its host seen."""
    made = World(listed_after=(0, 0), repeated=0)
    for minute in range(-120, 600):
        at = T0 + MINUTE * minute
        made.put(ACCOUNT, REGION, HOSTS, "CPUUtilization", {"Host": "job/algo-1"}, at, 50.0)
    return street(made)


def test_a_host_is_asked_on_after_an_answer_that_said_nothing(training):
    training.fake.faults.add("internal_error", namespace=HOSTS)
    training.cycle(60)
    training.fake.faults.clear()
    run(training, 3)
    assert shown(training, HOST_CPU)


def test_a_host_is_asked_on_after_an_outage(training):
    run(training, 5)
    training.fake.faults.add("http_503")
    run(training, 40, step=5)
    training.fake.faults.clear()
    run(training, 3)
    assert shown(training, HOST_CPU)


def test_a_host_is_asked_on_after_a_sleep(training):
    run(training, 5)
    training.cycle(HOUR)
    run(training, 3)
    assert shown(training, HOST_CPU)


def test_a_host_that_has_ended_is_asked_for_no_more_than_now_and_then(street):
    made = World(listed_after=(0, 0), repeated=0)
    for minute in range(-60, 30):
        at = T0 + MINUTE * minute
        made.put(ACCOUNT, REGION, HOSTS, "CPUUtilization", {"Host": "job/algo-1"}, at, 50.0)
    one = street(made, only(HOST_CPU))
    run(one, 65)
    assert shown(one, HOST_CPU) == {}
    before = one.fake.bill.metrics
    run(one, 120)
    assert 0 < one.fake.bill.metrics - before <= 4


def ending_job(ends):
    """Return a world with a training job that ends so many minutes after T0, and shows 10 % until its last minute."""
    made = World(listed_after=(0, 0), repeated=0)
    made.add_job(
        ACCOUNT, REGION, "training", "job", T0 - HOUR, lives=life("training", "Completed", HOUR + ends * MINUTE)
    )
    for minute in range(-50, ends):
        cpu, at = 10.0 if minute < ends - 1 else 90.0, T0 + MINUTE * minute
        made.put(ACCOUNT, REGION, HOSTS, "CPUUtilization", {"Host": "job/algo-1"}, at, cpu, at + 3 * MINUTE)
    return made


def test_a_host_is_asked_until_all_that_came_before_the_end_of_its_job_is_there_and_no_more(street):
    one = street(ending_job(30), only(HOST_CPU), run=(*RUN, "job_polling"))
    run(one, 28, step=4)
    assert list(shown(one, HOST_CPU).values()) == [0.1]
    run(one, 12, step=2)
    assert list(shown(one, HOST_CPU).values()) == [0.9]
    before = one.fake.bill.metrics
    one.kill()
    one.start()
    run(one, 180, step=15)
    assert one.fake.bill.metrics - before == 1, "once by a process that has just begun"


def test_a_host_that_is_seen_after_the_end_of_its_job_is_asked_once(street):
    made = ending_job(30)
    one = street(made, only(HOST_CPU), run=(*RUN, "job_polling"))
    one.fake.faults.add("deny", operation="ListMetrics")
    run(one, 40, step=10)
    assert not one.fake.bill.metrics
    one.fake.faults.clear()
    run(one, 120, step=15)
    assert one.fake.bill.metrics == 1


def test_hosts_of_a_job_that_begins_under_the_name_of_one_that_ended_are_asked(street):
    made = ending_job(30)
    one = street(made, only(HOST_CPU))
    for minute in range(60, 200):
        at = T0 + MINUTE * minute
        made.put(ACCOUNT, REGION, HOSTS, "CPUUtilization", {"Host": "job/algo-1"}, at, 80.0, at)
    run(one, 31)
    one.ledger.apply(
        Reading("job_events", one.target, T0 + 31 * MINUTE, lives={"training/job": (T0 + 30 * MINUTE, True)})
    )
    run(one, 49)
    assert shown(one, HOST_CPU) == {}
    began = {"training/job": (T0 + 60.0 * MINUTE, False)}
    one.ledger.apply(Reading("job_events", one.target, T0 + 80 * MINUTE, lives=began))
    run(one, 5)
    assert list(shown(one, HOST_CPU).values()) == [0.8]


# -- what is chosen, and how it is asked -------------------------------------------------------------------------------


def test_time_in_which_a_tag_was_missing_is_not_counted(street):
    made = world()
    requests(made, range(-60, 300))
    tagged = made.region(ACCOUNT, REGION).endpoint("e", T0)
    one = street(made, only(INVOCATIONS, more="resources: {tags: {team: x}}"))
    run(one, 180)
    assert shown(one, INVOCATIONS) == {}
    tagged.tags["team"] = "x"
    run(one, 60)
    (counted,) = shown(one, INVOCATIONS).values()
    assert 45 <= counted <= 60, "one a minute"


@pytest.mark.parametrize("row", ["gauge_delay: 20m", "gauge_delay: 20m, max_age: 1h", "gauge_delay: 1h"])
def test_a_gauge_may_be_shown_as_late_as_one_likes(street, row):
    made = world()
    for minute in range(-120, 120):
        at = T0 + MINUTE * minute
        made.put(ACCOUNT, REGION, "/aws/sagemaker/Endpoints", "CPUUtilization", VARIANT, at, 50.0)
    one = street(made, only(ENDPOINT_CPU, more=f"rows: {{{ENDPOINT_CPU}: {{{row}}}}}"))
    for _ in range(30):
        run(one, 1)
        assert list(shown(one, ENDPOINT_CPU).values()) == [0.5]


def test_wide_readings_are_rare_from_the_start_and_take_turns(street):
    """Or the first three hours cost a multiple, and all deep readings fall into one cycle for ever."""
    made = World(seed=1, listed_after=(0, 0), repeated=0)
    for n in range(12):
        made.add_endpoint(ACCOUNT, REGION, f"e{n}", T0 - DAY)
        requests(made, range(-60, 360), name=f"e{n}")
    one = street(made, only(INVOCATIONS))
    asked = []
    for _ in range(330):
        before = one.fake.bill.datapoints
        one.cycle(MINUTE)
        asked.append(one.fake.bill.datapoints - before)
    quarters = [sum(asked[minute : minute + 15]) for minute in range(15, 330, 15)]
    assert all(quarter < 1.5 * quarters[-1] for quarter in quarters)
    assert max(asked[-60:]) < 6 * sum(asked[-60:]) / 60, "no cycle asks for everything at once"


def test_what_is_idle_is_asked_until_it_is_closed_and_no_longer(street):
    made = World(seed=1, listed_after=(0, 0), repeated=0)
    throttled = {"FeatureGroupName": "fg", "OperationName": "PutRecord"}
    for minute in range(-30, 60):
        at = T0 + MINUTE * minute
        made.put(ACCOUNT, REGION, "AWS/SageMaker", "ThrottledRequests", throttled, at, 1.0)
    one = street(made, "sources: {cloudwatch_metrics: {every: 5m}, inventory: {every: 5m}}")
    run(one, 12 * 60, step=5)
    before = one.fake.bill.metrics
    run(one, 6 * 60, step=5)
    assert one.fake.bill.metrics == before
    meter, i = counter(one, "ThrottledRequests")
    assert meter.visible(i, one.clock.now())
    assert meter.total(i) == 55.0, "begun five minutes late"


def test_nothing_is_forgotten_sooner_or_later_because_a_source_runs_seldom(street):
    one = street(world(), "sources: {cloudwatch_metrics: {every: 2h}, inventory: {every: 2h, list_metrics_every: 2h}}")
    run(one, 600, step=120)
    assert one.ledger.known("cloudwatch_metrics", one.target).notes["attended"] == pytest.approx(4 * 7200, rel=0.01)


def test_a_run_that_brought_gauges_alone_has_brought_something(street):
    made = world()
    requests(made, range(-60, 60))
    for minute in range(-60, 60):
        at = T0 + MINUTE * minute
        made.put(ACCOUNT, REGION, "/aws/sagemaker/Endpoints", "CPUUtilization", VARIANT, at, 50.0)
    one = street(made, only(INVOCATIONS, ENDPOINT_CPU))
    one.fake.faults.add("forbidden", metric="Invocations")
    one.cycle(MINUTE)  # in which all is due
    assert shown(one, ENDPOINT_CPU)
    assert one.runs[1].outcome == "partial"


def test_a_gauge_that_is_older_than_what_counts_is_shown_after_a_restart_too(street):
    made = world()
    for metric in ("Invocations", "ConcurrentRequestsPerModel"):
        made.put(ACCOUNT, REGION, "AWS/SageMaker", metric, VARIANT, T0 - 3 * MINUTE, 7.0)
    one = street(made, only(INVOCATIONS, CONCURRENT))
    for _ in range(2):
        run(one, 1)
        assert list(shown(one, CONCURRENT).values()) == [7.0]
        assert list(shown(one, INVOCATIONS).values()) == [0.0]
        one.kill()
        one.start()


def test_a_gauge_is_shown_on_where_a_counter_beside_it_can_not_be_read(street):
    """They are asked together, until the counters do not stand alike any more; and deep readings stay rare."""
    made = world()
    requests(made, range(-60, 200))
    for minute in range(-60, 200):
        at = T0 + MINUTE * minute
        for metric in ("ConcurrentRequestsPerModel", "Invocation5XXErrors"):
            made.put(ACCOUNT, REGION, "AWS/SageMaker", metric, VARIANT, at, float(minute))
    one = street(made, only(INVOCATIONS, ERRORS, CONCURRENT))
    run(one, 20)
    (together,) = one.sources[1]._of(one.target).plan.strands.values()
    assert len(together.bundle.units) == 3
    one.fake.faults.add("forbidden", metric="Invocations")
    for _ in range(60):
        run(one, 1)
        assert list(shown(one, CONCURRENT).values()) == [pytest.approx((one.clock.now() - T0) / MINUTE - 3, abs=1)]
    assert together.deep_due > one.clock.now() - MINUTE, "it is put off by what was read deep, whatever the gauge was"
    one.fake.faults.clear()
    run(one, 30)
    assert list(shown(one, INVOCATIONS).values()) == [100.0 + 10]  # minutes since midnight, read up to now


# -- dollars -----------------------------------------------------------------------------------------------------------


def test_the_dollar_limit_slows_what_it_must_and_loses_nothing(street):
    """Whatever is slowed is counted in the end; the first error of an endpoint in service is seen in five minutes."""
    made = World(seed=1, listed_after=(0, 0), repeated=0)
    for n in range(8):
        made.add_endpoint(ACCOUNT, REGION, f"e{n}", T0 - DAY)
        requests(made, range(-60, 300), name=f"e{n}")
    usd = 14.0  # a month: 1.9 cents an hour, where all of it costs 2.2
    one = street(made, f"limits: {{usd_per_month: {usd}}}")
    stages = []
    for _ in range(60):
        run(one, 1)
        stages += shown(one, "sagemaker_exporter_thinning_stage").values()
    assert 0 < max(stages) < len(STAGES)
    before, seen = one.fake.bill.dollars, 0
    error = VARIANT | {"EndpointName": "e3"}
    made.put(ACCOUNT, REGION, "AWS/SageMaker", "Invocation5XXErrors", error, T0 + 65 * MINUTE, 1.0, T0 + 66 * MINUTE)
    for minute in range(61, 61 + 180):
        run(one, 1)
        if not seen and any(shown(one, ERRORS).values()):
            seen = minute
    assert 65 <= seen <= 66 + 6
    assert one.fake.bill.dollars - before <= usd / 31 / 24 * 3
    run(one, 600, step=15)
    for endpoint in range(8):
        assert shown(one, INVOCATIONS)[ACCOUNT, REGION, f"e{endpoint}", "AllTraffic"] == 299.0


def test_what_the_dollar_limit_slows_takes_turns(street):
    """Or all that is asked once an hour is asked in the same minute, and takes a multiple of what was saved."""
    made = World(seed=1, listed_after=(0, 0), repeated=0)
    for n in range(30):
        made.add_endpoint(ACCOUNT, REGION, f"e{n}", T0 - DAY)
        requests(made, range(-60, 300), name=f"e{n}")
    one = street(made, only(INVOCATIONS, more="limits: {usd_per_month: 0}"))
    asked = []
    for _ in range(240):
        before = one.fake.bill.datapoints
        one.cycle(MINUTE)
        asked.append(one.fake.bill.datapoints - before)
    assert max(asked[-60:]) <= 5 * sum(asked[-60:]) / 30


def test_a_restart_forgets_no_dollars(street):
    """A process that dies in each first run, in which all is due, would never know what it has cost."""
    made = world()
    requests(made, range(-60, 60))
    one = street(made)
    for _ in range(3):
        for source in one.sources[:2]:
            one.collection.run(source, one.target)
        month = one.ledger.known("cloudwatch_metrics", one.target).notes["month"]
        assert month[1] == pytest.approx(one.fake.bill.dollars)
        one.kill()
        one.start()


def test_silence_costs_little_and_ends_with_the_first_datapoint(street):
    made = world()
    requests(made, [*range(-60, 5), *range(600, 640)])
    one = street(made, only(INVOCATIONS, ERRORS))
    asked = []
    for _ in range(9):
        before = one.fake.bill.metrics
        run(one, 60)
        asked.append(one.fake.bill.metrics - before)
    assert asked[0] > 100, "awake for an hour"
    assert max(asked[2:]) <= 2 * 12 + 2, "every five minutes, for it is in service"
    run(one, 60 + 8)
    before = one.fake.bill.metrics
    run(one, 10)
    assert one.fake.bill.metrics - before >= 2 * 9, "awake again"
    run(one, 60)
    assert list(shown(one, INVOCATIONS).values()) == [44.0]


# -- an inventory with holes -------------------------------------------------------------------------------------------


@pytest.fixture
def described(monkeypatch):
    """Let the fake's DescribeEndpoint, or another operation, answer otherwise."""

    def change(operation, edit):
        usual = _OPERATIONS["sagemaker", operation]
        monkeypatch.setitem(_OPERATIONS, ("sagemaker", operation), lambda call: edit(call, usual))

    return change


def test_an_endpoint_without_a_configuration_costs_nothing_else(street, described):
    made = World(seed=1, listed_after=(0, 0), repeated=0)
    for n in range(5):
        made.add_endpoint(ACCOUNT, REGION, f"e{n}", T0 - DAY)

    def without(call, usual):
        answer = usual(call)
        if answer["EndpointName"] == "e3":
            del answer["EndpointConfigName"]
        return answer

    described("DescribeEndpoint", without)
    one = street(made)
    run(one, 2)
    assert one.runs[0].outcome == "ok"
    assert len(shown(one, "sagemaker_endpoint_info")) == 5


@pytest.mark.parametrize("edit", [{"CreationTime": "soon"}, {"EndpointName": None}, {"EndpointStatus": ["?"]}])
def test_a_listing_that_can_not_be_read_costs_that_listing(street, described, edit):
    def otherwise(call, usual):
        answer = usual(call)
        return answer | {"Endpoints": [one | edit for one in answer["Endpoints"]]}

    described("ListEndpoints", otherwise)
    one = street(world())
    run(one, 2)
    assert [(failure.scope, failure.error_class) for failure in one.runs[0].failures] == [
        ("ListEndpoints", "transient")
    ]
    assert shown(one, "sagemaker_endpoint_status") == {}


def test_what_may_not_be_described_does_not_keep_the_others_waiting(street, described):
    made = World(seed=1, listed_after=(0, 0), repeated=0)
    for n in range(200):
        made.add_endpoint(ACCOUNT, REGION, f"{'secret' if n < 160 else 'open'}-{n:03d}", T0 - DAY)

    def denied(call, usual):
        if call.parameters["EndpointName"].startswith("secret"):
            raise Refusal("AccessDeniedException", "explicitly denied by tag")
        return usual(call)

    described("DescribeEndpoint", denied)
    one = street(made, only())
    run(one, 10)
    assert len(shown(one, "sagemaker_endpoint_info")) == 40
    before = one.fake.bill.requests["sagemaker.DescribeEndpoint"]
    run(one, 60)
    calls = one.fake.bill.requests["sagemaker.DescribeEndpoint"] - before
    assert calls <= 200 * 5, "each is an event in somebody's CloudTrail"


def test_an_endpoint_out_of_service_is_not_asked_for_what_it_can_not_have(street):
    made = world()
    made.update_endpoint(ACCOUNT, REGION, "e", T0 - HOUR, status="OutOfService")
    one = street(made, only(INVOCATIONS, ERRORS))
    run(one, 3)
    assert shown(one, ERRORS) == {}


# -- the ledger refuses ------------------------------------------------------------------------------------------------


def test_while_the_ledger_refuses_counters_stand_still_and_own_health_goes_on(street, monkeypatch):
    from exporter.ledger import LedgerError

    made = world()
    requests(made, itertools.chain(range(4), range(10, 40)))
    one = street(made, only(INVOCATIONS))
    run(one, 8)
    (counted,) = shown(one, INVOCATIONS).values()
    commit = one.store.commit

    def refuse(changes):
        raise LedgerError("the disk is full")

    monkeypatch.setattr(one.store, "commit", refuse)
    for _ in range(40):
        run(one, 1)
        assert list(shown(one, INVOCATIONS).values()) == [counted]
    assert one.runs[1].outcome == "failed"
    monkeypatch.setattr(one.store, "commit", commit)
    run(one, 2)
    (counted,) = shown(one, INVOCATIONS).values()
    assert counted == math.fsum([3.0, 30.0])


def test_a_counter_that_loses_its_place_stands_still_and_goes_on_from_there(street):
    made = world()
    made.add_endpoint(ACCOUNT, REGION, "a", T0 - DAY)  # goes before `e`
    for name in "ae":
        requests(made, range(240), name=name)
    config = only(INVOCATIONS)
    one = street(made, config)

    def totals():
        return {labels[2]: value for labels, value in shown(one, INVOCATIONS).items()}

    run(one, 60)
    before = totals()["e"]
    one.kill()
    one.start(config + "limits: {series: 1}")
    run(one, 60)
    assert totals().keys() == {"a"}
    assert one.admission.refused()[one.target, "cloudwatch_metrics"] == {INVOCATIONS: 1}
    one.kill()
    one.start(config)
    again = one.clock.now()
    run(one, 6 * 60, step=5)
    border = -(-(again - T0 + MINUTE) // (15 * MINUTE)) * 15
    assert totals() == {"a": 239.0, "e": before + 240 - border}  # the first began in its first minute
