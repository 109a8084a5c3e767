"""What check-config and estimate say is what AWS counts in the end."""

from __future__ import annotations

import pytest
from street import ACCOUNT, REGION, RUN, Street
from worlds import T0, FakeClock

from exporter.aws.operations import METRIC_PRICE
from exporter.cli import main
from exporter.config import parse
from exporter.daemon import Parts
from exporter.demo import World
from exporter.demo.alarms import Alarm
from exporter.demo.calls import exactly
from exporter.estimate import HOURS, assumed, estimate, survey, told
from exporter.ledger.memory import MemoryStore
from exporter.model import DAY, HOUR, MINUTE, Target

HERE = Target(ACCOUNT, REGION)
ALARMS = "sources: {cloudwatch_alarms: {every: 1m}, job_polling: {enabled: false}}\n"  # as often as a street looks
SOURCES = (*RUN, "job_polling", "cloudtrail")
CONFIGS = {
    "defaults": "sources: {cloudwatch_alarms: {every: 1m}}\n",
    "seldom": """
sources:
  cloudwatch_metrics: {every: 2m, pace: {warm: 10m, cold: 30m}}
  inventory: {every: 2m}
  job_polling: {every: 2m}
""",
    "limited": ALARMS + "limits: {usd_per_month: 40}",
    "described": """
sources:
  cloudwatch_alarms: {every: 1m}
  inventory: {describe_every: 10m, list_metrics_every: 15m}
  job_polling: {enabled: false}
families: {exclude: ['sagemaker_endpoint_*utilization*', '*latency*']}
""",
}


def parts_of(text, now=float(T0)):
    return Parts(parse(f"targets: [{{regions: [{REGION}]}}]\n{text}"), FakeClock(now), MemoryStore())


