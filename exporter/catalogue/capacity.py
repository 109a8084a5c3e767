"""Capacity reservations: instances held, used and free."""

from __future__ import annotations

from exporter.catalogue.rows import PERCENT, Shape, gauge

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
)
