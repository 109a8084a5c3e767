"""CloudWatch alarms that watch SageMaker: their states, what they watch, how often they changed, whether they tell anybody.

"About SageMaker" are alarms on its metrics, or on metric math with one among its inputs; log alarms on its log groups;
composite alarms that refer to such alarms; and what `sources.cloudwatch_alarms.names` and `tags` choose.
"""

from __future__ import annotations

from exporter.catalogue.rows import told

SOURCE = "cloudwatch_alarms"

ROWS = (
    told(
        SOURCE,
        "stateset",
        "sagemaker_alarm_status",
        "State of a CloudWatch alarm on SageMaker, 1 for the state that holds.",
        ("alarm_name", "status"),
        "DescribeAlarms StateValue of metric, composite and log alarms",
        values={"status": "alarm_state"},
    ),
    told(
        SOURCE,
        "info",
        "sagemaker_alarm_info",
        "Facts about a CloudWatch alarm, always 1; joins it to the resource it watches.",
        (
            "alarm_name",
            "alarm_type",
            "metric_namespace",
            "metric_name",
            "statistic",
            "comparison_operator",
            "resource_type",
            "resource_name",
        ),
        "DescribeAlarms; resource from the alarm dimensions",
        values={
            "alarm_type": "alarm_type",
            "comparison_operator": "comparison_operator",
            "resource_type": "resource_type",
        },
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_alarms",
        "CloudWatch alarms on SageMaker by kind and state.",
        ("alarm_type", "status"),
        "DescribeAlarms",
        values={"alarm_type": "alarm_type", "status": "alarm_state"},
        seeded=True,
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_alarm_state_changes_total",
        "Times a CloudWatch alarm entered a state, each change counted once.",
        ("alarm_name", "status"),
        "CloudWatch Alarm State Change; DescribeAlarmHistory StateUpdate",
        values={"status": "alarm_state"},
        seeded=True,
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_alarm_last_change_timestamp_seconds",
        "Time at which a CloudWatch alarm last changed its state.",
        ("alarm_name",),
        "StateTransitionedTimestamp",
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_alarm_last_update_timestamp_seconds",
        "Time at which CloudWatch last wrote the state of an alarm, changed or not.",
        ("alarm_name",),
        "StateUpdatedTimestamp",
        on=False,
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_alarm_threshold",
        "Value that a CloudWatch alarm compares with, in the unit of its metric.",
        ("alarm_name",),
        "Threshold; absent for anomaly detection and composite alarms",
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_alarm_actions_enabled",
        "1 if a CloudWatch alarm may run its actions, 0 otherwise.",
        ("alarm_name",),
        "ActionsEnabled",
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_alarm_actions",
        "Actions that a CloudWatch alarm runs on entering a state.",
        ("alarm_name", "status"),
        "OKActions, AlarmActions, InsufficientDataActions",
        values={"status": "alarm_state"},
    ),
    told(
        SOURCE,
        "gauge",
        "sagemaker_alarm_actions_suppressed",
        "1 while another alarm or a wait period holds back the actions of a composite alarm, 0 otherwise.",
        ("alarm_name",),
        "ActionsSuppressedBy",
        on=False,
    ),
    told(
        SOURCE,
        "stateset",
        "sagemaker_alarm_evaluation_status",
        "Trouble in the last evaluation of a CloudWatch alarm, 1 for the trouble that holds, all 0 without one.",
        ("alarm_name", "status"),
        "DescribeAlarms EvaluationState",
        on=False,
        values={"status": "alarm_evaluation_state"},
    ),
)
