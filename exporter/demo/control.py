"""The control API of the fake: what tests do with FakeAws in their own process, over HTTP, as JSON.

/_fake/clock      GET; POST {"set": unix time} or {"advance": seconds}
/_fake/lateness   GET; POST fields of series.Lateness, for periods that begin after now
/_fake/faults     GET; POST fields of faults.Fault; DELETE removes all
/_fake/data       POST [arguments of World.put, ...]
/_fake/endpoints  POST {account, region, name, per_minute}; DELETE {account, region, name}
/_fake/jobs       POST {account, region, kind, name}, and at will parent and what jobs.life takes: a job, created now;
                  DELETE {account, region, kind, name}
/_fake/things     POST {account, region, kind, name}, and at will status, id, parent, tags and facts in the service
                  model's names: a thing, created now, or changed where it exists; DELETE {account, region, resource}
/_fake/api_calls  POST {account, region, name}, and at will what World.add_call takes: an API call, completed now
/_fake/changes    POST {account, region, start, end}: the truth about jobs, and about things
/_fake/truth      POST arguments of World.truth
/_fake/bill       GET; POST {"enforced": true}
/_fake/calls      GET the newest calls
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from exporter.demo.default_world import open_endpoint
from exporter.demo.jobs import life
from exporter.demo.series import Lateness
from exporter.demo.things import KINDS as THINGS
from exporter.demo.things import Thing

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.fake import FakeAws

CONTROL = "/_fake/"


def control(fake: FakeAws, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Return (status, body): 200, 404 for what there is not, 400 for what cannot be."""
    act = _ACTS.get((method, path.removeprefix(CONTROL)))
    if act is None:
        return 404, b'{"error": "no such thing"}'
    try:
        return 200, orjson.dumps(act(fake, orjson.loads(body or b"{}")), option=orjson.OPT_NON_STR_KEYS)
    except (KeyError, TypeError, ValueError) as error:
        return 400, orjson.dumps({"error": f"{type(error).__name__}: {error}"})


def _clock(fake: FakeAws, given: dict[str, float]) -> Any:
    if "set" in given:
        fake.set_clock(given["set"])
    fake.advance(given.get("advance", 0))
    return {"now": fake.now()}


def _lateness(fake: FakeAws, given: dict[str, Any]) -> Any:
    if given:
        fake.world.change_lateness(Lateness(**given), fake.now())
    return asdict(fake.world.arrivals.lateness(fake.now() + 1))


def _put(fake: FakeAws, given: list[dict[str, Any]]) -> Any:
    for datapoint in given:
        fake.world.put(**datapoint)
    return {"put": len(given)}


def _open(fake: FakeAws, given: dict[str, Any]) -> Any:
    open_endpoint(fake.world, at=fake.now(), **given)
    return {"opened": given["name"]}


def _delete(fake: FakeAws, given: dict[str, Any]) -> Any:
    fake.world.delete_endpoint(at=fake.now(), **given)
    return {"deleted": given["name"]}


def _add_job(fake: FakeAws, given: dict[str, Any]) -> Any:
    begun = life(given["kind"], **{name: given.pop(name) for name in _OF_A_LIFE if name in given})
    return {"added": fake.world.add_job(at=fake.now(), lives=begun, **given).resource}


def _delete_job(fake: FakeAws, given: dict[str, Any]) -> Any:
    account, region, now = given["account"], given["region"], fake.now()
    job = fake.world.region(account, region).jobs.find(given["kind"], given["name"].lower(), now)
    if job is None:
        raise KeyError(given["name"])
    fake.world.delete_job(account, region, job, now)
    return {"deleted": job.resource}


def _put_thing(fake: FakeAws, given: dict[str, Any]) -> Any:
    world, now = fake.world, fake.now()
    where = given["account"], given["region"]
    own = {name: given.get(name, "") for name in ("id", "parent")}
    resource = Thing(THINGS[given["kind"]], given["name"], now, [], **own).resource
    thing = world.region(*where).things.find(resource, now)
    if thing is None:
        return {"added": world.add_thing(at=now, **given).resource}
    changed = {name: value for name, value in given.items() if name[:1].isupper()}
    world.change_thing(*where, thing, now, given.get("status"), **changed)
    return {"changed": resource}


def _delete_thing(fake: FakeAws, given: dict[str, Any]) -> Any:
    where, now = (given["account"], given["region"]), fake.now()
    thing = fake.world.region(*where).things.find(given["resource"], now)
    if thing is None:
        raise KeyError(given["resource"])
    fake.world.delete_thing(*where, thing, now)
    return {"deleted": thing.resource}


def _add_call(fake: FakeAws, given: dict[str, Any]) -> Any:
    if "error" in given:
        given["error"] = tuple(given["error"])
    return {"added": fake.world.add_call(at=fake.now(), **given).event_id}


def _changes(fake: FakeAws, given: dict[str, Any]) -> Any:
    jobs = [
        {"at": change.at, "kind": change.job.kind.name, "resource": change.job.resource, **change.step._asdict()}
        for change in fake.world.job_changes(**given)
    ]
    things = [
        {
            "at": turn.at,
            "kind": turn.thing.kind.name,
            "resource": turn.thing.resource,
            "status": turn.state.status,
            "gone": turn.gone,
        }
        for turn in fake.world.thing_changes(**given)
    ]
    return sorted(jobs + things, key=lambda change: change["at"])


def _add_fault(fake: FakeAws, given: dict[str, Any]) -> Any:
    fake.faults.add(**given)
    return fake.faults.as_json()


def _clear_faults(fake: FakeAws, _: Any) -> Any:
    fake.faults.clear()
    return []


def _bill(fake: FakeAws, given: dict[str, Any]) -> Any:
    fake.bill.enforced = bool(given.get("enforced", fake.bill.enforced))
    return fake.bill.as_json()


_OF_A_LIFE = ("ends", "lasts", "waits", "phase", "text")
_ACTS: dict[tuple[str, str], Callable[[FakeAws, Any], Any]] = {
    ("POST", "api_calls"): _add_call,
    ("GET", "bill"): _bill,
    ("POST", "bill"): _bill,
    ("GET", "calls"): lambda fake, _: list(fake.calls),
    ("POST", "changes"): _changes,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _clock,
    ("POST", "data"): _put,
    ("POST", "endpoints"): _open,
    ("DELETE", "endpoints"): _delete,
    ("GET", "faults"): lambda fake, _: fake.faults.as_json(),
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "jobs"): _add_job,
    ("DELETE", "jobs"): _delete_job,
    ("GET", "lateness"): _lateness,
    ("POST", "lateness"): _lateness,
    ("POST", "things"): _put_thing,
    ("DELETE", "things"): _delete_thing,
    ("POST", "truth"): lambda fake, given: {"value": fake.world.truth(**given)},
}
