"""Price lists: entries as they come, when a list is read, and what is wrong with some."""

from __future__ import annotations

import json
import re
import threading

import pytest
from botocore.session import Session
from street import ACCOUNT, REGION
from test_cost import HOURLY, dollars, street_of, told, world_with_prices
from worlds import HERE, T0

from exporter.aws import AwsError, _region
from exporter.aws.operations import OPERATIONS
from exporter.demo.resources import Variant
from exporter.model import DAY, HOUR, MINUTE, Failure, Target
from exporter.sources.cost import lists, prices
from exporter.sources.cost.lists import LIST_AGAIN, LIST_EVERY, LIST_WAIT, Lists

THERE = Target("210987654321", HERE.region)  # another account
NOW = 1795000000.0  # of lists: 18 November 2026
NOVEMBER = 1793491200.0
XLARGE = ("endpoint", "ml.m5.xlarge")
UP = "sagemaker_exporter_target_up"

# -- entries -----------------------------------------------------------------------------------------------------------


def entry(usage, usd="0.23", since="2026-11-01T00:00:00Z", unit="Hrs", begin="0", currency="USD"):
    dimension = {"unit": unit, "beginRange": begin, "pricePerUnit": {currency: usd}}
    term = {"effectiveDate": since, "priceDimensions": {"a": dimension}}
    return json.dumps({"product": {"attributes": {"usagetype": usage}}, "terms": {"OnDemand": {"b": term}}})


