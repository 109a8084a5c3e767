"""Who calls AWS, as CloudTrail writes it: `userIdentity` of each documented type, and what goes with it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exporter.demo.resources import arn
from exporter.demo.traffic import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SDK = "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.8 lang/python#3.12.3"
CLI = "aws-cli/2.27.1 md/awscrt#0.26.1 ua/2.1 os/macos#24.5 lang/python#3.13.3"
BROWSER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/138.0 Safari/537.36"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls, and from where; `name` is what LookupEvents calls the user."""

    record: Mapping[str, Any]
    name: str | None = None
    agent: str = SDK
    address: str = "203.0.113.10"

    @property
    def access_key(self) -> str | None:
        """The key that signed, where there is one."""
        return self.record.get("accessKeyId")

    @property
    def arn(self) -> str:
        """Who is named in a refusal."""
        return self.record.get("arn") or self.record.get("invokedBy") or "anonymous"


def _id(prefix: str, *names: str) -> str:
    return f"{prefix}{number_of(*names):016X}"


def iam_user(
    account: str,
    name: str,
    *,
    console: bool = False,
    id: str | None = None,  # noqa: A002 - as AWS calls it
    key: str | None = None,
    agent: str = SDK,
    address: str = "203.0.113.11",
) -> Identity:
    """Return a user of the account, who signs with a key or has signed in to the console."""
    record: dict[str, Any] = {
        "type": "IAMUser",
        "principalId": id or _id("AIDA", account, name),
        "arn": arn("iam", "", account, f"user/{name}"),
        "accountId": account,
        "accessKeyId": key or _id("ASIA" if console else "AKIA", account, name),
        "userName": name,
    }
    if console:
        record["sessionContext"] = {"attributes": {"mfaAuthenticated": "true"}}
    return Identity(record, name, BROWSER if console else agent, address)


def assumed_role(
    account: str,
    role: str,
    session: str,
    *,
    invoked_by: str | None = None,
    source_identity: str | None = None,
    provider: str | None = None,
    id: str | None = None,  # noqa: A002 - as AWS calls it
    key: str | None = None,
    agent: str = SDK,
    address: str = "203.0.113.12",
) -> Identity:
    """Return a session of a role; `invoked_by` a service that uses it, `provider` where its holder has signed in."""
    principal = id or _id("AROA", account, role)
    context: dict[str, Any] = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": principal,
            "arn": arn("iam", "", account, f"role/{role}"),
            "accountId": account,
            "userName": role.rpartition("/")[2],
        },
        "attributes": {"mfaAuthenticated": "false"},
    }
    if provider:
        context["webIdFederationData"] = {"federatedProvider": provider, "attributes": {}}
    if source_identity:
        context["sourceIdentity"] = source_identity
    record: dict[str, Any] = {
        "type": "AssumedRole",
        "principalId": f"{principal}:{session}",
        "arn": arn("sts", "", account, f"assumed-role/{role.rpartition('/')[2]}/{session}"),
        "accountId": account,
        "accessKeyId": key or _id("ASIA", account, role, session),
        "sessionContext": context,
    }
    if invoked_by:
        record["invokedBy"] = invoked_by
        return Identity(record, session, invoked_by, invoked_by)
    return Identity(record, session, agent, address)


def root(account: str) -> Identity:
    """Return the account itself, in the console."""
    record = {
        "type": "Root",
        "principalId": account,
        "arn": arn("iam", "", account, "root"),
        "accountId": account,
        "accessKeyId": _id("ASIA", account, "root"),
        "sessionContext": {"attributes": {"mfaAuthenticated": "true"}},
    }
    return Identity(record, "root", BROWSER, "198.51.100.7")


def service(name: str) -> Identity:
    """Return a service of AWS that acts without a role of the account."""
    return Identity({"type": "AWSService", "invokedBy": name}, None, name, name)


def service_itself(account: str, name: str) -> Identity:
    """Return what stands in events that a service makes by itself (AwsServiceEvent)."""
    return Identity({"accountId": account, "invokedBy": name}, None, name, name)


def federated_user(account: str, name: str, by: str = "broker") -> Identity:
    """Return somebody for whom a user has called GetFederationToken."""
    record = {
        "type": "FederatedUser",
        "principalId": f"{account}:{name}",
        "arn": arn("sts", "", account, f"federated-user/{name}"),
        "accountId": account,
        "accessKeyId": _id("ASIA", account, name),
        "sessionContext": {
            "sessionIssuer": {
                "type": "IAMUser",
                "principalId": _id("AIDA", account, by),
                "arn": arn("iam", "", account, f"user/{by}"),
                "accountId": account,
                "userName": by,
            },
            "attributes": {"mfaAuthenticated": "false"},
        },
    }
    return Identity(record, name, CLI, "203.0.113.13")


def identity_center_user(account: str, region: str, name: str) -> Identity:
    """Return a user of IAM Identity Center who acts as such."""
    store = arn("identitystore", "", account, "identitystore/d-0a1b2c3d4e")
    record = {
        "type": "IdentityCenterUser",
        "accountId": account,
        "onBehalfOf": {"userId": _id("", account, region, name).lower(), "identityStoreArn": store},
        "credentialId": _id("", account, name, "credential").lower(),
    }
    return Identity(record, None, BROWSER, "203.0.113.14")


def other_account(account: str, session: str) -> Identity:
    """Return somebody of another account, as the owner of what is called sees it."""
    return Identity(
        {"type": "AWSAccount", "principalId": f"{_id('AROA', account)}:{session}", "accountId": account},
        None,
        SDK,
        "192.0.2.44",
    )


def web_identity_user(provider: str, subject: str) -> Identity:
    """Return somebody who exchanges the token of a provider for a role."""
    record = {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:sts.amazonaws.com:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }
    return Identity(record, subject, SDK, "192.0.2.80")
