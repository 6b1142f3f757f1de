# SPDX-License-Identifier: Apache-2.0
"""One row of the fault matrix."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Door = Literal["engine", "cloud"]
Human = Literal["nothing", "continue", "drop again", "up"]
"""What a person does: nothing; start the run again with `continue`; correct the file, or the settings, and drop; or
start the laptop's cloud again with `up`."""


@dataclass(frozen=True)
class Fault:
    """A rule for one of the two doors; see docs/faults.md."""

    door: Door
    action: str
    operation: str
    resource: str = "*{prefix}-{shop}*"
    """With `{prefix}`, `{shop}`, `{schema}` and `{tracker}` of the case's shop."""
    times: int | None = 1
    skip: int = 0
    spread: int = 0
    """Other seeds let up to so many calls more go well before."""
    more: dict[str, Any] = field(default_factory=dict)
    """Further members of the rule."""

    @classmethod
    def of(cls, door: Door, action: str, operation: str, members: Mapping[str, Any]) -> "Fault":
        """A fault from members of a rule, some of which are fields here."""
        members_of_case = {name: members[name] for name in ("resource", "times", "skip", "spread") if name in members}
        return cls(
            door,
            action,
            operation,
            **members_of_case,
            more={name: members[name] for name in members if name not in members_of_case},
        )


@dataclass(frozen=True)
class Case:
    """What goes wrong in a shop, and what is promised then."""

    name: str
    part: str
    """The section of the page."""
    faults: tuple[Fault, ...] = ()
    course: str = "drop"
    """What the shop and the world do meanwhile: a function of :mod:`tests.app.matrix.courses`. Of a killed process its
    name and the stage of the shop: see :mod:`tests.app.matrix.kills`."""
    first: bool = False
    """Whether it happens at the shop's first drop; else at its second, while the first release serves."""
    error: str = ""
    """The class of the error with which the run ends; empty where it gets through."""
    reason: str = ""
    """A pattern of what its reason says."""
    human: Human = "nothing"
    trained: int = 1
    """Solution versions that Personalize makes for the drops of this case, reruns included."""
    done: int = 1
    """Dropped files that are handled in the end, each once."""
    settings: str = ""
    """What the shop's settings have besides."""
    note: str = ""
    """For the page, where the outcome alone does not tell enough."""

    @property
    def outcome(self) -> str:
        """The outcome in words; a pattern's gaps are shown as such."""
        if not self.error:
            return "gets through"
        left = "nothing serves yet" if self.first else "the old release serves on"
        return f"`{self.error}`: “{self.reason.replace('.*', '…')}”; {left}"
