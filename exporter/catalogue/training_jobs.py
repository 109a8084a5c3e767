"""Training jobs: their phases, use of their hosts, and values that algorithms report."""

from __future__ import annotations

from exporter.catalogue.rows import PERCENT, Shape, gauge, told

HOST = Shape(namespaces=("/aws/sagemaker/TrainingJobs",), dimensions={"Host": ("training_job_name", "host")})
JOB = Shape(namespaces=("/aws/sagemaker/TrainingJobs",), dimensions={"TrainingJobName": "training_job_name"})
SOURCE = "job_events+job_polling"

ROWS = (
    told(
        SOURCE,
        "histogram",
        "sagemaker_training_job_phase_seconds",
        "Time a training job spent in one phase of its run, counted when the phase ends.",
        ("secondary_status",),
        "SecondaryStatusTransitions StartTime to EndTime",
        values={"secondary_status": "training_secondary_status"},
        seeded=True,
        buckets=(1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 259200),
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_training_job_phase_changes_total",
        "Times a training job entered a phase of its run.",
        ("secondary_status",),
        "SecondaryStatusTransitions",
        values={"secondary_status": "training_secondary_status"},
        seeded=True,
    ),
    told(
        SOURCE,
        "counter",
        "sagemaker_training_job_spot_interruptions_total",
        "Times a managed spot training job lost its instances.",
        ("instance_type",),
        "SecondaryStatusTransitions Interrupted with EnableManagedSpotTraining",
    ),
    gauge(
        "sagemaker_training_job_cpu_utilization_ratio",
        "CPU use of a training job host, where each fully used core adds 1, average over the newest settled period.",
        HOST,
        "CPUUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_cpu_utilization_max_ratio",
        "CPU use of a training job host, where each fully used core adds 1, highest value in the newest settled period.",
        HOST,
        "CPUUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_memory_utilization_ratio",
        "Share of the memory of a training job host in use, average over the newest settled period.",
        HOST,
        "MemoryUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_memory_utilization_max_ratio",
        "Share of the memory of a training job host in use, highest value in the newest settled period.",
        HOST,
        "MemoryUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_disk_utilization_ratio",
        "Share of the disk space of a training job host in use, average over the newest settled period.",
        HOST,
        "DiskUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_disk_utilization_max_ratio",
        "Share of the disk space of a training job host in use, highest value in the newest settled period.",
        HOST,
        "DiskUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_gpu_utilization_ratio",
        "GPU use of a training job host, where each fully used GPU adds 1, average over the newest settled period.",
        HOST,
        "GPUUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_gpu_utilization_max_ratio",
        "GPU use of a training job host, where each fully used GPU adds 1, highest value in the newest settled period.",
        HOST,
        "GPUUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_gpu_memory_utilization_ratio",
        "GPU memory use of a training job host, where each full GPU memory adds 1, average over the newest settled period.",
        HOST,
        "GPUMemoryUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_gpu_memory_utilization_max_ratio",
        "GPU memory use of a training job host, where each full GPU memory adds 1, highest value in the newest settled period.",
        HOST,
        "GPUMemoryUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_training_job_algorithm_value",
        "Value that the algorithm of a training job wrote to its log and a metric definition picked up, average over the newest settled period.",
        JOB,
        "{measure}",
        on=False,
        pace="warm",
    ),
)
