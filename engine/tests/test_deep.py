# SPDX-License-Identifier: Apache-2.0
"""The deep tier: its gradient, what it finds that counting does not, what it may see, when it stays out of the way."""

import itertools
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from personalize_local.data.records import Interaction
from personalize_local.data.snapshots import Snapshot
from personalize_local.recipes.base import Model, Query
from personalize_local.recipes.common import cooccurrence
from personalize_local.recipes.common.content import Content
from personalize_local.recipes.common.item_index import ItemIndex
from personalize_local.recipes.common.repeat_features import Past
from personalize_local.recipes.common.rows import Rows, training_rows
from personalize_local.recipes.config import Range, Search, TrainingConfig
from personalize_local.recipes.definitions import RECIPES
from personalize_local.recipes.loading import load
from personalize_local.recipes.ltr.splits import splits
from personalize_local.recipes.ltr.trees import Rankers
from personalize_local.recipes.sequence.learner import Learner
from personalize_local.recipes.sequence.model import SequenceModel
from personalize_local.recipes.sequence.network import Batch, Network, TableRows
from personalize_local.recipes.sequence.training import Counted, Plan
from personalize_local.recipes.sequence.training import train as train_network
from personalize_local.recipes.training import train
from personalize_local.recipes.updating import updated
from personalize_local.recipes.user_personalization.model import PersonalModel
from personalize_local.recipes.user_personalization.rankers import counted
from personalize_local.recipes.user_personalization.training import Decisions, PersonalTrainer, SharedCounts
from scipy import sparse

from engine.tests.harness import Aws, EngineHere, until
from engine.tests.planted import BEGIN, Row, snapshot
from engine.tests.shop import Shop
from engine.tests.shop_data import columns, write_csv
from engine.tests.test_ranker import ODD, clubs

LOGGER = logging.getLogger("personalize")

USER, RANKING = "aws-user-personalization", "aws-personalized-ranking"
DAY = 86_400
GAIN = "normalized_discounted_cumulative_gain_at_25"
KINDS, KIND_ITEMS = 10, 20
"""Kinds of items, and items of each: too many for one item to follow another twice."""


ITEMS: list[Row] = [(f"item-{n}", f"kind-{n % KINDS}") for n in range(KINDS * KIND_ITEMS)]


