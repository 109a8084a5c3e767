"""TLS, passwords and limits over real sockets: who comes in, who does not, and that nobody keeps others waiting."""

from __future__ import annotations

import base64
import contextlib
import http.client
import logging
import os
import resource
import socket
import ssl
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import bcrypt
import pytest
from keys import authority, certificate, furnish, texts
from worlds import wait_for

from exporter.sinks.gzip_pieces import piece, stitch
from exporter.strict import ConfigError
from exporter.tally import Tally
from exporter.web import passwords, server
from exporter.web.gate import Gate
from exporter.web.passwords import Passwords
from exporter.web.server import WebServer
from exporter.web.site import Site

TEXT = b"# TYPE a gauge\na 1.0\n" * 50
PAGE = stitch([piece(TEXT)]).gzip
PAIR = "cert_file: server.crt, key_file: server.key"
MUTUAL = f"{PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem"
TLS = f"tls_server_config: {{{PAIR}}}"


def hashed(password, cost=4):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


USERS = f"basic_auth_users: {{dave: {hashed('dave123')}, carol: {hashed('carol123')}}}"


class Guarded:
    """A server behind a gate, and its clients."""

    def __init__(self, folder, text):
        self.folder = furnish(folder)
        self.path = folder / "web.yml"
        self.path.write_text(text)
        self.gate = Gate(self.path)
        self.tally = Tally()
        self.server = WebServer("127.0.0.1:0", Site(lambda _: PAGE, lambda: b"", lambda: True), self.tally, self.gate)
        self.port = self.server.port

    def dial(self):
        return socket.create_connection(("127.0.0.1", self.port), 30)

    def trust(self, cert=None, **settings):
        """Return a client's idea of TLS; with a certificate of its own, if one is given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority("one").configure_trust(context)
        if cert:
            cert.configure_cert(context)
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    def connect(self, context=None):
        if context is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)

    def ask(self, context=None, path="/metrics", user=None):
        """Return status, headers and body of an answer."""
        headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user is not None else {}
        with closing(self.connect(context)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def refuses(self, context):
        """Say whether a client of TLS is sent away."""
        try:
            self.ask(context)
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return True
        return False

    def requests(self):
        family = "sagemaker_exporter_http_requests_total"
        return {s.labels: s.value for s in self.tally.samples("own", 0.0) if s.family == family}


@pytest.fixture
def guarded(tmp_path):
    """A function that starts a server behind a web configuration."""
    made = []

    def start(text):
        made.append(Guarded(tmp_path, text))
        return made[-1]

    yield start
    for one in made:
        one.server.close()


@pytest.fixture
def from_elsewhere(monkeypatch):
    """Let all clients be taken for those of other machines: to probe, ours need no certificate."""
    monkeypatch.setattr(Gate, "is_here", staticmethod(lambda _: False))


# -- TLS, by the names of exporter-toolkit's tests ---------------------------------------------------------------------


def test_valid_tls_config_yml_and_tls_client(guarded):
    running = guarded(TLS)
    assert running.ask(running.trust())[::2] == (200, TEXT)


def test_valid_tls_config_yml_and_default_client(guarded):
    running = guarded(TLS)
    status, _, body = running.ask()
    assert (status, body) == (400, b"HTTPS is spoken here\n")
    wait_for(lambda: running.requests() == {("other", "400"): 1.0})


def test_empty_string_yaml_config_path_and_tls_client(guarded):
    running = guarded("")
    with pytest.raises(ssl.SSLError):
        running.ask(running.trust())
    assert running.ask()[0] == 200


def test_cert_and_key_inline(guarded):
    cert, key = (text.replace("\n", "\n    ") for text in texts(certificate("localhost", "127.0.0.1")))
    running = guarded(f"tls_server_config:\n  cert: |\n    {cert}\n  key: |\n    {key}\n")
    assert running.ask(running.trust())[0] == 200


def test_cert_from_file_key_inline(guarded):
    key = texts(certificate("localhost", "127.0.0.1"))[1].replace("\n", "\n    ")
    running = guarded(f"tls_server_config:\n  cert_file: server.crt\n  key: |\n    {key}\n")
    assert running.ask(running.trust())[0] == 200


def test_valid_tls_config_yml_with_tls_1_1_client(guarded):
    running = guarded(TLS)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old = running.trust(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert running.refuses(old)


@pytest.mark.parametrize(("version", "refused"), [("TLSv1_2", True), ("TLSv1_3", False)])
def test_min_version(guarded, version, refused):
    running = guarded(f"tls_server_config: {{{PAIR}, min_version: TLS13}}")
    assert running.refuses(running.trust(maximum_version=ssl.TLSVersion[version])) is refused


def test_max_version(guarded):
    running = guarded(f"tls_server_config: {{{PAIR}, max_version: TLS12}}")
    assert running.refuses(running.trust(minimum_version=ssl.TLSVersion.TLSv1_3))
    assert not running.refuses(running.trust())


SOME = "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"
CLIENTS = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"


@pytest.mark.parametrize(
    ("settings", "offered", "agreed"),
    [
        (SOME, "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        (SOME, "ECDHE-RSA-AES256-SHA", None),
        (SOME, CLIENTS, "ECDHE-RSA-AES256-GCM-SHA384"),
        (f"{SOME}, prefer_server_cipher_suites: false", CLIENTS, "ECDHE-RSA-AES128-GCM-SHA256"),
        ("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]", "ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES256-SHA"),
    ],
)
def test_cipher_suites(guarded, settings, offered, agreed):
    running = guarded(f"tls_server_config: {{{PAIR}, max_version: TLS12, {settings}}}")
    client = running.trust()
    client.set_ciphers(offered)
    if agreed is None:
        assert running.refuses(client)
        return
    with closing(client.wrap_socket(running.dial(), server_hostname="localhost")) as agreement:
        assert agreement.cipher()[0] == agreed


@pytest.mark.parametrize(("curve", "refused"), [("secp521r1", False), ("secp384r1", True)])
def test_curves(guarded, curve, refused):
    running = guarded(f"tls_server_config: {{{PAIR}, min_version: TLS13, curve_preferences: [CurveP521]}}")
    client = running.trust()
    client.set_ecdh_curve(curve)
    assert running.refuses(client) is refused


def test_http_1_1_is_agreed_on(guarded):
    running = guarded(TLS)
    client = running.trust()
    client.set_alpn_protocols(["h2", "http/1.1"])
    with closing(client.wrap_socket(running.dial(), server_hostname="localhost")) as agreement:
        assert agreement.selected_alpn_protocol() == "http/1.1"


# -- client certificates -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("from_elsewhere")
def test_require_and_verify_client_cert(guarded):
    running = guarded(f"tls_server_config: {{{MUTUAL}}}")
    assert not running.refuses(running.trust(certificate("a.example", ca="clients")))
    assert running.refuses(running.trust()), "none"
    assert running.refuses(running.trust(certificate("a.example", ca="strangers")))


def test_verify_client_cert_if_given(guarded):
    running = guarded(
        f"tls_server_config: {{{MUTUAL}}}".replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
    )
    assert not running.refuses(running.trust(certificate("a.example", ca="clients")))
    assert not running.refuses(running.trust()), "none"
    assert running.refuses(running.trust(certificate("a.example", ca="strangers")))


@pytest.mark.usefixtures("from_elsewhere")
def test_whatever_stands_in_the_file_is_trusted(guarded, tmp_path):
    """As in Go: a client's own certificate may stand there, in place of its CA."""
    mine, other = certificate("a.example", ca="strangers"), certificate("b.example", ca="strangers")
    running = guarded(f"tls_server_config: {{{MUTUAL}}}")
    (tmp_path / "ca.pem").write_text(texts(mine)[0])
    running.gate.look()
    assert not running.refuses(running.trust(mine))
    assert running.refuses(running.trust(other))


