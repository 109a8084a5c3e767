from __future__ import annotations

import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest
from asking import ACCOUNT, NOW, REGION, query, when

from exporter.demo import serve


def request(server, method, path, body=None):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_only_on_loopback(fake):
    for host in ("0.0.0.0", "192.0.2.1", "::"):  # noqa: S104 - refused
        with pytest.raises(ValueError, match="loopback"):
            serve(fake, host=host)


def test_two_servers_do_not_meet(fake):
    with serve(fake) as one, serve(fake) as other:
        assert one.url != other.url


def test_connections_stay_open(server):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    sockets = set()
    for _ in range(3):
        connection.request("GET", "/_fake/clock")
        connection.getresponse().read()
        sockets.add(connection.sock.getsockname())
    connection.close()
    assert len(sockets) == 1


def test_closing_cuts_idle_connections(fake):
    running = serve(fake)
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc)
    connection.request("GET", "/_fake/clock")
    connection.getresponse().read()
    running.close()
    assert connection.sock.recv(1) == b""
    connection.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((urlsplit(running.url).hostname, urlsplit(running.url).port), 1)


def test_answers_carry_the_time_of_the_fake(over_http, fake):
    fake.set_clock(NOW + 3600)
    metadata = over_http("sagemaker").list_endpoints()["ResponseMetadata"]
    assert metadata["HTTPHeaders"]["date"] == "Fri, 15 Jan 2027 09:00:00 GMT"
    assert len(metadata["RequestId"]) == 36


def test_many_threads(over_http, put, fake):
    for minute in range(10):
        put(NOW - 600 + 60 * minute, 1)
    client = over_http("cloudwatch", max_pool_connections=16)
    sums = []

    def read():
        for _ in range(5):
            answer = client.get_metric_data(MetricDataQueries=[query()], StartTime=when(NOW - 600), EndTime=when(NOW))
            sums.append(sum(answer["MetricDataResults"][0]["Values"]))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [10] * 40
    assert fake.bill.requests["cloudwatch.GetMetricData"] == 40


