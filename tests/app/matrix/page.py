# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - the lines of a page are as long as they are there
"""`docs/reliability.md`, made of the cases once a run of the matrix has shown that each comes out as it says."""

from collections.abc import Sequence
from pathlib import Path

from tests.app.matrix.case import Case
from tests.app.matrix.cases import CASES, PARTS
from tests.app.matrix.mutants import MUTANTS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reliability.md"
HEAD = """# What is promised when something fails

<!-- Made by `make reliability` from a run of the fault matrix; tests/docs holds it against the cases. -->

A run takes a dropped file to a release that shoppers are served from. Between the two lie dozens of calls of Amazon
Personalize, jobs that take minutes to hours, and functions that can be stopped at any moment. This page is for who runs
a shop and wants to know what happens then, and what is left to do. It is no list of intentions: each row below is a test
that makes just this go wrong and looks at what is left.

## The promises

1. **A run gets through, or it ends with the true reason.** What passes (a throttled call, an answer that is lost, a
   killed function) is tried again by itself. What does not pass ends the run; the reason names the resource and what
   Personalize said, and the run is announced as failed.
2. **What serves is never worse off.** Until a new release is trained, judged, promoted and probed, the old one answers.
   Where promoting or probing fails, the campaign goes back to it.
3. **Nothing is handled twice, nothing is lost.** Each dropped file is imported once, however often S3 tells of it, in
   which order, and whatever stops in between.
4. **No training is paid for twice.** A run that goes on after a failure, or takes over from one that was stopped, finds
   the imports and the trainings of the run before. Only a training that itself failed is made again.
5. **There is little to do, and nothing to clean up.** Nothing, or one of two things; on a laptop, a third:

| in the tables | what you do |
|---|---|
| nothing | nothing: the run is promoted, or the next one has taken over |
| continue | remove the cause if the reason names one (a quota, an outage), then [start the run again](operations.md#when-a-run-fails) |
| drop again | correct the file and drop it again |
| up | start the laptop's cloud again: `.venv/bin/python -m local up` ([what survives what](local.md#what-survives-what)) |

## How it is shown

Every case has a shop of its own on the [local cloud](local.md), where the template, the state machine and the functions
are the ones that are deployed, and doors [make things go wrong](local.md#faults-on-demand). Most cases are about a second
drop, while a first release serves; those of what only a first run makes are about the first. Each case asserts

* how the run ended, and with which reason,
* the version that the campaign serves, when something had gone wrong and in the end, and that the release record names it,
* how many solution versions Personalize made, and how many import jobs,
* how many dropped files were handled, each once,
* that the campaign was ACTIVE at every look that a run took at it,
* and that the fault did happen.

Where a run ends with a reason, the case then does what the last column says, and the run gets through.

Processes are killed with `kill -9` on a cloud of their own, where a shop stands at each stage. After `up` each shop has
to come to its end, with one import, one training and one release for its file. The key has to be the same, and the
campaigns have to answer at once.

`make test` plays all cases once; `make nightly` plays them with 20 seeds, which move the faults to other calls and
throttle three in a hundred of all others.
"""
MUTANTS_HEAD = """
## Are the safeguards what does it?

A test that cannot fail shows nothing. `make nightly` takes these safeguards out, one at a time, from a copy of the
sources, and the cases beside each must then fail:

| the safeguard that is taken out | the cases that fail without it |
|---|---|
"""


def page(seconds: float, day: str) -> str:
    """The whole page.

    Args:
        seconds: how long the run of the matrix took.
        day: when it was, ISO 8601.
    """
    told = f"\nThis page was made on {day}: {len(CASES)} cases, all as below, in {seconds:.0f} seconds on two processors.\n"
    told += "\n“…” in a reason stands for names and words that differ.\n"
    parts = [f"\n## {part}\n\n{table([case for case in CASES if case.part == part])}" for part in PARTS]
    mutants = "".join(f"| {mutant.safeguard} | {'; '.join(mutant.cases)} |\n" for mutant in MUTANTS)
    return HEAD + told + "".join(parts) + MUTANTS_HEAD + mutants


def table(cases: Sequence[Case]) -> str:
    """A table of cases."""
    head = "| what goes wrong | at | what comes of it | trainings | you do |\n|---|---|---|---|---|\n"
    return head + "".join(f"{row(case)}\n" for case in cases)


def row(case: Case) -> str:
    """One case."""
    drop = (
        "the first drop"
        if case.first
        else "between drops"
        if case.human == "up" and not case.trained
        else "a later drop"
    )
    outcome = f"{case.outcome}{f'; {case.note}' if case.note else ''}"
    return f"| {case.name} | {drop} | {outcome} | {case.trained} | {case.human} |"