@pytest.mark.usefixtures("from_elsewhere")
def test_require_and_verify_without_a_ca_lets_in_nobody_whom_the_system_does_not_trust(guarded):
    """The toolkit's web_config_noAuth.good.blocking.yml."""
    running = guarded(f"tls_server_config: {{{PAIR}, client_auth_type: RequireAndVerifyClientCert}}")
    assert running.refuses(running.trust())
    assert running.refuses(running.trust(certificate("a.example", ca="clients")))


@pytest.mark.usefixtures("from_elsewhere")
@pytest.mark.parametrize("name", ["test3", "10.0.0.1", "fd00::1", "prometheus@example.com"])
def test_allowed_sans(guarded, name):
    running = guarded(f'tls_server_config: {{{MUTUAL}, client_allowed_sans: [one, "{name}", two]}}')
    assert not running.refuses(running.trust(certificate("zero", name, ca="clients")))
    assert running.refuses(running.trust(certificate("zero", ca="clients")))
    assert running.refuses(running.trust())


@pytest.mark.usefixtures("from_elsewhere")
def test_allowed_sans_are_asked_for_even_if_a_certificate_is_not(guarded):
    """The toolkit's web_config_auth_client_san_optional_cert.bad.yaml."""
    text = f"tls_server_config: {{{MUTUAL}, client_allowed_sans: [test3]}}"
    running = guarded(text.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"))
    assert running.refuses(running.trust())


@pytest.mark.usefixtures("from_elsewhere")
def test_who_is_refused_is_told_of_once(guarded, caplog):
    """The toolkit's web_config_auth_client_san.bad.yaml."""
    running = guarded(f"tls_server_config: {{{MUTUAL}, client_allowed_sans: [bad]}}")
    for _ in range(5):
        assert running.refuses(running.trust(certificate("test3", ca="clients")))
        assert running.refuses(running.trust())
    wait_for(lambda: running.server.connections == 0)
    told = [record.getMessage() for record in caplog.records]
    assert "a client's certificate has no name of client_allowed_sans; it has 'test3'; told once" in told
    assert len(told) == 2


OPTIONAL = MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")


@pytest.mark.parametrize(
    ("block", "name"),
    [(MUTUAL, None), (f"{MUTUAL}, client_allowed_sans: [a]", "b"), (f"{OPTIONAL}, client_allowed_sans: [a]", None)],
)
def test_probes_of_this_machine_need_no_certificate(guarded, caplog, block, name):
    """Or `healthcheck` would need one. Nothing else is shown, whatever was asked before on the connection."""
    running = guarded(f"tls_server_config: {{{block}}}")
    cert = name and certificate(name, ca="clients")
    with closing(running.connect(running.trust(cert))) as connection:
        for path, status in (("/-/ready", 200), ("/metrics", 403), ("/healthz", 200), ("/", 403), ("/-/reload", 403)):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == status, path
            assert status == 200 or body == b"a client certificate is needed\n"
    wait_for(lambda: running.requests().get(("/metrics", "403")) == 1.0)
    assert [record.getMessage() for record in caplog.records] == [
        "a client of this machine has no certificate that is asked for; told once"
    ]
    assert running.ask(running.trust(certificate("a", ca="clients")))[::2] == (200, TEXT)
    assert running.refuses(running.trust(certificate("a", ca="strangers"))), "one that nobody trusts is no probe"


@pytest.mark.usefixtures("from_elsewhere")
def test_probes_from_elsewhere_need_a_certificate(guarded):
    running = guarded(f"tls_server_config: {{{MUTUAL}}}")
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        running.ask(running.trust(), path="/-/ready")


# -- what changes ------------------------------------------------------------------------------------------------------


def shown(running):
    """Return the certificate that a new client is shown."""
    with closing(running.trust().wrap_socket(running.dial(), server_hostname="localhost")) as connection:
        return connection.getpeercert()["serialNumber"]


def put(folder, cert):
    """Swap the certificate and the key, as a renewal does: one after the other."""
    for name, text in zip(("server.crt", "server.key"), texts(cert), strict=True):
        (folder / "new").write_text(text)
        (folder / "new").replace(folder / name)


def renewals():
    return certificate("localhost", "127.0.0.1"), certificate("localhost", "127.0.0.1", "renewed.example")


def test_a_certificate_is_swapped_under_load(guarded, tmp_path):
    running = guarded(TLS)
    running.gate.watch()
    old, new = renewals()
    ended, scrapes, serials = threading.Event(), [], {shown(running)}

    def scrape(*, again):
        """Scrape until the end, on one connection or on many."""
        connection = running.connect(running.trust())
        while not ended.is_set():
            connection.request("GET", "/metrics")
            scrapes.append(connection.getresponse().read() == TEXT)
            if again:
                connection.close()
        connection.close()

    with ThreadPoolExecutor(4) as clients:
        running_clients = [clients.submit(scrape, again=n % 2 == 0) for n in range(4)]
        for cert in (new, old, new):
            before = shown(running)
            put(tmp_path, cert)
            wait_for(lambda before=before: shown(running) != before)
            serials.add(shown(running))
        wait_for(lambda: len(scrapes) > 50)
        ended.set()
        for one in running_clients:
            one.result()
    assert len(serials) == 2
    assert all(scrapes)
    running.gate.close()


def test_a_broken_pair_keeps_the_old_one_and_is_told_once(guarded, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    running = guarded(TLS)
    first = shown(running)
    (tmp_path / "server.crt").write_text(texts(renewals()[1])[0])  # the key has not come yet
    for _ in range(5):
        running.gate.look()
        assert shown(running) == first
    assert caplog.text.count("the old one stays") == 1
    assert "does not belong to the certificate" in caplog.text
    (tmp_path / "server.key").write_text(texts(renewals()[1])[1])
    running.gate.look()
    assert shown(running) != first
    assert "was read again" in caplog.text


def test_users_and_headers_change_too(guarded):
    running = guarded(USERS)
    assert running.ask(user="dave:dave123")[0] == 200
    more = "http_server_config: {headers: {X-XSS-Protection: 1, Strict-Transport-Security: ''}}"
    running.path.write_text(f"basic_auth_users: {{dave: {hashed('new')}}}\n{more}")
    running.gate.look()
    assert running.ask(user="dave:dave123")[0] == 401
    assert running.ask(user="carol:carol123")[0] == 401
    status, headers, _ = running.ask(user="dave:new")
    assert (status, headers["X-XSS-Protection"]) == (200, "1")
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (TLS, "", "TLS"),
        (USERS, "", "basic_auth_users"),
        (f"{TLS}\n{USERS}", "# being written", "TLS, basic_auth_users"),
        (f"tls_server_config: {{{MUTUAL}}}", TLS, "client certificates"),
        (
            f"tls_server_config: {{{MUTUAL}, client_allowed_sans: [a]}}",
            f"tls_server_config: {{{MUTUAL}}}",
            "client_allowed_sans",
        ),
    ],
)
def test_a_file_that_is_emptied_does_not_open_the_port(guarded, caplog, before, after, lost):
    running = guarded(before)
    terms = running.gate.terms
    running.path.write_text(after)
    running.gate.look()
    assert running.gate.terms is terms
    assert f"no longer asks for {lost}; that needs a restart" in caplog.text


