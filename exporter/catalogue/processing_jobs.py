"""Processing jobs: use of their hosts."""

from __future__ import annotations

from exporter.catalogue.rows import PERCENT, Shape, gauge

HOST = Shape(namespaces=("/aws/sagemaker/ProcessingJobs",), dimensions={"Host": ("processing_job_name", "host")})

ROWS = (
    gauge(
        "sagemaker_processing_job_cpu_utilization_ratio",
        "CPU use of a processing job host, where each fully used core adds 1, average over the newest settled period.",
        HOST,
        "CPUUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_cpu_utilization_max_ratio",
        "CPU use of a processing job host, where each fully used core adds 1, highest value in the newest settled period.",
        HOST,
        "CPUUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_memory_utilization_ratio",
        "Share of the memory of a processing job host in use, average over the newest settled period.",
        HOST,
        "MemoryUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_memory_utilization_max_ratio",
        "Share of the memory of a processing job host in use, highest value in the newest settled period.",
        HOST,
        "MemoryUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_disk_utilization_ratio",
        "Share of the disk space of a processing job host in use, average over the newest settled period.",
        HOST,
        "DiskUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_disk_utilization_max_ratio",
        "Share of the disk space of a processing job host in use, highest value in the newest settled period.",
        HOST,
        "DiskUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_gpu_utilization_ratio",
        "GPU use of a processing job host, where each fully used GPU adds 1, average over the newest settled period.",
        HOST,
        "GPUUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_gpu_utilization_max_ratio",
        "GPU use of a processing job host, where each fully used GPU adds 1, highest value in the newest settled period.",
        HOST,
        "GPUUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_gpu_memory_utilization_ratio",
        "GPU memory use of a processing job host, where each full GPU memory adds 1, average over the newest settled period.",
        HOST,
        "GPUMemoryUtilization",
        scale=PERCENT,
        pace="warm",
    ),
    gauge(
        "sagemaker_processing_job_gpu_memory_utilization_max_ratio",
        "GPU memory use of a processing job host, where each full GPU memory adds 1, highest value in the newest settled period.",
        HOST,
        "GPUMemoryUtilization",
        stat="Maximum",
        scale=PERCENT,
        pace="warm",
    ),
)
