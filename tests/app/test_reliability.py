# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: whatever goes wrong, a run gets through or ends with its reason and goes on when it is told to.

All cases run at a time, each in a shop of its own or in one that came well through another, on one local cloud; those
of killed processes have another one, which they kill. `docs/reliability.md` is the table.
"""

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from local.cloud import lifecycle
from local.cloud.home import Home
from tests.app.laptop import Laptop
from tests.app.matrix.case import Case
from tests.app.matrix.cases import CASES, KILLED, PROCESSES
from tests.app.matrix.courses import COURSES, FRESH, IN_THE_END
from tests.app.matrix.kills import Rounds
from tests.app.matrix.page import PAGE, page
from tests.app.matrix.shop import Shop, Standing
from tests.app.matrix.world import World

SEED = int(os.environ.get("MATRIX_SEED", "0"))
"""Other seeds move faults to later calls, and throttle others beside."""
AT_A_TIME = 32
"""Cases that are played at the same time: they mostly wait."""


@dataclass(frozen=True)
class Story:
    """What a case came to: how its shop stood before, when something had gone wrong, and in the end."""

    before: Standing
    failed: Standing
    after: Standing
    reason: str
    done: int
    fired: tuple[int, ...]


def ready(world: World, number: int, case: Case) -> Shop:
    """A shop for a case: one without a release where the case is about a first drop."""
    shop = Shop(f"m{number:03d}", world, case.settings)
    if case.first:
        shop.settle()
    else:
        shop.open()
    return shop


def play(shop: Shop, case: Case) -> Story:
    """Let a case happen, and do what it says that a person does."""
    before, known, done = shop.standing(), len(shop.runs()), handled(shop)
    shop.inject(*case.faults, seed=SEED)
    shop.scatter(SEED)
    COURSES[case.course](shop)
    fired, failed = tuple(shop.fired()[: len(case.faults)]), shop.standing()
    fresh = [run for run in shop.runs()[known:] if run["executionArn"] not in shop.beside]
    bad = [run for run in fresh if run["status"] == "FAILED"]
    shop.heal()
    if case.human == "continue" and bad:
        shop.go_on(str(bad[0]["name"]))
    if case.human == "drop again":
        shop.put(shop.csv(FRESH))
        shop.rest()
    for holds in IN_THE_END.get(case.course, ()):
        holds(shop)
    reason = f"{bad[0].get('error')}: {bad[0].get('cause')}" if bad else ""
    return Story(before, failed, shop.standing(), reason, handled(shop) - done, fired)


def handled(shop: Shop) -> int:
    """How many files of interactions were handled; what was handled already is done without a run that imported it."""
    return sum(claim["state"] == "done" for claim in shop.claims() if claim["kind"] == "interactions" and claim["runs"])


def chains(cases: list[tuple[int, Case]]) -> list[list[tuple[int, Case]]]:
    """Numbered cases in the order in which they are played: a second drop follows a first one in the same shop."""
    firsts = [each for each in cases if each[1].first and each[1].course == "drop" and not each[1].settings]
    found = []
    for each in cases:
        if each[1].first or each[1].settings or each[1].course in IN_THE_END:
            found.append([each])
        else:
            found.append([*firsts[:1], each])
            del firsts[:1]
    led = {id(chain[0][1]) for chain in found if len(chain) > 1}
    return [chain for chain in found if len(chain) > 1 or id(chain[0][1]) not in led]


def follow(world: World, chain: list[tuple[int, Case]], told: dict[str, Future[None]]) -> None:
    """Play cases one after the other; the shop of one that came out otherwise than it should is left alone."""
    shop = None
    for number, case in chain:
        try:
            shop = shop.next_turn() if shop else ready(world, number, case)
            verify(case, play(shop, case))
        except Exception as error:  # noqa: BLE001 - whoever asks for the case is told
            shop = None
            told[case.name].set_exception(error)
        else:
            told[case.name].set_result(None)


def verify(case: Case, story: Story) -> None:
    """Hold what came of a case against what it promises."""
    assert all(story.fired), f"a rule never fired: {story.fired}"
    assert story.reason.partition(":")[0] == case.error, story.reason or "it got through"
    assert re.search(case.reason, story.reason, re.DOTALL), story.reason
    made = [version for version in story.after.versions if version not in story.before.versions]
    assert len(made) == case.trained, f"{len(made)} trainings"
    assert (story.done, story.after.imports - story.before.imports) == (case.done, case.done), "handled and imported"
    assert story.after.serving == story.after.recorded == made[-1]
    if case.error:
        # What was imported or trained before it ended stays; what serves is what served.
        assert replace(story.failed, versions=(), imports=0) == replace(story.before, versions=(), imports=0)


@pytest.fixture(scope="module", autouse=True)
def played() -> Iterator[dict[str, Future[None]]]:
    """What is under way or played; when all cases went as they should, the page is written where that is asked for."""
    found: dict[str, Future[None]] = {}
    began = time.monotonic()
    yield found
    if "MATRIX_PAGE" in os.environ and len(found) == len(CASES):
        for case in CASES:
            found[case.name].result()
        PAGE.write_text(page(time.monotonic() - began, datetime.now(UTC).date().isoformat()))


@pytest.fixture(scope="module")
def stories(
    laptop: Laptop, played: dict[str, Future[None]], request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[None]]]:
    """The chosen cases, under way."""
    chosen = chosen_of(request)
    numbered = [(number, case) for number, case in enumerate(CASES) if case.name in chosen and case.part != KILLED]
    with World(laptop) as world, ThreadPoolExecutor(AT_A_TIME) as pool:
        found = {case.name: Future[None]() for _, case in numbered}
        for chain in chains(numbered):
            pool.submit(follow, world, chain, found)
        played.update(found)
        yield found
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def rounds(
    tmp_path_factory: pytest.TempPathFactory, played: dict[str, Future[None]], request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[None]]]:
    """What came of the chosen kills, a round for each process, on a cloud of their own."""
    names = chosen_of(request)
    chosen = [case for case in CASES if case.name in names and case.part == KILLED]
    home, found = Home(tmp_path_factory.mktemp("killed")), dict[str, Future[None]]()
    try:
        state, _ = lifecycle.up(home, faults=True)
        playing = Rounds(Laptop(home, state, tmp_path_factory.mktemp("files")))
        for process in PROCESSES:
            cases = [case for case in chosen if case.course.partition("/")[0] == process]
            found |= playing.play(process, cases) if cases else {}
        played.update(found)
        yield found
    finally:
        lifecycle.down(home, wipe=True)


def chosen_of(request: pytest.FixtureRequest) -> set[str]:
    """The names of the cases that are played."""
    return {case.name for item in request.session.items if (case := case_of(item))}


def case_of(item: pytest.Item) -> Case | None:
    """The case that a test is about, if it is one of these."""
    found = (
        item.callspec.params.get("case") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    )
    return found if isinstance(found, Case) else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_comes_out_as_the_page_says(request: pytest.FixtureRequest, case: Case) -> None:
    request.getfixturevalue("rounds" if case.part == KILLED else "stories")[case.name].result()