def test_a_file_that_is_gone_changes_nothing(guarded, caplog):
    running = guarded(USERS)
    running.path.unlink()
    running.gate.look()
    running.gate.look()
    assert running.ask()[0] == 401
    assert caplog.text.count("No such file") == 1
    running.path.write_text(USERS)
    running.gate.look()


def test_a_file_that_can_t_be_used_at_the_start_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        Gate(tmp_path / "web.yml")


# -- passwords, by the names of exporter-toolkit's tests ---------------------------------------------------------------


@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize(
    ("user", "status"),
    [
        (None, 401),  # without basic auth
        ("dave:dave123", 200),  # with correct basic auth
        ("carol:carol123", 200),  # with another correct basic auth
        ("dave:bad", 401),  # with bad password
        ("nonexistent:nonexistent", 401),  # with bad username
        ("dave:carol123", 401),
        ("dave:", 401),
        (":", 401),
        ("dave", 401),
        ("dave:dave123\0", 401),
    ],
)
def test_users(guarded, user, status, secured):
    running = guarded(f"{TLS}\n{USERS}" if secured else USERS)
    context = running.trust() if secured else None
    for _ in range(2):  # the second time from memory
        found, headers, body = running.ask(context, user=user)
        assert found == status
        assert (body == TEXT) is (status == 200)
        assert headers.get("WWW-Authenticate") == (None if status == 200 else 'Basic realm="sagemaker-exporter"')


