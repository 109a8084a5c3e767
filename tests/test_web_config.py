"""The file of --web.config.file: exporter-toolkit's cases by name, and every mistake with its exact message."""

from __future__ import annotations

import ssl
import textwrap

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keys import certificate, furnish, texts

from exporter.strict import ConfigError
from exporter.web.config import HEADERS, Files, Terms, load

HASH = "$2y$10$2UXri9cIDdgeKjBo4Rlpx.U3ZLDV8X1IxKmsfOvhcM5oXQt/mLmXq"
PAIR = "cert_file: server.crt, key_file: server.key"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return furnish(tmp_path_factory.mktemp("web"))


@pytest.fixture
def read(folder):
    def read(text):
        path = folder / "web.yml"
        path.write_text(text)
        return load(path, Files())

    return read


@pytest.fixture
def mistakes(read, folder):
    """A function that returns what is said of a file, each line without the file's name."""

    def mistakes(text):
        with pytest.raises(ConfigError) as refused:
            read(text)
        *lines, last = str(refused.value).splitlines()
        assert last == f"{len(lines)} mistake{'s' if len(lines) > 1 else ''}"
        start = f"{folder / 'web.yml'}:"
        assert all(line.startswith(start) for line in lines)
        return [line.removeprefix(start).replace(str(folder), "FOLDER") for line in lines]

    return mistakes


# -- what is right -----------------------------------------------------------------------------------------------------


def inline():
    cert, key = texts(certificate("localhost", "127.0.0.1"))
    block = {"cert": cert, "key": key, "client_auth_type": "VerifyClientCertIfGiven"}
    return yaml.safe_dump({"tls_server_config": block}, default_style="|")


IF_GIVEN = f"{PAIR}, client_auth_type: VerifyClientCertIfGiven"
SOME = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
ALL = """
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
"""
USERS = f"basic_auth_users: {{alice: {HASH}, bob: '{HASH.replace('$10$', '$18$')}', carol: {HASH}, dave: {HASH}}}"

GOOD = {  # the toolkit's files of these names; where it says bad, or has no word, the remark says why we take it
    "web_config_empty": "",
    "web_config_noAuth.good": f"tls_server_config: {{{IF_GIVEN}}}",
    "web_config_noAuth.good.blocking": f"tls_server_config: {{{PAIR}, client_auth_type: RequireAndVerifyClientCert}}",
    "web_config_auth_clientCAs_missing.bad": (  # its name is the last of it: the same as good.blocking
        f"tls_server_config: {{{PAIR}, client_auth_type: RequireAndVerifyClientCert}}"
    ),
    "web_config_noAuth_allCiphers.good": (
        f"tls_server_config: {{{IF_GIVEN}, cipher_suites: [{', '.join(ALL.split())}]}}"
    ),
    "web_config_noAuth_someCiphers.good": (
        f"tls_server_config: {{{IF_GIVEN}, cipher_suites: [{SOME}], min_version: TLS12, max_version: TLS12}}"
    ),
    "web_config_noAuth_someCiphers_noOrder.good": (
        f"tls_server_config: {{{IF_GIVEN}, cipher_suites: [{SOME}], prefer_server_cipher_suites: false, "
        "min_version: TLS12, max_version: TLS12}"
    ),
    "web_config_noAuth_someCurves.good": (
        f"tls_server_config: {{{IF_GIVEN}, min_version: TLS13, curve_preferences: [CurveP521]}}"
    ),
    "web_config_noAuth_noHTTP2.good": (
        f"tls_server_config: {{{IF_GIVEN}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], max_version: TLS12}}"
        "\nhttp_server_config: {http2: false}"
    ),
    "web_config_noAuth_noHTTP2Cipher.bad": (  # bad for HTTP/2, which nobody speaks here
        f"tls_server_config: {{{IF_GIVEN}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], max_version: TLS12}}"
    ),
    "tls_config_noAuth.requireandverifyclientcert.good": (
        f"tls_server_config: {{{PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}}"
    ),
    "web_config_auth_client_san.good": (
        f"tls_server_config: {{{PAIR}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, "
        "client_allowed_sans: [one, test3, two]}"
    ),
    "web_config_headers.good": textwrap.dedent("""
        http_server_config:
          headers:
            X-Frame-Options: deny
            Strict-Transport-Security: max-age=31536000; includeSubDomains
            X-Content-Type-Options: nosniff
            X-XSS-Protection: 1
            Content-Security-Policy: "default-src 'self' *.test.example.net"
    """),
    "web_config_users.good": f"tls_server_config: {{{PAIR}}}\n{USERS}",
    "web_config_users_noTLS.good": USERS,
    "web_config_rate_limiter_nonblocking": "rate_limit: {interval: 0, burst: 0}",
}


