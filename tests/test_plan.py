"""Which series are asked, how, and what the ledger is told of those that are not."""

from __future__ import annotations

import math

import pytest
from msgspec import structs
from street import ACCOUNT, REGION, Street
from worlds import ERRORS, HERE, INVOCATIONS, T0, VARIANT, FakeClock, read

from exporter.admission import Admission
from exporter.catalogue import CATALOGUE
from exporter.catalogue.places import places
from exporter.config import Resources, parse
from exporter.demo import World
from exporter.inventory import Census, Component, Endpoint, Listing, Selection
from exporter.inventory import Variant as Lists
from exporter.ledger.meter import Meter, Rules
from exporter.model import BLOCK, DAY, HOUR, MINUTE, Counter, Known, Resource, Standing, Switch
from exporter.sources.cloudwatch_metrics import row_settings
from exporter.sources.cloudwatch_metrics.plan import FORGET_AFTER, Begins, Planner
from exporter.sources.cloudwatch_metrics.strands import Rank

NOW = T0 + 30 * DAY
ALL = places(row for row in CATALOGUE.values() if row.ask)
SAGEMAKER, HOSTS = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
CHURN = (("EndpointName", "churn"), ("VariantName", "main"))
SEEDED = {"Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"}


def endpoint(name="churn", variants=("main",), created=NOW - 10 * DAY, **metrics_config):
    facts = {"MetricsConfig": metrics_config} if metrics_config else {}
    kept = tuple(Lists(variant, "production", {}, {}) for variant in variants)
    return Endpoint(name, "InService", created, created, facts, kept, NOW)


def listing(metrics, *, lasting=None, since=NOW - 14 * DAY, **more):
    """What CloudWatch lists of some dimensions, lately and in two weeks."""
    recent = {dimensions: frozenset(names) for dimensions, names in metrics.items()}
    older = {dimensions: frozenset(names) for dimensions, names in (lasting or metrics).items()}
    return Listing(NOW, recent, lasting_at=NOW, lasting=older, since=since, **more)


def census(listings=None, endpoints=(), components=(), **more):
    return Census(
        endpoints={one.name: one for one in endpoints},
        endpoints_at=NOW,
        components={one.name: one for one in components},
        components_at=NOW,
        listings=listings or {},
        at=NOW,
        **more,
    )


class Plans:
    """A planner, and the plans that it makes one after the other."""

    def __init__(self, config="", resources=None, known=ALL, limit=200_000):
        self.admission = Admission(limit)
        self.admission.expect(HERE, {"cloudwatch_metrics": None})
        self.settings = row_settings(parse(config))
        self.planner = Planner(HERE, known, self.settings, Selection(resources or Resources()), self.admission)
        self.begins = Begins(dict.fromkeys(self.settings, T0), {}, NOW)
        self.strands = {}

    def plan(self, census, *meters, attended=0.0, apart=False):
        known = Known(meters={meter.resource: meter for meter in meters})
        plan = self.planner.plan(census, known, self.begins, self.strands, NOW, attended, apart=apart)
        self.strands = plan.strands
        return plan


def plan(census, *meters, **more):
    return Plans(**more).plan(census, *meters)


def asked(plan, resource=None):
    """Return what is asked, metric by metric: period and pace."""
    return {
        unit.asked: (unit.period, strand.pace)
        for strand in plan.strands.values()
        if resource is None or strand.resource == resource
        for unit in strand.bundle.units
    }


def meter(points=None, *, resource=VARIANT, counter=INVOCATIONS, start=NOW - HOUR, used=0.0, **more):
    """Return what the ledger knows of a counter that was read up to an hour before now, or later."""
    clock = FakeClock(NOW)
    found = Meter(resource)
    taken = read(clock, points or {}, start - start % BLOCK, counter, begin=start, resource=resource, **more)
    found.count(taken, NOW, Rules())
    found.used = used
    return found


# -- what is listed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "serves"), [("InService", True), ("Updating", True), ("Failed", False), ("Deleting", False)]
)
def test_a_strand_knows_whether_its_endpoint_serves_and_learns_when_that_changes(status, serves):
    listed = {SAGEMAKER: listing({CHURN: {"Invocations"}})}
    plans = Plans()
    plans.plan(census(listed, [endpoint()]), meter())
    changed = structs.replace(endpoint(), status=status)
    strands = plans.plan(census(listed, [changed]), meter()).strands.values()
    assert {strand.serves for strand in strands if strand.resource.dimensions == CHURN} == {serves}


