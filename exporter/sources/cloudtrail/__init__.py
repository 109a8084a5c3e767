"""API calls to SageMaker, as CloudTrail has recorded them: what was called, by whom, from where, and what came of it.

    sagemaker_api_calls_total{...,event_name="CreateTrainingJob",error_class="none",principal_type="AssumedRole"} 3.0

    lookup   which stretches of time are looked over, and the pages of each
    heard    events of EventBridge from a queue: told at once, best effort
    listed   what LookupEvents lists, by the passes of `lookup`
    readings records, by whichever road -> a reading

A record has an id. Whichever road it comes by, and however often, the ledger counts it once.
"""

from __future__ import annotations

from exporter.sources.cloudtrail.heard import HeardCalls
from exporter.sources.cloudtrail.listed import ListedCalls
from exporter.sources.cloudtrail.readings import SOURCE, switched_off

__all__ = ["SOURCE", "HeardCalls", "ListedCalls", "switched_off"]