@pytest.mark.parametrize("path", ["/", "/-/reload", "/nothing", "/metrics"])
def test_every_page_asks_for_a_password(guarded, path):
    assert guarded(USERS).ask(path=path)[0] == 401


def test_probes_of_this_machine_need_none(guarded):
    running = guarded(USERS)
    assert [running.ask(path=path)[0] for path in ("/-/ready", "/-/healthy", "/readyz", "/healthz")] == [200] * 4


@pytest.mark.parametrize(
    "header", ["Bearer x", "Basic", "Basic !!!", "Basic ZGF2ZQ==", "basic", "", "Basic \xff", "Digest a"]
)
def test_headers_that_are_no_credentials(header):
    assert Passwords().check({"dave": b"x"}, header, "127.0.0.1") == "wrong"


def basic(user):
    return "Basic " + base64.b64encode(user if isinstance(user, bytes) else user.encode()).decode()


def test_long_passwords_are_compared_as_bcrypt_does():
    users = {"dave": hashed("x" * 72).encode()}
    assert Passwords().check(users, basic("dave:" + "x" * 100), "a") == "right"
    assert Passwords().check(users, basic("dave:" + "x" * 71), "a") == "wrong"


def test_names_and_passwords_may_be_of_any_script():
    users = {"jürgen": bcrypt.hashpw("pässword:with:colons".encode(), bcrypt.gensalt(4))}
    assert Passwords().check(users, basic("jürgen:pässword:with:colons"), "a") == "right"
    assert Passwords().check(users, basic(b"j\xfcrgen:x"), "a") == "wrong"


