"""Logins and clients: ambient credentials or a role, one loader of descriptions, one TLS context, explicit time-outs.

The SDK keeps what it is good at (credentials and their refresh, endpoints, signing, proxies, its own environment and
config files). Retries are ours (`exporter.aws`), because the SDK sleeps on the wall clock and counts no attempts.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.httpsession import URLLib3Session, create_urllib3_context, get_cert_path

from exporter.aws.descriptions import Descriptions

CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 30
CONNECTIONS = 256  # kept alive for each endpoint host at the most: all accounts of a region share them
ROLE_SECONDS = 3600  # the longest session of a chained role; one of 900 s would be refreshed before every call
HOSTS = 200  # endpoint hosts to keep connections to: regions times services, and more

Watch = Callable[..., None]
Assume = Callable[[], Any]


class Session:
    """One login: the ambient one, or a role assumed from it. Makes clients when they are first needed."""

    def __init__(self, sessions: Sessions, credentials: Credentials | None) -> None:
        self._sessions = sessions
        self._credentials = credentials
        self._session = sessions.session(credentials)
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str, watch: Watch) -> Any:
        """Return the client of a service in a region. `watch` hears of the SDK's events before-call, -send, -parse."""
        with self._sessions.lock:  # making clients at the same time from one session is not safe
            client = self._clients.get((service, region))
            if client is None:
                client = self._clients[service, region] = self._sessions.client(self._session, service, region)
                for event in ("before-call", "before-send", "before-parse"):
                    client.meta.events.register_first(event, partial(watch, event))
            return client

    def invoke(self, service: str, region: str, operation: str, params: Mapping[str, Any], watch: Watch) -> Any:
        """Call an operation once; raises whatever the SDK raises."""
        return getattr(self.client(service, region, watch), xform_name(operation))(**params)

    def endpoint(self, service: str) -> str:
        """Return where calls of a service go."""
        client = self._sessions.client(self._session, service, self._sessions.region or "us-east-1")
        url: str = client.meta.endpoint_url
        return url

    def expiry(self) -> float | None:
        """Return when the credentials expire (Unix seconds); None if they don't, or are not known yet."""
        expiry = getattr(self._credentials, "_expiry_time", None)  # no public way to ask
        return expiry.timestamp() if expiry else None


class Sessions:
    """All logins of this process."""

    def __init__(self, user_agent: str) -> None:
        self.lock = threading.RLock()
        self._base = botocore.session.get_session()
        self._config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=CONNECTIONS,
            tcp_keepalive=True,
            retries={"mode": "standard", "total_max_attempts": 1},
            user_agent_extra=user_agent,
        )
        self._http: dict[Any, _Http] = {}
        self._tls: dict[Any, ssl.SSLContext] = {}

    @property
    def region(self) -> str | None:
        """The region of the environment: AWS_REGION, as in all other SDKs, or what this one reads."""
        region: str | None = os.environ.get("AWS_REGION") or self._base.get_config_variable("region")
        return region

    def ambient(self) -> Session:
        """Return the login that the SDK finds by itself: environment, profile, web identity, container, instance."""
        with self.lock:
            return Session(self, self._base.get_credentials())

    def role(self, arn: str, external_id: str | None, region: str, watched: Callable[[Assume], Any]) -> Session:
        """Return the login as a role, refreshed before it expires; `watched` calls AssumeRole, each time it must be."""
        extra = {"RoleSessionName": "sagemaker-exporter", "DurationSeconds": ROLE_SECONDS}
        if external_id:
            extra["ExternalId"] = external_id
        source = self._base.get_credentials()
        if source is None:
            return Session(self, None)
        create = partial(self._made, self._base, region=region)
        fetcher = AssumeRoleCredentialFetcher(create, source, arn, extra_args=extra)
        fetch = partial(watched, fetcher.fetch_credentials)
        return Session(self, DeferredRefreshableCredentials(fetch, "assume-role"))

    def close(self) -> None:
        """Close what is kept open to AWS and not in use. Waits for nobody: a login may hold the lock for a minute."""
        for http in tuple(self._http.values()):
            http.close()

    def session(self, credentials: Credentials | None) -> botocore.session.Session:
        """Return an SDK session with these credentials that shares the loader of descriptions."""
        session = botocore.session.get_session()
        loader = self._base.get_component("data_loader")
        loader.file_loader = Descriptions()
        session.register_component("data_loader", loader)
        session.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
        # The default parser spends 20 us on each timestamp to make an object that we would turn back into a number.
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_as_it_came)
        return session

    def client(self, session: botocore.session.Session, service: str, region: str) -> Any:
        """Return a new client that shares connections and TLS context."""
        return self._made(session, service, region)

    def _made(self, session: botocore.session.Session, service: str, region: str, **credentials: str) -> Any:
        client = session.create_client(service, region_name=region, config=self._config, **credentials)
        self._share_connections(client._endpoint)  # noqa: SLF001 - there is no public way, see there
        return client

    def _share_connections(self, endpoint: Any) -> None:
        """Let a client use our connections: the SDK gives each its own, and parses the CA bundle for every handshake.

        A test watches that the private names used here go on to mean what they do.
        """
        own = endpoint.http_session
        proxies = own._proxy_config._proxies or {}  # noqa: SLF001
        key = (tuple(sorted(proxies.items())), own._verify, own._cert_file, own._key_file)  # noqa: SLF001
        if key not in self._http:
            self._http[key] = _Http(
                tls=self._context,
                verify=own._verify,  # noqa: SLF001
                proxies=proxies,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                max_pool_connections=CONNECTIONS,
                socket_options=own._socket_options,  # noqa: SLF001
                client_cert=(own._cert_file, own._key_file) if own._cert_file else None,  # noqa: SLF001
            )
        endpoint.http_session = self._http[key]

    def _context(self, verify: bool | str) -> ssl.SSLContext:  # noqa: FBT001 - as the SDK hands it on
        if verify not in self._tls:
            context = self._tls[verify] = create_urllib3_context()
            if verify:
                context.load_verify_locations(cafile=get_cert_path(verify))
        return self._tls[verify]


class _Http(URLLib3Session):  # type: ignore[misc]
    """The SDK's HTTP session with a TLS context that is made once."""

    def __init__(self, tls: Callable[[Any], ssl.SSLContext], verify: bool | str, **settings: Any) -> None:  # noqa: FBT001
        self._shared_tls = partial(tls, verify)
        super().__init__(verify=verify, **settings)

    def _get_ssl_context(self) -> ssl.SSLContext:
        return self._shared_tls()

    def _get_pool_manager_kwargs(self, **extra: Any) -> dict[str, Any]:
        settings: dict[str, Any] = super()._get_pool_manager_kwargs(num_pools=HOSTS, **extra)
        return settings

    def _setup_ssl_cert(self, connection: Any, url: str, verify: bool | str) -> None:  # noqa: FBT001
        super()._setup_ssl_cert(connection, url, verify)
        connection.ca_certs = None  # the context knows them already; naming them parses 200 kB for each connection


class _Given(CredentialProvider):  # type: ignore[misc]
    """Credentials that are already known."""

    METHOD = "given"

    def __init__(self, credentials: Credentials | None) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials | None:
        return self._credentials


def _as_it_came(timestamp: Any) -> Any:
    return timestamp
