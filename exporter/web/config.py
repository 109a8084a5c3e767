"""The file of `--web.config.file` to `Terms`, or every mistake in it at once.

The format is that of Prometheus' exporter-toolkit, docs/web-configuration.md, so that one file serves all exporters of
a house. What its Go can do and Python can't is refused by name: a setting that has no effect would be a hole.
"""

from __future__ import annotations

import difflib
import errno
import ipaddress
import os
import ssl
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct, structs

from exporter.strict import ConfigError, Mistake, Seconds, read

HEADERS: dict[str, tuple[str, ...]] = {  # those that the toolkit lets a file set, and the values of some
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
DEAREST = 18  # bcrypt's cost, at most: there, one look at a password takes about twenty seconds
LARGEST = 1 << 20  # bytes of a file; certificates have some thousand

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_BROKEN_VERSIONS = ("TLS10", "TLS11")
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_SUITES = {  # Go's names to OpenSSL's; those of TLS 1.3 are always on, there as here
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}

# -- the schema --------------------------------------------------------------------------------------------------------

Secret = Annotated[str, Meta(description="a text", extra={"secret": True, "unquoted": True})]
HeaderValue = Annotated[
    str, Meta(pattern=r"^[\t -~]*\Z", description="the value of a header", extra={"unquoted": True})
]
_BCRYPT = r"^\$2[abxy]\$\d\d\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}\Z"
PasswordHash = Annotated[
    str,
    Meta(
        pattern=_BCRYPT,
        description="a bcrypt hash; `htpasswd -nBC 10 NAME` makes one",
        extra={"secret": True, "unquoted": True},
    ),
]


class TlsServer(Struct, frozen=True, kw_only=True):
    """How TLS is spoken."""

    cert: str = ""
    key: Secret = ""
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_auth_type: str = "NoClientCert"
    client_ca_file: str = ""
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()


class HttpServer(Struct, frozen=True, kw_only=True):
    """How HTTP is spoken."""

    http2: bool = False
    headers: dict[str, HeaderValue] = {}


class RateLimit(Struct, frozen=True, kw_only=True):
    """How often anybody may ask: once in `interval`, and `burst` times in a row after a silence."""

    interval: Seconds = 0.0
    burst: int = 0


class WebFile(Struct, frozen=True, kw_only=True):
    """Everything that the file can say."""

    tls_server_config: TlsServer = TlsServer()
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, PasswordHash] = {}
    rate_limit: RateLimit = RateLimit()


# -- what comes of it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a client comes in, and what is said to it besides. By default: anybody, in clear."""

    tls: ssl.SSLContext | None = None
    tls_here: ssl.SSLContext | None = None  # for clients of this machine, who may look at probes without a certificate
    names: frozenset[str] | None = None  # of which a client's certificate must bear one
    users: Mapping[str, bytes] = field(default_factory=dict)  # to bcrypt hashes
    headers: Mapping[str, str] = field(default_factory=dict)  # a blank one is not sent
    interval: float = 0.0  # seconds; 0 is no limit
    burst: int = 0

    @property
    def certificates(self) -> bool:
        """Whether each client must have a certificate."""
        return self.tls is not None and self.tls.verify_mode == ssl.CERT_REQUIRED


class Files:
    """What some files hold, each read once."""

    def __init__(self) -> None:
        self._held: dict[Path, str] = {}

    def read(self, path: Path) -> str:
        """Return what a file holds. Raises `OSError`."""
        self._held[path] = ""  # also one that can't be read is looked at again
        self._held[path] = text = _text(path)
        return text

    def changed(self) -> bool:
        """Say whether any of them reads otherwise by now."""
        return any(_text_or_nothing(path) != held for path, held in self._held.items())


def load(path: Path, files: Files) -> Terms:
    """Return the terms in a file. Raises `ConfigError` with all of its mistakes."""
    try:
        text = files.read(path)
    except OSError as error:
        raise ConfigError(str(path), [Mistake(1, 1, "", f"can't be read: {error.strerror}")]) from error
    found: WebFile = read(text, WebFile, str(path), None, partial(_faults, files, path.parent))
    tls = found.tls_server_config
    context = here = None
    if tls != TlsServer():
        pems = _pems(tls, files, path.parent)
        context = here = _context(tls, pems)
        if context.verify_mode == ssl.CERT_REQUIRED:
            here = _context(structs.replace(tls, client_auth_type="VerifyClientCertIfGiven"), pems)
    return Terms(
        tls=context,
        tls_here=here,
        names=None if tls.client_allowed_sans is None else frozenset(map(_name, tls.client_allowed_sans)),
        users={name: hashed.encode() for name, hashed in found.basic_auth_users.items()},
        headers=found.http_server_config.headers,
        interval=found.rate_limit.interval,
        burst=found.rate_limit.burst,
    )