@pytest.fixture
def compares(monkeypatch):
    """What bcrypt was asked, with a compare that costs nothing."""
    asked = []

    def compare(password, against):
        asked.append((password, against))
        return against == b"hash of " + password

    monkeypatch.setattr(passwords.bcrypt, "checkpw", compare)
    return asked


ONE, TWO = {"dave": b"hash of a"}, {"dave": b"hash of a", "carol": b"hash of c"}


def test_basic_auth_cache(compares):
    checking = Passwords()
    for _ in range(3):
        assert checking.check(ONE, basic("dave:a"), "x") == "right"
        assert checking.check(ONE, basic("dave:b"), "x") == "wrong"
    assert len(compares) == 2
    assert checking.check({"dave": b"hash of b"}, basic("dave:a"), "x") == "wrong", "the hash has changed"
    assert len(compares) == 3


def test_basic_auth_with_fakepassword(compares):
    """A name that nobody has costs a compare as well, and no password opens it, not even that of its decoy."""
    checking = Passwords()
    for password in ("a", "c", "fakepassword"):
        assert checking.check(TWO, basic(f"nobody:{password}"), "x") == "wrong"
    assert len(compares) == 3
    assert len({against for _, against in compares}) == 1, "and always the same one"


def test_by_pass_basic_auth_vuln(compares):
    """Names and passwords are not mixed up in what is remembered."""
    checking = Passwords()
    assert checking.check(ONE, basic("dave:a"), "x") == "right"
    for user in ("dav:ea", "dave:a:", ":davea", "davea:", "dave\0:a", "dave:\0a"):
        assert checking.check(ONE, basic(user), "x") == "wrong"


