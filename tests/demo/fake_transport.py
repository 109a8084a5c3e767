"""Plugs a boto3 client straight into a FakeAws: the whole SDK runs, only the socket is missing."""

from __future__ import annotations

import io
from types import SimpleNamespace
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError


class _Raw(io.BytesIO):
    """A body as urllib3 hands it on: S3's are read in pieces, all others at once."""

    def stream(self):
        yield self.read()


def plug(client, fake):
    """Let `fake` answer the client's requests, and its faults look as they would over a wire; return the client."""
    timeout = client.meta.config.read_timeout

    def send(request, **_):
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        url = urlsplit(request.url)
        answer = fake.answer(request.method, url._replace(scheme="", netloc="").geturl(), headers, body)
        if answer.delay > timeout:
            raise ReadTimeoutError(endpoint_url=request.url)
        if answer.reset:  # a truncated body is no error to the SDK: botocore reads what there is
            raise ConnectionClosedError(endpoint_url=request.url)
        return AWSResponse(request.url, answer.status, answer.headers, _Raw(answer.body))

    client.meta.events.register("before-send", send)
    return client


def cut_short(client, fake):
    """Let `fake` answer what the SDK has written down, before a request is made and signed of it; return the client.

    Parameters are checked and written, errors raised and answers parsed by the SDK as ever, and its hooks of what goes
    out and comes back are called. A request of AWS JSON takes a third of the time so; others are made as by `plug`.
    """
    if client.meta.service_model.resolved_protocol != "json":
        return plug(client, fake)
    client._endpoint = _ShortWire(client, fake)
    client._resolve_endpoint_ruleset = lambda *_, **__: (client.meta.endpoint_url, {}, {})
    return client


class _ShortWire:
    """An endpoint of the SDK that is no place: see `cut_short`."""

    def __init__(self, client, fake):
        service = client.meta.service_model
        self.fake = fake
        self.timeout = client.meta.config.read_timeout
        self.credentials = client._request_signer._credentials
        self.scope = f"20260101/{client.meta.region_name}/{service.signing_name}/aws4_request"
        self.events = client.meta.events
        self.parser = client._endpoint._response_parser_factory.create_parser(service.resolved_protocol)

    def make_request(self, operation, request):
        keys = self.credentials.get_frozen_credentials()
        headers = {**request["headers"], "Authorization": f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{self.scope}"}
        if keys.token:
            headers["X-Amz-Security-Token"] = keys.token
        body = request["body"]
        event = f"{operation.service_model.service_id.hyphenize()}.{operation.name}"
        self.events.emit(f"before-send.{event}", request=request)
        answer = self.fake.answer("POST", "/", headers, body.encode() if isinstance(body, str) else body)
        if answer.delay > self.timeout:
            raise ReadTimeoutError(endpoint_url=request["url"])
        if answer.reset:
            raise ConnectionClosedError(endpoint_url=request["url"])
        names = {name.lower(): value for name, value in answer.headers.items()}
        told = {"headers": names, "status_code": answer.status, "body": answer.body, "context": {}}
        self.events.emit(
            f"before-parse.{event}", operation_model=operation, response_dict=told, customized_response_dict={}
        )
        return SimpleNamespace(status_code=answer.status), self.parser.parse(told, operation.output_shape)
