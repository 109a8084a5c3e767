"""AWS's own models of its services, to hold the answers of the fake against."""

from __future__ import annotations

from botocore.loaders import Loader
from botocore.model import ServiceModel

MODELS = {
    name: ServiceModel(Loader().load_service_model(name, "service-2"))
    for name in ("cloudtrail", "logs", "sagemaker", "sagemaker-a2i-runtime")
}


def snake(operation, client):
    """The method of a client that calls an operation."""
    return next(name for name, known in client.meta.method_to_api_mapping.items() if known == operation)


def impossible(shape, value, path=""):
    """What in an answer the service model does not have, or has otherwise."""
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                yield f"{path}.{name} is missing"
        if shape.is_tagged_union and len(value) != 1:
            yield f"{path} has not exactly one member"
        for name, member in value.items():
            if name not in shape.members:
                yield f"{path}.{name} is unknown"
            else:
                yield from impossible(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for member in value:
            yield from impossible(shape.member, member, f"{path}[]")
    elif shape.type_name == "map":
        return
    elif shape.type_name == "string":
        if not isinstance(value, str) or (shape.enum and value not in shape.enum):
            yield f"{path}: {value!r}"
    elif shape.type_name == "boolean":
        if not isinstance(value, bool):
            yield f"{path}: {value!r}"
    elif isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{path}: {value!r}"