class TestControl:
    def test_clock(self, server, fake):
        assert request(server, "GET", "/_fake/clock") == (200, {"now": NOW})
        assert request(server, "POST", "/_fake/clock", {"set": NOW + 100}) == (200, {"now": NOW + 100})
        assert request(server, "POST", "/_fake/clock", {"advance": -50})[1] == {"now": NOW + 50}
        assert fake.now() == NOW + 50

    def test_lateness(self, server, fake):
        before = request(server, "GET", "/_fake/lateness")[1]
        assert before["late"] == 0.27
        assert request(server, "POST", "/_fake/lateness", {"late": 0.5, "late_by": [60, 90]})[1]["late"] == 0.5
        assert fake.world.arrivals.lateness(NOW + 60).late_by == [60, 90]
        assert fake.world.arrivals.lateness(NOW).late == 0.27

    def test_faults(self, server, fake):
        status, rules = request(server, "POST", "/_fake/faults", {"kind": "deny", "operation": "ListMetrics"})
        assert (status, rules[0]["kind"], rules[0]["struck"]) == (200, "deny", 0)
        assert request(server, "GET", "/_fake/faults")[1] == rules
        assert request(server, "DELETE", "/_fake/faults") == (200, [])
        assert fake.faults.rules == []
        assert request(server, "POST", "/_fake/faults", {"kind": "x"}) == (
            400,
            {"error": "ValueError: no such fault: x"},
        )

    def test_data_and_truth(self, server):
        series = {"account": ACCOUNT, "region": REGION, "namespace": "N", "metric": "M", "dimensions": {"A": "b"}}
        data = [series | {"at": 60 * minute, "value": [1, 2, 3]} for minute in range(4)]
        assert request(server, "POST", "/_fake/data", data) == (200, {"put": 4})
        asked = series | {"statistic": "Sum", "start": 0, "end": 180}
        assert request(server, "POST", "/_fake/truth", asked) == (200, {"value": 18})
        assert request(server, "POST", "/_fake/truth", asked | {"now": 100})[1] == {"value": 6}

    def test_endpoints(self, server, over_http, fake):
        where = {"account": ACCOUNT, "region": REGION, "name": "fresh"}
        assert request(server, "POST", "/_fake/endpoints", where | {"per_minute": 30}) == (200, {"opened": "fresh"})
        client = over_http("sagemaker")
        assert client.describe_endpoint(EndpointName="fresh")["EndpointStatus"] == "InService"
        fake.advance(3600)
        assert request(server, "DELETE", "/_fake/endpoints", where) == (200, {"deleted": "fresh"})
        assert client.list_endpoints()["Endpoints"] == []
        invocations = {"EndpointName": "fresh", "VariantName": "AllTraffic"}
        total = fake.truth(ACCOUNT, REGION, "AWS/SageMaker", "Invocations", invocations, "Sum", NOW, NOW + 86400)
        assert 60 * 30 * 0.3 < total < 60 * 30 * 1.7
        assert request(server, "DELETE", "/_fake/endpoints", where)[0] == 400

    def test_jobs(self, server, over_http, fake):
        where = {"account": ACCOUNT, "region": REGION, "kind": "training", "name": "Fresh"}
        ending = {"ends": "Failed", "lasts": 600, "waits": 60, "text": "AlgorithmError: x"}
        assert request(server, "POST", "/_fake/jobs", where | ending) == (200, {"added": "training-job/Fresh"})
        client = over_http("sagemaker")
        assert client.describe_training_job(TrainingJobName="Fresh")["SecondaryStatus"] == "Starting"
        fake.advance(700)
        assert client.describe_training_job(TrainingJobName="Fresh")["FailureReason"] == "AlgorithmError: x"
        between = {"account": ACCOUNT, "region": REGION, "start": NOW + 100, "end": NOW + 1000}
        *_, last = request(server, "POST", "/_fake/changes", between)[1]
        assert last == {
            "at": NOW + 600,
            "kind": "training",
            "resource": "training-job/Fresh",
            "after": 600,
            "status": "Failed",
            "phase": "Failed",
            "text": "AlgorithmError: x",
        }
        assert request(server, "DELETE", "/_fake/jobs", where) == (200, {"deleted": "training-job/Fresh"})
        assert client.list_training_jobs()["TrainingJobSummaries"] == []
        assert request(server, "DELETE", "/_fake/jobs", where)[0] == 400
        assert request(server, "POST", "/_fake/jobs", where | {"ends": "Gone"})[0] == 400

    def test_things(self, server, over_http, fake):
        thing = {"account": ACCOUNT, "region": REGION, "kind": "notebook_instance", "name": "Anna"}
        facts = {"status": "Pending", "InstanceType": "ml.t3.medium", "tags": {"team": "risk"}}
        resource = "notebook-instance/Anna"
        assert request(server, "POST", "/_fake/things", thing | facts) == (200, {"added": resource})
        fake.advance(60)
        assert request(server, "POST", "/_fake/things", thing | {"status": "InService"}) == (200, {"changed": resource})
        client = over_http("sagemaker")
        answer = client.describe_notebook_instance(NotebookInstanceName="Anna")
        assert (answer["NotebookInstanceStatus"], answer["InstanceType"]) == ("InService", "ml.t3.medium")
        fake.advance(60)
        gone = {"account": ACCOUNT, "region": REGION, "resource": resource}
        assert request(server, "DELETE", "/_fake/things", gone) == (200, {"deleted": resource})
        assert client.list_notebook_instances()["NotebookInstances"] == []
        between = {"account": ACCOUNT, "region": REGION, "start": NOW, "end": NOW + 1000}
        assert request(server, "POST", "/_fake/changes", between)[1] == [
            {"at": at, "kind": "notebook_instance", "resource": resource, "status": status, "gone": gone}
            for at, status, gone in (
                (NOW, "Pending", False),
                (NOW + 60, "InService", False),
                (NOW + 120, "InService", True),
            )
        ]
        assert request(server, "DELETE", "/_fake/things", gone)[0] == 400
        assert request(server, "POST", "/_fake/things", thing | {"kind": "yacht"})[0] == 400
        assert request(server, "POST", "/_fake/things", thing | {"status": "Sleeping"})[0] == 400

    def test_api_calls(self, server, fake):
        given = {"account": ACCOUNT, "region": REGION, "name": "CreateEndpoint", "error": ["AccessDenied", "no"]}
        status, answer = request(server, "POST", "/_fake/api_calls", given)
        (call,) = fake.world.calls(ACCOUNT, REGION, NOW, NOW + 1)
        assert (status, answer) == (200, {"added": call.event_id})
        assert (call.at, call.name, call.error) == (NOW, "CreateEndpoint", ("AccessDenied", "no"))
        assert request(server, "POST", "/_fake/api_calls", {"account": ACCOUNT})[0] == 400

    def test_bill_and_calls(self, server, over_http):
        over_http("cloudwatch").list_metrics()
        assert request(server, "GET", "/_fake/bill")[1]["requests"] == {"cloudwatch.ListMetrics": 1}
        assert request(server, "POST", "/_fake/bill", {"enforced": True})[1]["enforced"] is True
        assert request(server, "GET", "/_fake/calls")[1] == [
            {
                "at": NOW,
                "call": "cloudwatch.ListMetrics",
                "account": ACCOUNT,
                "region": REGION,
                "error": None,
                "queries": 0,
            }
        ]

    def test_nothing_else(self, server):
        assert request(server, "GET", "/_fake/nix")[0] == 404
        assert request(server, "POST", "/_fake/clock", {"set": "noon"})[0] == 400