def test_a_plan_is_settled_once_all_has_its_place_and_its_state():
    there_is = census({SAGEMAKER: listing({CHURN: {"Invocations"}})})
    plans = Plans()
    assert not plans.plan(there_is).settled, "the ledger does not know the counter yet"
    assert plans.plan(there_is, meter()).settled
    names = {f"e{n:02}" for n in range(20)}
    many = {(("EndpointName", name), ("VariantName", "main")): {"Invocations"} for name in names}
    meters = [meter(resource=Resource(HERE, SAGEMAKER, dimensions, ("",) * 4)) for dimensions in many]
    limited = Plans(limit=10).plan(census({SAGEMAKER: listing(many)}), *meters[:9])
    assert limited.refused
    assert not limited.settled


def test_only_bundles_of_this_plan_and_of_the_last_one_are_held():
    plans, metrics = Plans(), ("Invocations", "MidStreamErrors", "Invocation4XXErrors", "Invocation5XXErrors")
    for n in range(1, 16):
        listed = {metric for k, metric in enumerate(metrics) if n & 1 << k}
        plans.plan(census({SAGEMAKER: listing({CHURN: listed})}))
    assert len(plans.planner._bundles) + len(plans.planner._bundles_before) <= 4


def test_nothing_known_is_nothing_asked():
    made = plan(Census())
    assert (made.strands, made.switches, made.standings, made.forget, made.unasked) == ({}, (), (), (), {})


def test_what_is_listed_is_asked():
    made = plan(census({SAGEMAKER: listing({CHURN: {"Invocations", "MidStreamErrors"}})}))
    assert asked(made) == {"Invocations": (60, 60.0), "MidStreamErrors": (60, 60.0)}
    (strand,) = made.strands.values()
    assert strand.resource == VARIANT
    assert strand.counts


def test_counters_and_gauges_of_a_resource_are_strands_of_their_own():
    made = plan(
        census(
            {
                SAGEMAKER: listing({CHURN: {"Invocations"}}),
                HOSTS: listing({CHURN: {"CPUUtilization", "MemoryUtilization"}}),
            }
        )
    )
    assert sorted((s.resource.namespace, s.counts, len(s.bundle.units)) for s in made.strands.values()) == [
        (HOSTS, False, 2),
        (SAGEMAKER, True, 1),
    ]


HOT_ONES = {"Invocations", "Invocation5XXErrors", "ConcurrentRequestsPerModel"}


def by_rank(plans, *, apart):
    strands = plans.plan(census({SAGEMAKER: listing({CHURN: HOT_ONES})}), apart=apart).strands.values()
    return {strand.rank: strand for strand in strands}


def test_what_is_hot_is_asked_together_unless_it_is_to_be_slowed_by_rank():
    plans = Plans()
    together = by_rank(plans, apart=False)
    assert [len(strand.bundle.units) for strand in together.values()] == [3]
    assert together[Rank.ERROR].bundle.prices == {Rank.ERROR: 1, Rank.COUNTER: 1, Rank.GAUGE: 1}
    apart = by_rank(plans, apart=True)
    assert {rank: strand.counts for rank, strand in apart.items()} == {
        Rank.ERROR: True,
        Rank.COUNTER: True,
        Rank.GAUGE: False,
    }


def test_what_is_asked_together_or_apart_from_now_on_keeps_its_timers():
    """Or all that is silent would be awake for an hour, just when dollars run short."""
    plans, timers = Plans(), {"due": NOW + 60, "settle_due": NOW + 200, "deep_due": NOW + 700, "last": NOW - 60}
    timers |= {"newest": int(NOW) - 7200, "born": NOW - 9000, "looked": NOW - 60}
    (one,) = by_rank(plans, apart=False).values()
    for name, value in timers.items():
        setattr(one, name, value)
    one.unheard = frozenset({"Invocations"})
    apart = by_rank(plans, apart=True)
    for strand in apart.values():
        assert {name: getattr(strand, name) for name in timers} == timers
    assert [strand.unheard for strand in apart.values() if strand.unheard] == [{"Invocations"}]
    apart[Rank.GAUGE].due, apart[Rank.GAUGE].newest = NOW + 30, int(NOW) - 60
    apart[Rank.GAUGE].born = 0.0
    (again,) = by_rank(plans, apart=False).values()
    assert {name: getattr(again, name) for name in timers} == timers | {"due": NOW + 30, "newest": int(NOW) - 60}
    assert again.unheard == {"Invocations"}