def test_wrong_passwords_do_not_push_out_right_ones(compares):
    checking = Passwords()
    checking.check(ONE, basic("dave:a"), "x")
    for n in range(3 * passwords.REMEMBERED):
        checking.check(ONE, basic(f"dave:{n}"), "x")
    assert sum(map(len, checking._verdicts.values())) == passwords.REMEMBERED + 1
    before = len(compares)
    assert checking.check(ONE, basic("dave:a"), "x") == "right"
    assert len(compares) == before


def test_no_password_is_kept(compares):
    checking = Passwords()
    checking.check(ONE, basic("dave:topsecret"), "x")
    assert b"topsecret" not in b"".join(key for keys in checking._verdicts.values() for key in keys)


def test_a_flood_of_guesses_waits_behind_itself(monkeypatch):
    """One client may have few compares waiting, all together not many; who is known goes past them."""
    free, begun = threading.Event(), threading.Event()
    checking = Passwords()
    monkeypatch.setattr(passwords.bcrypt, "checkpw", lambda password, _: password == b"a")
    assert checking.check(ONE, basic("dave:a"), "friend") == "right"
    running, most = [], []

    def compare(password, _):
        running.append(1)
        most.append(len(running))
        begun.set()
        free.wait(30)
        running.pop()
        return password == b"a"

    monkeypatch.setattr(passwords.bcrypt, "checkpw", compare)
    with ThreadPoolExecutor(80) as clients:
        guesses = [clients.submit(checking.check, ONE, basic(f"dave:{n}"), "foe") for n in range(20)]
        wait_for(lambda: sum(guess.done() for guess in guesses) == 20 - passwords.WAITING_OF_ONE)
        assert begun.wait(30)
        assert checking.check(ONE, basic("dave:a"), "friend") == "right"
        others = [clients.submit(checking.check, ONE, basic(f"dave:{n}"), f"10.0.0.{n}") for n in range(100, 180)]
        wait_for(lambda: sum(other.done() for other in others) == 80 - (passwords.WAITING - passwords.WAITING_OF_ONE))
        free.set()
        verdicts = [one.result() for one in guesses + others]
    assert verdicts.count("busy") == 100 - passwords.WAITING
    assert set(verdicts) == {"busy", "wrong"}
    assert max(most) == 1, "one at a time"
    assert not checking._waiting


