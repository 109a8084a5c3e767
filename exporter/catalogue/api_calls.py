"""API calls: as CloudTrail has recorded them, and as AWS usage metrics count them."""

from __future__ import annotations

from exporter.catalogue.rows import Shape, counter, told

SOURCE = "cloudtrail"

OPERATION = Shape(
    namespaces=("AWS/Usage",),
    dimensions={"Resource": "operation"},
    fixed={"Service": "Sagemaker", "Type": "API", "Class": "None"},
)

ROWS = (
    counter(
        "sagemaker_api_usage_calls_total",
        "API calls of the account as AWS usage metrics count them.",
        OPERATION,
        "CallCount",
        on=False,
        stable=False,
        pace="warm",
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_api_calls_total",
        "Management API calls to SageMaker that CloudTrail recorded, each event id counted once.",
        (
            "event_source",
            "event_name",
            "error_class",
            "principal_type",
            "read_only",
        ),
        "eventType AwsApiCall and AwsConsoleAction; UPDATED_DATA addenda left out",
        values={
            "event_source": "event_source",
            "error_class": "error_class",
            "principal_type": "principal_type",
            "read_only": "yes_no",
        },
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_api_call_errors_total",
        "Management API calls to SageMaker that failed, by error code.",
        (
            "event_source",
            "event_name",
            "error_code",
        ),
        "errorCode as recorded",
        values={"event_source": "event_source"},
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_api_calls_by_origin_total",
        "Management API calls to SageMaker by the kind of place they came from.",
        (
            "event_source",
            "origin",
            "error_class",
        ),
        "sourceIPAddress, vpcEndpointId, sessionCredentialFromConsole, invokedBy; networks named in the configuration add values",
        values={"event_source": "event_source", "origin": "call_origin", "error_class": "error_class"},
        seeded=True,
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_api_calls_by_principal_total",
        "Management API calls to SageMaker by role or user that made them.",
        (
            "event_source",
            "event_name",
            "error_class",
            "principal",
        ),
        "sessionIssuer.userName, userName or invokedBy",
        values={"event_source": "event_source", "error_class": "error_class"},
        on=False,
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_api_data_calls_total",
        "Data API calls to SageMaker, such as InvokeEndpoint and PutRecord, that a trail with data events recorded.",
        (
            "event_source",
            "event_name",
            "error_class",
            "principal_type",
        ),
        "eventCategory Data",
        values={"event_source": "event_source", "error_class": "error_class", "principal_type": "principal_type"},
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_api_data_calls_by_endpoint_total",
        "InvokeEndpoint calls by endpoint that a trail with data events recorded.",
        (
            "event_name",
            "endpoint_name",
            "error_class",
        ),
        "resources[] of type AWS::SageMaker::Endpoint",
        values={"error_class": "error_class"},
        on=False,
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_api_service_events_total",
        "Things that SageMaker did by itself and CloudTrail recorded, such as child jobs of a tuning job.",
        ("event_name",),
        "eventType AwsServiceEvent",
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_api_network_denials_total",
        "Calls to SageMaker that a VPC endpoint policy denied.",
        ("event_name",),
        "eventType AwsVpceEvents with VpceAccessDenied",
        on=False,
        stable=False,
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_api_last_event_timestamp_seconds",
        "Time of the newest SageMaker event that CloudTrail delivered, by way of delivery.",
        ("way",),
        "eventTime",
        values={"way": "trail_way"},
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_api_last_call_timestamp_seconds",
        "Time of the newest recorded call of an API operation.",
        (
            "event_source",
            "event_name",
        ),
        "eventTime",
        values={"event_source": "event_source"},
        on=False,
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_api_last_data_call_timestamp_seconds",
        "Time of the newest data call, such as InvokeEndpoint, that CloudTrail delivered; 0 while it has delivered none, "
        "and sagemaker_endpoint_invocations_total alone tells of invocations.",
        (),
        "eventTime of eventCategory Data",
        stable=False,
    ),
    told(
        SOURCE,
        "histogram",
        "sagemaker_api_event_delivery_lag_seconds",
        "Time from an API call to the moment its CloudTrail event was counted.",
        ("way",),
        "eventTime to commit",
        values={"way": "trail_way"},
        seeded=True,
        buckets=(5, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 21600),
    ),
)
