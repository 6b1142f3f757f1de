# SPDX-License-Identifier: Apache-2.0
"""What Step Functions' ResultWriter has written about the map runs of an execution."""

import json
from typing import TYPE_CHECKING, Any

from personalization.core.aws import objects
from personalization.core.errors import Broken

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def explain(client: "S3Client", bucket: str, folder: str) -> None:
    """Fail as the first child did that failed below a folder of results: a map run's own error lacks the reason.

    Raises:
        Broken: with the child's reason. Where no child is known to have failed, the map run's own error stands.
    """
    for key in objects.list_keys(client, bucket, folder):
        if not key.endswith("/FAILED_0.json"):
            continue
        for child in objects.get_json(client, bucket, key):
            if child["Status"] == "FAILED":
                resource, _, reason = _message(child.get("Cause", "")).partition(": ")
                raise Broken(resource, reason) if reason else Broken(child["Error"], resource)


def _message(cause: str) -> str:
    """Return the message of a function's error, whose cause is JSON; else the cause."""
    try:
        told: Any = json.loads(cause)
    except ValueError:
        return cause
    return str(told.get("errorMessage", cause)) if isinstance(told, dict) else cause
