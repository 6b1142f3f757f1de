# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: whatever goes wrong, a run gets through or ends with its reason and goes on when it is told to.

Cases run side by side on one local cloud. Faults that a run gets through meet it together, at most one about each kind
of resource, or one at a time with ``MATRIX_TOGETHER=1``. A shop plays several cases, one after the other, as long as
they end as they should. Killed processes have a cloud of their own. `docs/reliability.md` is the table.
"""

import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from local.cloud import lifecycle
from local.cloud.home import Home
from tests.app.laptop import Laptop
from tests.app.matrix.case import Case, Fault
from tests.app.matrix.cases import CASES, KILLED, PROCESSES
from tests.app.matrix.courses import COURSES, FRESH, IN_THE_END
from tests.app.matrix.kills import Rounds
from tests.app.matrix.page import PAGE, page
from tests.app.matrix.shop import Shop, Standing
from tests.app.matrix.world import World

SEED = int(os.environ.get("MATRIX_SEED", "0"))
"""Other seeds move faults to later calls, and throttle others beside."""
TOGETHER = int(os.environ.get("MATRIX_TOGETHER", "6"))
"""So many faults may meet one run."""
AT_A_TIME = 3 * (os.cpu_count() or 1)
"""Shops that play at the same time: they mostly wait."""
VERB = re.compile(r"^(Create|Update|Describe|List|Get)(?=[A-Z])")

Scene = list[tuple[int, Case]]
"""Numbered cases that meet the same run."""


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


def play(shop: Shop, cases: Sequence[Case]) -> Story:
    """Let cases happen together, and do what the first says that a person does."""
    case, before, runs_before, done = cases[0], shop.standing(), len(shop.runs()), handled(shop)
    for row in cases:
        shop.inject(*row.faults, seed=SEED)
    faults = sum(len(case.faults) for case in cases)
    shop.scatter(SEED)
    COURSES[case.course](shop)
    fired, failed = tuple(shop.fired()[:faults]), shop.standing()
    fresh = [run for run in shop.runs()[runs_before:] if run["executionArn"] not in shop.beside]
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


def scenes(cases: Scene) -> list[Scene]:
    """Put cases together that a run gets through, of one setting, with at most one fault about each subject."""
    scenes = list[Scene]()
    for number, case in cases:
        scene = next((scene for scene in scenes if fits(case, scene)), None)
        if scene is None:
            scenes.append([(number, case)])
        else:
            scene.append((number, case))
    return scenes


def fits(case: Case, scene: Scene) -> bool:
    """Whether a case can meet the run of a scene, too."""
    first = scene[0][1]
    subjects = {subject(fault) for _, other in scene for fault in other.faults}
    return (
        len(scene) < TOGETHER
        and gets_through(case)
        and gets_through(first)
        and (case.first, case.settings) == (first.first, first.settings)
        and not subjects & {subject(fault) for fault in case.faults}
    )


def gets_through(case: Case) -> bool:
    """Whether one file is dropped, imported and trained on, whatever fails, and nobody does anything."""
    wanted = ("drop", "", 1, 1, "nothing")
    return (case.course, case.error, case.trained, case.done, case.human) == wanted


def subject(fault: Fault) -> str:
    """The kind of resource that a fault is about, or else the call; the function that is killed or has no slot, as one
    call takes several of its steps.
    """
    if fault.action in {"killFunction", "throttleFunction"}:
        return fault.operation.partition(".")[0]
    return VERB.sub("", fault.operation).rstrip("s").lower()


def chains(scenes: list[Scene]) -> list[list[Scene]]:
    """Spread scenes over shops: those about a second drop follow one about a first drop, one after the other."""
    opened, leading, following = list[list[Scene]](), list[list[Scene]](), list[Scene]()
    for scene in scenes:
        case = scene[0][1]
        if case.settings or case.course in IN_THE_END or (case.first and case.course != "drop"):
            opened.append([scene])
        elif case.first:
            leading.append([scene])
        else:
            following.append(scene)
    leading = leading or [[] for _ in range(min(len(following), AT_A_TIME))]
    for number, scene in enumerate(following):
        leading[number % len(leading)].append(scene)
    return sorted([*leading, *opened], key=len, reverse=True)


def follow(world: World, chain: list[Scene], told: dict[str, Future[None]]) -> None:
    """Play scenes one after the other; the shop of one that came out otherwise than it should is left alone."""
    shop = None
    for scene in chain:
        number, first = scene[0]
        try:
            shop = shop.next_turn() if shop else ready(world, number, first)
            story = play(shop, [case for _, case in scene])
            for _, case in scene:
                verify(case, story)
        except Exception as error:  # noqa: BLE001 - whoever asks for the case is told
            shop = None
            if len(scene) > 1:
                error.add_note(f"It met {len(scene)} cases together: {', '.join(case.name for _, case in scene)}")
            for _, case in scene:
                told[case.name].set_exception(error)
        else:
            for _, case in scene:
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
    futures: dict[str, Future[None]] = {}
    began = time.monotonic()
    yield futures
    if "MATRIX_PAGE" in os.environ and len(futures) == len(CASES):
        for case in CASES:
            futures[case.name].result()
        PAGE.write_text(page(time.monotonic() - began, datetime.now(UTC).date().isoformat()))


@pytest.fixture(scope="module")
def stories(
    laptop: Laptop, played: dict[str, Future[None]], request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[None]]]:
    """The chosen cases, under way."""
    chosen = chosen_of(request)
    numbered = [(number, case) for number, case in enumerate(CASES) if case.name in chosen and case.part != KILLED]
    with World(laptop) as world, ThreadPoolExecutor(AT_A_TIME) as pool:
        futures = {case.name: Future[None]() for _, case in numbered}
        for chain in chains(scenes(numbered)):
            pool.submit(follow, world, chain, futures)
        played.update(futures)
        yield futures
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def rounds(
    tmp_path_factory: pytest.TempPathFactory, played: dict[str, Future[None]], request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[None]]]:
    """What came of the chosen kills, a round for each process, on a cloud of their own, with functions as on a Mac."""
    names = chosen_of(request)
    chosen = [case for case in CASES if case.name in names and case.part == KILLED]
    home, futures = Home(tmp_path_factory.mktemp("killed")), dict[str, Future[None]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETAIL_RUNTIME_CLIENT", "runtime_interface_client")
        try:
            state, _ = lifecycle.up(home, faults=True)
            playing = Rounds(Laptop(home, state, tmp_path_factory.mktemp("files")))
            for process in PROCESSES:
                cases = [case for case in chosen if case.course.partition("/")[0] == process]
                futures |= playing.play(process, cases) if cases else {}
            played.update(futures)
            yield futures
        finally:
            lifecycle.down(home, wipe=True)


def chosen_of(request: pytest.FixtureRequest) -> set[str]:
    """The names of the cases that are played."""
    return {case.name for item in request.session.items if (case := case_of(item))}


def case_of(item: pytest.Item) -> Case | None:
    """The case that a test is about, if it is one of these."""
    case = item.callspec.params.get("case") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    return case if isinstance(case, Case) else None


BY_DAY = {f"everything/{stage}" for stage in ("dropping", "training", "promoting", "events", "erasing")}
"""Kills that `make test` plays; the others take minutes."""


LIKEWISE = {
    "tests/app/test_bursts.py": {
        "an event comes again after its run",
        "another file comes during a run",
        "the same bytes are dropped again after their run",
        "a run is stopped while it judges",
        "a file is overwritten during its run",
    },
    "tests/app/test_drops.py": {
        "a file has zero bytes",
        "a damaged zip archive is called .csv",
        "a compressed file is cut off",
        "an object that is not a drop is uploaded too",
    },
    "tests/app/test_takeover.py": {
        "a run is stopped while it trains",
        "a run is stopped while it imports, and its bytes are dropped again",
    },
    "tests/app/test_teardown.py": {"a schedule starts a second training"},
    "tests/app/test_releases.py": {"the probe fails"},
    "tests/app/test_campaigns.py": {"a campaign's throughput was raised by hand"},
    "tests/app/test_recommenders.py": {"a Recommender ends in CREATE FAILED"},
    "tests/runs/test_claims.py, for any order of events": {
        "the events of two files come out of order",
        "a shop's files are dropped before S3 sends events",
        "an event comes after the sweep has found its file",
        "a file is deleted when it was checked",
    },
    "tests/runs/test_leases.py, for any order of events": {"the events of one key come out of order"},
    "the same fault of another call or function": {
        "the connection of CreateDatasetImportJob ends",
        "JoinExportFunction is killed before it begins",
    },
    "a kill of all processes at this stage": {"a run is stopped while it promotes"},
    "another case of another job or deletion": {
        "a DatasetGroup ends in CREATE FAILED",
        "a DatasetGroup never ends",
        "a DatasetImportJob ends in CREATE FAILED",
        "users are deleted beside the training of a segment",
        "users are deleted beside streaming events",
        "the campaign is being updated already",
        "Personalize's clock is a day ahead",
    },
}
"""Cases that only `make nightly` plays, by what shows nearly the same in `make test`."""


def ending(case: Case) -> tuple[object, ...]:
    """What happens in a shop and how it ends; of cases that have this in common `make test` plays the first."""
    return case.course, case.error, case.human, case.first, case.trained, case.done, case.settings


def kinds(case: Case) -> set[tuple[str, bool]]:
    """What goes wrong: how, at which call or at which step, and whether it has been done all the same.

    A step is killed once by day: when it is done, which is worse, since it is done again.
    """
    faults = {(fault.action, fault.more.get("performed") is True) for fault in case.faults}
    calls = {(fault.operation, fault.more.get("performed") is True) for fault in case.faults}
    return faults | {(call, done) for call, done in calls if done or not call.startswith("*")}


def played_by_day() -> set[str]:
    """The names of the cases that `make test` plays.

    Of those that a run gets through, each kind of fault and each call once; each other ending once; and some kills.
    """
    candidates = [case for case in CASES if case.part != KILLED]
    firsts = {ending(case): case.name for case in reversed(candidates)}
    likewise = set[str]().union(*LIKEWISE.values())
    chosen = {case.name for case in CASES if case.part == KILLED and case.course in BY_DAY}
    shown = set[tuple[str, bool]]()
    for case in candidates:
        if case.name in likewise:
            continue
        if gets_through(case) and (kinds(case) - shown or not case.faults):
            shown |= kinds(case)
            chosen.add(case.name)
        elif not gets_through(case) and firsts[ending(case)] == case.name:
            chosen.add(case.name)
    return chosen


DAY = played_by_day()


def played_at(case: Case) -> list[pytest.MarkDecorator]:
    return [] if case.name in DAY else [pytest.mark.nightly]


@pytest.mark.parametrize("case", [pytest.param(case, marks=played_at(case), id=case.name) for case in CASES])
def test_a_case_comes_out_as_the_page_says(request: pytest.FixtureRequest, case: Case) -> None:
    request.getfixturevalue("rounds" if case.part == KILLED else "stories")[case.name].result()