def borne(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the alternative names that a verified certificate bears: DNS, IP, e-mail, URI."""
    kinds = {"DNS", "IP Address", "email", "URI"}
    return frozenset(_name(value) for kind, value in (certificate or {}).get("subjectAltName", ()) if kind in kinds)


def _name(text: str) -> str:
    """Return a name in one spelling: OpenSSL writes an IPv6 address in capitals, and every 0 of it."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return text


# -- what no single value tells ----------------------------------------------------------------------------------------


def _faults(
    files: Files, folder: Path, given: Struct | dict[str, Any], wrong: frozenset[str]
) -> Iterator[tuple[str, str]]:
    match given:
        case TlsServer() if given != TlsServer():
            found = list(_tls_faults(given, wrong, files, folder))
            yield from found
            if not found and not wrong:  # only then is it worth while to try it
                yield from _pair_faults(given, files, folder)
        case HttpServer():
            if given.http2:
                yield "http2", "HTTP/2 is not spoken here; write false, or leave it out: clients fall back to HTTP/1.1"
            for name, value in given.headers.items():
                values = HEADERS.get(name)
                if values is None:
                    yield f"headers.{name}", f"can't be set; {_meant(name, HEADERS)}"
                elif values and value not in values:
                    yield f"headers.{name}", f"{value!r} is not {' or '.join(values)}"
        case RateLimit():
            if given.interval and not given.burst and "burst" not in wrong:
                yield "burst", "must be at least 1, or nobody is ever let in"
        case WebFile():
            for name, hashed in given.basic_auth_users.items():
                if ":" in name:
                    yield f"basic_auth_users.{name}", "no client can send a name with a colon in it"
                cost = int(hashed[4:6])
                if not 4 <= cost <= DEAREST:
                    yield f"basic_auth_users.{name}", f"has a cost of {cost}, and may have 4 to {DEAREST}; 10 is usual"
        case _:
            pass


def _tls_faults(tls: TlsServer, wrong: frozenset[str], files: Files, folder: Path) -> Iterator[tuple[str, str]]:
    for part, kind in _PARTS.items():
        inline, name = getattr(tls, part), getattr(tls, f"{part}_file")
        if {part, f"{part}_file"} & wrong:
            continue
        if inline and name:
            yield part, f"stands beside {part}_file, and one of them must go"
        elif inline or name:
            yield from _pem_faults(part, kind, inline, folder / name, files)
        elif part != "client_ca":
            yield f"{part}_file", f"is missing, and so is {part}: TLS needs one of them"
    if "client_auth_type" not in wrong:
        yield from _client_faults(tls)
    yield from _version_faults(tls)
    offered = {suite["name"] for suite in _bare(ssl.PROTOCOL_TLS_SERVER, "ALL:@SECLEVEL=2").get_ciphers()}
    for n, suite in enumerate(tls.cipher_suites):
        if suite not in _SUITES:
            yield f"cipher_suites[{n}]", f"no cipher suite is called {suite!r}; {_meant(suite, _SUITES)}"
        elif _SUITES[suite] and _SUITES[suite] not in offered:
            yield f"cipher_suites[{n}]", f"OpenSSL does not offer {suite} here"
    newest = tls.cipher_suites and not any(_SUITES.get(suite, suite) for suite in tls.cipher_suites)
    if newest and tls.min_version != "TLS13":
        yield "cipher_suites", "names none of TLS 1.2; those of TLS 1.3 are always on: write min_version: TLS13"
    for n, curve in enumerate(tls.curve_preferences):
        if curve not in _CURVES:
            yield f"curve_preferences[{n}]", f"no curve is called {curve!r}; {_meant(curve, _CURVES)}"
    if len(tls.curve_preferences) > 1:
        yield "curve_preferences", "Python can offer one curve, or what OpenSSL prefers: name one, or leave it out"


_PARTS = {"cert": "certificate", "key": "private key", "client_ca": "certificate"}


def _pem_faults(part: str, kind: str, inline: str, path: Path, files: Files) -> Iterator[tuple[str, str]]:
    key = part if inline else f"{part}_file"
    try:
        text = inline or files.read(path)
    except OSError as error:
        yield key, f"{path} can't be read: {error.strerror}"
        return
    if f"{kind.upper()}-----" not in text:
        yield key, f"holds no {kind} in PEM"
    elif "ENCRYPTED" in text:
        yield key, "is encrypted, and nobody is there to type a passphrase: a key without one is needed"
    elif kind == "certificate":
        try:
            _bare(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=_ascii(text))
        except (ssl.SSLError, ValueError):
            yield key, "holds a certificate that can't be read"


def _client_faults(tls: TlsServer) -> Iterator[tuple[str, str]]:
    policy, best = tls.client_auth_type or "NoClientCert", "write RequireAndVerifyClientCert"
    if policy in _UNVERIFIED:
        yield "client_auth_type", f"{policy} takes certificates that nobody verifies, which is not done here; {best}"
    elif policy not in _CLIENTS:
        yield "client_auth_type", f"{policy!r} is unknown; {_meant(policy, _CLIENTS)}"
    elif policy == "NoClientCert":
        for key in ("client_ca", "client_ca_file", "client_allowed_sans"):
            if getattr(tls, key) not in {"", None}:
                yield key, f"is of no use without client_auth_type, since nobody is asked for a certificate; {best}"
    if tls.client_allowed_sans == ():
        yield "client_allowed_sans", "must not be empty, or nobody is ever let in"


def _version_faults(tls: TlsServer) -> Iterator[tuple[str, str]]:
    for key in ("min_version", "max_version"):
        version = getattr(tls, key)
        if version in _BROKEN_VERSIONS:
            yield key, f"{version} is not spoken here, for it is broken (RFC 8996); write TLS12 or TLS13"
        elif version not in _VERSIONS:
            yield key, f"{version!r} is unknown; known are {', '.join(_VERSIONS)}"
    if (tls.min_version, tls.max_version) == ("TLS13", "TLS12"):
        yield "max_version", "is below min_version"


def _pair_faults(tls: TlsServer, files: Files, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what OpenSSL has against a certificate and its key; each alone is in order."""
    try:
        _context(tls, _pems(tls, files, folder))
    except (ssl.SSLError, ValueError) as error:
        key = "key" if tls.key else "key_file"
        reason = getattr(error, "reason", None) or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            yield key, "does not belong to the certificate"
        elif "PEM" in reason or "DECODE" in reason or "UNSUPPORTED" in reason:
            yield key, "holds a private key that can't be read"
        else:
            yield "cert" if tls.cert else "cert_file", f"OpenSSL refuses it: {reason.lower().replace('_', ' ')}"


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f'did you mean "{close[0]}"?' if close else f"known are {', '.join(known)}"


# -- OpenSSL -----------------------------------------------------------------------------------------------------------


class _Pems(NamedTuple):
    cert: str
    key: str
    client_ca: str


def _pems(tls: TlsServer, files: Files, folder: Path) -> _Pems:
    parts = {part: (getattr(tls, part), getattr(tls, f"{part}_file")) for part in _PARTS}
    return _Pems(
        **{part: inline or (files.read(folder / name) if name else "") for part, (inline, name) in parts.items()}
    )


def _context(tls: TlsServer, pems: _Pems) -> ssl.SSLContext:
    ciphers = ":".join(filter(None, map(_SUITES.__getitem__, tls.cipher_suites)))
    context = _bare(ssl.PROTOCOL_TLS_SERVER, f"@SECLEVEL=2:{ciphers}" if ciphers else "")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(_CURVES[curve])
    context.verify_mode = _CLIENTS[tls.client_auth_type or "NoClientCert"]
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as in Go, whatever stands in the CA file is trusted
    if pems.client_ca:
        context.load_verify_locations(cadata=_ascii(pems.client_ca))
    elif context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    with _as_file(pems.cert) as cert, _as_file(pems.key) as key:
        context.load_cert_chain(cert, key, password=lambda: "")  # or OpenSSL would ask on the terminal
    return context


def _bare(protocol: int, ciphers: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def _ascii(text: str) -> str:
    """Return a PEM text without what may stand between its blocks, such as names: OpenSSL takes ASCII only."""
    return text.encode("ascii", "ignore").decode()


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Lend a text as a file, for OpenSSL takes keys from files only; on Linux one that never touches a disk."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("pem"), "w+", encoding="utf-8") as file:  # noqa: PTH123 - has no path
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            yield file.name


def _text(path: Path) -> str:
    """Return what a file holds. Raises `OSError`, also for what would never end."""
    kind = path.stat()
    if not stat.S_ISREG(kind.st_mode):
        raise OSError(errno.EINVAL, "it is no file")
    if kind.st_size > LARGEST:
        raise OSError(errno.EFBIG, "it is too large")
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _text_or_nothing(path: Path) -> str:
    try:
        return _text(path)
    except OSError:
        return ""