def test_paces_make_strands():
    config = (
        "rows: {sagemaker_endpoint_invocations_total: {pace: cold}, sagemaker_endpoint_mid_stream_errors_total: "
        "{pace: warm}}"
    )
    made = plan(census({SAGEMAKER: listing({CHURN: {"Invocations", "MidStreamErrors"}})}), config=config)
    assert asked(made) == {"Invocations": (60, 3600.0), "MidStreamErrors": (60, 300.0)}
    assert len(made.strands) == 2


def test_the_effective_pace_is_never_faster_than_the_source_runs():
    made = plan(
        census({SAGEMAKER: listing({CHURN: {"Invocations"}})}),
        config="sources: {cloudwatch_metrics: {every: 10m}}",
    )
    assert asked(made) == {"Invocations": (60, 600.0)}


def test_what_is_switched_off_is_not_asked_and_is_told():
    made = plan(
        census({SAGEMAKER: listing({CHURN: {"Invocations", "MidStreamErrors"}})}),
        config="families: {exclude: [sagemaker_endpoint_mid_stream_errors_total]}",
    )
    assert set(asked(made)) == {"Invocations"}
    assert made.unasked[SAGEMAKER, "disabled"] == 1


def test_what_the_listing_left_out_is_told():
    made = plan(census({SAGEMAKER: listing({}, left_out={"metric": 3, "dimension_set": 5, "filtered": 0})}))
    assert made.unasked == {(SAGEMAKER, "metric"): 3, (SAGEMAKER, "dimension_set"): 5, (SAGEMAKER, "filtered"): 0}


def test_two_spellings_that_are_listed_are_both_asked_about_one_counter():
    made = plan(census({SAGEMAKER: listing({CHURN: {"Invocation5XXErrors", "Invocation5XX Errors"}})}))
    (strand,) = made.strands.values()
    assert {(unit.asked, unit.metric, unit.spelling) for unit in strand.bundle.units} == {
        ("Invocation5XXErrors", "Invocation5XXErrors", 0),
        ("Invocation5XX Errors", "Invocation5XXErrors", 2),
    }


def test_two_spellings_of_a_namespace_are_one_resource():
    made = plan(
        census(
            {
                HOSTS: listing({CHURN: {"CPUUtilization"}}),
                "aws/sagemaker/Endpoints": listing({CHURN: {"MemoryUtilization"}}),
            }
        )
    )
    (strand,) = made.strands.values()
    assert strand.resource.namespace == HOSTS
    assert {unit.namespace for unit in strand.bundle.units} == {HOSTS, "aws/sagemaker/Endpoints"}


# -- whose it is -------------------------------------------------------------------------------------------------------


OTHER = (("EndpointName", "fraud"), ("VariantName", "main"))
BOTH = {SAGEMAKER: listing({CHURN: {"Invocations"}, OTHER: {"Invocations"}})}


@pytest.mark.parametrize(
    ("resources", "names"),
    [
        (Resources(), {"churn", "fraud"}),
        (Resources(include=("ch*",)), {"churn"}),
        (Resources(exclude=("ch*",)), {"fraud"}),
        (Resources(include=("*",), exclude=("fraud",)), {"churn"}),
        (Resources(tags={"team": "ml"}), {"churn"}),
        (Resources(tags={"team": "*"}), {"churn", "fraud"}),
        (Resources(tags={"team": "ml", "stage": "prod"}), set()),
    ],
)
def test_resources_are_chosen_by_name_and_by_tag(resources, names):
    tags = {"endpoint/churn": {"team": "ml"}, "endpoint/fraud": {"team": "risk"}}
    seen = census(BOTH, endpoints=[endpoint("churn", ()), endpoint("fraud", ())], tags=tags, tags_at=T0)
    made = plan(seen, resources=resources)
    assert {strand.resource.labels[2] for strand in made.strands.values()} == names
    assert made.unasked[SAGEMAKER, "filtered"] == 2 - len(names)


def test_what_has_no_tags_is_chosen_by_name_alone():
    pipeline = (("PipelineName", "nightly"),)
    made = plan(
        census({"AWS/Sagemaker/ModelBuildingPipeline": listing({pipeline: {"ExecutionFailed"}})}),
        resources=Resources(tags={"team": "ml"}),
    )
    assert set(asked(made)) == {"ExecutionFailed"}


# -- what is seeded ----------------------------------------------------------------------------------------------------


