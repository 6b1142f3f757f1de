# SPDX-License-Identifier: Apache-2.0
"""Rows as a table of 80 columns, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.questions.answers import Judged
from benchmarks.questions.catalogue import QUESTIONS
from benchmarks.questions.figures import Gain, Sums, failing


@dataclass(frozen=True, slots=True)
class Row:
    """A recipe's figures for one question on one set, beside the rule that was chosen."""

    question: str
    set: str
    recipe: str
    tier: str
    sums: Sums
    gain: Gain | None
    primary: bool
    seconds: float
    """Processor seconds of its trainings."""
    most: tuple[float, float] | None = None
    """How large both figures may be, where the question has a bound."""
    hindsight: Gain | None = None
    """Against the rule that turned out to be the best on the test itself."""
    variant: str = ""
    """How the recipe was trained, where a question has several ways."""
    against_first: Gain | None = None
    """Against the question's first variant."""

    @property
    def exceeds(self) -> bool:
        """Whether a figure is larger than it may be."""
        figures = (self.sums.mean(), self.sums.second_mean())
        return self.most is not None and any(figure > most for figure, most in zip(figures, self.most, strict=True))

    @property
    def name(self) -> str:
        if self.variant:
            return f"{self.tier}, {self.variant}"
        return f"{self.recipe.removeprefix('aws-')} {self.tier}".strip()


@dataclass(frozen=True, slots=True)
class Part:
    """All that was measured for one question on one set."""

    question: str
    set: str
    rules: Sequence[Judged]
    rows: Sequence[Row]

    @property
    def units(self) -> int:
        return len(self.rules[0].sums.value)


def failed(parts: Sequence[Part]) -> list[Row]:
    """Return the primary rows that fail, and those whose figures exceed their bound."""
    rows = [row for part in parts for row in part.rows if row.primary and row.gain]
    marks = failing([row.gain for row in rows if row.gain])
    behind = [row for row, mark in zip(rows, marks, strict=True) if mark]
    return [*behind, *(row for part in parts for row in part.rows if row.exceeds)]


def show(part: Part) -> Iterator[str]:
    question = QUESTIONS[part.question]
    yield ""
    yield f"{part.question} on {part.set}: {question.description}; n = {part.units:,}"
    yield _line(" ", "", *question.metrics, "against the rule")
    for rule in sorted(part.rules, key=lambda judged: not judged.best):
        yield _line("=" if rule.best else " ", str(rule.rule), *_figures(rule.sums))
    for row in part.rows:
        remark = "too much alike" if row.exceeds else "different" if row.most else _gain(row.gain)
        yield _line("P" if row.primary else " ", row.name, *_figures(row.sums), remark)
        if row.hindsight and row.hindsight != row.gain:
            yield _line(" ", "  against the best in hindsight", "", "", _gain(row.hindsight))
        if row.against_first:
            yield _line(" ", f"  against {part.rows[0].variant}", "", "", _gain(row.against_first))


def summary(parts: Sequence[Part]) -> Iterator[str]:
    """Yield the rows behind their rule, the worst first; those that fail are marked."""
    rows = [(row, row.gain) for part in parts for row in part.rows if row.gain]
    fail = failed(parts)
    behind = sorted(((row, gain) for row, gain in rows if gain.value < 0), key=lambda pair: pair[1].value)
    yield ""
    yield f"{len(rows)} rows, {sum(row.primary for row, _ in rows)} of them primary (P);"
    yield f"{len(behind)} are behind their rule, {len(fail)} fail"
    for row in fail:
        if row.exceeds:
            yield f"FAIL {row.name} for {row.question} on {row.set}: too much alike"
    for row, gain in behind:
        mark = "FAIL" if row in fail else "P" if row.primary else ""
        yield f"{mark:4s} {f'{row.question} on {row.set}':.46s}"
        yield f"     {row.name:32.32s} {_gain(gain)}"


def _line(mark: str, name: str, first: str, second: str, gain: str = "") -> str:
    return f"{mark} {name:30.30s} {first:>10s} {second:>9s} {gain:>24s}".rstrip()


def _figures(sums: Sums) -> tuple[str, str]:
    return f"{sums.mean():.4f}", f"{sums.second_mean():.4f}"


def _gain(gain: Gain | None) -> str:
    return "" if gain is None else f"{gain.value:+.1%} ({gain.low:+.1%}…{gain.high:+.1%})"


def document(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return all figures, the rules' too."""
    fail = failed(parts)
    return [
        {
            "question": part.question,
            "set": part.set,
            "units": part.units,
            "metrics": QUESTIONS[part.question].metrics,
            "rules": [
                {
                    "rule": str(rule.rule),
                    "chosen": rule.best,
                    "value": rule.sums.mean(),
                    "second": rule.sums.second_mean(),
                }
                for rule in part.rules
            ],
            "recipes": [
                {
                    "recipe": row.recipe,
                    "tier": row.tier,
                    "variant": row.variant,
                    "against_first": row.against_first
                    and [row.against_first.value, row.against_first.low, row.against_first.high],
                    "value": row.sums.mean(),
                    "second": row.sums.second_mean(),
                    "hindsight": row.hindsight and [row.hindsight.value, row.hindsight.low, row.hindsight.high],
                    "gain": row.gain and [row.gain.value, row.gain.low, row.gain.high],
                    "primary": row.primary,
                    "fails": row in fail,
                    "seconds": row.seconds,
                }
                for row in part.rows
            ],
        }
        for part in parts
    ]
