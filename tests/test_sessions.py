"""Logins and clients over real sockets: one TLS context, shared connections, proxies, endpoints of the environment."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import botocore.loaders
import botocore.session
import pytest
from botocore.exceptions import SSLError
from botocore.httpsession import URLLib3Session
from street import ACCOUNT, REGION
from worlds import T0, FakeClock

from exporter.aws import sessions
from exporter.aws.sessions import CONNECT_TIMEOUT, READ_TIMEOUT, Sessions
from exporter.demo import FakeAws, World, access_key

# -- servers -----------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Answers as the fake AWS does, whether it is asked as a server or as a proxy."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, dict(self.headers.items())))
        self.send(self.server.fake.answer("POST", urlsplit(self.path).path, dict(self.headers.items()), body))

    def send(self, answer):
        head = [f"HTTP/1.1 {answer.status} OK", *(f"{name}: {value}" for name, value in answer.headers.items()), "", ""]
        self.wfile.write("\r\n".join(head).encode() + answer.body)

    def do_CONNECT(self):
        """Tunnel, as a proxy does for HTTPS."""
        self.server.requests.append((self.path, dict(self.headers.items())))
        host, port = self.path.split(":")
        with closing(socket.create_connection((host, int(port)), 5)) as far:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, self.connection), daemon=True)
            back.start()
            pump(self.connection, far)
        self.close_connection = True

    def log_message(self, *_):
        pass


def pump(source, sink):
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class Server(ThreadingHTTPServer):
    """A server on a free loopback port that counts its connections."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, fake=None, certificate=None):
        self.fake = fake
        self.requests = []
        self.connections = 0
        self._tls = None
        self._open = set()
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http{'s' if certificate else ''}://localhost:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        self.connections += 1
        self._open.add(connection)
        return connection, address

    def finish_request(self, request, client_address):
        if self._tls:
            request = self._tls.wrap_socket(request, server_side=True)
            self._open.add(request)
        super().finish_request(request, client_address)

    def handle_error(self, *_):
        """Say nothing: clients that do not trust us hang up."""

    def hang_up(self):
        """Close every connection, as a server does with idle ones."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()


@pytest.fixture
def serve():
    servers = []

    def start(*arguments, **more):
        servers.append(Server(*arguments, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.hang_up()
        server.server_close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two self-signed certificates for localhost, each its own authority: (certificate, key)."""
    if not shutil.which("openssl"):
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("openssl is not installed: nothing of TLS was tested")

    def make(name):
        folder = tmp_path_factory.mktemp(name)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
        return str(certificate), str(key)

    return make("ours"), make("theirs")


@pytest.fixture
def fake():
    world = World()
    world.add_endpoint(ACCOUNT, REGION, "churn", T0)
    return FakeAws(world, FakeClock(T0 + 60).now)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Credentials of an account, and no proxy."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key(ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    return monkeypatch


def nobody(_, **__):
    """Watch nothing."""


LOADER = botocore.loaders.create_loader()
CALLS = {"sts": "GetCallerIdentity", "sagemaker": "ListEndpoints", "cloudwatch": "ListMetrics"}


@contextmanager
def opened():
    """Yield the logins of a process, and close their connections."""
    made = Sessions("sagemaker-exporter/0.0.0")
    made._base.register_component("data_loader", LOADER)  # service models are large: all tests share them
    yield made
    for http in made._http.values():
        http.close()


def call(login, service):
    return login.invoke(service, REGION, CALLS[service], {}, nobody)


# -- TLS and connections -----------------------------------------------------------------------------------------------


@pytest.fixture
def contexts(monkeypatch):
    """The TLS contexts that are made, and how often each has read certificates."""
    made = []
    original = sessions.create_urllib3_context

    def create():
        context = original()
        read = context.load_verify_locations
        loads = []
        context.load_verify_locations = lambda *a, **k: loads.append(1) or read(*a, **k)
        made.append(loads)
        return context

    monkeypatch.setattr(sessions, "create_urllib3_context", create)
    return made


