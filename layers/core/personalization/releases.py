# SPDX-License-Identifier: Apache-2.0
"""The release record of a shop: what its last promoted run made, which is all that serving needs to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

RECORD = "release"
"""The sort key of the record in the table of shops."""
HISTORY = "release#"
"""What the sort keys of all releases of a shop begin with; `promotedAt` follows."""
CANDIDATE = "candidate#"
"""What the sort keys of judged runs begin with; the run follows."""

Kind = Literal["number", "text"]
"""What a filter's parameter takes."""
Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]
"""What a record can hold."""


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

    def filter_arn(self, name: str) -> str:
        """The ARN of one of the shop's filters."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':filter/')}-{name}"

    def recommender_arn(self, name: str) -> str:
        """The ARN of one of the shop's recommenders, whether or not it is there."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':recommender/')}-{name}"

    def dataset_arn(self, kind: str) -> str:
        """The ARN of the shop's dataset of `kind` (USERS, ITEMS), whether or not it is there."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':dataset/')}/{kind}"


def versions(record: Mapping[str, Any]) -> dict[str, str]:
    """The solution versions of a stored release, by recipe alias."""
    return {alias: str(entry["solutionVersionArn"]) for alias, entry in record["campaigns"].items()}
