"""Dimension sets of endpoint variants, which several tables share."""

from __future__ import annotations

from exporter.catalogue.rows import Shape

_VARIANT = {"EndpointName": "endpoint_name", "VariantName": "variant_name"}

VARIANT = Shape(namespaces=("AWS/SageMaker",), dimensions=_VARIANT)
VARIANT_HOSTS = Shape(namespaces=("/aws/sagemaker/Endpoints", "aws/sagemaker/Endpoints"), dimensions=_VARIANT)
