"""Who is let in, and on which terms: those of a file that is read again when it, or what it names, has changed."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from pathlib import Path

from exporter.strict import ConfigError, Mistake
from exporter.web.config import Files, Terms, load
from exporter.web.heads import Request
from exporter.web.passwords import Passwords
from exporter.web.site import PROBES, Reply, text

EVERY = 1.0  # seconds between two looks at the files

_TOLD = 100  # complaints that are told, between two changes of the files
_log = logging.getLogger(__name__)


class Gate:
    """The terms in force. Without a file anybody is let in. Raises `ConfigError` for a file that can't be used."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._files = Files()
        self._terms = load(path, self._files) if path else Terms()
        self._looking = threading.Lock()
        self._ended = threading.Event()
        self._passwords = Passwords()
        self._bucket = threading.Lock()
        self._full = 0.0  # when the bucket of the rate limit will be full again (monotonic)
        self._told: set[str] = set()

    @property
    def terms(self) -> Terms:
        """What holds for whoever comes now; connections that are open keep the TLS that they have."""
        return self._terms

    def watch(self) -> None:
        """Look at the files each second, until `close`."""
        if self._path:
            threading.Thread(target=self._watch, name="web config", daemon=True).start()

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()

    def look(self) -> None:
        """Take new terms if the files have changed. What can't be used is told once, and changes nothing."""
        with self._looking:
            if self._path is None or not self._files.changed():
                return
            files = Files()
            try:
                terms = load(self._path, files)
                _refuse_to_open(str(self._path), self._terms, terms)
            except ConfigError as error:
                _log.error("the web configuration has changed and can't be used, the old one stays:\n%s", error)
            else:
                self._terms = terms
                _log.info("the web configuration has changed and was read again")
            self._files = files
            self._told.clear()

    @staticmethod
    def is_here(client: str) -> bool:
        """Say whether an address is of this machine, whose clients need neither password nor certificate to probe."""
        return client in {"::1", "::ffff:127.0.0.1"} or client.startswith("127.")

    def refusal(self, request: Request, client: str, *, certified: bool = True) -> Reply | None:
        """Return why a request is not answered, if it is not; `client` is the address of who asks."""
        terms = self._terms
        if terms.interval and not self._in_time(terms, time.monotonic()):
            return text(429, "too many requests; rate_limit allows fewer", Retry_After="1")
        if request.path in PROBES and self.is_here(client):
            return None
        if not certified:
            self.complain("a client of this machine has no certificate that is asked for")
            return text(403, "a client certificate is needed")
        if not terms.users:
            return None
        verdict = self._passwords.check(terms.users, request.headers.get("authorization", ""), client)
        if verdict == "busy":
            return text(429, "too many passwords are being checked; try again", Retry_After="1")
        if verdict == "wrong":
            return text(401, "a user and a password are needed", WWW_Authenticate='Basic realm="sagemaker-exporter"')
        return None

    def complain(self, about: str, *details: object) -> None:
        """Tell of a client that was not let in, once for each kind of complaint."""
        if about not in self._told and len(self._told) < _TOLD:
            self._told.add(about)
            _log.warning("%s%s; told once", about, "".join(f" {detail}" for detail in details))

    def _in_time(self, terms: Terms, now: float) -> bool:
        """Take a token from the bucket, if there is one."""
        with self._bucket:
            full = max(self._full, now) + terms.interval
            if full - now > terms.interval * terms.burst + 1e-9:
                return False
            self._full = full
            return True

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the terms in force stay, and the next second looks again
                _log.exception("the web configuration could not be looked at")


def _refuse_to_open(name: str, old: Terms, new: Terms) -> None:
    """Raise `ConfigError` where new terms would let in whom the old ones did not.

    An editor that empties a file before it writes it would open the port for a moment. A restart may do so.
    """
    asked = [terms.tls.verify_mode if terms.tls else ssl.CERT_NONE for terms in (old, new)]
    lost = [
        what
        for what, opened in (
            ("TLS", old.tls and not new.tls),
            ("client certificates", asked[0] > asked[1]),
            ("client_allowed_sans", old.names and not new.names),
            ("basic_auth_users", old.users and not new.users),
        )
        if opened
    ]
    if lost:
        raise ConfigError(name, [Mistake(1, 1, "", f"no longer asks for {', '.join(lost)}; that needs a restart")])
