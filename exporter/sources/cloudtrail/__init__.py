"""API calls to SageMaker, as CloudTrail has recorded them: what was called, by whom, from where, and what came of it.

    sagemaker_api_calls_total{...,event_name="CreateTrainingJob",error_class="none",principal_type="AssumedRole"} 3.0

    listed     what LookupEvents lists
    lookup     which stretches of time it lists, and the pages of each
    heard      events of EventBridge from a queue: told at once, best effort
    announced  files of a trail in S3, which a queue tells of
    healing    those that it did not tell of, found by listing the bucket
    contents   a file -> readings, and which files have been read
    files      the key of a file, and its records one by one
    readings   records, by whichever road -> a reading

A record has an id. Whichever road it comes by, and however often, the ledger counts it once.
"""

from __future__ import annotations

from exporter.sources.cloudtrail.announced import AnnouncedCalls
from exporter.sources.cloudtrail.heard import HeardCalls
from exporter.sources.cloudtrail.listed import ListedCalls
from exporter.sources.cloudtrail.readings import SOURCE, switched_off

__all__ = ["SOURCE", "AnnouncedCalls", "HeardCalls", "ListedCalls", "switched_off"]