def test_one_tls_context_serves_all_clients_and_reads_the_certificates_once(
    serve, fake, certificates, contexts, environment
):
    server = serve(fake, certificate=certificates[0])
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    environment.setenv("AWS_CA_BUNDLE", certificates[0][0])
    with opened() as logins:
        for login in (logins.ambient(), logins.ambient()):
            for service in CALLS:
                call(login, service)
                server.hang_up()  # so that the next one shakes hands anew
    assert server.connections > 1
    assert [len(loads) for loads in contexts] == [1]


@pytest.mark.parametrize("secure", [False, True])
def test_clients_share_connections_that_are_kept_alive(serve, fake, certificates, environment, secure):
    server = serve(fake, certificate=certificates[0] if secure else None)
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    environment.setenv("AWS_CA_BUNDLE", certificates[0][0])
    with opened() as logins:
        for login in (logins.ambient(), logins.ambient()):
            for service in CALLS:
                call(login, service)
    assert len(server.requests) == 2 * len(CALLS)
    assert server.connections == 1


def test_threads_have_a_connection_each_and_no_more(serve, fake, environment):
    server = serve(fake)
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    with opened() as logins:
        login = logins.ambient()

        def work():
            for service in [*CALLS] * 5:
                call(login, service)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(server.requests) == 8 * 15
    assert server.connections <= 8


def test_a_connection_that_the_server_has_closed_is_replaced(serve, fake, environment):
    server = serve(fake)
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    with opened() as logins:
        login = logins.ambient()
        call(login, "sagemaker")
        server.hang_up()
        assert call(login, "sagemaker")["Endpoints"]
    assert server.connections == 2


def test_an_authority_that_is_not_known_is_not_trusted(serve, fake, certificates, environment):
    server = serve(fake, certificate=certificates[0])
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    environment.setenv("AWS_CA_BUNDLE", certificates[1][0])
    with opened() as logins, pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        call(logins.ambient(), "sagemaker")
    assert not server.requests


def test_without_a_bundle_the_usual_authorities_are_trusted_and_no_others(serve, fake, certificates, environment):
    server = serve(fake, certificate=certificates[0])
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    with opened() as logins, pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        call(logins.ambient(), "sagemaker")


def test_a_certificate_for_another_host_is_not_trusted(serve, fake, certificates, environment):
    server = serve(fake, certificate=certificates[0])
    environment.setenv("AWS_ENDPOINT_URL", server.url.replace("localhost", "127.0.0.1"))
    environment.setenv("AWS_CA_BUNDLE", certificates[0][0])
    with opened() as logins, pytest.raises(SSLError, match="doesn't match 'localhost'"):
        call(logins.ambient(), "sagemaker")
    assert not server.requests


# -- what we know of the inside of botocore ----------------------------------------------------------------------------


def test_private_names_of_botocore_mean_what_we_take_them_for(certificates, environment):
    """`Sessions._share_connections` makes the SDK's own connection pool again, with these settings."""
    environment.setenv("AWS_CA_BUNDLE", certificates[0][0])
    environment.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with opened() as logins:
        client = botocore.session.get_session().create_client("sagemaker", REGION, config=logins._config)
        own = client._endpoint.http_session
        assert type(own) is URLLib3Session
        assert own._verify == certificates[0][0]
        assert own._proxy_config._proxies == {"https": "http://127.0.0.1:9"}
        assert (own._cert_file, own._key_file) == (None, None)
        assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in own._socket_options
        client.close()
        shared = logins.ambient().client("sagemaker", REGION, nobody)._endpoint.http_session
        assert type(shared) is sessions._Http
        for name in ("_verify", "_socket_options", "_cert_file", "_key_file"):
            assert getattr(shared, name) == getattr(own, name)
        assert shared._proxy_config._proxies == own._proxy_config._proxies
        assert (shared._timeout.connect_timeout, shared._timeout.read_timeout) == (CONNECT_TIMEOUT, READ_TIMEOUT)


