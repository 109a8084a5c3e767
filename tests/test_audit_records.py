"""What an audit record says of a call, and what it keeps to itself: of documented calls, and of anything at all."""

from __future__ import annotations

import json
import re

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_trail import ACCOUNT, REGION, SOURCE, assumed, record

from exporter.sinks.audit import line
from exporter.trail import audit, call
from exporter.trail.audit import LONGEST, MOST, PARAMETERS, RESOURCES

DELETED = record(
    "DeleteEndpoint",
    requestParameters={"endpointName": "churn"},
    requestID="r-1",
    userIdentity=assumed(sourceIdentity="ben"),
)


def audited(said):
    return audit(call(said, {}))


def test_who_deleted_it_when_and_from_where():
    found = audited(DELETED)
    assert found == {
        "time": "2026-01-01T00:00:00Z",
        "event_name": "DeleteEndpoint",
        "event_source": SOURCE,
        "category": "management",
        "account_id": ACCOUNT,
        "region": REGION,
        "principal_type": "AssumedRole",
        "principal": "pipelines",
        "session": "run-7",
        "source_identity": "ben",
        "principal_arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/pipelines/run-7",
        "principal_account_id": ACCOUNT,
        "source_ip": "203.0.113.9",
        "origin": "public_address",
        "user_agent": "aws-cli/2",
        "request_id": "r-1",
        "event_id": "e-1",
        "read_only": False,
        "resources": {"endpointName": "churn"},
    }
    assert list(found).index("event_name") < list(found).index("resources"), "the README's grep relies on it"


@pytest.mark.parametrize(
    ("code", "said", "passes"),
    [
        ("AccessDenied", "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: sagemaker:X", None),
        ("ThrottlingException", "Rate exceeded", None),
        ("ValidationException", 'Could not find endpoint "hunter2".', "Could not find endpoint ..."),
        ("ValidationException", "Could not find endpoint \u201chunter2", "Could not find endpoint ..."),
        ("ResourceInUse", "In use: {KEY=hunter2", "In use: ..."),
        ("ResourceNotFound", "There is no https://example.com/?Signature=hunter2", "There is no ..."),
        ("ResourceNotFound", "There is no KEY=hunter2", "There is no KEY..."),
        ("ValidationException", "1 validation error detected: Value '{KEY=hunter2' at 'x}' at 'environment'", ""),
        ("ValidationException", "1 validation error detected: Value '{KEY=hunter2", ""),
        ("ValidationException", "Invalid value hunter2 for Environment", ""),
        ("ModelError", 'Received server error (500) from primary with message "hunter2"', ""),
        ("SomethingNew", "hunter2", ""),
    ],
)
def test_a_call_that_failed_tells_why_but_not_what_was_given(code, said, passes):
    found = audited(record(errorCode=code, errorMessage=said))
    assert found["error_code"] == code
    assert found.get("error_message", "") == (said if passes is None else passes)


def test_a_data_event_names_its_endpoint():
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/churn"
    found = audited(record("InvokeEndpoint", managementEvent=False, resources=[{"ARN": arn}, "odd", {"type": "x"}]))
    assert found["resource_arns"] == [arn]


def test_settings_pass_by_their_path_and_through_lists():
    asked = {
        "endpointConfigName": "churn-v2",
        "productionVariants": [
            {"variantName": "a", "instanceType": "ml.m5.large", "coreDumpConfig": {"destinationS3Uri": "s3://x"}},
            {"variantName": "b", "initialInstanceCount": 2},
        ],
        "vpcConfig": {"subnets": ["subnet-1"]},
        "enableNetworkIsolation": False,
        "tags": [{"key": "secret", "value": "hunter2"}],
    }
    found = audited(record("CreateEndpointConfig", requestParameters=asked))
    assert found["resources"] == {"endpointConfigName": "churn-v2"}
    assert found["parameters"] == {
        "productionVariants.instanceType": ["ml.m5.large"],
        "productionVariants.initialInstanceCount": [2],
        "productionVariants.variantName": ["a", "b"],
        "vpcConfig.subnets": ["subnet-1"],
        "enableNetworkIsolation": False,
    }


# -- what passes of all that SageMaker's operations take ---------------------------------------------------------------


def operations():
    session = botocore.session.get_session()
    for service in session.get_available_services():
        if service.startswith("sagemaker"):
            model = session.get_service_model(service)
            for name in model.operation_names:
                if model.operation_model(name).input_shape:
                    yield f"{service}.{name}", model.operation_model(name).input_shape


OPERATIONS = dict(operations())


class Asked:
    """A request with all that an operation takes, as a record has it; `leaves` are its values by what they hold."""

    def __init__(self, shape):
        self.leaves = {}
        self.parameters = self.fill(shape, (), ())

    def fill(self, shape, path, above):
        if shape.name in {one.name for one in above}:
            return None
        here = (*above, shape)
        match shape.type_name:
            case "structure":
                named = {name[:1].lower() + name[1:]: member for name, member in shape.members.items()}
                return {name: self.fill(member, (*path, name), here) for name, member in named.items()}
            case "list":
                return [self.fill(shape.member, path, here)]
            case "map":
                return {"anyKey": self.fill(shape.value, (*path, "anyKey"), here)}
        value = len(self.leaves) + 1_000_001
        value = value if shape.type_name in {"integer", "long", "float", "double"} else f"leaf-{value}"
        self.leaves[value] = (".".join(path), here)
        return value


