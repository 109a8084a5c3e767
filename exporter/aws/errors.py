"""What an error of AWS means to us: five classes, whatever the service calls it."""

from __future__ import annotations

from typing import Literal

ErrorClass = Literal["denied", "throttled", "absent", "transient", "bug"]


class AwsError(Exception):
    """A call that failed for good, after its retries.

    `error_class`: denied (no permission, no or wrong credentials), throttled, absent (the thing asked for does not
    exist), transient (server error, time-out, unreadable answer), bug (AWS refuses the request as we wrote it).
    """

    def __init__(self, error_class: ErrorClass, text: str) -> None:
        super().__init__(text)
        self.error_class: ErrorClass = error_class
