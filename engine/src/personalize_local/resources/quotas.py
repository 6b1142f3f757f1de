# SPDX-License-Identifier: Apache-2.0
"""The quotas of Amazon Personalize that the engine enforces, all of which can be set.

The numbers are those of AWS's page on endpoints and quotas, and so are the words, where it has them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Final


def _quota(most: int, words: str, *, adjustable: bool = False) -> int:
    """Define a quota: AWS's number, AWS's words, and whether AWS raises it on request."""
    number: int = field(default=most, metadata={"words": words, "adjustable": adjustable})
    return number


@dataclass(frozen=True, slots=True)
class Quotas:
    """One number for each quota; those of an account hold in each of its regions."""

    schemas: int = _quota(500, "active schemas")
    dataset_groups: int = _quota(5, "active dataset groups", adjustable=True)
    solutions: int = _quota(10, "active solutions in a dataset group", adjustable=True)
    campaigns: int = _quota(5, "active campaigns in a dataset group", adjustable=True)
    recommenders: int = _quota(5, "recommenders in a dataset group")
    filters: int = _quota(30, "filters in a dataset group", adjustable=True)
    filter_columns: int = _quota(20, "distinct columns in the filters of a dataset group")
    import_jobs: int = _quota(5, "pending or in progress dataset import jobs")
    export_jobs: int = _quota(5, "pending or in progress dataset export jobs")
    solution_versions: int = _quota(20, "pending or in progress solution versions", adjustable=True)
    batch_inference_jobs: int = _quota(5, "pending or in progress batch inference jobs", adjustable=True)
    batch_segment_jobs: int = _quota(5, "pending or in progress batch segment jobs")
    data_deletion_jobs: int = _quota(5, "pending data deletion jobs in a dataset group")
    full_bytes: int = _quota(100 * 10**9, "bytes of a dataset import job with FULL import mode", adjustable=True)
    incremental_bytes: int = _quota(10**9, "bytes of a job with INCREMENTAL import mode", adjustable=True)
    deletion_bytes: int = _quota(100 * 1024**2, "bytes of a data deletion job's input")
    event_bytes: int = _quota(10_240, "bytes of an event")
    metrics: int = _quota(10, "metrics in a metric attribution")
    attribution_sources: int = _quota(100, "event attribution sources of a metric")
    minimum_interactions: int = _quota(1000, "fewest item interactions of an import, and of a training")
    minimum_users: int = _quota(25, "fewest users with two interactions of a training")

    def changed(self, settings: Iterable[str]) -> "Quotas":
        """Return these quotas with some of them set by `name=number`. Raises ValueError, with the names there are."""
        names, numbers = [quota.name for quota in fields(self)], {}
        for setting in settings:
            name, _, number = setting.partition("=")
            key = name.strip().replace("-", "_")
            if key not in names:
                near = get_close_matches(key, names, 1)
                hint = f"did you mean {_spelled(near[0])}?" if near else "--quotas lists those there are."
                raise ValueError(f"there is no quota {name!r}: {hint}")
            if not number.strip().isdecimal():
                raise ValueError(f"{setting!r} is not NAME=N, as in {name.strip()}=50.")
            numbers[key] = int(number)
        return replace(self, **numbers)


def table() -> str:
    """Return the names of all quotas with AWS's numbers and words, as lines to read."""
    head = f"{'NAME':22}{'AWS':>15}  IT COUNTS (* AWS raises it on request)"
    rows = [(_spelled(quota.name), quota.default, quota.metadata) for quota in fields(Quotas)]
    lines = [
        f"{name:22}{most:>15,}  {metadata['words']}{' *' if metadata['adjustable'] else ''}"
        for name, most, metadata in rows
    ]
    return "\n".join([head, *lines])


def _spelled(name: str) -> str:
    return name.replace("_", "-")


AWS: Final = Quotas()
"""What a new account has."""
