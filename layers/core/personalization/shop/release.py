# SPDX-License-Identifier: Apache-2.0
"""The release record of a shop: what its last promoted run made, which is all that serving needs to know.

And its history: what served before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from personalization.core.errors import Rejected

RECORD = "release"
"""The sort key of the record in the table of shops."""
HISTORY = "release#"
"""What the sort keys of all releases of a shop begin with; `promotedAt` follows."""
BASELINE = "popularity-count"
"""The recipe that the others are measured by; it has a campaign only where a shop's settings ask for one."""
CANDIDATE = "candidate#"
"""What the sort keys of judged runs begin with; the run follows."""

Kind = Literal["number", "text"]
"""What a filter's parameter takes."""
Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]
"""What a record can hold."""
Record = Mapping[str, Any]
"""A release record, or one of its history, as it is stored."""


@dataclass(frozen=True, slots=True)
class Release:
    """What serving needs of a shop."""

    shop: str
    tracking_id: str
    dataset_group_arn: str
    campaigns: Mapping[str, str]
    """Campaign ARNs by recipe alias."""
    filters: tuple[str, ...] = ()
    metadata_columns: tuple[str, ...] = ()
    """Columns of Items that answers can show; empty without an Items dataset."""
    context_columns: tuple[str, ...] = ()
    """Columns of Interactions that a request may give as context."""
    filter_parameters: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)
    """What the parameters of the shop's filters take, by filter; a filter that is not there is not known so well."""
    placements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The shop's placements by name; see `placements.record`."""
    without_metadata: frozenset[str] = frozenset()
    """ARNs of the campaigns that were made without columns of Items, and refuse a request for them."""

    def filter_arn(self, name: str) -> str:
        """The ARN of one of the shop's filters."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':filter/')}-{name}"

    def recommender_arn(self, name: str) -> str:
        """The ARN of one of the shop's recommenders, whether or not it is there."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':recommender/')}-{name}"

    def dataset_arn(self, kind: str) -> str:
        """The ARN of the shop's dataset of `kind` (USERS, ITEMS), whether or not it is there."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':dataset/')}/{kind}"


def versions(record: Record) -> dict[str, str]:
    """The solution versions of a stored release, by recipe alias."""
    return {alias: str(entry["solutionVersionArn"]) for alias, entry in record["campaigns"].items()}


def history_key(promoted_at: str) -> str:
    """The sort key of a release in the history."""
    return f"{HISTORY}{promoted_at}"


def release_before(release: Record | None, history: Sequence[Record], shop: str) -> Record:
    """The newest release before the one that serves which was not withdrawn and serves other versions.

    Raises:
        Rejected: there is none, or nothing was ever promoted.
    """
    if release is None:
        raise Rejected(shop, "nothing of this shop was ever promoted")
    serving = versions(release)
    earlier = [
        each
        for each in history
        if each["promotedAt"] < release["promotedAt"]
        and not each.get("withdrawnAt")
        and _comparable(versions(each), serving) != serving
    ]
    if not earlier:
        raise Rejected(shop, "there is no earlier release to go back to")
    return max(earlier, key=lambda each: str(each["promotedAt"]))


def newest_baseline(release: Record) -> str | None:
    """The Popularity-Count version of a release, with or without a campaign."""
    own = versions(release).get(BASELINE) or release.get("baselineArn")
    return str(own) if own else None


def restored(previous: Record, release: Record | None) -> dict[str, Any]:
    """The campaigns of an earlier release that serve again: a popularity campaign that has gone since does not."""
    campaigns: Mapping[str, Any] = previous["campaigns"]
    return {alias: each for alias, each in campaigns.items() if release is None or _serves(alias, versions(release))}


def _comparable(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    return {alias: version for alias, version in then.items() if _serves(alias, now)}


def _serves(alias: str, now: Mapping[str, str]) -> bool:
    """Whether a rollback has a recipe serve again, which of the baseline only its campaign of now can."""
    return alias != BASELINE or alias in now
