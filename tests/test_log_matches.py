"""Log events that match: each counted once, however late, however often it is read, whatever goes wrong meanwhile."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from street import ACCOUNT, REGION, Street
from worlds import T0, examples, values

from exporter.aws import AwsError
from exporter.catalogue.log_rules import PRESETS, any_of
from exporter.catalogue.logs import BY_STREAM, MATCHES
from exporter.demo import World
from exporter.demo.logs import INFREQUENT, Chatter, numbered
from exporter.inventory import Census, Listing
from exporter.ledger import LedgerError
from exporter.ledger.memory import MemoryStore
from exporter.ledger.sqlite import SqliteStore
from exporter.model import DAY, HOUR, MINUTE, Reading

WHERE = ACCOUNT, REGION
TRAINING, FIRST, SECOND = (f"/aws/sagemaker/{name}" for name in ("TrainingJobs", "Endpoints/first", "Endpoints/second"))
OOM, TRACEBACK = "CUDA out of memory. Tried to allocate 2 GiB", "Traceback (most recent call last):"
LINES = (OOM, TRACEBACK, "input rejected", "all is well", f"{TRACEBACK} {OOM}")
RULES = """
web: {zero_hold: 0s}
sources:
  cloudwatch_logs:
    pages_per_cycle: 50
    presets: [cuda_out_of_memory, python_traceback]
    rules:
      - {name: rejected, group: /aws/sagemaker/Endpoints/*, pattern: '"input rejected"', labels: [endpoint, variant]}
      - {name: by_job, group: /aws/sagemaker/TrainingJobs, pattern: Traceback, labels: [job]}
"""
OF = {  # what each rule counts, as AWS would
    "cuda_out_of_memory": ('"CUDA out of memory"', {TRAINING, FIRST, SECOND}),
    "python_traceback": ('"Traceback (most recent call last)"', {TRAINING, FIRST, SECOND}),
    "rejected": ('"input rejected"', {FIRST, SECOND}),
    "by_job": ("Traceback", {TRAINING}),
}


def a_world(*groups, **more):
    world = World(seed=1)
    for name in groups or (TRAINING, FIRST, SECOND):
        world.add_log_group(*WHERE, name, T0 - DAY, **more)
    return world


def a_street(world=None, text=RULES, **more):
    return Street(world or a_world(), text=text, run=("cloudwatch_logs",), **more)


def rule(pattern="ERROR", group="/aws/sagemaker/*", **more):
    settings = {"pages_per_cycle": 50, **more}
    rules = f"rules: [{{name: one, group: '{group}', pattern: '{pattern}'}}]"
    told = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return f"{{web: {{zero_hold: 0s}}, sources: {{cloudwatch_logs: {{{told}, {rules}}}}}}}"


def counted(street, family=MATCHES):
    """Return what has been counted and is not 0, by labels but for the target. (A page shows a new one as 0 first.)"""
    totals = street.ledger._books.totals
    return {
        key.labels[2:]: total.parts[""] for key, total in totals.items() if key.face[0] == family and total.parts[""]
    }


def truth(street, start=T0):
    world = street.fake.world
    found = {
        (group, name): float(len(world.log_matches(*WHERE, group, pattern, start, street.true.now() + 1)))
        for name, (pattern, groups) in OF.items()
        for group in groups
    }
    return {labels: number for labels, number in found.items() if number}


def own(street, name):
    street.collection.own()
    found = values(street.ledger.snapshot(), f"sagemaker_exporter_{name}")
    return {labels[-1]: value for labels, value in found.items() if "cloudwatch_logs" in labels}


def searched(street):
    return street.fake.bill.requests["logs.FilterLogEvents"]


def settle(street):
    """Let what is late arrive and be found: the widest pass is made once a day."""
    for hours in (*[1] * 4, *[6] * 12):
        street.cycle(hours * HOUR)


def write(world, luck, at, late):
    """Write an event at a time, so much later taken in; events of jobs and endpoints alike."""
    group = luck.choice((TRAINING, FIRST, SECOND))
    stream = f"job-{luck.randrange(3)}/algo-1-1" if group == TRAINING else f"main/i-{luck.randrange(4):017x}"
    world.log(*WHERE, group, stream, at, luck.choice(LINES), late)


@settings(max_examples=examples(12), deadline=None)
@given(
    seed=st.integers(0, 2**32),
    outage=st.sampled_from([0, 3 * HOUR, 4 * DAY]),
    faults=st.booleans(),
    on_a_page=st.sampled_from([10_000, 7]),
)
def test_counts_are_the_truth_whatever_is_late_repeated_refused_or_killed(seed, outage, faults, on_a_page):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exporter.demo.log_calls.MOST_EVENTS", on_a_page)
        counts_are_the_truth(seed, outage, faults)


def counts_are_the_truth(seed, outage, faults):
    luck = random.Random(seed)
    world = a_world()
    world.repeated = 0.5
    street = a_street(world)
    street.cycle()
    for _ in range(300):
        late = luck.choice((0.5, 30.0, 8 * 60.0, 100 * 60.0, 23 * HOUR))
        write(world, luck, T0 + luck.uniform(1, 2 * HOUR + outage), late)
    if faults:
        for kind in ("throttle", "http_500", "truncated", "garbage", "deny", "empty"):
            street.fake.faults.add(kind, service="logs", probability=0.05)
    for cycle in range(24):
        street.cycle(5 * MINUTE + luck.uniform(0, 60))
        if luck.random() < 0.1:
            street.kill()
            street.start()
        if cycle == 12:
            street.true.forward(outage)
        shown, now = counted(street), truth(street)
        assert all(number <= now.get(labels, 0) for labels, number in shown.items()), "nothing counts twice"
    street.fake.faults.clear()
    settle(street)
    assert counted(street) == truth(street)
    by_stream = Counter()
    for labels, number in counted(street, BY_STREAM).items():
        by_stream[labels[:2]] += number
    assert set(by_stream) <= {labels for labels in truth(street) if labels[1] in {"rejected", "by_job"}}
    street.kill()


def test_zeros_stand_from_the_start_and_what_was_before_it_does_not_count():
    world = a_world()
    world.log(*WHERE, TRAINING, "a/algo-1-1", T0 - 10, OOM)
    street = a_street(world)
    street.cycle()
    shown = {labels[2:]: value for labels, value in values(street.ledger.snapshot(), MATCHES).items()}
    assert shown == {(group, name): 0.0 for name, (_, groups) in OF.items() for group in groups}
    world.log(*WHERE, TRAINING, "a/algo-1-1", T0 + 10, OOM)
    street.cycle(MINUTE)
    assert counted(street) == {(TRAINING, "cuda_out_of_memory"): 1.0}
    assert own(street, "events_total")["counted"] == 1.0
    assert own(street, "checkpoint_timestamp_seconds") == {"cloudwatch_logs": pytest.approx(T0 + MINUTE, abs=9)}
    assert own(street, "catching_up") == {"cloudwatch_logs": 0.0}
    assert own(street, "event_last_timestamp_seconds") == {"cloudwatch_logs": T0 + 10}
    assert values(street.ledger.snapshot(), "sagemaker_exporter_event_lag_seconds", "count")["cloudwatch_logs",] == 1.0


def test_one_event_counts_under_each_rule_and_by_what_its_stream_tells():
    street = a_street()
    street.cycle()
    street.fake.world.log(*WHERE, TRAINING, "job-1/algo-1-1", T0 + 1, f"{TRACEBACK} {OOM}")
    street.fake.world.log(*WHERE, FIRST, "main/i-1", T0 + 1, "input rejected")
    street.cycle(MINUTE)
    assert counted(street) == {
        (TRAINING, "cuda_out_of_memory"): 1.0,
        (TRAINING, "python_traceback"): 1.0,
        (TRAINING, "by_job"): 1.0,
        (FIRST, "rejected"): 1.0,
    }
    by_stream = {
        (TRAINING, "by_job", "", "", "job-1", ""): 1.0,
        (FIRST, "rejected", "first", "main", "", ""): 1.0,
    }
    assert counted(street, BY_STREAM) == by_stream
    street.cycle(DAY + HOUR)
    street.cycle(MINUTE)
    assert counted(street, BY_STREAM) == {}, "a day after the last match they leave"
    street.fake.world.log(*WHERE, TRAINING, "job-2/algo-1-1", street.true.now() + 1, TRACEBACK)
    street.true.forward(3 * DAY)
    for _ in range(20):
        street.cycle(HOUR)
        assert counted(street, BY_STREAM) == {(TRAINING, "by_job", "", "", "job-2", ""): 1.0}, (
            "found late, seen as long"
        )
    for _ in range(28):
        street.cycle(HOUR)
    assert counted(street, BY_STREAM) == {}
    assert street.ledger.known("cloudwatch_logs", street.target).notes["streams"] == {}


def test_streams_beyond_the_bound_become_one():
    street = a_street()
    street.cycle()
    for n in range(600):
        street.fake.world.log(*WHERE, TRAINING, f"job-{n:03d}/algo-1-1", T0 + 1 + n / 1000, TRACEBACK)
    street.cycle(MINUTE)
    jobs = {labels[4]: number for labels, number in counted(street, BY_STREAM).items()}
    assert len(jobs) == 501
    assert jobs["other"] == 100.0
    assert sum(jobs.values()) == counted(street)[TRAINING, "by_job"] == 600.0
    street.collection.own()
    folded = values(street.ledger.snapshot(), "sagemaker_exporter_label_values_folded_total")
    assert folded["job_name",] == 100.0


def test_a_group_with_ten_thousand_streams_is_one_search():
    lines = (("ERROR", 1.0), ("ok", 3.0))
    writer = Chatter(1, T0, T0 + 1000, 0.25, lines, numbered("job-{}/algo-1-1", 10_000), 0.2)
    world = World(seed=1)
    world.add_log_group(*WHERE, TRAINING, T0 - DAY, writer)
    street = a_street(world, rule())
    street.cycle()
    for _ in range(8):
        street.cycle(5 * MINUTE)
    matches = world.log_matches(*WHERE, TRAINING, "ERROR", T0, T0 + DAY)
    assert len({event.stream for event in matches}) > 900
    assert counted(street) == {(TRAINING, "one"): float(len(matches))}
    assert searched(street) <= 12


def test_no_run_reads_more_pages_than_it_may_and_what_is_left_shows_as_lag_and_is_not_lost():
    world = a_world(FIRST, SECOND)
    street = a_street(world, rule(pages_per_cycle=3))
    street.cycle()
    for n in range(9):  # one page each: AWS gives no more than 1 MB
        world.log(*WHERE, FIRST, "main/i-1", T0 + 1 + n, "ERROR " + "x" * 600_000)
    world.log(*WHERE, SECOND, "main/i-1", T0 + 1, "ERROR")
    seen, behind = [], []
    for _ in range(14):
        before = searched(street)
        street.cycle(5 * MINUTE)
        assert searched(street) - before <= 3
        seen.append(counted(street).get((FIRST, "one"), 0.0))
        behind.append(own(street, "catching_up")["cloudwatch_logs"])
        assert counted(street)[SECOND, "one"] == 1.0, "a search that goes on keeps no other one waiting"
        if behind[-1]:
            assert own(street, "checkpoint_timestamp_seconds")["cloudwatch_logs"] < street.true.now() - MINUTE
    assert seen[0] < 3
    assert seen == sorted(seen)
    assert seen[-1] == 9.0
    assert behind[0] == 1.0
    assert behind[-1] == 0.0


def test_a_restart_goes_on_where_the_pass_was():
    world = a_world(FIRST)
    street = a_street(world, rule(pages_per_cycle=2), store=MemoryStore())
    street.cycle()
    for n in range(6):
        world.log(*WHERE, FIRST, "main/i-1", T0 + 1 + n, "ERROR " + "x" * 600_000)
    street.cycle(5 * MINUTE)
    assert counted(street) == {(FIRST, "one"): 2.0}
    street.true.forward(2 * DAY)  # the token is not good any more
    for _ in range(12):
        street.kill()
        street.start()
        street.cycle(5 * MINUTE)
    assert counted(street) == {(FIRST, "one"): 6.0}


def test_the_usual_rate_stays_below_the_quota_of_the_slowest_region():
    world = World(seed=1)
    for n in range(40):
        world.add_log_group(ACCOUNT, "eu-central-1", f"/aws/sagemaker/Endpoints/e-{n}", T0 - DAY)
    text = "targets: [{regions: [eu-central-1]}]\n" + RULES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("street.REGION", "eu-central-1")
        street = a_street(world, text)
    street.fake.bill.enforced = True
    for _ in range(3):
        street.cycle(5 * MINUTE)
    assert searched(street) == 150
    assert street.fake.bill.highest["logs.FilterLogEvents"] <= 3
    assert not street.fake.bill.refused


def test_groups_that_can_not_be_searched_are_told_of_where_a_rule_names_one():
    world = a_world(FIRST)
    world.add_log_group(*WHERE, SECOND, T0 - DAY, log_class=INFREQUENT)
    street = a_street(world, rule())
    street.cycle()
    assert [run.outcome for run in street.runs] == ["ok"]
    street.kill()
    street.start(rule(group=SECOND))
    street.cycle()
    (run,) = street.runs
    assert run.outcome == "partial"
    assert [(failure.scope, failure.error_class) for failure in run.failures] == [(f"rule one in {SECOND}", "denied")]
    assert "INFREQUENT_ACCESS" in run.failures[0].detail
    assert {labels[2] for labels in values(street.ledger.snapshot(), MATCHES)} <= {FIRST}
    assert street.fake.bill.requests["logs.FilterLogEvents"] == 1, "nobody asks for what would be refused"


def test_a_pattern_that_cloudwatch_refuses_is_told_once_and_the_others_go_on():
    world = a_world(*(f"/aws/sagemaker/Endpoints/e-{n}" for n in range(9)))
    street = a_street(world, RULES.replace("'\"input rejected\"'", "'{ a = b }'"))
    street.cycle()
    (run,) = street.runs
    assert [(failure.scope, failure.error_class) for failure in run.failures] == [("rule rejected", "bug")]
    assert "Invalid filter pattern" in run.failures[0].detail
    assert searched(street) == 9 + 3, "after three refusals it is not asked again in a run"
    world.log(*WHERE, "/aws/sagemaker/Endpoints/e-8", "main/i-1", T0 + 1, OOM)
    street.cycle(MINUTE)
    assert counted(street) == {("/aws/sagemaker/Endpoints/e-8", "cuda_out_of_memory"): 1.0}


def test_one_group_that_is_denied_keeps_no_other_from_being_read(monkeypatch):
    street = a_street(text=rule())
    street.cycle()
    for name in (TRAINING, FIRST, SECOND):
        street.fake.world.log(*WHERE, name, "a/b", T0 + 1, "ERROR")
    call = street.aws.call

    def denied(target, operation, **asked):
        if asked.get("logGroupName") == FIRST:
            asked["logGroupName"] = "/aws/lambda/none"
            street.fake.faults.add("deny", operation="FilterLogEvents", first=1)
        return call(target, operation, **asked)

    monkeypatch.setattr(street.aws, "call", denied)
    for _ in range(2):
        street.cycle(5 * MINUTE)
    assert set(counted(street)) == {(TRAINING, "one"), (SECOND, "one")}
    (run,) = street.runs
    assert [(failure.scope, failure.error_class) for failure in run.failures] == [
        (f"FilterLogEvents {FIRST} one", "denied")
    ]
    monkeypatch.undo()
    street.cycle(5 * MINUTE)
    assert counted(street)[FIRST, "one"] == 1.0


def test_many_groups_that_are_denied_keep_no_other_from_being_read(monkeypatch):
    """A policy may name the log groups that can be read; the first by name are not among them."""
    street = a_street(a_world(*(f"/aws/sagemaker/Endpoints/e-{n:02d}" for n in range(30)), TRAINING), rule())
    call = street.aws.call

    def denied(target, operation, **asked):
        if "Endpoints" in asked.get("logGroupName", ""):
            street.fake.faults.add("deny", operation="FilterLogEvents", first=1)
        return call(target, operation, **asked)

    monkeypatch.setattr(street.aws, "call", denied)
    street.cycle()
    street.fake.world.log(*WHERE, TRAINING, "a/b", T0 + 1, "ERROR")
    street.cycle(5 * MINUTE)
    assert counted(street) == {(TRAINING, "one"): 1.0}
    assert own(street, "catching_up") == {"cloudwatch_logs": 1.0}
    monkeypatch.undo()
    street.fake.world.log(*WHERE, "/aws/sagemaker/Endpoints/e-29", "a/b", T0 + 1, "ERROR")
    street.cycle(5 * MINUTE)
    assert len(counted(street)) == 2
    assert own(street, "catching_up") == {"cloudwatch_logs": 0.0}


@pytest.mark.parametrize("token", [5, True, {"a": 1}, ["x"], "\ud800"])
def test_a_token_that_is_none_is_not_noted(monkeypatch, token):
    """What is noted is read again by each run, and by the next process."""
    street = a_street(a_world(FIRST), rule(pages_per_cycle=1))
    street.cycle()
    street.fake.world.log(*WHERE, FIRST, "a/b", T0 + 1, "ERROR")
    call, strange = street.aws.call, {"events": [], "nextToken": token}
    monkeypatch.setattr(
        street.aws, "call", lambda target, name, **asked: strange if "Filter" in name else call(target, name, **asked)
    )
    street.cycle(MINUTE)
    assert [failure.error_class for failure in street.runs[0].failures] == ["transient"]
    monkeypatch.undo()
    street.cycle(MINUTE)
    assert counted(street) == {(FIRST, "one"): 1.0}


def test_tokens_that_are_always_refused_are_told_of(monkeypatch):
    street = a_street(a_world(FIRST), rule())
    call = street.aws.call

    def refused(target, name, **asked):
        if "nextToken" in asked:
            raise AwsError("bug", "The specified nextToken is invalid.")
        return {"events": [], "nextToken": "a"} if "Filter" in name else call(target, name, **asked)

    monkeypatch.setattr(street.aws, "call", refused)
    street.cycle(MINUTE)
    assert [failure.error_class for failure in street.runs[0].failures] == ["bug"]


def test_names_that_are_no_text_count_all_the_same(monkeypatch, tmp_path):
    street = a_street(a_world(TRAINING), store=SqliteStore(tmp_path / "ledger.db"))
    street.cycle()
    event = {"eventId": "\ud800", "timestamp": (T0 + 1) * 1000, "logStreamName": "\ud800/a", "message": TRACEBACK}
    call = street.aws.call
    monkeypatch.setattr(
        street.aws,
        "call",
        lambda target, name, **asked: {"events": [event]} if "Filter" in name else call(target, name, **asked),
    )
    for _ in range(2):
        street.cycle(MINUTE)
    assert counted(street) == {(TRAINING, "by_job"): 1.0, (TRAINING, "python_traceback"): 1.0}
    assert counted(street, BY_STREAM) == {(TRAINING, "by_job", "", "", "?", ""): 1.0}
    street.ledger.close()


def test_answers_that_are_not_from_cloudwatch_count_nothing(monkeypatch):
    street = a_street(text=rule(group=FIRST))
    street.cycle()
    good = {"eventId": "1", "timestamp": (T0 + 1) * 1000, "logStreamName": "s", "message": "ERROR"}
    strange = [
        {**good, "eventId": None},
        {name: value for name, value in good.items() if name != "eventId"},
        {**good, "eventId": "2", "timestamp": "yesterday"},
        {**good, "eventId": "3", "timestamp": (T0 + DAY) * 1000},
        {**good, "eventId": ""},
        ["not", "an", "event"],
        good,
    ]
    answers = iter([{"events": strange}, {"events": "none"}, {"events": [], "nextToken": "a"}, {"events": []}])
    call = street.aws.call
    monkeypatch.setattr(
        street.aws,
        "call",
        lambda target, name, **asked: next(answers) if "Filter" in name else call(target, name, **asked),
    )
    street.cycle(MINUTE)
    assert counted(street) == {(FIRST, "one"): 1.0}
    assert own(street, "events_total")["unparsed"] == 6.0
    street.cycle(MINUTE)
    assert [failure.error_class for failure in street.runs[0].failures] == ["transient"]
    assert own(street, "catching_up") == {"cloudwatch_logs": 1.0}
    street.cycle(MINUTE)
    assert own(street, "catching_up") == {"cloudwatch_logs": 0.0}


def test_pages_that_do_not_end_are_given_up(monkeypatch):
    street = a_street(text=rule(group=FIRST))
    call = street.aws.call
    same = {"events": [], "nextToken": "again"}
    monkeypatch.setattr(
        street.aws, "call", lambda target, name, **asked: same if "Filter" in name else call(target, name, **asked)
    )
    street.cycle(MINUTE)
    (failure,) = street.runs[0].failures
    assert failure.error_class == "transient"
    assert "do not end" in failure.detail
    for _ in range(9):
        street.cycle(MINUTE)
    assert own(street, "catching_up") == {"cloudwatch_logs": 1.0}


def test_what_is_searched_no_more_leaves_and_a_rule_that_changes_counts_from_then_on():
    street = a_street()
    street.cycle()
    for group in (TRAINING, FIRST):
        street.fake.world.log(*WHERE, group, "a/b", T0 + 1, f"{OOM} ERROR")
    street.cycle(MINUTE)
    street.kill()
    street.start(rule("ERROR", TRAINING))
    street.cycle(MINUTE)
    shown = {labels[2:]: value for labels, value in values(street.ledger.snapshot(), MATCHES).items()}
    assert shown == {(TRAINING, "one"): 0.0}, "what other rules had counted is gone, and this one begins"
    street.fake.world.log(*WHERE, TRAINING, "a/b", T0 + 150, "ERROR")
    street.cycle(MINUTE)
    street.kill()
    street.start(rule("Traceback", TRAINING))
    street.fake.world.log(*WHERE, TRAINING, "a/b", T0 + 170, TRACEBACK)
    street.cycle(MINUTE)
    assert counted(street) == {(TRAINING, "one"): 1.0}
    street.fake.world.log(*WHERE, TRAINING, "a/b", T0 + 250, TRACEBACK)
    street.cycle(MINUTE)
    assert counted(street) == {(TRAINING, "one"): 2.0}
    street.fake.world.delete_log_group(*WHERE, TRAINING, street.true.now())
    street.cycle(HOUR)
    assert counted(street) == {(TRAINING, "one"): 2.0}
    street.cycle(DAY)
    assert values(street.ledger.snapshot(), MATCHES) == {}, "a day after its log group"


def test_a_new_group_counts_from_its_beginning_and_one_that_a_rule_comes_to_from_now():
    street = a_street(a_world(FIRST, SECOND), rule("ERROR", FIRST))
    street.cycle()
    new = "/aws/sagemaker/Endpoints/first-2"
    street.fake.world.add_log_group(*WHERE, new, T0 + 2 * HOUR)
    for at in (1, 2 * HOUR):
        for group in (SECOND, new)[: 2 if at > 1 else 1]:
            street.fake.world.log(*WHERE, group, "a/b", T0 + at, "ERROR")
    street.true.forward(3 * HOUR)
    street.kill()
    street.start(rule("ERROR", "/aws/sagemaker/Endpoints/*"))
    street.cycle()
    assert counted(street) == {(new, "one"): 1.0}
    street.kill()


def test_what_a_rule_comes_to_later_never_counts_what_was_before(monkeypatch):
    """The wide passes look back 3 h and 48 h, and the pattern is the one of before."""
    street = a_street(a_world(FIRST, SECOND), rule("ERROR", FIRST))
    street.cycle()
    street.true.forward(3 * DAY)
    for hours in range(1, 30):
        street.fake.world.log(*WHERE, SECOND, "a/b", street.true.now() - hours * HOUR / 2, "ERROR")
    street.kill()
    street.start(rule("ERROR", "/aws/sagemaker/Endpoints/*"))
    street.cycle()
    street.fake.world.log(*WHERE, SECOND, "a/b", street.true.now() + 1, "ERROR")
    for _ in range(26):
        street.cycle(HOUR)
    assert counted(street) == {(SECOND, "one"): 1.0}


def test_a_new_group_that_is_wanted_a_little_later_counts_from_its_beginning(monkeypatch):
    """Where resources are chosen by tags, those of a new endpoint may not be known when its log group is listed."""
    street = a_street(World(seed=1), rule())
    street.cycle()
    (source,) = street.sources
    monkeypatch.setattr(source._selection, "admits", lambda *_: False)
    street.fake.world.add_log_group(*WHERE, FIRST, T0 + 10)
    for minute in range(20):
        street.fake.world.log(*WHERE, FIRST, "a/b", T0 + 20 + minute * MINUTE, "ERROR")
    for _ in range(4):
        street.cycle(5 * MINUTE)
    monkeypatch.undo()
    for _ in range(3):
        street.cycle(HOUR)
    assert counted(street) == {(FIRST, "one"): 20.0}


def test_what_groups_leave_behind_is_forgotten():
    street = a_street(World(seed=1), rule())
    for n in range(5):
        name = f"/aws/sagemaker/Endpoints/e-{n}"
        street.fake.world.add_log_group(*WHERE, name, street.true.now() - 1)
        street.cycle(HOUR)
        street.fake.world.delete_log_group(*WHERE, name, street.true.now())
        for hours in (1, 26, 1):
            street.cycle(hours * HOUR)
    assert not any(name.startswith("search/") for name in street.ledger.known("cloudwatch_logs", street.target).notes)


def test_where_pages_are_few_quiet_groups_rest(monkeypatch):
    """CloudWatch lists what was active in three hours; the inventory looks that up anyhow."""
    names = [f"/aws/sagemaker/Endpoints/e-{n:02d}" for n in range(20)]
    street = a_street(a_world(*names), rule(pages_per_cycle=5))
    for _ in range(4):
        street.cycle(5 * MINUTE)

    def listed(*active, beyond=0):
        metrics = {(("LogGroupName", name),): frozenset({"IncomingLogEvents"}) for name in active}
        census = Census(listings={"AWS/Logs": Listing(street.true.now(), metrics, beyond=beyond)})
        monkeypatch.setattr(street.inventory, "census", lambda _: census)

    listed(*names[:2])
    before = searched(street)
    street.cycle(5 * MINUTE)
    assert searched(street) - before == 2
    assert own(street, "catching_up") == {"cloudwatch_logs": 0.0}, "nothing came into what rests, says CloudWatch"
    first_read = pytest.approx(T0 + 5 * MINUTE, abs=9)
    assert own(street, "checkpoint_timestamp_seconds") == {"cloudwatch_logs": first_read}
    for name in (names[0], names[7]):
        street.fake.world.log(*WHERE, name, "a/b", street.true.now() + 1, "ERROR")
    listed(*names[:2])
    street.cycle(5 * MINUTE)
    assert counted(street) == {(names[0], "one"): 1.0}
    street.true.forward(15 * MINUTE)
    listed(*names[:2], names[7])
    street.cycle(5 * MINUTE)
    assert counted(street) == {(names[0], "one"): 1.0, (names[7], "one"): 1.0}, "no later than it is listed"
    listed(*names[:2], beyond=1)
    before = searched(street)
    street.cycle(5 * MINUTE)
    assert searched(street) - before == 5, "a list that is not whole tells nothing"


def test_all_presets_fit_into_one_search():
    every = tuple(phrase for preset in PRESETS.values() for phrase in preset.phrases)
    assert len(any_of(every)) < 1000
    assert len(set(every)) == len(every)


def test_what_aws_has_forgotten_is_lost_and_said_to_be():
    street = a_street(text=rule(group=FIRST))
    street.cycle()
    street.cycle(50 * DAY)
    assert own(street, "lost_seconds_total") == {"cloudwatch_logs": pytest.approx(5 * DAY, abs=1)}
    for _ in range(3):
        before = searched(street)
        street.cycle(5 * MINUTE)
        assert searched(street) - before == 1, "the wide passes have been made"


def test_what_a_log_group_keeps_no_longer_is_lost_too():
    street = a_street(a_world(FIRST, retention=3), rule(group=FIRST))
    street.cycle()
    street.cycle(10 * DAY)
    assert own(street, "lost_seconds_total") == {"cloudwatch_logs": pytest.approx(7 * DAY, abs=1)}
    new = a_street(World(seed=1), rule(group=FIRST))
    new.cycle()
    new.fake.world.add_log_group(*WHERE, FIRST, T0 + 1, retention=1)
    for _ in range(30):
        new.cycle(HOUR)
    assert own(new, "lost_seconds_total") == {}


def test_a_date_that_was_wrong_leaves_nothing_behind(monkeypatch):
    """AWS's clock is what the last answer says; that may be a proxy's."""
    street = a_street(a_world(FIRST), rule(group=FIRST))
    street.cycle()
    aws = street.clock.aws
    monkeypatch.setattr(street.aws, "now", lambda: aws() + 100 * DAY)
    street.cycle(MINUTE)
    monkeypatch.undo()
    street.fake.world.log(*WHERE, FIRST, "a/b", street.true.now() + 30, "ERROR", 2 * HOUR)
    for _ in range(4):
        street.cycle(HOUR)
    assert counted(street) == {(FIRST, "one"): 1.0}


@pytest.mark.parametrize(
    ("late", "outage"), [(10 * MINUTE, 0), (100 * MINUTE, 0), (23 * HOUR, 0), (23 * HOUR, 4 * DAY)]
)
def test_what_is_late_is_found_over_an_outage_too(late, outage):
    street = a_street(a_world(FIRST), rule())
    street.cycle()
    street.fake.world.log(*WHERE, FIRST, "a/b", T0 + 60, "ERROR", late)
    for _ in range(12):
        street.cycle(10 * MINUTE)
    street.true.forward(outage)
    for _ in range(25):
        street.cycle(2 * HOUR)
    assert counted(street) == {(FIRST, "one"): 1.0}


def test_a_preset_that_is_added_counts_from_then_on():
    text = "{{web: {{zero_hold: 0s}}, sources: {{cloudwatch_logs: {{presets: [{}]}}}}}}"
    street = a_street(a_world(FIRST), text.format("python_traceback"))
    street.cycle()
    street.fake.world.log(*WHERE, FIRST, "a/b", T0 + 60, f"{TRACEBACK} {OOM}")
    street.cycle(5 * MINUTE)
    street.kill()
    street.start(text.format("python_traceback, cuda_out_of_memory"))
    street.cycle(MINUTE)
    assert counted(street) == {(FIRST, "python_traceback"): 1.0}
    street.fake.world.log(*WHERE, FIRST, "a/b", T0 + 400, f"{TRACEBACK} {OOM}")
    street.cycle(5 * MINUTE)
    assert counted(street) == {(FIRST, "python_traceback"): 2.0, (FIRST, "cuda_out_of_memory"): 1.0}


# -- passes that take long, and stand in for each other ----------------------------------------------------------------


LONG = "ERROR " + "x" * 600_000  # one on a page


def searches_of(street):
    notes = street.ledger.known("cloudwatch_logs", street.target).notes
    return {name.partition("@")[2]: note for name, note in notes.items() if name.startswith("search/")}


def checkpoint(street):
    """Return up to when all has been read, since T0, and whether something was left for the next run."""
    return own(street, "checkpoint_timestamp_seconds")["cloudwatch_logs"] - T0, bool(
        own(street, "catching_up")["cloudwatch_logs"]
    )


def test_a_wide_pass_that_another_one_made_needless_is_made_again_in_its_time():
    """Of a log group that is new, the pass of the run reads what the wide ones have only half read."""
    world = a_world(FIRST)
    street = a_street(world, rule())
    for _ in range(20):
        street.cycle(10 * MINUTE)
    world.add_log_group(*WHERE, SECOND, street.true.now() + 10)
    for n in range(2):
        world.log(*WHERE, SECOND, "main/i-1", street.true.now() + 20 + n, LONG)
    for _ in range(3):
        street.cycle(5 * MINUTE)
    assert counted(street) == {(SECOND, "one"): 2.0}
    assert not searches_of(street)[SECOND]["going"]
    street.cycle(2 * HOUR)
    world.log(*WHERE, SECOND, "main/i-1", street.true.now() + 60, "ERROR", 20 * MINUTE)
    for _ in range(13):
        street.cycle(5 * MINUTE)
    assert counted(street) == {(SECOND, "one"): 3.0}, "what comes late is found within the hour"


def test_what_was_denied_for_long_is_caught_up_page_by_page_and_late_events_after_it():
    world = a_world(FIRST)
    street = a_street(world, rule())
    street.fake.faults.add("deny", operation="FilterLogEvents")
    for _ in range(26):
        street.cycle(HOUR)
    for n in range(3):
        world.log(*WHERE, FIRST, "main/i-1", T0 + 20 * HOUR + n, LONG)
    street.fake.faults.clear()
    for _ in range(4):
        street.cycle(5 * MINUTE)
    assert counted(street) == {(FIRST, "one"): 3.0}
    for day in range(3):
        for late in (40 * MINUTE, 100 * MINUTE, 6 * HOUR, 20 * HOUR):
            world.log(*WHERE, FIRST, "main/i-1", street.true.now() + 60, "ERROR", late)
        for _ in range(24):
            street.cycle(HOUR)
        if day == 1:
            street.kill()
            street.start()
    settle(street)
    assert counted(street) == {(FIRST, "one"): 15.0}


def test_a_pass_that_an_earlier_version_left_dead_is_let_go():
    street = a_street(a_world(FIRST), rule())
    street.cycle(HOUR)
    note = searches_of(street)[FIRST]
    dead = {"start": T0 - HOUR, "end": T0, "began": T0, "at": 0, "asked": 0, "token": ""}
    note["going"] = dict.fromkeys(note["done"], dead)
    note.pop("served")
    name = f"search/one@{FIRST}"
    street.ledger.apply(Reading("cloudwatch_logs", street.target, street.true.now(), notes={name: note}))
    street.fake.world.log(*WHERE, FIRST, "a/b", street.true.now() + 60, "ERROR", 100 * MINUTE)
    for _ in range(4):
        street.cycle(HOUR)
    assert counted(street) == {(FIRST, "one"): 1.0}


def test_the_checkpoint_is_no_further_than_a_long_pass_has_read():
    world = a_world(FIRST)
    street = a_street(world, rule(pages_per_cycle=2))
    street.cycle()
    for n in range(8):
        world.log(*WHERE, FIRST, "main/i-1", T0 + 1 + n, LONG)
    seen = []
    for _ in range(5):
        began = street.true.now()
        street.cycle(5 * MINUTE)
        read, behind = checkpoint(street)
        assert behind == (read < street.true.now() - T0 - 1), "both say the same"
        seen.append(read)
        world.log(*WHERE, FIRST, "main/i-1", began + 5 * MINUTE + 1, "ERROR")
    unread = truth_of(world, T0 + seen[-1])
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert counted(street)[FIRST, "one"] >= truth_of(world, T0) - unread


def truth_of(world, since):
    return len(world.log_matches(*WHERE, FIRST, "ERROR", since, T0 + 9 * DAY))


@pytest.mark.parametrize("anew", [False, True], ids=["one process", "a process for each run"])
def test_groups_that_cannot_be_read_keep_none_waiting(anew):
    """Some are denied, one times out; whose turn it is is known to the next process."""
    denied = [f"/aws/sagemaker/Endpoints/e-{n:02d}" for n in range(12)]
    world = a_world(*denied, FIRST, TRAINING)
    street = a_street(world, rule(pages_per_cycle=10))

    def break_it():
        call = street.aws.call

        def broken(target, operation, **asked):
            if asked.get("logGroupName") in denied and operation == "FilterLogEvents":
                raise AwsError("denied", "no")
            if asked.get("logGroupName") == FIRST and operation == "FilterLogEvents":
                raise AwsError("transient", "timed out")
            return call(target, operation, **asked)

        street.aws.call = broken

    break_it()
    street.cycle()
    for n in range(30):
        world.log(*WHERE, TRAINING, "a/b", street.true.now() + 1, "ERROR")
        if anew:
            street.kill()
            street.start()
            break_it()
        street.cycle(5 * MINUTE if n else 26 * HOUR)
        read = counted(street).get((TRAINING, "one"), 0.0)
        assert read >= n - 5, "each search has its turn within two runs"
    for _ in range(2):
        street.cycle(5 * MINUTE)
    assert counted(street) == {(TRAINING, "one"): 30.0}


def test_one_page_for_each_process_is_enough_for_all_passes():
    world = a_world(FIRST)
    street = a_street(world, rule(pages_per_cycle=1))
    street.cycle()
    for n in range(60):
        if n < 20:
            world.log(*WHERE, FIRST, "a/b", street.true.now() + 1, "ERROR", 30 * MINUTE)
        street.kill()
        street.start()
        street.cycle(5 * MINUTE)
    assert counted(street) == {(FIRST, "one"): 20.0}


def test_a_round_takes_as_long_as_is_forecast():
    """40 groups, 2 pages a run: 100 minutes, wide passes included, since these stand in for those of the run."""
    street = a_street(a_world(*(f"/aws/sagemaker/Endpoints/e-{n:02d}" for n in range(40))), rule(pages_per_cycle=2))
    street.cycle()
    (source,) = street.sources
    source.survey(street.target, street.true.now())
    *_, told = source.forecast({street.target: street.inventory.census(street.target)}, 0.0, 0.0).every
    assert told == 100 * MINUTE
    ages = []
    for n in range(12 * 30):
        street.cycle(5 * MINUTE)
        ages += [street.true.now() - T0 - checkpoint(street)[0]] if n > 12 * 4 else []
    assert max(ages) <= told


def test_groups_are_searched_while_nobody_can_list_them():
    world = a_world(FIRST)
    street = a_street(world, rule())
    street.cycle()
    street.fake.faults.add("deny", operation="DescribeLogGroups")
    world.log(*WHERE, FIRST, "a/b", street.true.now() + 1, "ERROR")
    for _ in range(24):
        street.cycle(HOUR)
    assert street.runs[-1].outcome != "ok"
    assert counted(street) == {(FIRST, "one"): 1.0}
    assert checkpoint(street) == (pytest.approx(0.0, abs=MINUTE), True), "there may be others since"
    street.fake.faults.clear()
    world.add_log_group(*WHERE, SECOND, street.true.now() - 20 * HOUR)
    world.log(*WHERE, SECOND, "a/b", street.true.now() - 10 * HOUR, "ERROR")
    for _ in range(2):
        street.cycle(5 * MINUTE)
    assert counted(street) == {(FIRST, "one"): 1.0, (SECOND, "one"): 1.0}, "one that came meanwhile is new"
    assert checkpoint(street) == (pytest.approx(street.true.now() - T0, abs=MINUTE), False)


def test_where_no_group_was_ever_listed_nothing_is_said_to_be_read():
    street = a_street(a_world(FIRST), rule())
    street.fake.faults.add("deny", operation="DescribeLogGroups")
    for _ in range(3):
        street.cycle(HOUR)
    assert own(street, "checkpoint_timestamp_seconds") == {}
    assert searched(street) == 0


def test_what_is_excluded_is_not_searched_while_nobody_can_list_groups():
    world = a_world(FIRST, SECOND)
    street = a_street(world, rule())
    street.cycle()
    text = street.text
    street.fake.faults.add("deny", operation="DescribeLogGroups")
    street.kill()
    street.start(f"{text[:-1]}, resources: {{exclude: [second]}}}}")
    for _ in range(3):
        street.cycle(HOUR)
        for group in (FIRST, SECOND):
            world.log(*WHERE, group, "a/b", street.true.now() - 60, "ERROR")
    street.cycle(HOUR)
    street.kill()
    street.start(text)
    street.fake.faults.clear()
    for _ in range(3):
        street.cycle(5 * MINUTE)
    assert counted(street) == {(FIRST, "one"): 3.0}


def test_time_that_is_lost_while_groups_can_not_be_listed_is_told():
    street = a_street(a_world(FIRST, retention=3), rule())
    street.cycle()
    street.true.forward(10 * DAY)
    street.fake.faults.add("deny", operation="DescribeLogGroups")
    street.cycle()
    street.fake.faults.clear()
    street.cycle(5 * MINUTE)
    assert own(street, "lost_seconds_total")["cloudwatch_logs"] == pytest.approx(7 * DAY, abs=HOUR)


@pytest.mark.parametrize("fault", ["deny", "throttle", "http_500", None])
def test_a_restart_while_tags_can_not_be_read_loses_nothing(fault):
    """Who is not known to be wanted is not known not to be."""
    world = a_world(FIRST)
    world.add_endpoint(*WHERE, "first", T0 - DAY, tags={"team": "ml"})
    text = f"{rule()[:-1]}, resources: {{tags: {{team: ml}}}}}}"
    street = Street(world, text=text, run=("inventory", "cloudwatch_logs"))
    for _ in range(2):
        street.cycle(5 * MINUTE)
    street.kill()
    for seconds in (60, 1800):
        world.log(*WHERE, FIRST, "a/b", street.true.now() + seconds, "ERROR")
    street.true.forward(HOUR)
    street.start()
    if fault:
        street.fake.faults.add(fault, operation="GetResources")
    street.cycle(MINUTE)
    street.fake.faults.clear()
    for _ in range(3):
        street.cycle(HOUR)
    assert counted(street) == {(FIRST, "one"): 2.0}


def test_what_is_lost_is_told_once_though_the_disk_refuses(monkeypatch):
    store = MemoryStore()
    street = a_street(a_world(FIRST, retention=3), rule(), store=store)
    street.cycle()
    street.true.forward(10 * DAY)

    def refuse(changes):
        raise LedgerError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "commit", refuse)
        for _ in range(3):
            street.cycle(5 * MINUTE)
    assert own(street, "lost_seconds_total").get("cloudwatch_logs", 0) == 0
    street.cycle(5 * MINUTE)
    assert own(street, "lost_seconds_total")["cloudwatch_logs"] == pytest.approx(7 * DAY, abs=HOUR)


def test_what_was_counted_before_takes_no_place_of_a_stream():
    """A day's pass reads again what has left: new streams must find their places free."""
    world = a_world(TRAINING)
    street = a_street(world)
    street.cycle()
    for n in range(450):
        world.log(*WHERE, TRAINING, f"old-{n:03d}/algo-1-1", T0 + 4 * HOUR + n, TRACEBACK)
    for _ in range(30):
        street.cycle(HOUR)
    for n in range(200):
        world.log(*WHERE, TRAINING, f"new-{n:03d}/algo-1-1", street.true.now() + 5, TRACEBACK)
        if n % 10 == 9:
            street.cycle(HOUR)
    for _ in range(4):
        street.cycle(5 * MINUTE)
    by_stream = counted(street, BY_STREAM)
    assert len(by_stream) == 200
    assert all(labels[4] != "other" for labels in by_stream)


@pytest.mark.parametrize("text", ["NCCL WARNINGS_TO_STDERR=0", "NCCL WARN: no route"])
@pytest.mark.parametrize("presets", ["nccl_error", "python_traceback, nccl_error"])
def test_a_preset_counts_the_same_whichever_others_are_on(presets, text):
    world = a_world(TRAINING)
    street = a_street(world, f"{{web: {{zero_hold: 0s}}, sources: {{cloudwatch_logs: {{presets: [{presets}]}}}}}}")
    street.cycle()
    world.log(*WHERE, TRAINING, "a/b", T0 + 10, f"{TRACEBACK} {text}")
    street.cycle(5 * MINUTE)
    expected = len(world.log_matches(*WHERE, TRAINING, any_of(PRESETS["nccl_error"].phrases), T0, T0 + DAY))
    assert counted(street).get((TRAINING, "nccl_error"), 0.0) == expected == ("no route" in text)


@pytest.mark.parametrize("hours", [3, 20, 26])
def test_what_is_written_while_a_group_is_excluded_does_not_count(hours):
    world = a_world(FIRST, SECOND)
    street = a_street(world, rule())
    street.cycle()
    text = street.text
    street.kill()
    street.start(f"{text[:-1]}, resources: {{exclude: [second]}}}}")
    street.cycle(5 * MINUTE)
    for group in (FIRST, SECOND):
        world.log(*WHERE, group, "a/b", street.true.now() + 60, "ERROR")
    for _ in range(hours):
        street.cycle(HOUR)
    street.kill()
    street.start(text)
    street.cycle(5 * MINUTE)
    world.log(*WHERE, SECOND, "a/b", street.true.now() + 60, "ERROR")
    for _ in range(3):
        street.cycle(5 * MINUTE)
    assert counted(street) == {(FIRST, "one"): 1.0, (SECOND, "one"): 1.0}


def test_a_group_that_is_deleted_between_listing_and_search_holds_nothing_back():
    rules = ", ".join(
        f"{{name: {name.lower()}, group: '/aws/sagemaker/*', pattern: {name}}}" for name in ("ERROR", "WARN")
    )
    street = a_street(
        a_world(FIRST, SECOND), f"{{web: {{zero_hold: 0s}}, sources: {{cloudwatch_logs: {{rules: [{rules}]}}}}}}"
    )
    street.cycle()
    call = street.aws.call

    def broken(target, operation, **asked):
        if operation == "FilterLogEvents" and asked["logGroupName"] == SECOND:
            raise AwsError("absent", "ResourceNotFoundException")
        return call(target, operation, **asked)

    street.aws.call = broken
    street.cycle(5 * MINUTE)
    read, behind = checkpoint(street)
    assert not behind
    assert read == pytest.approx(street.true.now() - T0, abs=1)


def test_streams_that_there_is_no_room_for_take_nothing_else_off_the_page():
    """A hundred jobs at once, where `limits.series` is near: the count of their log group goes on."""
    world = a_world(TRAINING)
    street = a_street(world, RULES.replace("web:", "limits: {series: 60}\nweb:"))
    street.cycle()
    for n in range(105):
        world.log(*WHERE, TRAINING, f"j{max(0, n - 4)}/a", T0 + 1 + n * 4, TRACEBACK)
        if n in {4, 104}:
            street.cycle(5 * MINUTE)
    street.cycle(5 * MINUTE)
    shown = values(street.ledger.snapshot(), MATCHES)
    assert {labels[3]: value for labels, value in shown.items()} == {
        "cuda_out_of_memory": 0.0,
        "python_traceback": 105.0,
        "by_job": 105.0,
    }
    by_stream = {labels[6]: value for labels, value in values(street.ledger.snapshot(), BY_STREAM).items()}
    assert by_stream["j0"] == 5.0, "what was there stays"
    assert len(by_stream) < 60
