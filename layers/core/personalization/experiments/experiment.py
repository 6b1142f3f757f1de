# SPDX-License-Identifier: Apache-2.0
"""An experiment of a shop as it is stored, and the record that holds all of them.

The record is one item of the table of shops, so that serving reads it at once and a change is whole or not at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from personalization.core import stored
from personalization.shop.records.release import REMEDY, Value

RECORD = "experiments"
"""The sort key of the record in the table of shops."""
HOLDOUT_SEED = "holdout/"
"""The start of the seeds of holdouts; names have no slash."""
RAMP = "ramp-"
"""The start of the names of ramps, which the gate makes."""
INTERLEAVED = "interleaved"
"""What an experiment's users get who see both rankers in one list, by its name in answers and in exposures."""
SCALE = 10_000
"""Shares of users are whole numbers of this many parts."""
NAMESPACE_SEED = "namespace/"
"""The start of the seeds of experiments that share the users of a namespace out."""
Serves = Literal["as-is", "bestsellers", "off", "placement", "campaign"]
"""What a variant shows: what the placement shows anyway, the bestsellers, nothing, the placement with changes, or the
placement by another campaign of its recipe."""
Goal = Literal["orders", "revenue", "clicks"]
"""What decides: orders or revenue per exposed user, or clicks per viewable impression."""
Guardrail = Literal["orders", "revenue", "returns", "clicks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to fill the placements of an experiment."""

    name: str
    serves: Serves = "as-is"
    entries: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """The placements with the variant's changes, by name, as in a release; only where `serves` is `placement`."""
    campaign: str = ""
    """The ARN of the other campaign, where `serves` is `campaign`."""
    metadata: bool = True
    """Whether that campaign shows columns of Items."""
    recipe: str = ""
    """The recipe of another release that it shows; empty unless the file names a release."""
    version: str = ""
    """The solution version of that release."""

    def as_record(self) -> dict[str, Value]:
        """Return it as it is stored."""
        record: dict[str, Value] = {"name": self.name, "serves": self.serves, "entries": dict(self.entries)}
        record |= {"campaign": self.campaign, "metadata": self.metadata} if self.campaign else {}
        return record | ({"recipe": self.recipe, "version": self.version} if self.recipe else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """What an experiment that a gate made is about: a new version of one recipe, for more and more users."""

    recipe: str
    run: str
    """The run that trained the new version."""
    version: str
    """The new solution version."""
    control: str
    """The solution version that serves, which it is compared with."""
    campaign: str
    """The ARN of the second campaign, which shows the new version for as long as it lasts."""
    steps: tuple[int, ...]
    """The shares of the users who get the new version, of SCALE."""
    days: int
    """How long a step lasts."""
    since: tuple[int, ...]
    """When each step began, in epoch seconds: of those that have."""

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        return cls(**{**record, "steps": tuple(record["steps"]), "since": tuple(record["since"])})

    def as_record(self) -> dict[str, Value]:
        """Return it as it is stored."""
        return {
            "recipe": self.recipe,
            "run": self.run,
            "version": self.version,
            "control": self.control,
            "campaign": self.campaign,
            "steps": list(self.steps),
            "days": self.days,
            "since": list(self.since),
        }


@dataclass(frozen=True, slots=True)
class Slice:
    """The users of one variant: those whose number, out of SCALE, is at least `start` and below `end`.

    In a namespace these are as many users, and the experiment's own numbers say which of them are in which variant.
    """

    variant: str
    start: int
    end: int
    since: int
    """From when on, in epoch seconds: shares are compared within times of constant weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An accepted experiment. Times are epoch seconds."""

    name: str
    hypothesis: str
    owner: str
    placements: tuple[str, ...]
    control: str
    variants: tuple[Variant, ...]
    goal: Goal
    guardrails: tuple[Guardrail, ...] = ()
    seed: str
    """What users' numbers are drawn by: the namespace, or the experiment's own name."""
    slices: tuple[Slice, ...]
    """Never changed once it runs, only added to: a user who is in a variant stays there."""
    starts_at: int
    ends_at: int
    definition: str
    """A digest of what the file says of it, without weights: while it runs, nothing else may change."""
    stopped_at: int | None = None
    stopped_because: str = ""
    ramp: Ramp | None = None
    """What the gate ramps by it; None if it is of the shop's file."""
    waits: str = ""
    """What it still waits for, such as the campaign of a variant; empty once it may begin."""
    interleaved: bool = False
    """Whether each of its users sees both variants, in one list."""

    @property
    def listed(self) -> tuple[str, ...]:
        """The names, `experiment.variant`, that its lists and their items may have."""
        names = [variant.name for variant in self.variants] + [INTERLEAVED] * self.interleaved
        return tuple(f"{self.name}.{name}" for name in names)

    @property
    def last_second(self) -> int:
        """When it ends, or ended."""
        return self.ends_at if self.stopped_at is None else min(self.stopped_at, self.ends_at)

    @property
    def is_holdout(self) -> bool:
        """Whether it is the shop's holdout of a quarter, which other experiments leave out."""
        return self.seed.startswith(HOLDOUT_SEED)

    @property
    def is_in_namespace(self) -> bool:
        """Whether it may be one of several that share the users out."""
        return self.seed.startswith(NAMESPACE_SEED)

    @property
    def release_variant(self) -> Variant | None:
        """The variant that shows another release; a ramp's is none."""
        return next((variant for variant in self.variants if variant.recipe), None)

    @property
    def second_campaign_of(self) -> str:
        """The recipe whose second campaign it needs; empty if it needs none."""
        if self.ramp is not None:
            return self.ramp.recipe
        return self.release_variant.recipe if self.release_variant else ""

    @property
    def second_version(self) -> str:
        """The ARN of the solution version that this campaign shows; empty if it needs none."""
        if self.ramp is not None:
            return self.ramp.version
        return self.release_variant.version if self.release_variant else ""

    def runs(self, now: float) -> bool:
        return not self.waits and self.starts_at <= now < self.last_second

    def is_over(self, now: float) -> bool:
        """Return whether it has ended; what waits has not begun, however late it is."""
        return not (self.waits and self.stopped_at is None) and now >= self.last_second

    def variant(self, name: str) -> Variant:
        return next(variant for variant in self.variants if variant.name == name)

    def weight(self, variant: str) -> int:
        """Return the share of users in a variant, of SCALE."""
        return sum(part.end - part.start for part in self.slices if part.variant == variant)

    def begun(self, now: int, campaign: str, *, metadata: bool) -> Self:
        """Return an experiment that waited for a campaign, which is there: it begins at its time, or now.

        Args:
            now: epoch seconds.
            campaign: its ARN.
            metadata: whether the campaign shows columns of Items.
        """
        late = max(now - self.starts_at, 0)
        return replace(
            self,
            waits="",
            variants=tuple(
                replace(variant, campaign=campaign, metadata=metadata) if variant.recipe else variant
                for variant in self.variants
            ),
            slices=tuple(replace(part, since=part.since + late) for part in self.slices),
            starts_at=self.starts_at + late,
            ends_at=self.ends_at + late,
        )

    def stopped(self, now: int, why: str) -> Self:
        return replace(self, stopped_at=now, stopped_because=why)

    def as_ended(self) -> Self:
        """Return it without what its variants showed, which is most of the record and serves nobody any more."""
        return replace(self, variants=tuple(replace(variant, entries={}) for variant in self.variants))

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Return an experiment from its part of the record."""
        variants = tuple(
            Variant(
                name=entry["name"],
                serves=entry["serves"],
                entries=entry["entries"],
                campaign=entry.get("campaign", ""),
                metadata=entry.get("metadata", True),
                recipe=entry.get("recipe", ""),
                version=entry.get("version", ""),
            )
            for entry in record["variants"]
        )
        return cls(
            name=record["name"],
            hypothesis=record["hypothesis"],
            owner=record["owner"],
            placements=tuple(record["placements"]),
            control=record["control"],
            variants=variants,
            goal=record["goal"],
            guardrails=tuple(record["guardrails"]),
            seed=record["seed"],
            slices=tuple(Slice(*entry) for entry in record["slices"]),
            starts_at=record["startsAt"],
            ends_at=record["endsAt"],
            definition=record["definition"],
            stopped_at=record.get("stoppedAt"),
            stopped_because=record.get("stoppedBecause", ""),
            ramp=Ramp.read(record["ramp"]) if "ramp" in record else None,
            waits=record.get("waits", ""),
            interleaved=record.get("interleaved", False),
        )

    def as_record(self) -> dict[str, Value]:
        """Return it as it is stored."""
        variants: list[Value] = [variant.as_record() for variant in self.variants]
        slices: list[Value] = [[part.variant, part.start, part.end, part.since] for part in self.slices]
        record: dict[str, Value] = {
            "name": self.name,
            "hypothesis": self.hypothesis,
            "owner": self.owner,
            "placements": list(self.placements),
            "control": self.control,
            "variants": variants,
            "goal": self.goal,
            "guardrails": list(self.guardrails),
            "seed": self.seed,
            "slices": slices,
            "startsAt": self.starts_at,
            "endsAt": self.ends_at,
            "definition": self.definition,
        }
        if self.stopped_at is not None:
            record |= {"stoppedAt": self.stopped_at, "stoppedBecause": self.stopped_because}
        if self.ramp is not None:
            record["ramp"] = self.ramp.as_record()
        if self.waits:
            record["waits"] = self.waits
        if self.interleaved:
            record["interleaved"] = True
        return record


@dataclass(frozen=True, slots=True)
class Experiments:
    """All experiments of a shop, and the number of the record's last change, which makes changes exclude each other."""

    shop: str
    experiments: tuple[Experiment, ...] = ()
    revision: int = 0

    def named(self, name: str) -> Experiment | None:
        return next((experiment for experiment in self.experiments if experiment.name == name), None)

    def changed(self, experiments: Sequence[Experiment]) -> "Experiments":
        return Experiments(self.shop, tuple(experiments), self.revision + 1)

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Return a stored record.

        Raises:
            Rejected: it is of another version.
        """
        if record.get("version") != stored.VERSION:
            raise stored.refused(record, str(record["shop"]), REMEDY)
        return cls(record["shop"], tuple(map(Experiment.read, record["experiments"])), record["revision"])

    def as_record(self) -> dict[str, Value]:
        """Return it as it is stored."""
        return {
            "shop": self.shop,
            "record": RECORD,
            "version": stored.VERSION,
            "revision": self.revision,
            "experiments": [experiment.as_record() for experiment in self.experiments],
        }
