# SPDX-License-Identifier: Apache-2.0
"""The release record of a shop, with all that serving needs, and its history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, Self

from personalization.core import stored
from personalization.core.errors import Rejected
from personalization.core.names import Backend, backend_of, on_backend

RECORD = "release"
"""The sort key of the record in the table of shops."""
HISTORY = "release#"
"""The prefix of releases' sort keys; `promotedAt` follows."""
BASELINE = "popularity-count"
"""The baseline of the other recipes; it has a campaign only if the settings name one."""
FALLBACK = "engine/"
"""Begins the aliases of the engine's campaigns that answer where Amazon Personalize's of the same recipe do not."""
CANDIDATE = "candidate#"
"""The prefix of judged runs' sort keys; the run follows."""
REMEDY = "remove the shop, and drop its files again"
"""What to do with a shop whose records are from before 0.1.0."""

Kind = Literal["number", "text"]
"""The kind of a filter's parameter."""
Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]
"""The values of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A campaign of a release, and the solution version that it serves."""

    arn: str
    solution_version_arn: str
    run: str
    """The run that trained the version."""
    recipe: str
    """Personalize's name of the version's recipe."""
    baseline_arn: str | None = None
    """The Popularity-Count version of that run."""
    found_from: str = ""
    """When the version was made, ISO 8601, if that was before its run."""
    metadata: bool | None = None
    """Whether the campaign shows columns of Items; None if it could not be asked."""
    config: Mapping[str, Value] = field(default_factory=dict)
    """Members of the campaign's configuration, by Personalize's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """What a shop serves, or served: the release record, or one of its history."""

    shop: str
    record: str = RECORD
    """The sort key."""
    version: int = stored.VERSION
    run: str
    promoted_at: str
    """ISO 8601."""
    promoted_by: str
    """The execution that promoted it: its run, or another one by hand."""
    tracking_id: str
    dataset_group_arn: str
    domain: str | None = None
    campaigns: Mapping[str, Served]
    """By recipe alias."""
    baseline_arn: str | None = None
    """The newest Popularity-Count version, by which later runs are measured."""
    filters: tuple[str, ...] = ()
    filter_parameters: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)
    metadata_columns: tuple[str, ...] = ()
    context_columns: tuple[str, ...] = ()
    placements: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    """The recipes that the settings choose for the API's lists, by operation."""
    diversity: Mapping[str, Value] | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)
    """ARNs of the existing ITEMS and USERS datasets, by their type."""
    actions: tuple[str, ...] = ()
    """What Next-Best-Action recommends to a stranger, best first, for as long as its campaign doesn't answer."""
    action_tracking_id: str = ""
    """That of the dataset of action interactions; empty without one."""
    fallback_tracking_id: str = ""
    """That of the engine, if it answers beside Amazon Personalize; empty where it does not."""
    hashed: tuple[str, ...] = ()
    """The columns that have hashes, USER_ID among them; empty where the shop hashes no ids."""
    withdrawn_at: str = ""
    """When a rollback left it behind, ISO 8601."""
    restored_at: str = ""
    """When a rollback returned to it, ISO 8601."""

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Return a stored release.

        Raises:
            Rejected: it is from before 0.1.0.
        """
        if record.get("version") != stored.VERSION:
            raise stored.refused(record, str(record["shop"]), REMEDY)
        given = _members(cls, record)
        entries = given["campaigns"].items()
        campaigns = {alias: Served(**_members(Served, entry)) for alias, entry in entries}
        lists = {
            name: tuple(given.get(name, ()))
            for name in ("filters", "metadata_columns", "context_columns", "hashed", "actions")
        }
        return cls(**{**given, **lists, "campaigns": campaigns})

    def as_record(self) -> dict[str, Value]:
        """Return it as it is stored."""
        record: dict[str, Value] = _document(self)
        return record

    @property
    def versions(self) -> dict[str, str]:
        """The solution versions that serve, by recipe alias."""
        return {alias: served.solution_version_arn for alias, served in self.campaigns.items()}

    @property
    def dataset_groups(self) -> tuple[str, ...]:
        """The ARNs of the groups that get events, and users and items that are put: of each backend that answers."""
        group = self.dataset_group_arn
        return (group, on_backend(group, "engine")) if self.fallback_tracking_id else (group,)

    @property
    def baselines(self) -> dict[Backend, str]:
        """The newest Popularity-Count version of each backend, with or without a campaign."""
        served = [version for alias, version in self.versions.items() if recipe_of(alias) == BASELINE]
        others = [self.baseline_arn, *(campaign.baseline_arn for campaign in self.campaigns.values())]
        newest_last = [version for version in reversed([*served, *others]) if version]
        return {backend_of(version): version for version in newest_last}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run that the gate has judged, for a promotion by hand."""

    shop: str
    record: str
    """The sort key."""
    version: int = stored.VERSION
    run: str
    judged_at: str
    """ISO 8601."""
    plan: str
    """The run's plan, as JSON."""
    versions: Mapping[str, str]
    """The solution versions that the run trained, by recipe alias."""
    refused: tuple[str, ...]
    """The aliases that the gate refused, or whose versions only a part of the users gets."""
    ramped: str = ""
    """The one of them that came to a part of the users; empty if none did."""

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Return a stored judgement.

        Raises:
            Rejected: it is from before 0.1.0.
        """
        if record.get("version") != stored.VERSION:
            raise stored.refused(record, str(record["shop"]), REMEDY)
        return cls(**{**_members(cls, record), "refused": tuple(record["refused"])})

    def as_record(self) -> dict[str, Value]:
        """Return it as it is stored."""
        record: dict[str, Value] = _document(self)
        return record


def _members(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a dataclass from their names in camelCase; unknown ones are left out."""
    names = {member.name: _camel(member.name) for member in fields(kind)}
    return {name: document[member] for name, member in names.items() if member in document}