def test_seeded_counters_of_a_variant_are_asked_before_anything_is_listed():
    made = plan(census(endpoints=[endpoint()]))
    assert set(asked(made)) == SEEDED
    assert {strand.resource for strand in made.strands.values()} == {VARIANT}


def test_a_seeded_counter_that_is_listed_in_another_spelling_is_asked_in_that_one_alone():
    made = plan(census({SAGEMAKER: listing({CHURN: {"Invocation5XX Errors"}})}, [endpoint()]))
    assert set(asked(made)) == SEEDED - {"Invocation5XXErrors"} | {"Invocation5XX Errors"}


def test_each_variant_is_seeded():
    made = plan(census(endpoints=[endpoint(variants=("main", "shadow"))]))
    assert {strand.resource.labels[3] for strand in made.strands.values()} == {"main", "shadow"}


def test_what_is_not_wanted_is_not_seeded():
    assert not plan(census(endpoints=[endpoint()]), resources=Resources(exclude=("churn",))).strands


def test_what_is_switched_off_is_not_seeded():
    made = plan(
        census(endpoints=[endpoint()]), config="families: {exclude: ['sagemaker_endpoint_invocation_*_errors_total']}"
    )
    assert set(asked(made)) == {"Invocations"}


# -- what was active, but not lately -----------------------------------------------------------------------------------


def test_counters_that_were_active_in_two_weeks_are_asked_each_hour():
    lists = listing({CHURN: {"Invocations"}}, lasting={CHURN: {"Invocations", "MidStreamErrors"}})
    made = plan(census({SAGEMAKER: lists}))
    assert asked(made) == {"Invocations": (60, 60.0), "MidStreamErrors": (60, 3600.0)}
    assert {strand.bundle.units[0].asked: strand.quiet for strand in made.strands.values()} == {
        "Invocations": False,
        "MidStreamErrors": True,
    }


def test_gauges_that_are_not_active_are_not_asked():
    assert not plan(census({HOSTS: listing({}, lasting={CHURN: {"CPUUtilization"}})})).strands


def test_what_is_quiet_is_not_asked_for_twice_when_it_is_seeded():
    lists = listing({}, lasting={CHURN: {"Invocations"}})
    made = plan(census({SAGEMAKER: lists}, [endpoint()]))
    assert asked(made)["Invocations"] == (60, 60.0)
    assert sum(len(strand.bundle.units) for strand in made.strands.values()) == len(SEEDED)


# -- what the ledger knows ---------------------------------------------------------------------------------------------

MIDSTREAM = Counter("MidStreamErrors", "Sum", "sagemaker_endpoint_mid_stream_errors_total")


def unlisted(since):
    return census({SAGEMAKER: listing({OTHER: {"Invocations"}}, since=since)})


def test_a_counter_with_open_blocks_is_asked_although_it_is_not_listed():
    known = meter({NOW - 30 * MINUTE: 5}, counter=MIDSTREAM)
    assert asked(plan(unlisted(NOW - DAY), known), VARIANT) == {}, "all that it may have had is counted"
    made = plan(unlisted(NOW), known)
    assert asked(made, VARIANT) == {"MidStreamErrors": (60, 3600.0)}
    assert next(s for s in made.strands.values() if s.resource == VARIANT).quiet


def test_what_could_not_be_listed_is_asked_as_before():
    known = meter({NOW - 30 * MINUTE: 5}, counter=MIDSTREAM)
    assert asked(plan(census(), known)) == {"MidStreamErrors": (60, 60.0)}


def test_a_spelling_that_open_blocks_have_counted_is_asked_beside_the_one_that_is_listed():
    known = meter({NOW - 30 * MINUTE: 5}, counter=ERRORS, spelling=2)
    made = plan(census({SAGEMAKER: listing({CHURN: {"Invocation5XXErrors"}})}), known)
    assert set(asked(made)) == {"Invocation5XXErrors", "Invocation5XX Errors"}
    closed = meter({}, counter=ERRORS, spelling=2)
    made = plan(census({SAGEMAKER: listing({CHURN: {"Invocation5XXErrors"}})}), closed)
    assert set(asked(made)) == {"Invocation5XXErrors"}


def test_a_counter_that_is_known_goes_on_and_a_new_one_has_a_begin():
    made = plan(census({SAGEMAKER: listing({CHURN: {"Invocations", "MidStreamErrors"}})}), meter())
    (strand,) = made.strands.values()
    assert strand.begin == {("MidStreamErrors", "Sum"): T0}