@pytest.mark.parametrize(
    ("client", "same"),
    [
        ("10.0.0.1", "::ffff:10.0.0.1"),
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_one_client_has_many_addresses(client, same):
    assert passwords._neighbourhood(client) == passwords._neighbourhood(same)
    assert passwords._neighbourhood(client) != passwords._neighbourhood("10.0.0.2")


def test_wrong_guesses_over_the_wire_do_not_delay_a_scrape(guarded):
    running = guarded(f"basic_auth_users: {{dave: {hashed('dave123', 12)}}}")
    assert running.ask(user="dave:dave123")[0] == 200
    ended, seen = threading.Event(), set()

    def guess(n):
        while not ended.is_set():
            seen.add(running.ask(user=f"dave:{n}{len(seen)}{time.monotonic()}")[0])

    with ThreadPoolExecutor(16) as foes:
        for n in range(16):
            foes.submit(guess, n)
        wait_for(lambda: 429 in seen)
        slowest = 0.0
        for _ in range(50):
            began = time.monotonic()
            assert running.ask(user="dave:dave123")[0] == 200
            slowest = max(slowest, time.monotonic() - began)
        ended.set()
    assert seen <= {401, 429}
    assert slowest < 2.0


# -- limits ------------------------------------------------------------------------------------------------------------


def test_valid_rate_limiter_that_does_not_block(guarded):
    running = guarded("rate_limit: {interval: 0, burst: 0}")
    assert {running.ask()[0] for _ in range(10)} == {200}


def test_valid_rate_limiter_with_an_interval(guarded):
    """The toolkit's has a burst of 0, which nobody can mean."""
    running = guarded("rate_limit: {interval: 1h, burst: 3}")
    found = [running.ask() for _ in range(10)]
    assert [status for status, _, _ in found] == [200] * 3 + [429] * 7
    assert found[-1][1]["Retry-After"] == "1"


def test_a_bucket_fills_again(tmp_path):
    path = tmp_path / "web.yml"
    path.write_text("rate_limit: {interval: 10s, burst: 2}")
    gate = Gate(path)
    times = [0.0, 0.0, 0.0, 9.9, 10.0, 10.0, 100.0, 100.0, 100.0]
    assert [gate._in_time(gate.terms, at) for at in times] == [True, True, False, False, True, False, True, True, False]


# -- clients that don't play along -------------------------------------------------------------------------------------


def resident():
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_handshake_that_does_not_come_is_given_up(guarded, monkeypatch):
    monkeypatch.setattr(server, "HANDSHAKE", 0.2)
    running = guarded(TLS)
    with closing(running.dial()) as silent:
        assert silent.recv(1) == b""


def test_a_handshake_byte_by_byte_is_given_up(guarded, monkeypatch):
    monkeypatch.setattr(server, "HANDSHAKE", 0.3)
    running = guarded(TLS)
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        running.trust().wrap_bio(ours, theirs, server_hostname="localhost").do_handshake()
    hello, ended = theirs.read(), threading.Event()
    with closing(running.dial()) as slow:
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for n in range(len(hello) - 1):
                slow.sendall(hello[n : n + 1])
                ended.wait(0.01)
        with contextlib.suppress(ConnectionResetError):
            assert slow.recv(1) == b""
        assert time.monotonic() - began < 20
    wait_for(lambda: running.server.connections == 0)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")  # noqa: PTH110
@pytest.mark.slow(20)
def test_5000_scrapes_over_tls_beside_all_sorts_of_clients(guarded, many_files, monkeypatch):
    """One client hangs in TLS, 300 are idle, one reads a byte now and then: no scrape waits, nothing grows."""
    monkeypatch.setattr(server, "HANDSHAKE", 300.0)  # or they would be gone before the scrapes are over
    running = guarded(f"{TLS}\n{USERS}")
    hung = running.dial()
    idle = [running.dial() for _ in range(300)]
    wait_for(lambda: running.server.connections == 301)
    slow = running.trust().wrap_socket(running.dial(), server_hostname="localhost")
    slow.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('dave:dave123')}\r\n\r\n".encode())
    assert slow.recv(1) == b"H"
    headers = {"Authorization": basic("dave:dave123"), "Accept-Encoding": "gzip"}
    slowest = []

    def scrape(times):
        context = running.trust()
        for n in range(times // 50):  # 50 on each connection
            with closing(running.connect(context)) as connection:
                for _ in range(50):
                    began = time.monotonic()
                    connection.request("GET", "/metrics", headers=headers)
                    assert connection.getresponse().read() == PAGE
                    slowest.append(time.monotonic() - began)
            if n % 10 == 0:
                assert slow.recv(1)

    scrape(500)  # to warm up
    wait_for(lambda: running.server.connections == 302)
    threads, memory = set(threading.enumerate()), resident()
    scrape(5000)
    wait_for(lambda: running.server.connections == 302)
    assert set(threading.enumerate()) <= threads  # one of another test may end meanwhile
    assert resident() - memory < 4e6
    assert sorted(slowest)[-50] < 0.25
    assert max(slowest) < 3.0
    for one in (hung, slow, *idle):
        one.close()
    wait_for(lambda: running.server.connections == 0)


def test_connections_that_come_and_go_leave_nothing(guarded):
    running = guarded(TLS)
    context = running.trust()
    for n in range(300):
        if n == 100:
            wait_for(lambda: running.server.connections == 0)
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
        with closing(running.dial()) as connection:
            if n % 3 == 0:
                connection.sendall(b"\x16\x03\x01")
            elif n % 3 == 1:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            else:
                context.wrap_socket(connection.dup(), server_hostname="localhost").close()
    wait_for(lambda: running.server.connections == 0)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 300_000