def _document(value: object) -> Any:  # noqa: ANN401 - a record of DynamoDB
    """Return a dataclass in the form that is stored, with names in camelCase; its parts as well."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_camel(member.name): _document(getattr(value, member.name)) for member in fields(value)}
    if isinstance(value, Mapping):
        return {name: _document(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_document(part) for part in value]
    return value


def _camel(name: str) -> str:
    first, *more = name.split("_")
    return first + "".join(map(str.capitalize, more))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The members of a release that serving needs."""

    shop: str
    tracking_id: str
    dataset_group_arn: str
    campaigns: Mapping[str, str]
    """Campaign ARNs by recipe alias; those of the engine that answer where another does not begin with FALLBACK."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """ARNs of the filters by name."""
    metadata_columns: tuple[str, ...] = ()
    """Columns of Items that campaigns can show: those of the dataset at the promotion, none without a dataset."""
    context_columns: tuple[str, ...] = ()
    """Columns of Interactions that a request may give as context."""
    filter_parameters: Mapping[str, Mapping[str, Kind]] = field(default_factory=dict)
    """Kinds of the filters' parameters, by filter."""
    placements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The shop's placements by name; see `placements.record`."""
    lists: Mapping[str, str] = field(default_factory=dict)
    """The recipes that the settings choose for the API's lists, by operation."""
    diversity: Mapping[str, Any] | None = None
    """The variety of similar items; see `diversity_settings.record`."""
    without_metadata: frozenset[str] = frozenset()
    """ARNs of campaigns without metadata, which refuse requests for columns of Items."""
    hashed: frozenset[str] = frozenset()
    """Columns that have hashes in place of what callers send; USER_ID is among them, where there are any."""
    promoted: int = 0
    """Epoch seconds of its promotion."""

    actions: tuple[str, ...] = ()
    """What Next-Best-Action recommended to a stranger at the promotion, best first."""
    action_tracking_id: str = ""
    """That of the dataset of action interactions; empty where the shop has none."""
    fallback_tracking_id: str = ""
    """That of the engine, if it answers beside Amazon Personalize; empty where it does not."""

    def recommender_arn(self, name: str) -> str:
        """Return the ARN of one of the shop's recommenders, whether or not it exists."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':recommender/')}-{name}"

    def dataset_arn(self, kind: str) -> str:
        """Return the ARN of the shop's dataset of `kind` (USERS, ITEMS), whether or not it exists."""
        return f"{self.dataset_group_arn.replace(':dataset-group/', ':dataset/')}/{kind}"

    def dataset_arns(self, kind: str) -> tuple[str, ...]:
        """Return the ARNs of the datasets of a kind on all backends that answer for the shop."""
        arn = self.dataset_arn(kind)
        return (arn, on_backend(arn, "engine")) if self.fallback_tracking_id else (arn,)


def on(recipe: str, backend: Backend) -> str:
    """Return the alias of a recipe on another backend than its own."""
    return f"{backend}/{recipe}"


def recipe_of(alias: str) -> str:
    """Return the recipe of an alias, whichever its backend."""
    return alias.rpartition("/")[2]


def taken(judged: Judged, releases: Iterable[ReleaseRecord]) -> dict[str, str]:
    """Return the solution versions of a judged run that its releases took, by recipe alias; also without a campaign.

    Args:
        judged: the run. releases: those that were not withdrawn.
    """
    promoters = [release.promoted_by for release in releases if release.run == judged.run]
    if not promoters:
        return {}
    approved = {alias: arn for alias, arn in judged.versions.items() if alias not in judged.refused}
    # A promotion by hand takes what was refused.
    by_itself = approved and all(promoter == judged.run for promoter in promoters)
    return approved if by_itself else dict(judged.versions)


def history_key(promoted_at: str) -> str:
    return f"{HISTORY}{promoted_at}"


def release_before(release: ReleaseRecord, history: Sequence[ReleaseRecord], shop: str) -> ReleaseRecord:
    """Return the newest earlier release that was not withdrawn and serves other versions.

    Raises:
        Rejected: there is none.
    """
    serving = release.versions
    earlier = [
        before
        for before in history
        if before.promoted_at < release.promoted_at
        and not before.withdrawn_at
        and _comparable(before.versions, serving) != serving
    ]
    if not earlier:
        raise Rejected(shop, "there is no earlier release to go back to")
    return max(earlier, key=lambda before: before.promoted_at)


def restored(previous: ReleaseRecord, release: ReleaseRecord | None) -> dict[str, Served]:
    """Return the campaigns that an earlier release restores, without a popularity campaign that has since been
    deleted."""
    served = previous.campaigns.items()
    return {alias: campaign for alias, campaign in served if release is None or _serves(alias, release.versions)}


def _comparable(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    return {alias: version for alias, version in then.items() if _serves(alias, now)}


def _serves(alias: str, now: Mapping[str, str]) -> bool:
    """Return whether a rollback restores a recipe; the baseline needs its current campaign."""
    return alias != BASELINE or alias in now