@pytest.mark.parametrize(
    ("switched_on", "listed", "created", "begin"),
    [
        (NOW - 60, 0.0, NOW - DAY, NOW - 60),
        (T0, NOW - 300, NOW - DAY, (NOW - 300 - HOUR) // BLOCK * BLOCK),
        (T0, 0.0, NOW - 2 * HOUR, NOW - 2 * HOUR),
        (T0, NOW - 300, NOW - 10 * MINUTE, (NOW - 300 - HOUR) // BLOCK * BLOCK),  # it may be its second life
        (T0, NOW - 2 * DAY, NOW - 10 * MINUTE, (NOW - 10 * MINUTE) // BLOCK * BLOCK),
        (NOW - 120, NOW - 300, NOW - DAY, NOW - 120),
    ],
)
def test_a_new_counter_counts_from_where_it_can_not_have_been_seen_before(switched_on, listed, created, begin):
    plans = Plans()
    plans.begins = Begins(dict.fromkeys(plans.settings, switched_on), {SAGEMAKER: listed} if listed else {}, NOW)
    made = plans.plan(census({SAGEMAKER: listing({CHURN: {"MidStreamErrors"}})}, [endpoint(created=created)]))
    begins = [strand.begin.get(("MidStreamErrors", "Sum")) for strand in made.strands.values()]
    assert begin in begins


# -- switches ----------------------------------------------------------------------------------------------------------

KEYS = (("Invocations", "Sum"),)
OFF = "families: {exclude: [sagemaker_endpoint_invocations_total]}"


def test_a_family_that_is_switched_off_is_no_longer_counted():
    made = plan(census(), meter(), config=OFF)
    assert made.switches == (Switch(VARIANT, KEYS, on=False, at=NOW),)
    assert not made.strands


def test_a_family_that_is_switched_on_again_is_counted_again():
    paused = meter()
    paused.pause(0)
    made = plan(census(), paused)
    assert made.switches == (Switch(VARIANT, KEYS, on=True, at=NOW),)
    assert not plan(census(), paused, config=OFF).switches


def test_a_resource_that_is_no_longer_wanted_is_no_longer_counted():
    assert plan(census(), meter(), resources=Resources(exclude=("churn",))).switches == (
        Switch(VARIANT, KEYS, on=False, at=NOW),
    )


def test_tags_that_were_never_listed_switch_nothing_off():
    """A restart while GetResources is denied must not end the count of everything (law L3)."""
    unknown = census(endpoints=[endpoint()], tags={}, tags_at=0.0)
    assert plan(unknown, meter(), resources=Resources(tags={"team": "ml"})).switches == ()


def test_the_last_family_of_a_namespace_that_is_switched_off_is_no_longer_counted():
    """Otherwise the time that it was off is counted once it is on again."""
    text = "families: {exclude: ['sagemaker_pipeline_*']}"
    pipeline = (("PipelineName", "nightly"),)
    nightly = Resource(HERE, "AWS/Sagemaker/ModelBuildingPipeline", pipeline, (*VARIANT.labels[:2], "nightly"))
    failed = Counter("ExecutionFailed", "Sum", "sagemaker_pipeline_execution_failed_total")
    made = plan(census(), meter(resource=nightly, counter=failed), config=text)
    assert made.switches == (Switch(nightly, (("ExecutionFailed", "Sum"),), on=False, at=NOW),)


def test_an_endpoint_that_was_chosen_by_its_tags_is_counted_to_its_end():
    """What its last minutes bring late counts, and its counters stay for a day."""
    deleted = census({SAGEMAKER: listing({CHURN: {"Invocations"}})}, tags={}, tags_at=NOW)
    assert plan(deleted, meter(), resources=Resources(tags={"team": "ml"})).switches == ()


# -- who exists --------------------------------------------------------------------------------------------------------


def alive(seen, dimensions=CHURN, metric="MidStreamErrors"):
    seen = structs.replace(seen, listings={SAGEMAKER: listing({dimensions: {metric}})})
    (found,) = {strand.alive for strand in plan(seen).strands.values() if strand.resource.dimensions == dimensions}
    return found


def test_an_endpoint_exists_as_far_as_a_complete_listing_tells():
    assert alive(census(endpoints=[endpoint()]))
    assert not alive(census())
    assert alive(Census()), "what was never listed is not gone"


def test_a_variant_exists_while_its_endpoint_has_it():
    assert not alive(census(endpoints=[endpoint(variants=("other",))]))
    assert alive(census(endpoints=[endpoint(variants=())])), "what was never described is not gone"


COMPONENT = (("InferenceComponentName", "llama"),)


def test_an_inference_component_exists_as_far_as_a_complete_listing_tells():
    llama = Component("llama", "churn", "main", "InService", NOW - DAY, NOW - DAY)
    assert alive(census(components=[llama]), COMPONENT, metric="InvocationModelErrors")
    assert not alive(census(), COMPONENT, metric="InvocationModelErrors")
    assert alive(Census(), COMPONENT, metric="InvocationModelErrors")


PIPELINE = "AWS/Sagemaker/ModelBuildingPipeline"


def test_anything_else_exists_while_cloudwatch_lists_it():
    nightly = Resource(HERE, PIPELINE, (("PipelineName", "nightly"),), (*VARIANT.labels[:2], "nightly"))
    failed = Counter("ExecutionFailed", "Sum", "sagemaker_pipeline_execution_failed_total")
    known = meter(resource=nightly, counter=failed)
    since = NOW - 7 * DAY  # all that it may have had since then is counted: it is not asked
    gone = census({name: listing({}, since=since) for name in {p.namespace for p in ALL.values()} if "ipeline" in name})
    assert plan(gone, known).standings == (Standing(nightly, alive=False),)
    known.alive = False
    assert plan(gone, known).standings == ()


def test_a_counter_that_is_not_asked_learns_that_its_endpoint_is_gone():
    made = plan(unlisted(NOW - DAY), meter(counter=MIDSTREAM))
    assert made.standings == (Standing(VARIANT, alive=False),)


# -- forgetting --------------------------------------------------------------------------------------------------------


def test_what_was_not_used_for_63_attended_days_is_forgotten():
    known = meter(counter=MIDSTREAM, used=5 * DAY, until=NOW - DAY)
    made = Plans().plan(unlisted(NOW - DAY), known, attended=5 * DAY + FORGET_AFTER)
    assert made.forget == (VARIANT,)
    made = Plans().plan(unlisted(NOW - DAY), known, attended=5 * DAY + FORGET_AFTER - 1)
    assert made.forget == ()


def test_what_is_shown_is_not_forgotten():
    known = meter(counter=MIDSTREAM, until=math.inf)
    assert Plans().plan(unlisted(NOW - DAY), known, attended=FORGET_AFTER).forget == ()


def test_what_is_asked_is_not_forgotten():
    known = meter(counter=MIDSTREAM, until=NOW - DAY)
    assert Plans().plan(census(), known, attended=FORGET_AFTER).forget == ()


# -- how it is asked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("published", "period"), [(10, 10), (30, 30), (60, 60), (120, 120), (300, 300)])
def test_gauges_of_hosts_follow_the_publishing_period_of_their_endpoint(published, period):
    made = plan(
        census(
            {HOSTS: listing({CHURN: {"CPUUtilization"}})},
            [endpoint(MetricPublishFrequencyInSeconds=published)],
        )
    )
    assert asked(made)["CPUUtilization"][0] == period
    assert asked(made)["Invocations"][0] == 60


def test_counters_are_asked_at_a_minute_whatever_an_endpoint_publishes():
    made = plan(
        census(
            {SAGEMAKER: listing({CHURN: {"Invocations", "ModelLatency"}})},
            [endpoint(MetricPublishFrequencyInSeconds=10, EnableEnhancedMetrics=True)],
        )
    )
    assert {unit.period for strand in made.strands.values() if strand.counts for unit in strand.bundle.units} == {60}


def test_a_gauge_beside_a_counter_is_asked_apart_when_it_is_finer_than_a_minute():
    on = "families: {include: [sagemaker_endpoint_model_latency_max_seconds]}"
    usual = plan(census({SAGEMAKER: listing({CHURN: {"ModelLatency"}})}, [endpoint()]), config=on)
    fine = plan(
        census(
            {SAGEMAKER: listing({CHURN: {"ModelLatency"}})},
            [endpoint(MetricPublishFrequencyInSeconds=10, EnableEnhancedMetrics=True)],
        ),
        config=on,
    )

    def shapes(made):
        return sorted(
            (strand.counts, unit.period, unit.stats)
            for strand in made.strands.values()
            for unit in strand.bundle.units
            if unit.asked == "ModelLatency"
        )

    latency = ("Sum", "SampleCount", "p50", "p90", "p99")
    assert shapes(usual) == [(True, 60, (*latency, "Maximum"))]
    assert shapes(fine) == [(False, 10, ("Maximum",)), (True, 60, latency)]


def test_all_statistics_of_a_metric_are_asked_together_and_five_cost_as_much_as_one():
    made = plan(census({SAGEMAKER: listing({CHURN: {"ModelLatency", "Invocations"}})}))
    units = {unit.asked: unit for strand in made.strands.values() for unit in strand.bundle.units}
    assert units["ModelLatency"].stats == ("Sum", "SampleCount", "p50", "p90", "p99")
    assert (units["ModelLatency"].price, units["Invocations"].price) == (1, 1)
    assert units["ModelLatency"].coarse.stats == ("Sum", "SampleCount")
    assert units["ModelLatency"].coarse.period == BLOCK


# -- from one plan to the next -----------------------------------------------------------------------------------------


def test_a_strand_that_has_not_changed_keeps_its_timers():
    plans = Plans()
    seen = census({SAGEMAKER: listing({CHURN: {"Invocations"}})})
    (before,) = plans.plan(seen).strands.values()
    before.due = NOW + 60
    (after,) = plans.plan(seen).strands.values()
    assert after is before


def test_a_strand_to_which_a_metric_came_is_due_at_once():
    plans = Plans()
    (before,) = plans.plan(census({SAGEMAKER: listing({CHURN: {"Invocations"}})})).strands.values()
    before.due = NOW + 60
    seen = census({SAGEMAKER: listing({CHURN: {"Invocations", "MidStreamErrors"}})})
    (after,) = plans.plan(seen).strands.values()
    assert after.due == -math.inf


def test_a_strand_that_lost_a_metric_keeps_its_timers():
    plans = Plans()
    seen = census({SAGEMAKER: listing({CHURN: {"Invocations", "MidStreamErrors"}})})
    (before,) = plans.plan(seen).strands.values()
    before.due = NOW + 60
    (after,) = plans.plan(census({SAGEMAKER: listing({CHURN: {"Invocations"}})})).strands.values()
    assert after.due == NOW + 60


def test_a_strand_learns_that_its_resource_is_gone():
    plans = Plans()
    lists = {SAGEMAKER: listing({CHURN: {"Invocations"}})}
    (before,) = plans.plan(census(lists, [endpoint(variants=())])).strands.values()
    (after,) = plans.plan(census(lists)).strands.values()
    assert after is before
    assert not after.alive


# -- hosts of jobs -----------------------------------------------------------------------------------------------------


def test_a_host_of_a_job_is_asked_for_half_an_hour_after_its_last_data():
    """CloudWatch lists it for three hours; each question has its price."""
    world = World(listed_after=(0, 0))
    for minute in range(10):
        at = T0 - HOUR + minute * MINUTE
        world.put(ACCOUNT, REGION, "/aws/sagemaker/TrainingJobs", "CPUUtilization", {"Host": "job/algo-1"}, at, 50.0)
    street = Street(world)

    def asked(seconds):
        street.fake.calls.clear()
        street.cycle(seconds)
        return any(call["queries"] for call in street.fake.calls)

    assert asked(60), "a process that has just begun does not know"
    assert not any(asked(60) for _ in range(5))
    street.kill()


# -- what fits ---------------------------------------------------------------------------------------------------------


def crowded(*others):
    """A census in which others come before `churn` by name."""
    names = {(("EndpointName", name), ("VariantName", "main")): {"MidStreamErrors"} for name in others}
    return census({SAGEMAKER: listing({CHURN: {"MidStreamErrors"}} | names)})


def test_what_does_not_fit_is_not_asked_and_is_named():
    plans = Plans(limit=10)
    names = [f"a-{n:02}" for n in range(20)]
    made = plans.plan(crowded(*names))
    assert len(made.strands) == 9  # of one series each: 95 %
    assert made.admitted == {f"{SAGEMAKER} EndpointName={name} VariantName=main": [0] for name in names[:9]}
    assert plans.admission.dropped() == 12
    assert plans.admission.refused() == {
        (HERE, "cloudwatch_metrics"): {"sagemaker_endpoint_mid_stream_errors_total": 12}
    }


def test_what_fits_again_is_asked_and_counts_from_then_on():
    plans = Plans(limit=1)
    plans.begins = plans.begins._replace(listed={SAGEMAKER: NOW - HOUR})
    assert plans.plan(crowded("a", "b")).strands == {}  # 95 % of one
    plans.admission.limit = 10
    strands = plans.plan(crowded("a", "b")).strands.values()
    assert [set(strand.begin.values()) for strand in strands] == [{NOW}] * 3


def test_after_a_restart_what_had_no_place_counts_from_now_on():
    plans = Plans(limit=10)
    plans.begins = plans.begins._replace(listed={SAGEMAKER: NOW - HOUR})
    plans.admission.expect(HERE, {"cloudwatch_metrics": {f"{SAGEMAKER} EndpointName=a VariantName=main": [0]}})
    strands = plans.plan(crowded("a")).strands.values()
    assert {strand.resource.labels[2]: set(strand.begin.values()) for strand in strands} == {
        "a": {NOW - 2 * HOUR},
        "churn": {NOW},
    }


def test_a_counter_that_loses_its_place_is_switched_off_and_comes_back_as_it_was():
    known = meter({NOW - 30 * MINUTE: 5}, counter=MIDSTREAM, until=NOW + HOUR)
    plans = Plans(limit=3)
    seen = crowded("a", "b")
    assert plans.plan(seen, known).switches == ()
    plans.admission.limit = 2
    made = plans.plan(seen, known)
    assert made.switches == (Switch(VARIANT, (("MidStreamErrors", "Sum"),), False, NOW),)
    assert {strand.resource.labels[2] for strand in made.strands.values()} == {"a"}
    known.pause(0)
    assert plans.plan(seen, known).switches == ()
    plans.admission.limit = 10
    made = plans.plan(seen, known)
    assert made.switches == (Switch(VARIANT, (("MidStreamErrors", "Sum"),), True, NOW),)
    assert len(made.strands) == 3


def test_counters_that_stand_without_being_asked_take_places_too():
    other = Resource(HERE, SAGEMAKER, OTHER, (HERE.account_id, HERE.region, "fraud", "main"))
    known = [
        meter({NOW - 30 * MINUTE: 5}, counter=MIDSTREAM, until=NOW + HOUR),
        meter({NOW - 30 * MINUTE: 5}, counter=MIDSTREAM, until=NOW + HOUR, resource=other),
    ]
    seen = census({SAGEMAKER: listing({OTHER: {"Invocations"}}, since=NOW - DAY)})
    plans = Plans(limit=3)
    assert len(plans.plan(seen, *known).strands) == 1
    assert plans.admission.dropped() == 0
    plans.admission.limit = 2
    switches = plans.plan(seen, *known).switches
    assert switches == (Switch(other, (("MidStreamErrors", "Sum"),), False, NOW),)
    assert plans.admission.dropped() == 2


def test_a_counter_at_rest_that_gets_its_place_back_is_read_again():
    """It is idle for so long that nothing lists it: nothing else would ask for it, and it would not be seen again."""
    at_rest = meter({NOW - 6 * HOUR: 5}, counter=MIDSTREAM, start=NOW - 10 * HOUR, until=math.inf)
    seen = census(
        {SAGEMAKER: listing({_main("a"): {"MidStreamErrors"}, _main("b"): {"MidStreamErrors"}}, since=NOW - DAY)},
        [endpoint("a"), endpoint("b"), endpoint()],
    )
    plans = Plans("families: {exclude: [sagemaker_endpoint_invocation*]}", limit=3)
    assert VARIANT not in {strand.resource for strand in plans.plan(seen, at_rest).strands.values()}
    plans.admission.limit = 2
    (switch,) = plans.plan(seen, at_rest).switches
    assert (switch.resource, switch.on) == (VARIANT, False)
    at_rest.pause(0)
    for _ in range(2):
        assert plans.plan(seen, at_rest).switches == (), "it still has no place, though nothing shows it"
        assert plans.admission.dropped() == 2
    plans.admission.limit = 10
    (switch,) = plans.plan(seen, at_rest).switches
    assert (switch.resource, switch.on) == (VARIANT, True)
    at_rest.resume(0, NOW)
    assert asked(plans.plan(seen, at_rest), VARIANT) == {"MidStreamErrors": (60, 3600.0)}


def _main(name):
    return (("EndpointName", name), ("VariantName", "main"))


def test_what_was_not_held_is_told_as_refused():
    plans = Plans()
    plans.plan(census({SAGEMAKER: listing({CHURN: {"Invocations"}}, beyond=7)}))
    assert plans.admission.dropped() == 7
