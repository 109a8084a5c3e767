"""Passwords against bcrypt hashes: dear to try, cheap to try again, and no time tells which names exist."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Literal

import bcrypt

Verdict = Literal["right", "wrong", "busy"]

REMEMBERED = 256  # verdicts of each kind
WAITING = 64  # compares that may wait for their turn
WAITING_OF_ONE = 4  # of them from one client, so that its guesses don't keep others from theirs


class Passwords:
    """Says whether an `Authorization: Basic` header is right. Thread-safe.

    One compare runs at a time, and outside of the interpreter: a flood of guesses costs one core, and delays only those
    who have not been let in before. Verdicts are remembered by a keyed hash, right ones apart from wrong ones, or a
    flood of wrong ones would push them out.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: Counter[str] = Counter()
        self._verdicts: dict[bool, OrderedDict[bytes, None]] = {True: OrderedDict(), False: OrderedDict()}

    def check(self, users: Mapping[str, bytes], authorization: str, client: str) -> Verdict:
        """Return the verdict; `client` is the address of who asks."""
        given = _credentials(authorization)
        if given is None or not users:
            return "wrong"
        name, password = given
        hashed = users.get(name) or self._decoy(users, name)
        key = self._hash(name.encode("utf-8", "surrogateescape"), hashed, password)
        known = name in users
        client = _neighbourhood(client)
        with self._lock:
            verdict = self._remembered(key)
            if verdict:
                return verdict
            if self._waiting[client] >= WAITING_OF_ONE or self._waiting.total() >= WAITING:
                return "busy"
            self._waiting[client] += 1
        try:
            with self._turn:
                with self._lock:
                    verdict = self._remembered(key)  # while we waited, of somebody who said the same
                if not verdict:
                    right = _compare(password, hashed) and known
                    verdict = "right" if right else "wrong"
                    with self._lock:
                        self._remember(key, right=right)
        finally:
            with self._lock:
                self._waiting[client] -= 1
                if not self._waiting[client]:
                    del self._waiting[client]
        return verdict

    def _decoy(self, users: Mapping[str, bytes], name: str) -> bytes:
        """Return a hash to try in place of an unknown user's: always the same for a name, and as dear as a real one."""
        choice = self._hash(name.encode("utf-8", "surrogateescape"))
        return sorted(users.values())[int.from_bytes(choice[:8]) % len(users)]

    def _hash(self, *parts: bytes) -> bytes:
        return hmac.digest(self._secret, b"".join(len(part).to_bytes(8) + part for part in parts), "sha256")

    def _remembered(self, key: bytes) -> Verdict | None:
        for right, verdicts in self._verdicts.items():
            if key in verdicts:
                verdicts.move_to_end(key)
                return "right" if right else "wrong"
        return None

    def _remember(self, key: bytes, *, right: bool) -> None:
        verdicts = self._verdicts[right]
        verdicts[key] = None
        if len(verdicts) > REMEMBERED:
            verdicts.popitem(last=False)


def _compare(password: bytes, hashed: bytes) -> bool:
    """Compare as bcrypt always did: it looks at 72 bytes, of which this library wants to be told."""
    try:
        return bcrypt.checkpw(password[:72], hashed)
    except ValueError:  # a NUL, in older versions
        return False


def _credentials(authorization: str) -> tuple[str, bytes] | None:
    scheme, _, code = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(code.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (name.decode("utf-8", "surrogateescape"), password) if colon else None


def _neighbourhood(client: str) -> str:
    """Return whom an address belongs to: of IPv6, one client has a whole /64."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((address, 64), strict=False))
    return client
