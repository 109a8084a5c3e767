"""STS: GetCallerIdentity and AssumeRole, and the keys that say who calls.

Every account number has a key of its own, so that any account works without being set up: `AKIADEMO123456789012` is
user `demo` of account 123456789012, with any secret. Keys that AssumeRole hands out begin with `ASIADEMO`, and their
session token says the role and when it expires. Signatures are not checked.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from exporter.demo.call import AwsError, Principal, invalid
from exporter.demo.identities import Identity, assumed_role, iam_user
from exporter.demo.resources import Role, arn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.demo.call import Call

KEY = "AKIADEMO"
TEMPORARY_KEY = "ASIADEMO"
LOOPBACK = "127.0.0.1"  # from where all who ask the fake come

# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
SHORTEST_SESSION, LONGEST_SESSION, LONGEST_CHAINED = 900, 43200, 3600


def access_key(account: str) -> str:
    """Return the access key id of an account's user."""
    return KEY + account


def authenticate(headers: Mapping[str, str], now: float) -> tuple[Principal, str, str]:
    """Return who signed the request, and the region and the service signed for. `headers` have lower-case names."""
    scope = re.search(r"Credential=(\w+)/\d{8}/([\w-]+)/([\w-]+)/aws4_request", headers.get("authorization", ""))
    if not scope:
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    key, region, service = scope.groups()
    account = key[-12:]
    if key == KEY + account and account.isdigit():
        return Principal(account, arn("iam", "", account, "user/demo")), region, service
    unknown = AwsError("UnrecognizedClientException", "The security token included in the request is invalid.", 403)
    if key != TEMPORARY_KEY + account:
        raise unknown
    try:
        owner, role, session, expires = orjson.loads(base64.b64decode(headers.get("x-amz-security-token", "")))
    except ValueError as error:
        raise unknown from error
    if owner != account:
        raise unknown
    if expires <= now:
        raise expired()
    return Principal(account, arn("sts", "", account, f"assumed-role/{role}/{session}")), region, service


def expired() -> AwsError:
    """Return the error for a session that is over."""
    return AwsError("ExpiredTokenException", "The security token included in the request is expired", 403)


def get_caller_identity(call: Call) -> dict[str, Any]:
    """Answer GetCallerIdentity."""
    caller = call.principal
    return {"Arn": caller.arn, "UserId": _user_id(caller), "Account": caller.account}


def _user_id(caller: Principal) -> str:
    name = caller.arn.rpartition("/")[2]
    return f"AROADEMO{caller.account}:{name}" if ":sts:" in caller.arn else f"AIDADEMO{caller.account}"


@lru_cache(maxsize=100)
def identity(caller: Principal, agent: str) -> Identity:
    """Return a caller as CloudTrail writes it down, who calls with this client."""
    user, role = _user_id(caller), caller.arn.partition(":assumed-role/")[2]
    if not role:
        key, name = access_key(caller.account), caller.arn.rpartition("/")[2]
        return iam_user(caller.account, name, id=user, key=key, agent=agent, address=LOOPBACK)
    key, (name, _, session) = TEMPORARY_KEY + caller.account, role.partition("/")
    id = user.partition(":")[0]  # noqa: A001 - as AWS calls it
    return assumed_role(caller.account, name, session, id=id, key=key, agent=agent, address=LOOPBACK)


def assume_role(call: Call) -> dict[str, Any]:
    """Answer AssumeRole: for roles that exist, with the external id they demand, in any account."""
    given = call.parameters
    asked, session = given.get("RoleArn", ""), given.get("RoleSessionName", "")
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", session):
        raise invalid("1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint")
    found = re.fullmatch(r"arn:[\w-]+:iam::(\d{12}):role/(?:.*/)?([\w+=,.@-]+)", asked)
    role: Role | None = call.world.roles.get((found[1], found[2])) if found else None
    if not found or role is None or (role.external_id and role.external_id != given.get("ExternalId")):
        # as AWS: no word about which of the three it was
        message = f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {asked}"
        raise AwsError("AccessDeniedException", message, 403)
    seconds = int(given.get("DurationSeconds", 3600))
    if not SHORTEST_SESSION <= seconds <= LONGEST_SESSION:
        raise invalid(
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint"
        )
    if ":sts:" in call.principal.arn and seconds > LONGEST_CHAINED:
        raise invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if seconds > role.longest_session:
        raise invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    expires = int(call.now + seconds)
    account = found[1]
    return {
        "Credentials": {
            "AccessKeyId": TEMPORARY_KEY + account,
            "SecretAccessKey": "demo" * 10,
            "SessionToken": base64.b64encode(orjson.dumps([account, role.name, session, expires])).decode(),
            "Expiration": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": f"AROADEMO{account}:{session}",
            "Arn": arn("sts", "", account, f"assumed-role/{role.name}/{session}"),
        },
    }


OPERATIONS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "AssumeRole": assume_role,
    "GetCallerIdentity": get_caller_identity,
}
