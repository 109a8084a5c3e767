"""Plugs a boto3 client straight into a FakeAws: the whole SDK runs, only the socket is missing."""

from __future__ import annotations

import io
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