def kinds(users: int = 240, length: int = 6, *, apart: int = 90 * DAY, back_from: int = 99) -> list[Row]:
    """After any item of a kind comes any item of the next: between single items there is hardly anything to count.

    Users begin so long `apart` that their times are no common clock. From step `back_from` on, a kind goes back.
    """
    random = np.random.default_rng(4)
    steps = np.cumsum([0, *(1 if step < back_from else -1 for step in range(1, length))])
    return [
        (f"u{user}", f"item-{int(draw) * KINDS + (user + kind) % KINDS}", BEGIN + step * DAY + user * apart, "View")
        for user in range(users)
        for step, (kind, draw) in enumerate(zip(steps.tolist(), random.integers(KIND_ITEMS, size=length), strict=True))
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return snapshot(tmp_path_factory.mktemp("kinds"), kinds(), items=ITEMS)


@pytest.fixture(scope="module")
def log() -> Iterator[list[str]]:
    """What the engine's log says of the training of `shop`."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, level = Lines(), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    yield lines
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, log: list[str]) -> Iterator[Shop]:
    """The world in an engine that trained a recipe of the tier."""
    del log
    with EngineHere(tmp_path_factory.mktemp("deep")) as engine:
        yield taught(Aws(engine, "here"))


def taught(aws: Aws) -> Shop:
    tables: dict[str, list[Row]] = {
        "Interactions": [(user, item, kind, "", time, "") for user, item, time, kind in kinds()],
        "Items": [(item, 1.0, kind) for item, kind in ITEMS],
    }
    group = aws.group()
    for kind, rows in tables.items():
        write_csv(aws.engine.s3_root / "deep" / f"{kind}.csv", columns(kind), rows)
        aws.imported(aws.dataset(group, kind), f"s3://deep/{kind}.csv", kind)
    options: Any = {"performAutoTraining": False, "solutionConfig": {"algorithmHyperParameters": {"tier": "deep"}}}
    versions = {USER: aws.version(aws.solution(group, USER, **options))}
    return Shop(aws, group, aws.tracker(group), versions, {USER: aws.campaign(versions[USER])})


@pytest.fixture(scope="module")
def deep(shop: Shop) -> PersonalModel:
    """The model that the engine trained and keeps."""
    _, _, _, region, account, version = shop.versions[USER].split(":", 5)
    model = load(shop.aws.engine.data_dir / "files" / region / account / version)
    assert isinstance(model, PersonalModel)
    return model


@pytest.fixture(scope="module")
def standard(world: Snapshot) -> PersonalModel:
    """What the standard tier makes of the world."""
    return trained(world, "standard")


def trained(world: Snapshot, tier: str, recipe: str = USER) -> PersonalModel:
    model = train(recipe, world, TrainingConfig(hyperparameters={"tier": tier})).model
    assert isinstance(model, PersonalModel)
    return model


def query_after(*items: int) -> Query:
    """A user who took these items, the last of them last."""
    return Query("u1", history=[Interaction(f"item-{item}", BEGIN + at * DAY) for at, item in enumerate(items)])


def of_kind(model: Model, query: Query, kind: int) -> int:
    """How many of the first ten items are of a kind."""
    return sum(int(scored.item_id[5:]) % KINDS == kind for scored in model.recommend(query, None, 10))


def rows_of(users: list[list[int]], items: int, step: int = DAY) -> Rows:
    """Users' items, `step` seconds apart."""
    user = np.repeat(np.arange(len(users)), [len(items) for items in users])
    time = np.concatenate([np.arange(len(items)) * step for items in users]) + BEGIN
    item = np.array([item for items in users for item in items], np.int64)
    return Rows(user, item, time, np.ones(len(user)), np.arange(len(user)), items)


def network(rows: Rows, plan: Plan | None = None, dimensions: int = 48) -> SequenceModel | None:
    """Learned from rows of items without categories."""
    rare = np.maximum(np.bincount(rows.item, minlength=rows.items), 1) ** -0.5
    near = cooccurrence.scaled(cooccurrence.both_ways(cooccurrence.pairs(rows, decay=0.5), backward=1.0), rare, rare)
    items = ItemIndex(np.array([f"item-{n}" for n in range(rows.items)], object))
    vectors, rows_near = cooccurrence.factors(near, dimensions), cooccurrence.pruned(near, rows.items)
    trained = train_network(Counted(rows, items, Content.of({}, rows.items), vectors, rows_near), plan)
    return None if trained is None else trained.model


def doubles(random: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Numbers around 0, of a precision that the network does not have otherwise."""
    return random.normal(size=shape)


def test_the_gradient_is_that_of_the_loss() -> None:
    """Finite differences in a random direction, for every weight, with double precision."""
    random = np.random.default_rng(1)
    tokens = sparse.csr_array(sparse.hstack((sparse.eye_array(12), sparse.random_array((12, 3), density=0.5, rng=2))))
    net = Network(tokens, doubles(random, (12, 5)), np.log(np.full(12, 0.5)))
    for name, weight in net.weights.items():
        net.weights[name] = weight + 0.3 * doubles(random, weight.shape)
    start, chosen_start = np.array([0, 1, 5, 9]), np.array([0, 2, 3, 5])
    age, gap = np.array([0, 2, 1, 0, 0, 3, 2, 1, 0]), np.array([0, 5, 4, 0, 0, 7, 3, 3, 0])
    item, others = random.integers(12, size=9), random.integers(12, size=8)
    batch = Batch(start, item, age, gap, chosen_start, np.array([3, 7, int(others[0]), 1, 5]), others)

    def loss() -> float:
        return net.gradient(batch, 0.3, np.random.default_rng(6))[0]

    _, gradient = net.gradient(batch, 0.3, np.random.default_rng(6))
    assert gradient.keys() == net.weights.keys()
    for name, slope in gradient.items():
        weight, away = net.weights[name], doubles(random, net.weights[name].shape)
        told = float((slope.values * away[slope.rows]).sum() if isinstance(slope, TableRows) else (slope * away).sum())
        net.weights[name] = weight + 1e-5 * away
        above = loss()
        net.weights[name] = weight - 1e-5 * away
        below = loss()
        net.weights[name] = weight
        assert told == pytest.approx((above - below) / 2e-5, rel=1e-3, abs=1e-5), name


def test_it_finds_what_counting_does_not(standard: PersonalModel, deep: PersonalModel) -> None:
    query = query_after(12, 53, 104)
    assert deep.deep
    assert of_kind(deep, query, 5) >= 9
    assert of_kind(standard, query, 5) <= 8


def test_the_next_answer_knows_the_newest_event(deep: PersonalModel) -> None:
    assert of_kind(deep, query_after(12, 53, 104), 5) >= 9
    assert of_kind(deep, query_after(12, 53, 104, 185), 6) >= 9


@pytest.mark.nightly
def test_a_ranking_asks_it_too(world: Snapshot) -> None:
    ranked = trained(world, "deep", RANKING).rank(
        query_after(12, 53, 104), ["item-101", "item-155", "item-9", "unheard-of"]
    )
    assert [scored.item_id for scored in ranked][0::3] == ["item-155", "unheard-of"]


def test_it_is_saved_with_its_model(deep: PersonalModel, tmp_path: Path) -> None:
    deep.save(tmp_path / "model")
    assert load(tmp_path / "model").recommend(query_after(7, 8), None, 20) == deep.recommend(
        query_after(7, 8), None, 20
    )


def test_where_it_brings_nothing_the_tier_is_the_standard_one(tmp_path: Path) -> None:
    made = snapshot(tmp_path, clubs(84, 12, apart=90 * DAY))
    model, plain = trained(made, "deep"), trained(made, "standard")
    assert not model.deep
    assert model.recommend(query_after(1, 7), None, 20) == plain.recommend(query_after(1, 7), None, 20)


def test_what_it_learns_before_a_cut_does_not_depend_on_what_comes_after(tmp_path: Path) -> None:
    """The same past, and two futures that contradict each other."""
    told = []
    for name, back_from in (("on", 99), ("back", 7)):
        (tmp_path / name).mkdir()
        made = snapshot(tmp_path / name, kinds(120, apart=1, length=9, back_from=back_from), items=ITEMS)
        rows = training_rows(made, TrainingConfig())
        split = splits(rows)[-1]
        assert rows.time[split.before].max() < BEGIN + 7 * DAY
        past = rows.where(split.before)
        trainer = PersonalTrainer(made, RECIPES[USER], TrainingConfig(), SharedCounts())
        model = trainer.count(past, Decisions(Rankers(), ease_share=0.25))
        learned = Learner(5.0, lambda _phase: None, lambda: 0.0).tried(counted(made, past, model))
        assert learned
        model = model.with_arrays(learned.model.arrays())
        places = np.array(model.positions(["item-12", "item-53"]), np.intp)
        view = model.view(places, BEGIN + DAY * np.arange(2.0), {}, {}, None)
        told.append(view.features(np.arange(len(model.item_ids)))[:, -2:])
    assert np.array_equal(told[0], told[1])
    assert told[0].any()


def test_the_items_of_one_moment_are_one_choice() -> None:
    """Baskets of two: what was taken together does not follow from itself."""
    random = np.random.default_rng(2)
    rows = rows_of(
        [[int(item) + 10 * (n // 2 % 2) for n, item in enumerate(random.integers(10, size=16))] for _ in range(150)], 20
    )
    rows.time[:] = (rows.time - BEGIN) // DAY // 2 * DAY + BEGIN
    model = network(rows, dimensions=8)
    assert model is not None
    chances = model.probabilities(Past(np.array([1, 2]), np.full(2, float(BEGIN)), 1.0, BEGIN))
    assert chances.sum() == pytest.approx(1.0)
    assert chances[10:].sum() > 0.95


def test_the_tier_is_asked_for_and_answers_over_the_wire(shop: Shop) -> None:
    """A visitor clicks; after each click the first places go to the kind that comes next."""

    def now_first() -> list[int]:
        recommended = shop.aws.recommended(shop.personal, userId="visitor", numResults=10)
        return [int(item[5:]) % KINDS for item in recommended]

    for at, item in enumerate((53, 104, 185)):
        shop.click(f"item-{item}", user="visitor", sentAt=BEGIN + at * DAY)
        if at:
            until(lambda kind=item + 1: now_first().count(kind % KINDS) >= 8, f"a list after {item}")  # type: ignore[misc]


def test_a_version_says_which_tier_was_chosen_and_why(shop: Shop) -> None:
    described = shop.aws.client("personalize").describe_solution_version
    tuned = described(solutionVersionArn=shop.versions[USER])["solutionVersion"]["tunedHPOParams"]
    chosen = tuned["algorithmHyperParameters"]
    assert chosen["tier"] == "deep"
    why = r"deep: \+(0\.\d{4}) NDCG expected \(\+(0\.\d{4}) ± 0\.\d{4} for (\d+) users\)"
    told = re.fullmatch(why, chosen["tier_reason"])
    assert told
    assert float(told[1]) < float(told[2]), "what was chosen for its size flatters"
    assert int(told[3]) <= 240, "a user counts once, however many lists are theirs"


def test_the_log_tells_how_far_the_one_network_is(shop: Shop, log: list[str]) -> None:
    """It is tried once; the measured model and the served one go on with it."""
    version = shop.versions[USER]
    begun = [line for line in log if line.startswith(version) and "network, 0 %" in line]
    assert begun == [
        f"{version}: Trying a network, 0 % (step 2 of 5)",
        f"{version}: Going on with the network, 0 % (step 2 of 5)",
        f"{version}: Going on with the network, 0 % (step 4 of 5)",
    ]
    told = re.compile(r".*: Trying a network, 50 %, about \d+ s left \(step 2 of 5\)")
    assert any(map(told.fullmatch, log))


AUTO = TrainingConfig(hyperparameters={"tier": "auto"})


def test_the_clock_ends_a_decision_with_no(world: Snapshot, standard: PersonalModel) -> None:
    """Each look at this clock finds it a minute later: the first steps of the trial are the last."""
    minutes, phases = itertools.count(), list[str]()
    outcome = train(USER, world, AUTO, None, phases.append, lambda: 60.0 * next(minutes))
    why = "deep: its 5.0 minutes by the clock were over before it was decided"
    assert outcome.tuned == {"tier": "standard", "tier_reason": why}
    assert not any("Going on" in phase for phase in phases)
    assert outcome.model.recommend(query_after(1, 7), None, 20) == standard.recommend(query_after(1, 7), None, 20)


def test_a_clock_that_is_reached_later_keeps_the_network(world: Snapshot, shop: Shop) -> None:
    """Until then it changes nothing: the measured model is that of the machine's own clock."""
    minutes, late = itertools.count(), False

    def enter(phase: str) -> None:
        nonlocal late
        late = late or phase == "Training on everyone"

    trained = train(USER, world, AUTO, None, enter, lambda: 60.0 * next(minutes) if late else 0.0)
    assert trained.tuned is not None
    assert trained.tuned["tier"] == "deep"
    assert trained.tuned["tier_reason"].endswith("; the clock ended its training after 5.0 minutes")
    assert of_kind(trained.model, query_after(12, 53, 104), 5) >= 8
    measured = shop.aws.control.get_solution_metrics(solutionVersionArn=shop.versions[USER])["metrics"]
    assert trained.metrics == measured


class Seen(Exception):
    """A training has gone as far as a test looks."""


def test_a_search_compares_without_networks_and_one_that_promises_gets_more_time(world: Snapshot) -> None:
    phases: list[str] = []
    options = {"tier": "auto", "deep_minutes": "0.08"}
    search = Search({USER: (Range("hidden_dimension", "integer", 140, 149),)}, 2, GAIN)

    def enter(phase: str) -> None:
        if " %" not in phase or ", 0 %" in phase:
            phases.append(phase)
        if len(phases) == 5:
            raise Seen

    with pytest.raises(Seen):
        train(USER, world, TrainingConfig(hyperparameters=options, search=search), None, enter, lambda: 0.0)
    assert phases == [
        "Trying hyperparameters, 1 of 2",
        "Trying hyperparameters, 2 of 2",
        "Training without the held-out users",
        "Trying a network, 0 %",
        "Training the network, 0 %",
    ]


def test_without_minutes_there_is_no_network_to_choose(world: Snapshot) -> None:
    tuned = train(USER, world, TrainingConfig(hyperparameters={"tier": "auto", "deep_minutes": "0.0"})).tuned
    assert tuned == {"tier": "standard", "tier_reason": "deep: no time for it"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "one item" else pytest.mark.nightly) for name in ODD]
)
def test_odd_data_trains_and_answers(tmp_path: Path, name: str) -> None:
    model = trained(snapshot(tmp_path, ODD[name]), "deep")
    query = Query("u1", "item-1", [Interaction("item-1", BEGIN), Interaction("unheard-of", BEGIN)])
    assert len(model.recommend(query, None, 5)) == min(5, len(model.item_ids))