@pytest.mark.parametrize("name", GOOD)
def test_good_files_of_the_toolkit(read, name):
    assert (read(GOOD[name]).tls is not None) == ("tls_server_config" in GOOD[name])


def test_web_config_noAuth_tlsInline_good(read):  # noqa: N802 - the toolkit's name
    assert read(inline()).tls


def test_nothing_is_the_default(read):
    assert read("") == read("{}") == read("tls_server_config: {}\nbasic_auth_users:\n") == Terms()


def test_headers_may_look_like_numbers(read):
    assert read(GOOD["web_config_headers.good"]).headers == {
        "X-Frame-Options": "deny",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "X-XSS-Protection": "1",
        "Content-Security-Policy": "default-src 'self' *.test.example.net",
    }


def test_what_the_settings_become(read):
    context = read(GOOD["web_config_noAuth_someCiphers.good"]).tls
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    assert context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode == ssl.CERT_OPTIONAL
    old = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] != "TLSv1.3"]
    assert old == ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
    assert not read(GOOD["web_config_noAuth_someCiphers_noOrder.good"]).tls.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    plain = read(f"tls_server_config: {{{PAIR}}}").tls
    assert (plain.minimum_version, plain.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert plain.verify_mode == ssl.CERT_NONE
    assert read(GOOD["web_config_noAuth_someCurves.good"]).tls.minimum_version == ssl.TLSVersion.TLSv1_3


def test_names_have_one_spelling(read):
    block = f"{PAIR}, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans"
    terms = read(f'tls_server_config: {{{block}: ["FD00:0:0::1", 10.0.0.1, A.example, spiffe://x/y]}}')
    assert terms.names == {"fd00::1", "10.0.0.1", "A.example", "spiffe://x/y"}


def test_a_limit(read):
    terms = read("rate_limit: {interval: 100ms, burst: 5}")
    assert (terms.interval, terms.burst) == (0.1, 5)


def test_without_memfd_keys_go_through_a_file(read, monkeypatch):
    monkeypatch.delattr("os.memfd_create", raising=False)
    assert read(inline()).tls


def test_files_that_change_are_seen(folder, tmp_path):
    furnish(tmp_path)
    path, files = tmp_path / "web.yml", Files()
    path.write_text(f"tls_server_config: {{{PAIR}}}")
    load(path, files)
    assert not files.changed()
    (tmp_path / "server.key").unlink()
    assert files.changed()
    with pytest.raises(ConfigError):
        load(path, files := Files())
    assert not files.changed()
    (tmp_path / "server.key").write_text(texts(certificate("localhost", "127.0.0.1"))[1])
    assert files.changed()


# -- what is wrong -----------------------------------------------------------------------------------------------------

BEST = "write RequireAndVerifyClientCert"
NO_CLIENT = f"is of no use without client_auth_type, since nobody is asked for a certificate; {BEST}"
UNVERIFIED = "takes certificates that nobody verifies, which is not done here"
CLIENTS = "NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"
TOP = "tls_server_config, http_server_config, basic_auth_users, rate_limit"
NO_HASH = "this is not a bcrypt hash; `htpasswd -nBC 10 NAME` makes one"
GONE = "can't be read: No such file or directory"
ONE_CURVE = "Python can offer one curve, or what OpenSSL prefers: name one, or leave it out"


def tls(more, at, said, *, pair=PAIR):
    """Return a file with one more setting after the pair, and what is said of the place `at` characters into it."""
    start = f"tls_server_config: {{{pair}, "
    return f"{start}{more}}}", f"1:{len(start) + 1 + at}  tls_server_config.{said}"


BAD = {  # the toolkit's files of these names
    "web_config_junk": ("hWkNKCp3fvIx3jKnsaBI\nTuEjdwNS8A2vYdFbiKqr", None),
    "web_config_junk_key.bad": (
        "tls_server_config: {cert_filse: server.crt, key_file: server.key}",
        '1:21  tls_server_config.cert_filse: unknown key; did you mean "cert_file"?',
    ),
    "web_config_noAuth_certPath_empty.bad": (
        'tls_server_config: {cert_file: "", key_file: server.key}',
        "1:32  tls_server_config.cert_file: is missing, and so is cert: TLS needs one of them",
    ),
    "web_config_noAuth_cert_empty.bad": (
        'tls_server_config: {cert: "", key_file: server.key}',
        "1:20  tls_server_config.cert_file: is missing, and so is cert: TLS needs one of them",
    ),
    "web_config_noAuth_keyPath_empty.bad": (
        'tls_server_config: {cert_file: server.crt, key_file: ""}',
        "1:54  tls_server_config.key_file: is missing, and so is key: TLS needs one of them",
    ),
    "web_config_noAuth_key_empty.bad": (
        'tls_server_config: {cert_file: server.crt, key: ""}',
        "1:20  tls_server_config.key_file: is missing, and so is key: TLS needs one of them",
    ),
    "web_config_noAuth_certPath_invalid.bad": (
        "tls_server_config: {cert_file: somefile, key_file: server.key}",
        f"1:32  tls_server_config.cert_file: FOLDER/somefile {GONE}",
    ),
    "web_config_noAuth_keyPath_invalid.bad": (
        "tls_server_config: {cert_file: server.crt, key_file: somefile}",
        f"1:54  tls_server_config.key_file: FOLDER/somefile {GONE}",
    ),
    "web_config_noAuth.bad": tls("client_ca_file: ca.pem", 16, f"client_ca_file: {NO_CLIENT}"),
    "web_config_auth_clientCAs_invalid.bad": tls(
        "client_ca_file: somefile, client_auth_type: RequireAndVerifyClientCert",
        16,
        f"client_ca_file: FOLDER/somefile {GONE}",
    ),
    "web_config_auth_clientCAs_nocerts.bad": tls(
        "client_ca_file: empty.pem, client_auth_type: RequireAndVerifyClientCert",
        16,
        "client_ca_file: holds no certificate in PEM",
    ),
    "web_config_auth_client_san_no_client_auth.bad": tls(
        "client_allowed_sans: [one]", 21, f"client_allowed_sans: {NO_CLIENT}"
    ),
    "web_config_auth_user_list_invalid.bad": (
        "basic_auth_users: {john: doe}",
        f"1:26  basic_auth_users.john: {NO_HASH}",
    ),
    "web_config_noAuth_inventedCiphers.bad": tls(
        "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048]",
        16,
        "cipher_suites[0]: no cipher suite is called 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048'; "
        'did you mean "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"?',
    ),
    "web_config_noAuth_inventedCurves.bad": tls(
        "curve_preferences: [CurveP257]",
        20,
        "curve_preferences[0]: no curve is called 'CurveP257'; did you mean \"CurveP256\"?",
    ),
    "web_config_noAuth_wrongTLSVersion.bad": tls(
        "min_version: TLS111", 13, "min_version: 'TLS111' is unknown; known are TLS12, TLS13"
    ),
    "web_config_headers_content_type_options.bad": (
        "http_server_config: {headers: {X-Content-Type-Options: sniff}}",
        "1:56  http_server_config.headers.X-Content-Type-Options: 'sniff' is not nosniff",
    ),
    "web_config_headers_frame_options.bad": (
        "http_server_config: {headers: {X-Frame-Options: foo}}",
        "1:49  http_server_config.headers.X-Frame-Options: 'foo' is not deny or sameorigin",
    ),
    "web_config_headers_extra_header.bad": (
        "http_server_config: {headers: {Content-Type: foo}}",
        '1:46  http_server_config.headers.Content-Type: can\'t be set; did you mean "X-Content-Type-Options"?',
    ),
}

REFUSED = {  # good for the toolkit: refused by name, for Python can't do it, or since it is a trap
    "tls_config_noAuth.requireanyclientcert.good": tls(
        "client_auth_type: RequireAnyClientCert",
        18,
        f"client_auth_type: RequireAnyClientCert {UNVERIFIED}; {BEST}",
    ),
    "web_config_noAuth_allCurves.good": tls(
        "curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]", 19, f"curve_preferences: {ONE_CURVE}"
    ),
    "web_config_rate_limiter_one_second": (
        'rate_limit: {interval: "1s", burst: 0}',
        "1:37  rate_limit.burst: must be at least 1, or nobody is ever let in",
    ),
}

BROKEN = {
    # the shape of it
    "bogus: 1": f"1:1  bogus: unknown key; known are {TOP}",
    "tls_config: {}": '1:1  tls_config: unknown key; did you mean "tls_server_config"?',
    "- a": "1:1  must be a mapping, not a list",
    "rate_limit: {}\nrate_limit: {}": "2:1  rate_limit: given twice, first on line 1",
    "tls_server_config: server.crt": "1:20  tls_server_config: must be a mapping, not 'server.crt'",
    "tls_server_config: {cert_file: [a], key_file: server.key}": (
        "1:32  tls_server_config.cert_file: must be a text, not a list"
    ),
    "tls_server_config: {cert_file: 5, key_file: server.key}": (
        '1:32  tls_server_config.cert_file: 5 is read as a number, write "5" in quotes'
    ),
    "a: [": "1:5  is no YAML: the file ends within a bracket",
    # certificates
    "tls_server_config: {min_version: TLS13}": None,
    "tls_server_config: {cert_file: folder, key_file: server.key}": (
        "1:32  tls_server_config.cert_file: FOLDER/folder can't be read: it is no file"
    ),
    "tls_server_config: {cert_file: empty.pem, key_file: server.key}": (
        "1:32  tls_server_config.cert_file: holds no certificate in PEM"
    ),
    "tls_server_config: {cert_file: server.key, key_file: server.key}": (
        "1:32  tls_server_config.cert_file: holds no certificate in PEM"
    ),
    "tls_server_config: {cert_file: server.crt, key_file: server.crt}": (
        "1:54  tls_server_config.key_file: holds no private key in PEM"
    ),
    "tls_server_config: {cert_file: junk.crt, key_file: server.key}": (
        "1:32  tls_server_config.cert_file: holds a certificate that can't be read"
    ),
    "tls_server_config: {cert_file: server.crt, key_file: junk.key}": (
        "1:54  tls_server_config.key_file: holds a private key that can't be read"
    ),
    "tls_server_config: {cert_file: server.crt, key_file: other.key}": (
        "1:54  tls_server_config.key_file: does not belong to the certificate"
    ),
    "tls_server_config: {cert_file: server.crt, key_file: encrypted.key}": (
        "1:54  tls_server_config.key_file: is encrypted, and nobody is there to type a passphrase: "
        "a key without one is needed"
    ),
    "tls_server_config: {cert: x, key_file: server.key}": "1:27  tls_server_config.cert: holds no certificate in PEM",
    "tls_server_config: {cert_file: server.crt, key: x}": "1:49  tls_server_config.key: holds no private key in PEM",
    f"tls_server_config: {{cert: x, {PAIR}}}": (
        "1:27  tls_server_config.cert: stands beside cert_file, and one of them must go"
    ),
    # clients
    **dict(
        [
            tls("client_auth_type: x", 18, f"client_auth_type: 'x' is unknown; known are {CLIENTS}"),
            tls("client_auth_type: RequestClientCert", 18, f"client_auth_type: RequestClientCert {UNVERIFIED}; {BEST}"),
            tls("client_auth_type: RequireClientCert", 18, f"client_auth_type: RequireClientCert {UNVERIFIED}; {BEST}"),
            tls(
                "client_auth_type: RequireAndVerify",
                18,
                "client_auth_type: 'RequireAndVerify' is unknown; did you mean \"RequireAndVerifyClientCert\"?",
            ),
            tls(
                "client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: []",
                67,
                "client_allowed_sans: must not be empty, or nobody is ever let in",
            ),
            tls("client_allowed_sans: a", 21, "client_allowed_sans: must be a list, not 'a'"),
            # versions, suites, curves
            tls(
                "min_version: TLS10",
                13,
                "min_version: TLS10 is not spoken here, for it is broken (RFC 8996); write TLS12 or TLS13",
            ),
            tls(
                "max_version: TLS11",
                13,
                "max_version: TLS11 is not spoken here, for it is broken (RFC 8996); write TLS12 or TLS13",
            ),
            tls("max_version: SSL3", 13, "max_version: 'SSL3' is unknown; known are TLS12, TLS13"),
            tls("min_version: 1.2", 13, 'min_version: 1.2 is read as a number, write "1.2" in quotes'),
            tls("min_version: TLS13, max_version: TLS12", 33, "max_version: is below min_version"),
            tls("prefer_server_cipher_suites: 1", 29, "prefer_server_cipher_suites: '1' is not true or false"),
            tls(
                "cipher_suites: [TLS_AES_128_GCM_SHA256]",
                15,
                "cipher_suites: names none of TLS 1.2; those of TLS 1.3 are always on: write min_version: TLS13",
            ),
        ]
    ),
    # HTTP
    "http_server_config: {http2: true}": (
        "1:29  http_server_config.http2: HTTP/2 is not spoken here; write false, or leave it out: "
        "clients fall back to HTTP/1.1"
    ),
    "http_server_config: {headers: {Server: x}}": (
        f"1:40  http_server_config.headers.Server: can't be set; known are {', '.join(HEADERS)}"
    ),
    'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nb: c"}}': (
        "1:57  http_server_config.headers.Content-Security-Policy: 'a\\r\\nb: c' is not the value of a header"
    ),
    # users
    "basic_auth_users: {john: 12345}": f"1:26  basic_auth_users.john: {NO_HASH}",
    f"basic_auth_users: {{john: {HASH[:-1]}}}": f"1:26  basic_auth_users.john: {NO_HASH}",
    f"basic_auth_users: {{'a:b': {HASH}}}": (
        "1:27  basic_auth_users.a:b: no client can send a name with a colon in it"
    ),
    f"basic_auth_users: {{john: '{HASH.replace('$10$', '$19$')}'}}": (
        "1:26  basic_auth_users.john: has a cost of 19, and may have 4 to 18; 10 is usual"
    ),
    f"basic_auth_users: {{john: '{HASH.replace('$10$', '$03$')}'}}": (
        "1:26  basic_auth_users.john: has a cost of 3, and may have 4 to 18; 10 is usual"
    ),
    f"basic_auth_users: {{john: {HASH}, john: {HASH}}}": "1:88  basic_auth_users.john: given twice, first on line 1",
    # limits
    "rate_limit: {interval: fast}": "1:24  rate_limit.interval: 'fast' is no duration; write 30s, 5m, 3h or 15d",
    "rate_limit: {interval: 1s}": "1:13  rate_limit.burst: must be at least 1, or nobody is ever let in",
    "rate_limit: {burst: -1}": "1:21  rate_limit.burst: '-1' is not a whole number",
}
BROKEN["tls_server_config: {min_version: TLS13}"] = [
    "1:20  tls_server_config.cert_file: is missing, and so is cert: TLS needs one of them",
    "1:20  tls_server_config.key_file: is missing, and so is key: TLS needs one of them",
]
BAD["web_config_junk"] = (
    BAD["web_config_junk"][0],
    "1:1  must be a mapping, not 'hWkNKCp3fvIx3jKnsaBI TuEjdwNS8A2vYdFbiKqr'",
)


@pytest.mark.parametrize("name", [*BAD, *REFUSED])
def test_bad_files_of_the_toolkit(mistakes, name):
    text, said = {**BAD, **REFUSED}[name]
    assert mistakes(text) == [said]


def test_tls_config_noAuth_requireanyclientcertkeyinline_good(mistakes):  # noqa: N802 - the toolkit's name
    """Refused as with a key from a file."""
    key = texts(certificate("localhost", "127.0.0.1"))[1]
    block = {"cert_file": "server.crt", "key": key, "client_auth_type": "RequireAnyClientCert"}
    (line,) = mistakes(yaml.safe_dump({"tls_server_config": block}, default_style="|"))
    assert line.partition("  ")[2] == f"tls_server_config.client_auth_type: RequireAnyClientCert {UNVERIFIED}; {BEST}"


@pytest.mark.parametrize("text", BROKEN)
def test_each_mistake_is_named(mistakes, text):
    said = BROKEN[text]
    assert mistakes(text) == ([said] if isinstance(said, str) else said)


def test_web_config_noAuth_certPath_keyPath_invalid_bad(mistakes):  # noqa: N802 - the toolkit's name
    assert mistakes("tls_server_config: {cert_file: somefile, key_file: somefile}") == [
        f"1:32  tls_server_config.cert_file: FOLDER/somefile {GONE}",
        f"1:52  tls_server_config.key_file: FOLDER/somefile {GONE}",
    ]


def test_web_config_noAuth_certPath_keyPath_empty_bad(mistakes):  # noqa: N802 - the toolkit's name
    text = 'tls_server_config: {cert_file: "", key_file: "", client_auth_type: x}'
    assert [line.partition(": ")[0] for line in mistakes(text)] == [
        "1:32  tls_server_config.cert_file",
        "1:46  tls_server_config.key_file",
        "1:68  tls_server_config.client_auth_type",
    ]


def test_all_mistakes_are_named_at_once_in_the_order_of_the_file(mistakes):
    text = """\
tls_server_config:
  cert_file: nowhere.crt
  key_file: [server.key]
  client_auth_type: Sometimes
  min_version: TLS10
  cipher_suites: [TLS_FOO]
http_server_config:
  http2: true
  headers: {X-Powered-By: us}
basic_auth_users:
  john: doe
rate_limits: {}
"""
    assert [line.partition(": ")[0] for line in mistakes(text)] == [
        "2:14  tls_server_config.cert_file",
        "3:13  tls_server_config.key_file",
        "4:21  tls_server_config.client_auth_type",
        "5:16  tls_server_config.min_version",
        "6:19  tls_server_config.cipher_suites[0]",
        "8:10  http_server_config.http2",
        "9:27  http_server_config.headers.X-Powered-By",
        "11:9  basic_auth_users.john",
        "12:1  rate_limits",
    ]


def test_path_to_config_yml_invalid(folder):
    with pytest.raises(ConfigError, match=rf"^{folder}/somefile:1:1  {GONE}"):
        load(folder / "somefile", Files())


def test_files_are_sought_beside_the_configuration(read, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert read(f"tls_server_config: {{{PAIR}}}").tls


@pytest.mark.parametrize("secret", ["hunter2", "12345", "true", "2026-01-01"])
def test_a_password_in_clear_is_not_repeated(mistakes, secret):
    (said,) = mistakes(f"basic_auth_users: {{john: {secret}}}")
    assert secret not in said


def test_an_endless_file_is_not_read(folder):
    with pytest.raises(ConfigError, match="it is no file"):
        load(folder / "../../../../../../../../dev/zero", Files())


# -- whatever the file -------------------------------------------------------------------------------------------------

WORDS = """
    tls_server_config http_server_config basic_auth_users rate_limit cert_file key_file cert key client_ca_file
    client_auth_type client_allowed_sans min_version cipher_suites curve_preferences headers http2 interval burst
    server.crt server.key ca.pem RequireAndVerifyClientCert TLS12 TLS13 CurveP256 X-Frame-Options deny 5m 60 true null
    ~ - : { } [ ] , " ' | > ? # & * &a *a << !!str !!int 1e400 .inf $2y$10$ é
"""
words = st.sampled_from([*WORDS.split(), ": ", "\n", "  ", "\t", ", "])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | words
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | words, inner, max_size=3),
    max_leaves=10,
)
TLS_KEYS = [
    "cert",
    "key",
    "client_ca",
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
]
files = st.fixed_dictionaries(
    {},
    optional={
        "tls_server_config": st.dictionaries(st.sampled_from(TLS_KEYS), trees, max_size=5) | trees,
        "http_server_config": st.fixed_dictionaries({"headers": st.dictionaries(st.sampled_from([*HEADERS]), leaves)}),
        "basic_auth_users": st.dictionaries(st.text(max_size=5), leaves, max_size=3),
        "rate_limit": st.dictionaries(st.sampled_from(["interval", "burst"]), leaves) | trees,
    },
)


def read_or_refuse(path, text):
    path.write_text(text, errors="surrogatepass" if text.isascii() else "ignore")
    try:
        load(path, Files())
    except ConfigError as error:
        assert all(m.line >= 1 and m.column >= 1 for m in error.mistakes)  # noqa: PT017 - it may also be read
        assert "Traceback" not in str(error)  # noqa: PT017


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@FUZZ
@given(text=st.lists(words, max_size=40).map("".join) | st.text())
def test_any_scraps_of_yaml_are_read_or_refused(folder, text):
    read_or_refuse(folder / "fuzz.yml", text)


@FUZZ
@given(tree=files)
def test_any_values_under_the_right_keys_are_read_or_refused(folder, tree):
    read_or_refuse(folder / "fuzz.yml", yaml.safe_dump(tree, allow_unicode=True))


def test_enough_broken_files():
    assert len(BROKEN) + len(BAD) + len(REFUSED) >= 60
