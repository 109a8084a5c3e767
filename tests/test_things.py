"""Things of all kinds are listed each time and asked about when that is due; what can't be had stays as it was."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import HERE, T0

from exporter.admission import Admission
from exporter.aws import AwsError
from exporter.inventory import KINDS, Inventory, Pacing, wanted
from exporter.inventory.look import MOST_DESCRIBES, RETRY_AFTER
from exporter.model import HOUR, MINUTE

DAY = 86_400.0


class Aws:
    """An AWS of literal answers: a list of items, of which a page has `size`, or what stands for a failure."""

    def __init__(self, size=100):
        self.time = float(T0)
        self.size = size
        self.items = {}  # by operation, or by operation and the name that is asked about
        self.errors = {}  # likewise
        self.calls = []

    def now(self):
        return self.time

    def _find(self, found, operation, asked):
        return next((found[key] for key in ((operation, *_names(asked)), operation) if key in found), None)

    def call(self, _target, operation, **asked):
        self.calls.append((operation, asked))
        error = self._find(self.errors, operation, asked)
        if error:
            raise AwsError(error, f"{operation}: no")
        return self._find(self.items, operation, asked) or {}

    def pages(self, _target, operation, **asked):
        members = {call.operation: call.member for kind in KINDS.values() for call in kind.calls}
        members |= {kind.operation: kind.member for kind in KINDS.values()}
        items = self._find(self.items, operation, asked) or []
        for n in range(0, max(1, len(items)), self.size):
            self.calls.append((operation, asked))
            error = self._find(self.errors, operation, asked)
            if error and (not error.startswith("page") or int(error[5:]) == n // self.size + 1):
                raise AwsError("transient" if error.startswith("page") else error, f"{operation}: no")
            yield {members[operation]: items[n : n + self.size]}

    def asked(self):
        """Return how often each operation was called since this was last said."""
        calls, self.calls = self.calls, []
        return Counter(operation for operation, _ in calls)


def _names(asked):
    return [value for name, value in asked.items() if name.endswith("Name")]


class Account:
    def __init__(self, *kinds, **pacing):
        self.aws = Aws()
        self.now = float(T0)
        self.kinds = tuple(one for one in wanted(lambda _: True, kinds) if one.kind.name in kinds)
        self.inventory = Inventory(self.aws, {}, Pacing(kinds=self.kinds, **pacing), Admission(1000))

    def look(self, seconds=0.0):
        self.now += seconds
        self.aws.time += max(seconds, 0.0)
        census = self.inventory.look(HERE, self.now)
        self.failures = [(one.scope, one.error_class) for one in census.failures]
        return census

    def things(self, seconds=0.0):
        """Look, and return the things of the first kind."""
        return self.look(seconds).things[self.kinds[0].kind.name]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """Endpoints have tests of their own."""
    for name in ("list_endpoints", "list_components", "list_scaling", "describe_endpoints", "describe_components"):
        monkeypatch.setattr(f"exporter.inventory.endpoints.{name}", lambda _: None)


def notebook(name="nb", status="InService", **more):
    times = {"CreationTime": T0 - DAY, "LastModifiedTime": T0 - HOUR}
    return {
        "NotebookInstanceName": name,
        "NotebookInstanceStatus": status,
        "InstanceType": "ml.t3.medium",
        **times,
        **more,
    }


def plan(status="Active", **more):
    return {"TrainingPlanName": "p", "Status": status, "AvailableInstanceCount": 3, "InUseInstanceCount": 1, **more}


# -- listings ----------------------------------------------------------------------------------------------------------


def test_a_thing_as_it_is_listed():
    account = Account("notebook_instance")
    account.aws.items["ListNotebookInstances"] = [notebook()]
    found = account.things()
    (thing,) = found.by_key.values()
    assert (thing.kind, thing.name, thing.status) == ("notebook_instance", "nb", "InService")
    assert (thing.created, thing.modified) == (T0 - DAY, T0 - HOUR)
    assert thing.facts == {"NotebookInstanceName": "nb", "InstanceType": "ml.t3.medium"}
    assert found.at == T0
    assert account.failures == []


def test_only_what_is_wanted_is_asked():
    account = Account("notebook_instance", "domain")
    account.look()
    assert account.aws.asked() == {"ListNotebookInstances": 1, "ListDomains": 1}


def test_what_is_passed_each_time():
    account = Account("notebook_instance")
    account.look()
    ((_, asked),) = [call for call in account.aws.calls if call[0] == "ListNotebookInstances"]
    assert asked == {"SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100}


def test_what_is_told_apart_by_several_names():
    account = Account("app")
    app = {"DomainId": "d-1", "AppType": "JupyterLab", "AppName": "default", "Status": "Deleted", "CreationTime": 1}
    account.aws.items["ListApps"] = [{**app, "SpaceName": "s"}, {**app, "UserProfileName": "ann"}]
    assert set(account.things().by_key) == {"d-1//s/JupyterLab/default", "d-1/ann//JupyterLab/default"}


def test_users_choose_by_the_name_that_they_gave():
    account = Account("domain")
    account.aws.items["ListDomains"] = [{"DomainId": "d-1", "DomainName": "research", "Status": "InService"}]
    (thing,) = account.things().by_key.values()
    assert (thing.name, thing.facts["DomainId"], thing.created) == ("research", "d-1", 0.0)


def test_a_thing_that_is_gone_is_gone_at_once():
    account = Account("notebook_instance")
    account.aws.items["ListNotebookInstances"] = [notebook("a"), notebook("b")]
    account.look()
    account.aws.items["ListNotebookInstances"] = [notebook("b")]
    assert set(account.things(60).by_key) == {"b"}


@pytest.mark.parametrize("error", ["denied", "throttled", "transient", "page 2"])
def test_a_listing_that_fails_keeps_what_was_known_and_its_age(error):
    account = Account("notebook_instance", "domain")
    account.aws.size = 1
    account.aws.items["ListNotebookInstances"] = [notebook("a"), notebook("b")]
    account.look()
    account.aws.items["ListNotebookInstances"] = [notebook("b"), notebook("c")]
    account.aws.errors["ListNotebookInstances"] = error
    census = account.look(60)
    assert set(census.things["notebook_instance"].by_key) == {"a", "b"}
    assert census.things["notebook_instance"].at == T0
    assert census.things["domain"].at == T0 + 60, "what else is there is looked at"
    assert account.failures == [("ListNotebookInstances", "transient" if error == "page 2" else error)]


@pytest.mark.parametrize(
    "item",
    [
        notebook(NotebookInstanceName=None),
        notebook(NotebookInstanceName=""),
        notebook(InstanceType=3),
        notebook(CreationTime="yesterday"),
        notebook(CreationTime=True),
        "no object",
        None,
    ],
)
def test_a_listing_that_can_not_be_read_is_no_listing(item):
    account = Account("notebook_instance")
    account.aws.items["ListNotebookInstances"] = [notebook("a"), item]
    assert account.things().at == 0.0
    assert account.failures == [("ListNotebookInstances", "transient")]


def test_a_page_without_its_list_is_no_listing():
    account = Account("notebook_instance")
    account.aws.pages = lambda *_, **__: iter([{"NotebookInstances": None}])
    assert account.things().at == 0.0
    assert account.failures == [("ListNotebookInstances", "transient")]


def test_a_kind_that_a_region_does_not_know_is_asked_an_hour_later():
    account = Account("cluster")
    account.aws.errors["ListClusters"] = "bug"
    account.look()
    assert account.failures == [("ListClusters", "bug")]
    account.look(HOUR - 60)
    assert account.aws.asked()["ListClusters"] == 1
    assert account.failures == []
    account.aws.errors.clear()
    assert account.things(60).at == account.now
    account.look(60)
    assert account.aws.asked()["ListClusters"] == 2


def test_a_long_listing_is_asked_less_often():
    account = Account("model")
    account.aws.size = 1
    account.aws.items["ListModels"] = [{"ModelName": f"m{n}", "CreationTime": 1} for n in range(31)]
    found = account.things()
    assert (len(found.by_key), found.pages) == (31, 31)
    assert found.by_key["m0"].facts == {}, "what is only counted takes no room"
    assert [account.things(60).at == account.now for _ in range(6)] == [False, False, True, False, False, True]
    assert account.aws.asked()["ListModels"] == 3 * 31


def test_a_long_listing_that_fails_late_is_not_tried_again_at_once():
    account = Account("model")
    account.aws.size = 1
    account.aws.items["ListModels"] = [{"ModelName": f"m{n}", "CreationTime": 1} for n in range(31)]
    account.aws.errors["ListModels"] = "page 31"
    asked = []
    for _ in range(4):
        account.look(60)
        asked.append(account.aws.asked()["ListModels"])
    assert asked == [31, 0, 0, 31]


# -- what is asked about a thing ---------------------------------------------------------------------------------------


DESCRIBED = {"AvailableInstanceCount": 3, "InUseInstanceCount": 1, "UnhealthyInstanceCount": 0}


@pytest.fixture
def plans():
    account = Account("training_plan")
    account.aws.items["ListTrainingPlans"] = [plan()]
    account.aws.items["DescribeTrainingPlan"] = {**DESCRIBED, "AvailableSpareInstanceCount": 2, "Other": 1}
    return account


def described(account, seconds=MINUTE):
    """Look, and say how often the plan was described."""
    account.aws.asked()
    account.look(seconds)
    return account.aws.asked()["DescribeTrainingPlan"]


def test_a_thing_is_described_once_and_now_and_then(plans):
    (thing,) = plans.things().by_key.values()
    assert thing.told["DescribeTrainingPlan"].items == (
        {
            "AvailableInstanceCount": 3.0,
            "InUseInstanceCount": 1.0,
            "UnhealthyInstanceCount": 0.0,
            "AvailableSpareInstanceCount": 2.0,
        },
    )
    assert [described(plans) for _ in range(3)] == [0, 0, 0]
    assert described(plans, HOUR) == 1


@pytest.mark.parametrize("change", [{"status": "Expired"}, {"InUseInstanceCount": 2}, {"AvailableInstanceCount": 4}])
def test_a_thing_that_has_changed_is_described_again(plans, change):
    plans.look()
    plans.aws.items["ListTrainingPlans"] = [plan(**change)]
    assert [described(plans) for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize("status", ["Pending", "SomethingNew"])
def test_a_thing_that_changes_by_itself_is_described_each_time(plans, status):
    plans.aws.items["ListTrainingPlans"] = [plan(status)]
    plans.look()
    assert [described(plans) for _ in range(3)] == [1, 1, 1]


def test_a_description_that_fails_keeps_the_last_one_and_is_tried_again(plans):
    plans.look()
    plans.aws.items["ListTrainingPlans"] = [plan("Expired")]
    plans.aws.errors["DescribeTrainingPlan"] = "denied"
    found = plans.things(60)
    assert found.at == plans.now
    assert found.by_key["p"].told["DescribeTrainingPlan"].items
    assert found.by_key["p"].told["DescribeTrainingPlan"].at == T0
    assert plans.failures == [("DescribeTrainingPlan", "denied")]
    assert described(plans, RETRY_AFTER - 60) == 0
    assert described(plans, 60) == 1
    assert described(plans, RETRY_AFTER) == 0, "twice as long each time"
    plans.aws.errors.clear()
    assert described(plans, RETRY_AFTER) == 1
    assert described(plans) == 0


@pytest.mark.parametrize(
    ("pacing", "hours"), [({}, 3), ({"describe_every": 600.0}, 0.5), ({"describe_every": 60.0, "last_good": 7200.0}, 2)]
)
def test_what_can_not_be_described_any_more_is_told_for_a_time_and_then_unknown(pacing, hours):
    """What AWS has told once would be true for ever, whatever becomes of the thing."""
    account = Account("cluster", **pacing)
    account.aws.items |= {
        "ListClusters": [{"ClusterName": "c", "ClusterStatus": "InService", "CreationTime": 1}],
        "ListClusterNodes": [node(), node("i-2")],
        "DescribeCluster": {"InstanceGroups": [{"InstanceType": "ml.g5.xlarge", "CurrentCount": 2}]},
    }
    account.look()
    account.aws.errors |= {"ListClusterNodes": "denied", "DescribeCluster": "denied"}
    known = []
    while account.now < T0 + (hours + 1) * HOUR:
        found = account.things(60).by_key["c"].told["DescribeCluster"]
        known += [account.now] if found.items else []
        assert bool(found.items) == bool(found.at)
    assert known[-1] == T0 + hours * HOUR
    account.aws.asked()
    account.look(HOUR)
    assert account.aws.asked()["DescribeCluster"] == 1, "it is tried now and then"
    account.aws.errors.clear()
    assert account.things(HOUR).by_key["c"].told["DescribeCluster"].at == account.now


def test_a_slow_round_of_very_many_things_makes_none_of_them_unknown():
    account = Account("training_plan")
    number, look = 16 * MOST_DESCRIBES, HOUR / 4  # all of them in four hours
    account.aws.items["ListTrainingPlans"] = [{**plan(), "TrainingPlanName": f"p{n}"} for n in range(number)]
    account.aws.items["DescribeTrainingPlan"] = DESCRIBED
    for _ in range(16):
        account.look(look)
    account.aws.errors["DescribeTrainingPlan", "p0"] = "throttled"  # once, and it is the last one's turn then
    told = []
    for _ in range(24):
        account.look(look)
        if ("DescribeTrainingPlan", "throttled") in account.failures:
            account.aws.errors.clear()
        listed = account.inventory.census(HERE).things["training_plan"].by_key.values()
        told.append(sum(bool(one.told["DescribeTrainingPlan"].items) for one in listed))
    assert not account.aws.errors
    assert set(told) == {number}


def test_a_thing_that_goes_while_it_is_looked_at_is_no_failure(plans):
    plans.aws.errors["DescribeTrainingPlan"] = "absent"
    plans.look()
    assert plans.failures == []


def test_a_description_that_can_not_be_read_is_none(plans):
    plans.aws.items["DescribeTrainingPlan"] = {"InUseInstanceCount": "many"}
    assert not plans.things().by_key["p"].told["DescribeTrainingPlan"].items
    assert plans.failures == [("DescribeTrainingPlan", "transient")]


def test_what_comes_back_under_its_name_is_described_anew():
    account = Account("feature_group")
    group = {"FeatureGroupName": "f", "FeatureGroupStatus": "Created", "CreationTime": T0 - DAY}
    account.aws.items["ListFeatureGroups"] = [group]
    account.look()
    account.aws.items["ListFeatureGroups"] = [{**group, "CreationTime": T0 + 30}]
    account.aws.asked()
    account.look(60)
    assert account.aws.asked()["DescribeFeatureGroup"] == 1


def test_a_lot_of_things_is_described_in_several_looks_the_unknown_first():
    account = Account("feature_group")
    account.aws.items["ListFeatureGroups"] = [
        {"FeatureGroupName": f"f{n}", "FeatureGroupStatus": "Creating", "CreationTime": 1}
        for n in range(MOST_DESCRIBES + 20)
    ]
    for known in (MOST_DESCRIBES, MOST_DESCRIBES + 20):
        found = account.things(60)
        assert account.aws.asked()["DescribeFeatureGroup"] == MOST_DESCRIBES
        assert sum(bool(one.told) for one in found.by_key.values()) == known


def test_only_apps_that_run_are_described():
    account = Account("app")
    app = {"DomainId": "d", "AppType": "JupyterLab", "CreationTime": 1, "SpaceName": "s"}
    account.aws.items["ListApps"] = [
        {**app, "AppName": status, "Status": status} for status in ("Deleted", "InService", "Failed")
    ]
    account.look()
    (asked,) = [given for operation, given in account.aws.calls if operation == "DescribeApp"]
    assert asked == {"DomainId": "d", "SpaceName": "s", "AppType": "JupyterLab", "AppName": "InService"}


# -- clusters and their nodes ------------------------------------------------------------------------------------------


def node(name="i-1", status="Running"):
    return {"InstanceGroupName": "workers", "InstanceId": name, "InstanceStatus": {"Status": status}}


def test_nodes_are_listed_each_time_and_a_change_among_them_has_the_cluster_described():
    account = Account("cluster")
    account.aws.items |= {
        "ListClusters": [{"ClusterName": "c", "ClusterStatus": "InService", "CreationTime": 1}],
        "ListClusterNodes": [node(), node("i-2")],
        "DescribeCluster": {"InstanceGroups": [{"InstanceGroupName": "workers", "CurrentCount": 2}]},
    }
    (cluster,) = account.things().by_key.values()
    assert len(cluster.told["ListClusterNodes"].items) == 2
    assert cluster.told["DescribeCluster"].items == (
        {"InstanceGroups[]": ({"InstanceGroupName": "workers", "CurrentCount": 2.0},)},
    )
    account.aws.asked()
    account.look(60)
    assert account.aws.asked() == {"ListClusters": 1, "ListClusterNodes": 1}
    account.aws.items["ListClusterNodes"] = [node(), node("i-2", "Failure")]
    account.look(60)
    assert account.aws.asked() == {"ListClusters": 1, "ListClusterNodes": 1, "DescribeCluster": 1}
    account.look(60)
    assert account.aws.asked() == {"ListClusters": 1, "ListClusterNodes": 1}


# -- monitoring schedules ----------------------------------------------------------------------------------------------


@pytest.fixture
def schedules():
    account = Account("monitoring_schedule")
    times = {"CreationTime": T0 - DAY, "LastModifiedTime": T0 - DAY}
    account.aws.items["ListMonitoringSchedules"] = [
        {"MonitoringScheduleName": name, "MonitoringScheduleStatus": "Scheduled", **times} for name in ("a", "b")
    ]
    return account


def execution(name="a", status="InProgress", at=T0):
    return {"MonitoringScheduleName": name, "MonitoringExecutionStatus": status, "ScheduledTime": at}


OF_A_SCHEDULE = ("ListMonitoringExecutions", "ListMonitoringAlerts")


def asked_about(account, seconds=MINUTE):
    """Look, and return which schedules were asked about, by operation."""
    account.aws.calls.clear()
    account.look(seconds)
    return {
        (operation, given["MonitoringScheduleName"])
        for operation, given in account.aws.calls
        if "MonitoringScheduleName" in given
    }


def test_a_schedule_is_asked_about_when_one_of_its_executions_changes(schedules):
    assert len(asked_about(schedules)) == 4
    assert asked_about(schedules, 660) == {(OF_A_SCHEDULE[1], "a"), (OF_A_SCHEDULE[1], "b")}, "alerts follow later"
    assert asked_about(schedules) == set()
    schedules.aws.items["ListMonitoringExecutions"] = [execution()]
    assert asked_about(schedules) == {(operation, "a") for operation in OF_A_SCHEDULE}
    assert asked_about(schedules) == set()
    schedules.aws.items["ListMonitoringExecutions"] = [execution(status="Completed"), execution(at=T0 - HOUR)]
    assert asked_about(schedules) == {(operation, "a") for operation in OF_A_SCHEDULE}
    schedules.aws.items["ListMonitoringExecutions"] = [execution(at=T0 + 60), execution(at=T0 - HOUR)]
    assert asked_about(schedules) == {(operation, "a") for operation in OF_A_SCHEDULE}, "the newest one counts"
    schedules.aws.items["ListMonitoringExecutions"] = []
    assert asked_about(schedules) == set(), "what is older than the listing has not changed"


def test_alerts_are_asked_once_more_after_a_while(schedules):
    schedules.look()
    asked = [asked_about(schedules) for _ in range(15)]
    assert [len(one) for one in asked] == [0] * 9 + [2] + [0] * 5
    assert asked[9] == {("ListMonitoringAlerts", "a"), ("ListMonitoringAlerts", "b")}


def test_executions_of_the_last_hours_are_listed_for_all_schedules_together(schedules):
    schedules.look()
    (given,) = [asked for _, asked in schedules.aws.calls if "CreationTimeAfter" in asked]
    assert given == {
        "CreationTimeAfter": T0 - 6 * HOUR,
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 100,
    }


def test_of_one_schedule_the_newest_execution_is_taken(schedules):
    schedules.aws.items["ListMonitoringExecutions", "a"] = [execution(at=T0), execution(at=T0 - HOUR)]
    told = schedules.things().by_key["a"].told["ListMonitoringExecutions"]
    assert [item["ScheduledTime"] for item in told.items] == [T0]


def test_schedules_are_known_where_executions_can_not_be_listed(schedules):
    schedules.aws.errors["ListMonitoringExecutions"] = "denied"
    found = schedules.things()
    assert found.at == T0
    assert found.by_key["a"].told["ListMonitoringAlerts"].at == T0
    assert ("ListMonitoringExecutions", "denied") in schedules.failures


# -- a clock that is set back ------------------------------------------------------------------------------------------


def test_when_our_clock_is_set_back_what_is_due_after_a_while_is_due_after_that_while():
    account = Account("training_plan", "model")
    account.aws.size = 10
    account.aws.items |= {
        "ListTrainingPlans": [plan()],
        "DescribeTrainingPlan": DESCRIBED,
        "ListModels": [
            {"ModelName": f"m{n}", "CreationTime": 1} for n in range(105)
        ],  # a minute's pause after 11 pages
    }
    account.look()
    account.look(10 * MINUTE)
    account.now -= DAY
    account.aws.asked()
    plans = account.things()
    assert (plans.at, account.aws.asked()) == (account.now, {"ListTrainingPlans": 1})
    account.look(MINUTE)
    assert account.aws.asked() == {"ListTrainingPlans": 1, "ListModels": 11}
    account.look(49 * MINUTE - 1)
    assert account.aws.asked()["DescribeTrainingPlan"] == 0
    account.look(1)
    assert account.aws.asked()["DescribeTrainingPlan"] == 1, "an hour after the last time"


def test_what_can_not_be_looked_at_since_our_clock_was_set_back_is_as_old_as_it_was(plans):
    plans.look()
    plans.aws.errors |= {"ListTrainingPlans": "denied", "DescribeTrainingPlan": "denied"}
    plans.now -= DAY
    found = plans.things(-10)
    assert found.at == found.by_key["p"].told["DescribeTrainingPlan"].at == plans.now
    assert plans.things(60).at == plans.now - 60


# -- a reload, a forecast ----------------------------------------------------------------------------------------------


def test_what_was_known_before_a_reload_is_known_after_it_as_far_as_it_is_wanted(plans):
    plans.look()
    for kinds, known in ((plans.kinds, {"training_plan"}), ((), set())):
        after = Inventory(plans.aws, {}, Pacing(kinds=kinds), Admission(1000), before=plans.inventory)
        assert set(after.census(HERE).things) == known
    off = Inventory(plans.aws, {}, Pacing(resources=False, kinds=plans.kinds), Admission(1000), before=plans.inventory)
    assert off.census(HERE).things == {}


def test_an_hour_in_which_nothing_changes_takes_as_many_calls_as_are_forecast():
    account = Account("training_plan", "cluster", "monitoring_schedule", "model")
    account.aws.size = 10
    account.aws.items |= {
        "ListTrainingPlans": [{**plan(), "TrainingPlanName": f"p{n}"} for n in range(3)],
        "ListClusters": [{"ClusterName": "c", "ClusterStatus": "InService", "CreationTime": 1}],
        "ListModels": [{"ModelName": f"m{n}", "CreationTime": 1} for n in range(305)],
        "ListMonitoringSchedules": [{"MonitoringScheduleName": "a", "MonitoringScheduleStatus": "Stopped"}],
    }
    for _ in range(61):
        census = account.look(60)
    forecast = account.inventory.calls_an_hour(census, 60)
    account.aws.asked()
    for _ in range(60):
        account.look(60)
    seen = account.aws.asked()
    assert {name: number for name, number in forecast.items() if name in seen} == seen


# -- whatever fails ----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sets(st.sampled_from("abcd")), st.sampled_from(["", "denied", "transient", "page 2"]))))
@settings(max_examples=200)
def test_what_is_known_is_what_the_last_complete_listing_showed(looks):
    account = Account("notebook_instance")
    account.aws.size = 1
    known, at = set(), 0.0
    for names, error in looks:
        account.aws.items["ListNotebookInstances"] = [notebook(name) for name in sorted(names)]
        account.aws.errors["ListNotebookInstances"] = error
        found = account.things(60)
        if not error or (error == "page 2" and len(names) < 2):
            known, at = names, account.now
        assert (set(found.by_key), found.at) == (known, at)
        assert bool(account.failures) == (at != account.now)