def steady_world(census, hours, alarms=0):
    """Return a world in which all of a census has a datapoint in each minute, and so many alarms never change."""
    unheard = exactly(100.0 * DAY)  # nobody calls but we: a forecast of lookups does not know of that
    world = World(seed=1, listed_after=(0, 0), repeated=0, call_delays=unheard)
    for name in census.endpoints:
        world.add_endpoint(ACCOUNT, REGION, name, T0 - DAY)
    for n in range(alarms):
        facts = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Statistic": "Sum", "Period": 60}
        more = {"EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
        world.put_alarm(ACCOUNT, REGION, Alarm(f"alarm-{n}", T0 - DAY, facts | more, scripted=True))
    for namespace, listing in census.listings.items():
        for dimensions, metrics in listing.metrics.items():
            for metric in metrics:
                for minute in range(-30, 60 * hours):
                    at = T0 + minute * MINUTE
                    world.put(ACCOUNT, REGION, namespace, metric, dict(dimensions), at, 1.0, at + MINUTE)
    return world


def printed(text, endpoints, folder, capsys):
    """Return what check-config says of all sources: calls and metrics an hour, USD a month."""
    (folder / "config.yaml").write_text(f"targets: [{{regions: [{REGION}]}}]\n{text}")
    with pytest.raises(SystemExit) as exited:
        main(["check-config", "--endpoints", str(endpoints), str(folder / "config.yaml")])
    assert exited.value.code == 0
    lines = [line.replace(",", "").split() for line in capsys.readouterr().out.splitlines()]
    found = [tuple(map(float, line[-3:])) for line in lines if line and line[0] in SOURCES]
    assert len(found) == len(SOURCES) - ("job_polling: {enabled: false}" in text)
    return tuple(map(sum, zip(*found, strict=True)))


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_estimated_is_what_aws_counts(name, tmp_path, capsys):
    endpoints = 4
    parts = parts_of(CONFIGS[name])
    census = assumed(parts.config, endpoints, float(T0))
    foretold = estimate(parts, {HERE: census})
    parts.close()

    running = [line.source for line in foretold.lines]
    street = Street(steady_world(census, 4), text=CONFIGS[name], run=running, kinds=True)
    every = street.config.sources.cloudwatch_metrics.every
    for _ in range(int(2 * HOUR // every)):
        street.cycle(every)
    surveyed = parts_of(CONFIGS[name])
    surveyed.aws = street.aws
    surveyed.configure(surveyed.config)
    assert survey(surveyed, HERE) == ()
    real = estimate(surveyed, {HERE: surveyed.inventory.census(HERE)})
    bill = street.fake.bill
    before = bill.metrics, bill.dollars, sum(bill.requests.values())
    for _ in range(int(HOUR // every)):
        street.cycle(every)
    metrics, dollars, calls = (
        bill.metrics - before[0],
        bill.dollars - before[1],
        sum(bill.requests.values()) - before[2],
    )
    street.kill()
    surveyed.close()
    for found in (foretold, real):
        assert sum(line.metrics for line in found.lines) == pytest.approx(metrics, rel=0.05)
        assert found.usd == pytest.approx(dollars, rel=0.05)
        assert sum(line.calls for line in found.lines) == pytest.approx(calls, rel=0.05)
    said = printed(CONFIGS[name], endpoints, tmp_path, capsys)
    assert said == pytest.approx((calls, metrics, dollars * HOURS), rel=0.05)


def test_an_estimate_knows_how_many_pages_of_alarms_there_are():
    text = "sources: {cloudwatch_alarms: {every: 1m, tags: {team: ml}}}"
    parts = parts_of(text)
    census = assumed(parts.config, 1, float(T0))
    street = Street(steady_world(census, 1, alarms=250), text=text)
    calls_of = lambda: estimate(parts, {HERE: census}).lines[1].calls  # noqa: E731 - asked twice
    assert calls_of() == 2 * 60, "a page of alarms and one of tags, as long as nobody has looked"
    parts.aws = street.aws
    parts.configure(parts.config)
    survey(parts, HERE)
    assert calls_of() == (3 + 1) * 60
    before = street.fake.bill.requests["cloudwatch.DescribeAlarms"]
    street.cycle(60)
    assert street.fake.bill.requests["cloudwatch.DescribeAlarms"] == before + 3
    street.kill()
    parts.close()


def test_what_a_survey_can_not_list_is_named():
    street = Street(steady_world(assumed(parse(""), 1, float(T0)), 1))
    street.fake.faults.add("deny", operation="DescribeAlarms")
    parts = parts_of("")
    parts.aws = street.aws
    parts.configure(parts.config)
    assert [(failure.scope, failure.error_class) for failure in survey(parts, HERE)] == [("DescribeAlarms", "denied")]
    street.kill()
    parts.close()


def test_the_floor_is_what_the_lowest_limit_comes_to():
    free = parts_of("limits: {usd_per_month: 0}")
    census = assumed(free.config, 5, float(T0))
    found = estimate(free, {HERE: census})
    assert found.usd == pytest.approx(found.floor, rel=0.02)
    words = list(told(found, free.config, {HERE: census}, "assuming"))
    assert words[-1].endswith("exceeded")
    free.close()


def test_what_people_read():
    parts = parts_of("")
    census = assumed(parts.config, 10, float(T0))
    found = estimate(parts, {HERE: census})
    lines = list(told(found, parts.config, {HERE: census}, "assuming 10 endpoints"))
    assert lines[0].startswith("valid. 1 account, 1 target, 7 sources, ")
    assert lines[2].split() == ["source", "asks", "every", "calls/h", "metrics/h", "USD/month"]
    (metrics,) = (line for line in lines if line.startswith("cloudwatch_metrics"))
    assert metrics.split()[:4] == ["cloudwatch_metrics", "1m", "5m", "1h"]
    assert lines[-1].startswith("within limits.usd_per_month, 500.00")
    assert not any("limits.series" in line for line in lines)
    assert found.everything > found.usd > found.floor > 0
    assert found.lines[-1].usd == pytest.approx(found.lines[-1].metrics * METRIC_PRICE)
    trailed = sum(line.calls for line in found.lines if line.source in {"job_polling", "cloudtrail"})
    assert found.lines[-1].trailed == 0  # GetMetricData is a data event
    assert sum(line.trailed for line in found.lines) > trailed > 0
    assert f"{sum(line.trailed for line in found.lines):,.0f} management events" in lines[-2]
    parts.close()


@pytest.mark.parametrize("limit", [5000, 500, 1])
def test_series_that_do_not_fit_are_told(limit, caplog):
    """As many as the admission refuses, on all targets together."""
    parts, there = parts_of(f"limits: {{series: {limit}}}"), Target(ACCOUNT, "eu-west-1")
    censuses = dict.fromkeys((HERE, there), assumed(parts.config, 30, float(T0)))  # 3,000 series on each
    found = estimate(parts, censuses)
    lines = list(told(found, parts.config, censuses, "assuming"))
    assert 6000 - limit <= found.left_out <= 6000 - (0.95 * limit - 2 * 100)  # what is shared out goes in whole groups
    said = f"limits.series is {limit:,}: {found.left_out:,} series of CloudWatch do not fit and are left out, "
    assert lines[-1].startswith(said)
    assert lines[-2].startswith("within limits.usd_per_month")
    assert "are left out" in caplog.text
    parts.close()


def test_a_limit_is_that_of_an_average_month_whatever_day_it_is():
    """And all targets share it, whichever is looked at first."""
    limited = "limits: {usd_per_month: 60}"
    there = Target(ACCOUNT, "eu-west-1")
    bills = []
    for now in (float(T0), T0 + 31 * DAY - HOUR):
        parts = parts_of(limited, now)
        census = assumed(parts.config, 4, now)
        bills.append(estimate(parts, {HERE: census, there: census}).usd)
        parts.close()
    assert bills[0] == pytest.approx(bills[1], rel=0.01)
    assert bills[0] * 730 <= 60