class Door:
    """Stands for the door: a list of one page, or of those that it is given."""

    def __init__(self, *entries):
        self.list = [{"PriceList": list(entries)}]
        self.asked = []
        self.failing = {}

    def answers(self, target, operation):
        assert operation == "GetProducts"
        return not target.region.startswith("us-gov-")

    def pages(self, target, operation, **given):
        assert (operation, given["ServiceCode"]) == ("GetProducts", "AmazonSageMaker")
        assert given["Filters"] == [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": target.region}]
        self.asked.append(target)
        if target in self.failing:
            raise self.failing[target]
        yield from self.list


GOOD = entry("USE1-Notebk:ml.good.large")  # without one a list is none


def read(*entries):
    return prices.read(Door(GOOD, *entries), HERE, NOW)


def found(billed, *entries):
    return prices.find(read(*entries)[0], billed)


USAGES = [
    (("endpoint", "ml.m5.xlarge"), "USE1-Host:ml.m5.xlarge"),
    (("endpoint", "ml.m5.xlarge"), "Host:ml.m5.xlarge"),  # us-east-1 of old
    (("endpoint", "ml.g6e.12xlarge"), "EU-AsyncInf:ml.g6e.12xlarge"),
    (("training_job", "ml.trn1.32xlarge"), "APN2-Train:ml.trn1.32xlarge"),
    (("warm_pool", "ml.trn1.32xlarge"), "APN2-Train:ml.trn1.32xlarge"),
    (("processing_job", "ml.m5.large"), "EUN1-Processing:ml.m5.large"),
    (("transform_job", "ml.m5.large"), "UGW1-Tsform:ml.m5.large"),
    (("notebook_instance", "ml.t3.medium"), "EU-Notebk:ml.t3.medium"),
    (("app", "ml.g5.xlarge"), "APN2-Studio:JupyterLab-ml.g5.xlarge"),
    (("app", "ml.r5.24xlarge"), "AFS1-Studio:KernelGateway-ml.r5.24xlarge"),
    (("cluster", "ml.p4d.24xlarge"), "USW2-Cluster:ml.p4d.24xlarge"),
    (("mlflow_tracking_server", "Small"), "USE1-MLflow:small"),
]


@pytest.mark.parametrize(("billed", "usage"), USAGES)
def test_a_usage_type_says_what_a_price_is_for(billed, usage):
    assert found(billed, entry(usage)) == (NOVEMBER, 0.23)
    assert found((billed[0], "ml.other.large"), entry(usage)) is None


@pytest.mark.parametrize(
    "other",
    [
        entry("Host:ml.m5.xlarge-HostingParent"),  # of the free tier
        entry("USE1-ReservedCluster:ml.m5.xlarge"),
        entry("USE1-Host:VolumeUsage.gp2", unit="GB-Mo"),
        entry("USE1-Host:ml.m5.xlarge", usd="0.0000000000"),
        entry("USE1-Host:ml.m5.xlarge", unit="Seconds"),
        entry("USE1-Host:ml.m5.xlarge", begin="730"),
        entry("CNN1-Host:ml.m5.xlarge", currency="CNY"),
        entry("USE1-Host:ml.m5.xlarge", usd="a lot"),
        entry(""),
        '{"product": {}}',
    ],
)
def test_what_is_no_price_of_an_instance_is_left_out(other):
    assert found(("endpoint", "ml.m5.xlarge"), other) is None


@pytest.mark.parametrize(
    "usd", ["1e400", "Infinity", "-inf", "NaN", "-0.23", "10000.01", "a lot", "", None, 0.23, ["0.23"]]
)
def test_what_can_be_no_price_is_none(usd):
    listed, unreadable = read(entry("USE1-Host:ml.m5.xlarge", usd=usd))
    assert prices.find(listed, XLARGE) is None
    assert unreadable == 1
    assert prices.find(listed, ("notebook_instance", "ml.good.large")) == (NOVEMBER, 0.23)  # the rest holds


def test_a_dear_hour_is_still_a_price():
    assert found(XLARGE, entry("USE1-Host:ml.m5.xlarge", usd="10000")) == (NOVEMBER, 10000.0)


def product(usage, **more):
    return {"product": {"attributes": {"usagetype": usage}}, **more}


ODD = [
    {"terms": None},
    {"terms": 7},
    {"terms": {"OnDemand": None}},
    {"terms": {"OnDemand": [7]}},
    {"terms": {"OnDemand": {"a": None}}},
    {"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"unit": None}}}}}},
    json.loads(entry("", since="soon")),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_entry_counts_if_it_is_one_of_an_instance(odd):
    terms = {"terms": odd["terms"]}
    listed, unreadable = read(json.dumps(product("USE1-Host:ml.m5.xlarge", **terms)))
    assert (prices.find(listed, XLARGE), unreadable) == (None, 1)
    for usage in ("USE1-Host:VolumeUsage.gp2", "USE1-ReservedCluster:ml.m5.xlarge", None, 7, ["Host"]):
        assert read(json.dumps(product(usage, **terms)))[1] == 0  # nobody has looked at its terms


@pytest.mark.parametrize("entry", [None, 7, {}, ["Host"], "", '{"product": ', "\ud800", '{"a": ' + "[" * 100_000])
def test_an_entry_of_which_nobody_knows_whether_it_is_an_instance_s_counts(entry):
    assert read(entry) == ({("Notebk", "ml.good.large"): (NOVEMBER, 0.23)}, 1)


@pytest.mark.parametrize("entry", ["[]", "7", '{"product": 7}', '{"product": {"attributes": null}}', '{"terms": {}}'])
def test_an_entry_without_usage_type_is_no_instance_s(entry):
    assert read(entry)[1] == 0


@pytest.mark.parametrize("page", [7, "none", {"a": 1}, None])
def test_a_page_that_is_no_list_is_none(page):
    door = Door(GOOD)
    door.list.append({"PriceList": page})
    with pytest.raises(AwsError, match="PriceList is no list") as failed:
        prices.read(door, HERE, NOW)
    assert failed.value.error_class == "transient"


@pytest.mark.parametrize("entries", [(), (entry("USE1-Host:VolumeUsage.gp2"),), (entry("Host:ml.m5.xlarge", "NaN"),)])
def test_a_list_without_a_single_price_of_an_instance_is_none(entries):
    with pytest.raises(AwsError, match=f"no instance has a price in USD, {'NaN' in str(entries):d} entries") as failed:
        prices.read(Door(*entries), HERE, NOW)
    assert failed.value.error_class == "transient"


def test_pages_that_do_not_end_are_no_list():
    door = Door(GOOD)
    door.list *= prices.MOST_PAGES
    prices.read(door, HERE, NOW)
    door.list = ({"PriceList": [GOOD]} for _ in range(2 * prices.MOST_PAGES))
    with pytest.raises(AwsError, match="the pages do not end") as failed:
        prices.read(door, HERE, NOW)
    assert failed.value.error_class == "transient"


def test_of_prices_beside_each_other_the_newest_holds_that_is_no_future_one():
    usage, dates = "USE1-Host:ml.m5.xlarge", ["2026-11-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-12-01T00:00:00Z"]
    several = [entry(usage, usd, since) for usd, since in zip("234", dates, strict=True)]
    assert found(XLARGE, *several) == found(XLARGE, *reversed(several)) == (NOVEMBER, 2.0)
    assert found(XLARGE, several[2]) is None
    both = json.loads(several[0])
    both["terms"]["OnDemand"]["next"] = json.loads(several[2])["terms"]["OnDemand"]["b"]
    assert found(XLARGE, json.dumps(both)) == (NOVEMBER, 2.0)


def test_a_date_without_zone_is_one_of_utc():
    assert found(XLARGE, entry("Host:ml.m5.xlarge", since="2026-11-01")) == (NOVEMBER, 0.23)


def test_a_price_holds_from_its_date_on_but_never_before_the_one_that_it_follows():
    known = prices.learn((), (100.0, 1.0), 500.0)
    assert prices.learn(known, (200.0, 1.0), 600.0) == known  # published again, and the same
    later = prices.learn(known, (400.0, 2.0), 600.0)
    assert later == ((100.0, 1.0), (400.0, 2.0))
    assert prices.learn(later, (50.0, 3.0), 700.0) == (*later, (400.0, 3.0))
    assert prices.learn(later, (9e9, 3.0), 700.0) == (*later, (700.0, 3.0))
    assert list(prices.pieces(later, 0.0, 7200.0)) == [(400 / 3600, 1.0), (6800 / 3600, 2.0)]
    assert list(prices.pieces(later, 1000.0, 4600.0)) == [(1.0, 2.0)]
    assert list(prices.pieces(later, 0.0, 360.0)) == [(0.1, 1.0)]


# -- when a list is read -----------------------------------------------------------------------------------------------


class Account:
    """What a target notes from run to run, and would find again after a restart."""

    def __init__(self, lists, target=HERE):
        self.lists, self.target, self.notes = lists, target, {}

    def run(self, now, *in_use):
        listed = self.lists.prices(self.target, self.notes, set(in_use or (XLARGE,)), now)
        self.notes = json.loads(json.dumps(listed.notes))
        return listed


NEW = ("endpoint", "ml.new.large")
OTHER = ("endpoint", "ml.other.large")


@pytest.fixture
def door():
    return Door(GOOD, entry("USE1-Host:ml.m5.xlarge"))


def test_a_list_is_read_once_a_day_for_all_accounts_of_a_region(door):
    of_region = Lists(door)
    here, there, elsewhere = (Account(of_region, one) for one in (HERE, THERE, Target(HERE.account_id, "ap-south-1")))
    for now in (NOW, NOW + LIST_EVERY - 1):
        assert here.run(now) == there.run(now + 0.5) == here.run(now)
        elsewhere.run(now)
    assert door.asked == [HERE, elsewhere.target]
    assert here.run(NOW + LIST_EVERY).at == there.run(NOW + LIST_EVERY).at == NOW + LIST_EVERY
    assert door.asked == [HERE, elsewhere.target, HERE]


def test_what_a_list_had_no_price_for_is_not_asked_for_again_by_a_new_process(door):
    account = Account(Lists(door))
    assert account.run(NOW, XLARGE, NEW).prices == {XLARGE: ((NOVEMBER, 0.23),)}
    for n in range(1, 5):
        account.lists = Lists(door)
        account.run(NOW + n * HOUR, XLARGE, NEW)
        account.run(NOW + n * HOUR, NEW)
    assert len(door.asked) == 1
    account.run(NOW + 5 * HOUR, NEW, OTHER)  # of which the list was not asked
    assert len(door.asked) == 2
    account.lists = Lists(door)
    door.list[0]["PriceList"].append(entry("USE1-Host:ml.new.large"))
    account.run(NOW + 6 * HOUR, NEW, OTHER)
    assert len(door.asked) == 2
    assert account.run(NOW + 5 * HOUR + LIST_EVERY, NEW, OTHER).prices.keys() == {XLARGE, NEW}


def test_a_clock_that_was_ahead_does_not_keep_a_list_for_good(door):
    account = Account(Lists(door))
    account.run(NOW + 900 * DAY)
    assert account.run(NOW).at == NOW
    assert len(door.asked) == 2


def test_a_list_that_could_not_be_read_is_asked_for_again_in_an_hour(door):
    account = Account(Lists(door))
    account.run(NOW)
    door.failing[HERE] = AwsError("denied", "no pricing:GetProducts")
    failure = (Failure("GetProducts", "denied", "no pricing:GetProducts"),)
    later = NOW + LIST_EVERY
    for after in (0.0, 300.0, LIST_AGAIN - 1):
        listed = account.run(later + after)
        assert (listed.at, listed.prices, listed.failures) == (NOW, {XLARGE: ((NOVEMBER, 0.23),)}, failure)
    assert len(door.asked) == 2
    assert account.run(later + LIST_AGAIN).failures == failure
    assert len(door.asked) == 3
    door.failing.clear()
    listed = account.run(later + 2 * LIST_AGAIN)
    assert (listed.at, listed.failures, len(door.asked)) == (later + 2 * LIST_AGAIN, (), 4)


def test_a_failure_is_forgotten_once_another_account_has_read_the_list(door):
    of_region = Lists(door)
    here, there = Account(of_region), Account(of_region, THERE)
    door.failing[HERE] = AwsError("denied", "no")
    assert here.run(NOW).failures
    assert not there.run(NOW + 1).failures
    listed = here.run(NOW + 300)
    assert (listed.at, listed.failures) == (NOW + 1, ())
    assert door.asked == [HERE, THERE]
    of_region._reading[HERE.region].acquire()  # by another account, a day later
    assert here.run(NOW + 1 + LIST_EVERY).failures == ()


def test_entries_that_can_not_be_read_are_told_as_long_as_the_list_is_in_use(door):
    door.list[0]["PriceList"] += [entry("Host:ml.odd.large", usd=None)] * 3
    of_region = Lists(door)
    told = (Failure("GetProducts", "transient", "3 entries of the price list can't be read: prices may be missing"),)
    here, there = Account(of_region), Account(of_region, THERE)
    for now in (NOW, NOW + HOUR):
        for account in (here, there):
            listed = account.run(now)
            assert (listed.at, listed.prices, listed.failures) == (NOW, {XLARGE: ((NOVEMBER, 0.23),)}, told)
    later = Account(of_region, THERE)
    later.notes = {**here.notes, "listed": NOW - HOUR}  # of another list, before a restart
    assert later.run(NOW).failures == ()
    door.list = [{"PriceList": [GOOD]}]
    assert here.run(NOW + LIST_EVERY).failures == ()


def test_where_a_partition_has_no_price_list_nothing_is_asked_and_that_is_told_once(door):
    account = Account(Lists(door), Target(HERE.account_id, "us-gov-west-1"))
    (failure,) = account.run(NOW).failures
    assert "no price list of this partition" in failure.detail
    for now in (NOW + 300, NOW + 9 * LIST_EVERY):
        assert account.run(now) == lists.Listed(0.0, {}, (), {"prices": {}, "listed": 0.0, "unlisted": []})
    assert door.asked == []
    assert Lists(door).calls([account.target]) == 0.0 < Lists(door).calls([HERE, THERE]) < 2


def test_prices_are_asked_for_where_the_sdk_has_an_endpoint_in_the_partition():
    regions = {"aws": "ap-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-eusc": "eusc-de-east-1"}
    regions |= {"aws-iso": "us-iso-west-1", "aws-iso-b": "us-isob-west-1"}
    regions |= {"aws-iso-e": "eu-isoe-west-1", "aws-iso-f": "us-isof-east-1"}
    known = Session().get_component("data_loader").load_data("endpoints")["partitions"]
    assert regions.keys() == {partition["partition"] for partition in known}
    for partition in known:
        there = partition["services"].get("api.pricing", {"endpoints": [""]})["endpoints"]
        assert re.match(partition["regionRegex"], regions[partition["partition"]])
        assert _region(OPERATIONS["GetProducts"], Target("1", regions[partition["partition"]])) in there


class Watched:
    """A lock that tells how long one waits for it, and that all want it."""

    def __init__(self, most=0):
        self.lock, self.go, self.most, self.timeouts = threading.Lock(), threading.Event(), most, []

    def acquire(self, timeout):
        self.timeouts.append(timeout)
        if len(self.timeouts) == self.most:
            self.go.set()
        return self.lock.acquire(timeout=min(timeout, 5.0))

    def release(self):
        self.lock.release()


def test_accounts_that_start_at_the_same_time_read_one_list(door):
    of_region = Lists(door)
    of_region._reading[HERE.region] = lock = Watched(16)
    pages = door.pages

    def when_all_want_it(*args, **given):
        assert lock.go.wait(10)
        return pages(*args, **given)

    door.pages = when_all_want_it
    found = []
    accounts = [Account(of_region, Target(f"{n:012}", HERE.region)) for n in range(16)]
    threads = [threading.Thread(target=lambda one=one: found.append(one.run(NOW))) for one in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(door.asked) == 1
    assert [one.prices for one in found] == [{XLARGE: ((NOVEMBER, 0.23),)}] * 16
    assert set(lock.timeouts) == {LIST_WAIT}


def test_who_has_prices_of_yesterday_waits_for_nobody(door):
    account = Account(Lists(door))
    account.run(NOW, XLARGE, NEW)
    account.lists._reading[HERE.region] = lock = Watched()
    lock.lock.acquire()  # by another account
    listed = account.run(NOW + LIST_EVERY, XLARGE, NEW)
    assert (listed.at, listed.prices, listed.failures) == (NOW, {XLARGE: ((NOVEMBER, 0.23),)}, ())
    lock.release()
    assert account.run(NOW + LIST_EVERY, XLARGE, NEW).at == NOW + LIST_EVERY
    assert len(door.asked) == 2
    assert set(lock.timeouts) == {0.0}


def test_a_wait_for_another_account_has_an_end(door, monkeypatch):
    monkeypatch.setattr(lists, "LIST_WAIT", 0.0)
    account = Account(Lists(door))
    account.lists._reading[HERE.region] = lock = threading.Lock()
    lock.acquire()
    assert account.run(NOW) == lists.Listed(0.0, {}, (), {"prices": {}, "listed": 0.0, "unlisted": []})
    lock.release()
    assert account.run(NOW).at == NOW


def test_a_bug_while_a_list_is_read_leaves_nobody_waiting(door):
    door.failing[HERE] = RuntimeError("a bug")
    of_region = Lists(door)
    with pytest.raises(RuntimeError):
        Account(of_region).run(NOW)
    assert Account(of_region, THERE).run(NOW).at == NOW


# -- the source --------------------------------------------------------------------------------------------------------


def test_what_has_no_price_is_told_and_counted_once_it_has_one():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "new", T0 - DAY, variants=(Variant(instance_type="ml.new.large", instances=2),))
    world.prices.put(REGION, "Host:ml.new.large", T0 + DAY + MINUTE, 3.0)
    street = street_of(world)
    street.cycle()
    street.cycle(HOUR)
    assert told(street, "sagemaker_cost_unpriced_instances") == {("endpoint", "ml.new.large"): 2.0}
    assert told(street, "sagemaker_cost_hourly_usd") == {}
    assert dollars(street) == {("endpoint", "ml.new.large"): 0.0}
    asked = street.fake.bill.requests["pricing.GetProducts"]
    street.cycle(HOUR)
    assert street.fake.bill.requests["pricing.GetProducts"] == asked  # not again and again
    street.cycle(23 * HOUR)
    assert told(street, "sagemaker_cost_unpriced_instances") == {}
    assert dollars(street) == pytest.approx({("endpoint", "ml.new.large"): 2 * 25 * 3.0})
    street.kill()


def test_prices_are_asked_for_in_one_region_that_answers_for_all(monkeypatch):
    street = street_of(world_with_prices())
    seen = []
    answer = street.fake.answer

    def spy(method, path, headers, body, **more):
        lower = {name.lower(): value for name, value in headers.items()}
        if "AWSPriceListService" in lower.get("x-amz-target", ""):
            seen.append(lower["authorization"].split("/")[2])
        return answer(method, path, headers, body, **more)

    monkeypatch.setattr(street.fake, "answer", spy)
    street.cycle()
    assert set(seen) == {"us-east-1"}
    street.kill()


def test_a_login_that_the_price_list_does_not_take_is_a_good_one_elsewhere():
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    street.fake.faults.add("expired_token", operation="GetProducts")
    street.cycle()
    (run,) = (run for run in street.runs if run.source == "cost")
    assert run.failures[0].error_class == "denied"
    (up,) = (sample for sample in street.tally.samples("own", 0.0) if sample.family == UP)
    assert up.value == 1.0
    street.kill()


def test_an_odd_product_that_nobody_uses_takes_nothing_away(monkeypatch):
    world = world_with_prices()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0 - DAY)
    street = street_of(world)
    pages = street.aws.pages
    odd = [None, json.dumps(product(None)), entry("Host:ml.a.b", usd=1)]

    def with_odd_ones(target, operation, **given):
        for page in pages(target, operation, **given):
            yield {**page, "PriceList": [*page["PriceList"], *odd]} if operation == "GetProducts" else page

    monkeypatch.setattr(street.aws, "pages", with_odd_ones)
    street.cycle()
    assert told(street, HOURLY) == {XLARGE: 0.23}
    (run,) = (run for run in street.runs if run.source == "cost")
    assert (run.outcome, [one.detail[:9] for one in run.failures]) == ("partial", ["2 entries"])
    street.kill()
