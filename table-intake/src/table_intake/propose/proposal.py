# SPDX-License-Identifier: Apache-2.0
"""The settings that a file needs, and their lines for a settings file."""

import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from table_intake.kinds import DataKind
from table_intake.wording import Text

_WIDTH, _WIDTH_OF_WIDE = 76, 50
"""Characters of a line of comments; Korean ones are twice as wide."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings that a file needs, and what they leave open."""

    kind: DataKind
    section: Mapping[str, Any]
    """The section of the kind, with what it has already."""
    shared: Mapping[str, Any] = field(default_factory=dict)
    """Settings beside the section."""
    choices: tuple[str, ...] = ()
    """Lines of the section of which somebody must choose one, each with its meaning."""
    options: tuple[str, ...] = ()
    """Lines of the section that may be right, each with its meaning."""
    remarks: tuple[Text, ...] = ()
    missing: tuple[str, ...] = ()
    """Required columns that no column of the file looks like."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Personalize's names of the columns that have others."""
        columns: Mapping[str, str] = self.section.get("columns", {})
        return columns

    @property
    def empty(self) -> bool:
        """Whether the file needs no other settings than there are."""
        return not self.section and not self.choices and not self.shared and not self.remarks

    def document(self) -> dict[str, Any]:
        """Return the settings without the choices."""
        return {**self.shared, **({self.kind: dict(self.section)} if self.section else {})}

    def lines(self, words: Callable[[str], str] = str) -> list[str]:
        """Return the lines for a settings file; `words` renders a text in the language of the reader."""
        written = []
        for remark in self.remarks:
            told = words(remark)
            width = _WIDTH if told == remark else _WIDTH_OF_WIDE
            written += [f"# {line}" for line in textwrap.wrap(_printable(told), width)]
        for name, value in self.shared.items():
            written += _yaml({name: value})
        if self.section or self.choices:
            written.append(f"{self.kind}:")
        for name, value in self.section.items():
            written += [
                f"  {line}"
                for line in _yaml(
                    {name: value}, flow=None if name in {"ignore", "returns", "skip", "fill_down"} else False
                )
            ]
        return written + [f"  # {_printable(words(line))}" for line in (*self.choices, *self.options)]

    def flow(self) -> str:
        """Return the settings on one line."""
        document = self.document()
        (text,) = _yaml(document, flow=True)
        return text if len(document) > 1 else text.removeprefix("{").removesuffix("}")


def _yaml(document: Mapping[str, Any], *, flow: bool | None = None) -> list[str]:
    """Return lines of YAML, whose innermost collections are on one line each where `flow` is None."""
    from table_intake.settings import yaml_core  # noqa: PLC0415 - PyYAML, which only a file that needs settings needs

    return yaml_core.dump(document, default_flow_style=flow, width=math.inf).splitlines()


def _printable(text: str) -> str:
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)
