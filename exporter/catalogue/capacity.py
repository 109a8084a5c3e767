"""Capacity: reservations and training plans, and how many of their instances are used and free."""

from __future__ import annotations

from exporter.catalogue.rows import PERCENT, Shape, gauge, listed

RESERVATION = Shape(
    namespaces=("aws/sagemaker/CapacityReservations",),
    dimensions={
        "ReservationName": "reservation_name",
        "ComponentType": "component_type",
        "AvailabilityZone": "availability_zone",
        "InstanceType": "instance_type",
        "ReservationType": "reservation_type",
    },
)

ROWS = (
    gauge(
        "sagemaker_capacity_reservation_used_instances",
        "Instances of a capacity reservation in use, average over the newest settled period.",
        RESERVATION,
        "UsedInstanceCount",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_capacity_reservation_used_instances_max",
        "Instances of a capacity reservation in use, highest value in the newest settled period.",
        RESERVATION,
        "UsedInstanceCount",
        stat="Maximum",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_capacity_reservation_available_instances",
        "Instances of a capacity reservation that are free, average over the newest settled period.",
        RESERVATION,
        "AvailableInstanceCount",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_capacity_reservation_available_instances_max",
        "Instances of a capacity reservation that are free, highest value in the newest settled period.",
        RESERVATION,
        "AvailableInstanceCount",
        stat="Maximum",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_capacity_reservation_total_instances",
        "Instances that a capacity reservation holds, average over the newest settled period.",
        RESERVATION,
        "TotalInstanceCount",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_capacity_reservation_total_instances_max",
        "Instances that a capacity reservation holds, highest value in the newest settled period.",
        RESERVATION,
        "TotalInstanceCount",
        stat="Maximum",
        stable=False,
        pace="warm",
    ),
    gauge(
        "sagemaker_capacity_reservation_instance_utilization_ratio",
        "Share of the instances of a capacity reservation in use, average over the newest settled period.",
        RESERVATION,
        "InstanceUtilization",
        stable=False,
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_capacity_reservation_instance_utilization_max_ratio",
        "Share of the instances of a capacity reservation in use, highest value in the newest settled period.",
        RESERVATION,
        "InstanceUtilization",
        stat="Maximum",
        stable=False,
        scale=PERCENT,
        pace="warm",
    ),
    listed(
        "stateset",
        "sagemaker_training_plan_status",
        "Status of a training plan, 1 for the status that holds.",
        ("training_plan_name", "status"),
        "ListTrainingPlans",
        values={"status": "training_plan_status"},
    ),
    listed(
        "gauge",
        "sagemaker_training_plan_instances",
        "Instances of a training plan by use; a broken instance counts as unhealthy only.",
        ("training_plan_name", "status"),
        "DescribeTrainingPlan AvailableInstanceCount, InUseInstanceCount, UnhealthyInstanceCount, AvailableSpareInstanceCount",
        values={"status": "training_plan_instance_use"},
    ),
    listed(
        "gauge",
        "sagemaker_training_plan_start_timestamp_seconds",
        "Time at which the capacity of a training plan starts.",
        ("training_plan_name",),
        "StartTime",
    ),
    listed(
        "gauge",
        "sagemaker_training_plan_end_timestamp_seconds",
        "Time at which the capacity of a training plan ends.",
        ("training_plan_name",),
        "EndTime",
    ),
    listed(
        "gauge",
        "sagemaker_training_plan_upfront_fee_usd",
        "Fee paid in advance for a training plan priced in US dollars.",
        ("training_plan_name",),
        "UpfrontFee where CurrencyCode is USD",
        on=False,
    ),
)