def test_methods_that_we_override_are_there_to_be_overridden():
    for name in ("_get_ssl_context", "_get_pool_manager_kwargs", "_setup_ssl_cert"):
        assert name in vars(sessions._Http)
        assert name in vars(URLLib3Session)


def test_service_models_are_loaded_once():
    with opened() as logins:
        loaders = {id(login._session.get_component("data_loader")) for login in (logins.ambient(), logins.ambient())}
    assert len(loaders) == 1


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_requests_say_who_asks(serve, fake, environment):
    server = serve(fake)
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    with opened() as logins:
        call(logins.ambient(), "sagemaker")
    assert server.requests[0][1]["User-Agent"].endswith("sagemaker-exporter/0.0.0")


def test_times_come_as_numbers(serve, fake, environment):
    environment.setenv("AWS_ENDPOINT_URL", serve(fake).url)
    with opened() as logins:
        (endpoint,) = call(logins.ambient(), "sagemaker")["Endpoints"]
    assert endpoint["CreationTime"] == T0


def test_the_watch_hears_of_each_step_of_a_request(serve, fake, environment):
    environment.setenv("AWS_ENDPOINT_URL", serve(fake).url)
    heard = []
    with opened() as logins:
        login = logins.ambient()
        for _ in range(2):
            login.invoke("sagemaker", REGION, "ListEndpoints", {}, lambda event, **_: heard.append(event))
    assert heard == ["before-call", "before-send", "before-parse"] * 2


# -- where it is sent --------------------------------------------------------------------------------------------------


def test_one_endpoint_for_all_services(serve, fake, environment):
    server = serve(fake)
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    with opened() as logins:
        for service in CALLS:
            call(logins.ambient(), service)
    assert len(server.requests) == len(CALLS)


def test_an_endpoint_for_one_service(serve, fake, environment):
    everything, cloudwatch = serve(fake), serve(fake)
    environment.setenv("AWS_ENDPOINT_URL", everything.url)
    environment.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", cloudwatch.url)
    with opened() as logins:
        for service in CALLS:
            call(logins.ambient(), service)
    assert len(everything.requests) == len(CALLS) - 1
    assert ["ListMetrics" in headers["X-Amz-Target"] for _, headers in cloudwatch.requests] == [True]


def test_a_proxy_for_http(serve, fake, environment):
    proxy = serve(fake)
    environment.setenv("AWS_ENDPOINT_URL", "http://aws.invalid:80")
    environment.setenv("HTTP_PROXY", proxy.url)
    with opened() as logins:
        assert call(logins.ambient(), "sagemaker")["Endpoints"]
    assert [path for path, _ in proxy.requests] == ["http://aws.invalid:80/"]


def test_a_proxy_for_https(serve, fake, certificates, environment):
    server, proxy = serve(fake, certificate=certificates[0]), serve()
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    environment.setenv("AWS_CA_BUNDLE", certificates[0][0])
    environment.setenv("HTTPS_PROXY", proxy.url)
    with opened() as logins:
        for service in CALLS:
            assert call(logins.ambient(), service)
    assert [path for path, _ in proxy.requests] == [f"localhost:{server.server_port}"], "a tunnel is shared too"
    assert len(server.requests) == len(CALLS)


def test_what_needs_no_proxy_goes_straight(serve, fake, environment):
    server, proxy = serve(fake), serve(fake)
    environment.setenv("AWS_ENDPOINT_URL", server.url)
    environment.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://aws.invalid:80")
    environment.setenv("HTTP_PROXY", proxy.url)
    environment.setenv("NO_PROXY", "localhost")
    with opened() as logins:
        for service in CALLS:
            call(logins.ambient(), service)
    assert len(server.requests) == len(CALLS) - 1
    assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    "name",
    [
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
    ],
)
def test_the_region_of_the_environment(environment, name):
    assert Sessions("x").region is None
    environment.setenv(name, "eu-west-2")
    assert Sessions("x").region == "eu-west-2"
