# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - the lines of a page are as long as they are there
"""`docs/reliability.md`, made of the cases once a run of the matrix has shown that each ends as it says."""

import re
from collections.abc import Sequence
from pathlib import Path

from tests.app.matrix.case import Case
from tests.app.matrix.cases import CASES, KILLED, PARTS
from tests.app.matrix.mutants import MUTANTS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reliability.md"
HEAD = """# What happens when something fails

<!-- Made by `make reliability` from a run of the fault matrix; tests/docs holds it against the cases. -->

A run makes dozens of calls to Amazon Personalize and waits for jobs of hours. This page says what happens when one of them fails, and what is left for you to do. Each case is a
test that causes it.

## The promises

1. **A run gets through, or ends with the true reason.** A passing fault (throttling, a lost answer, a killed function) is retried.
   Any other ends the run as failed; the reason names the resource and repeats what Personalize said.
2. **What serves is never worse off.** The old release answers until a new one is trained, judged, promoted and probed. If promoting
   or probing fails, the campaign goes back.
3. **Nothing is handled twice, nothing is lost.** Each dropped file is imported once, whatever S3 repeats and whatever stops.
4. **No training is paid for twice.** A run that goes on after a failure finds the imports and trainings of the run before. Only a
   training that itself failed is repeated.
5. **There is little to do, and nothing to clean up:**

* **nothing**: the run is promoted, or the next one has taken over
* **continue**: remove the cause if the reason names one (a quota, an outage), then [start the run again](operations/failures.md)
* **drop again**: correct the file and drop it again
* **up**: start the laptop's cloud again: `.venv/bin/python -m local up` ([what survives what](local-cloud.md#what-survives-what))

To cause a failure yourself, use [faults on demand](faults.md).

## How it is shown

Each case has a shop on the [local cloud](local.md), with the deployed template, state machine and functions; most are about a second drop, while a first release serves. It asserts how the run ended and why, which
version serves, how many trainings and imports there were, and that the fault did happen. `make test` plays each kind of fault, each call and each step once, most other endings, and five kills; `make nightly` each fault alone, with 20 seeds.
"""
SAFEGUARDS = f"""
## The safeguards

A test that cannot fail shows nothing. `make nightly` removes each of {len(MUTANTS)} safeguards from a copy of the sources, and its cases
must then fail. `tests/app/matrix/mutants.py` names both.
"""
KIND = (
    "DatasetGroup|DatasetImportJob|Dataset|EventTracker|Filter|SolutionVersion|Solution|Campaign|Recommender"
    "|campaign's update"
)
VARYING = (
    (re.compile(r"\w+Function is killed(?: at \w+)?"), "a function is killed"),
    (re.compile(r"\b(?:Create|Update|Describe|List|Get|describe)[A-Z]\w+"), "a call"),
    (re.compile(rf"\ban? (?:{KIND})\b"), "a resource"),
    (re.compile(rf"(?<=a new )(?:{KIND})\b"), "resource"),
    (re.compile(r"(?<=a run is stopped while it )\w+$"), "works"),
)
"""What differs between cases that share a row, and the words in its place."""


PROCESSES = ["the local AWS", "the engine", "all processes", "`down`"]
"""What is killed in most cases of the laptop, so that they do not name it."""


def page(seconds: float, day: str) -> str:
    """Return the whole page.

    Args:
        seconds: how long the run of the matrix took.
        day: when it was, ISO 8601.
    """
    made = f"\nThis page was made on {day}: {len(CASES)} cases, all as below, in {seconds:.0f} seconds on two processors.\n"
    made += "\nUnless a case says otherwise, the old release serves on, and one training is made. “…” stands for words that differ.\n"
    made += f"Of the laptop's processes each of these is killed, where a case names none: {', '.join(PROCESSES)}.\n"
    parts = [f"\n## {part}\n\n{section([case for case in CASES if case.part == part])}" for part in PARTS]
    return HEAD + made + "".join(parts) + SAFEGUARDS


def section(cases: Sequence[Case]) -> str:
    """Return the results of a part as lists: first the cases that get through, then the others by what a person does."""
    passed = _rows([case for case in cases if not case.error])
    ended = _rows([case for case in cases if case.error])
    groups = [("get through", passed[0][0].human, passed)] if passed else []
    groups += [
        ("end the run", human, [(case, what) for case, what in ended if case.human == human])
        for human in dict.fromkeys(case.human for case, _ in ended)
    ]
    return "\n".join(
        f"These {end}. You do: {human}.\n\n" + "".join(f"* {what}{_said(case)}\n" for case, what in rows)
        for end, human, rows in groups
    )


def _said(case: Case) -> str:
    """Return what comes of a case, but for what comes of most: one training, while the old release serves on."""
    trainings = {0: "no training", 1: ""}.get(case.trained, f"{case.trained} trainings")
    outcome = case.outcome.removesuffix("; the old release serves on") if case.error else ""
    said = "; ".join(filter(None, (outcome, case.note, trainings)))
    return f" → {said}" if said else ""


def _rows(cases: Sequence[Case]) -> list[tuple[Case, str]]:
    """Join cases that differ only in what is hit, then those that hit the same: the first of each, and the words."""
    hits = dict[tuple[object, ...], tuple[Case, str, list[str]]]()
    for case in cases:
        what, where = _parted(case)
        hits.setdefault((what, *_result(case)), (case, what, []))[2].append(where)
    rows = dict[tuple[object, ...], tuple[Case, str, list[str]]]()
    for case, what, wheres in hits.values():
        listed = f": {_listed(wheres)}" if any(wheres) and wheres != PROCESSES else ""
        rows.setdefault((listed or what, *_result(case)), (case, listed, []))[2].append(what)
    first = {True: "**first drop:** ", False: ""}
    return [(case, f"{first[case.first]}{', or '.join(whats)}{listed}") for case, listed, whats in rows.values()]


def _result(case: Case) -> tuple[object, ...]:
    return case.first, case.outcome, case.note, case.trained, case.human


def _parted(case: Case) -> tuple[str, str]:
    """Split a case's name into what happens in general, and to which call, resource, function or process."""
    if case.part == KILLED:
        process, _, stage = case.name.partition(" while ")
        return stage, re.sub(r" (is|are) killed( at once)?| stops everything", "", process)
    for varying, words in VARYING:
        if match := varying.search(case.name):
            return case.name.replace(match[0], words, 1), match[0].replace(" is killed", "")
    return case.name, ""


def _listed(wheres: Sequence[str]) -> str:
    """Join names; the steps of one function stand together: `Claim at one, Claim at two` is `Claim (one, two)`."""
    steps = dict[str, list[str]]()
    for where in wheres:
        name, _, step = where.partition(" at ")
        steps.setdefault(name, []).append(step)
    return ", ".join(
        f"{name} ({', '.join(words_of_step)})" if any(words_of_step) else name for name, words_of_step in steps.items()
    )