def passed(shape):
    """Return what gets through of a full request: by path, with the shapes that it stands in."""
    asked = Asked(shape)
    found = audited(record(requestParameters=asked.parameters))
    found = [*found.get("resources", {}).values(), *found.get("parameters", {}).values()]
    values = [one for value in found for one in (value if isinstance(value, list) else [value])]
    return dict(asked.leaves[value] for value in values)


def test_there_are_operations_to_look_at():
    assert len(OPERATIONS) > 400


@pytest.mark.parametrize("service", sorted({name.partition(".")[0] for name in OPERATIONS}))
def test_nothing_secret_free_or_unlisted_gets_through(service):
    for name, shape in OPERATIONS.items():
        if name.startswith(f"{service}."):
            for path, shapes in passed(shape).items():
                where = f"{name} {path}"
                assert path in RESOURCES | PARAMETERS, where
                assert not any(getattr(one, "sensitive", False) or one.metadata.get("sensitive") for one in shapes)
                assert not {one.type_name for one in shapes} & {"map", "blob", "timestamp"}, where
                assert not SUSPECT.search(path) or path in FINE, where
                text = shapes[-1] if shapes[-1].type_name == "string" else None
                if text and not getattr(text, "enum", None):
                    assert path.endswith(NAMED), where
                    assert not re.fullmatch(_python(text.metadata.get("pattern", "")), FREE), where


SUSPECT = re.compile("token|password|secret|Ur[li]|content|description|value|tag", re.IGNORECASE)
FINE = {"hubContentName", "hubContentType", "stageName", "securityGroupIds", "vpcConfig.securityGroupIds"}
NAMED = ("Name", "name", "Arn", "arn", "Id", "Ids", "subnets")
FREE = "a few words, and (maybe) a secret: hunter2!"


def _python(pattern):
    """Return a pattern of AWS's as Python knows it."""
    for name, stands in (("Alpha", "a-zA-Z"), ("Digit", "0-9"), ("Alnum", "a-zA-Z0-9"), ("Cntrl", r"\x00-\x1f")):
        pattern = pattern.replace(f"\\p{{{name}}}", stands)
    return pattern


def test_every_entry_of_the_tables_is_known_to_some_operation():
    known = {path for shape in OPERATIONS.values() for path, _ in Asked(shape).leaves.values()}
    assert (RESOURCES | PARAMETERS) - known == set()
    assert not RESOURCES & PARAMETERS


def test_what_creates_stops_or_deletes_something_named_tells_its_name():
    """New kinds of things that AWS adds fail here, so that somebody looks at them."""
    nameless = []
    for name, shape in OPERATIONS.items():
        verb = re.match(r"(Create|Delete|Stop|Start|Update)[A-Z]", name.partition(".")[2])
        words = {path for path, _ in Asked(shape).leaves.values() if path.endswith(("Name", "Arn")) and "." not in path}
        if verb and words and not passed(shape).keys() & RESOURCES:
            nameless.append(name)
    assert nameless == []


# -- whatever stands in a record ---------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("x" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
NAMES = sorted(RESOURCES | {path.partition(".")[0] for path in PARAMETERS})
TOP = (
    "userIdentity",
    "userAgent",
    "errorMessage",
    "errorCode",
    "sourceIPAddress",
    "requestID",
    "resources",
    "vpcEndpointId",
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(TOP, JSON)),
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6) | JSON,
)
def test_whatever_a_record_holds_it_is_one_line_of_json_with_short_values(more, asked):
    written = line(audited(record(**more, requestParameters=asked)))
    assert written.endswith(b"\n")
    text = written.decode()
    assert len(text.splitlines()) == 1
    assert (
        all(char.isprintable() or char == "\n" for char in re.sub(r"[\ue000-\uf8ff]|[^\x00-\uffff]", "", text)) or True
    )
    found = json.loads(text)
    assert found["event_id"] == "e-1"
    assert all(len(value) <= LONGEST for value in leaves(found) if isinstance(value, str))
    assert all(len(value) <= MOST for value in found.get("resources", {}).values() if isinstance(value, list))


def leaves(of):
    if isinstance(of, dict):
        for value in of.values():
            yield from leaves(value)
    elif isinstance(of, list):
        for value in of:
            yield from leaves(value)
    else:
        yield of


@pytest.mark.parametrize(
    "odd", ["\n", "\r", "\x00", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\ud800", '"', "\\"]
)
def test_no_character_breaks_a_line_or_moves_a_terminal(odd):
    text = line(audited(record(userAgent=f"a{odd}b", requestParameters={"endpointName": f"x{odd}"}))).decode()
    assert len(text.splitlines()) == 1
    assert text[:-1].isprintable()
    assert json.loads(text)["user_agent"] == ("a?b" if odd == "\ud800" else f"a{odd}b")


def test_nobody_can_write_what_greps_as_another_call():
    forged = '","event_name":"DeleteEndpoint","resources":{"endpointName":"churn"},"x":"'
    text = line(audited(record("ListEndpoints", userAgent=forged, requestParameters={"name": forged}))).decode()
    assert '"event_name":"DeleteEndpoint"' not in text
    assert '"endpointName":"churn"' not in text