@pytest.mark.parametrize("users", [[[0, 1, 2, 0, 1, 2]], [[0] * 9] * 8, [[0]] * 9 + [[1, 0]]])
def test_little_data_is_no_error(users: list[list[int]]) -> None:
    model = network(rows_of(users, 3))
    assert model is not None
    assert model.probabilities(Past(np.array([0]), np.zeros(1), 1.0, 0.0)).sum() == pytest.approx(1.0)


def test_nothing_before_anything_teaches_nothing() -> None:
    assert network(rows_of([[0, 1, 2]] * 50, 3, step=0)) is None


ANEW = ("catalogue.", "cold.", "content.")
"""Arrays that an update makes anew."""
PREFIX = ("ease", "user_lift", "context_lift", "popularity.groups", "popularity.recent")
"""Arrays of the most popular items only."""


def test_an_update_makes_every_array_of_items_longer(deep: PersonalModel, tmp_path: Path) -> None:
    more: list[Row] = [(f"item-{KINDS * KIND_ITEMS + n}", f"kind-{n}") for n in range(7)]
    grown = updated(deep, snapshot(tmp_path, kinds(), items=[*ITEMS, *more]), TrainingConfig())
    assert isinstance(grown, PersonalModel)
    assert (len(deep.item_ids), len(grown.item_ids)) == (200, 207)
    longer = {200: 207, 201: 208}
    for name, array in deep.files.items():
        if not name.startswith((*ANEW, *PREFIX)):
            assert [longer.get(size, size) for size in array.shape] == [*grown.files[name].shape], name
    grown.save(tmp_path / "grown")
    recommended = load(tmp_path / "grown").recommend(query_after(0, 1, 2), None, 500)
    assert {str(item) for item, _ in more} <= {scored.item_id for scored in recommended}
