# SPDX-License-Identifier: Apache-2.0
"""The release record of a shop, with all that serving needs, and its history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from personalization.core.errors import Rejected

RECORD = "release"
"""The sort key of the record in the table of shops."""
HISTORY = "release#"
"""The prefix of releases' sort keys; `promotedAt` follows."""
BASELINE = "popularity-count"
"""The baseline of the other recipes; it has a campaign only if the settings name one."""
CANDIDATE = "candidate#"
"""The prefix of judged runs' sort keys; the run follows."""

Kind = Literal["number", "text"]
"""The kind of a filter's parameter."""
Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]
"""The values of a record."""
Record = Mapping[str, Any]
"""A release record, or one of its history."""


@dataclass(frozen=True, slots=True)
class Release:
    """The members of a release that serving needs."""

    shop: str
    tracking_id: str
    dataset_group_arn: str
    campaigns: Mapping[str, str]
    """Campaign ARNs by recipe alias."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """ARNs of the filters by name."""
    metadata_columns: tuple[str, ...] = ()
    """Columns of Items that campaigns can show: those of the dataset at the promotion, none without a dataset."""
    context_columns: tuple[str, ...] = ()
    """Columns of Interactions that a request may give as context."""
    filter_parameters: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)
    """Kinds of the filters' parameters, by filter; older filters are not listed."""
    placements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The shop's placements by name; see `placements.record`."""
    diversity: Mapping[str, Any] | None = None
    """The variety of similar items; see `diversity_settings.record`. Older releases have none."""
    without_metadata: frozenset[str] = frozenset()
    """ARNs of campaigns without metadata, which refuse requests for columns of Items."""

    def recommender_arn(self, name: str) -> str:
        """Return the ARN of one of the shop's recommenders, whether or not it exists."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':recommender/')}-{name}"

    def dataset_arn(self, kind: str) -> str:
        """Return the ARN of the shop's dataset of `kind` (USERS, ITEMS), whether or not it exists."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':dataset/')}/{kind}"


def versions(record: Record) -> dict[str, str]:
    """Return the solution versions of a release, by recipe alias."""
    return {alias: str(entry["solutionVersionArn"]) for alias, entry in record["campaigns"].items()}


def promoter(record: Record) -> str:
    """Return the execution that promoted a release: its run, or another one by hand."""
    return str(record.get("promotedBy") or record["run"])


def taken(judged: Record, releases: Iterable[Record]) -> dict[str, str]:
    """Return the solution versions of a judged run that its releases took, by recipe alias; also without a campaign.

    Args:
        judged: the record of a run with its versions and the recipes that the gate refused.
        releases: releases that were not withdrawn.
    """
    promoters = [promoter(release) for release in releases if release["run"] == judged["run"]]
    every = {alias: str(arn) for alias, arn in judged["versions"].items()}
    approved = {alias: arn for alias, arn in every.items() if alias not in judged["refused"]}
    if not promoters:
        return {}
    # A promotion by hand takes what was refused. Records of before told it only where all was.
    return approved if approved and all(run == judged["run"] for run in promoters) else every


def history_key(promoted_at: str) -> str:
    return f"{HISTORY}{promoted_at}"


def release_before(release: Record | None, history: Sequence[Record], shop: str) -> Record:
    """Return the newest earlier release that was not withdrawn and serves other versions.

    Raises:
        Rejected: there is none, or nothing was ever promoted.
    """
    if release is None:
        raise Rejected(shop, "nothing of this shop was ever promoted")
    serving = versions(release)
    earlier = [
        record
        for record in history
        if record["promotedAt"] < release["promotedAt"]
        and not record.get("withdrawnAt")
        and _comparable(versions(record), serving) != serving
    ]
    if not earlier:
        raise Rejected(shop, "there is no earlier release to go back to")
    return max(earlier, key=lambda record: str(record["promotedAt"]))


def newest_baseline(release: Record) -> str | None:
    """Return the Popularity-Count version of a release, with or without a campaign."""
    baseline = versions(release).get(BASELINE) or release.get("baselineArn")
    return str(baseline) if baseline else None


def restored(previous: Record, release: Record | None) -> dict[str, Any]:
    """Return the campaigns that an earlier release restores, without a popularity campaign that has since been
    deleted."""
    campaigns: Mapping[str, Any] = previous["campaigns"]
    return {
        alias: campaign for alias, campaign in campaigns.items() if release is None or _serves(alias, versions(release))
    }


def _comparable(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    return {alias: version for alias, version in then.items() if _serves(alias, now)}


def _serves(alias: str, now: Mapping[str, str]) -> bool:
    """Return whether a rollback restores a recipe; the baseline needs its current campaign."""
    return alias != BASELINE or alias in now
