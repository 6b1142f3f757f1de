# SPDX-License-Identifier: Apache-2.0
"""A promotion in steps: whose list it is, what is compared with what, and when it goes on, waits, or goes back."""

import html
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.api import variants
from personalization.auth import list_columns
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.experiments import following, ramps
from personalization.experiments.analysing import Analyst, Clients, Round
from personalization.experiments.assignment import Unit, unit_digest, variant_of
from personalization.experiments.experiment import Experiment, Experiments
from personalization.experiments.lists import Lists
from personalization.experiments.statistics.checks import sample_ratio
from personalization.experiments.statistics.effects import combined, effect
from personalization.experiments.statistics.sums import Sums
from personalization.shop.records import release_store
from personalization.shop.settings.gate import Ramp

from tests.experiments.test_aggregates import buy, copy, event
from tests.experiments.test_analyse_experiments import FILE, Bus
from tests.experiments.test_effects import ORDERS, SEEDS, users
from tests.handlers.samples import BUCKET, RELEASE, TABLE, Drop
from tests.reports.reading import english, texts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

START = datetime(2026, 11, 2, tzinfo=UTC)
AT = int(START.timestamp())
WEEK = 7 * 86_400
BEGUN = ramps.Begun(
    recipe="user-personalization",
    run="run-2",
    version="v2",
    control="v1",
    campaign="arn:second",
    metadata=False,
    placements=("home",),
)
SETTINGS = "placements:\n  home: {recipe: user-personalization, limit: 3}\nstorefront: {currency: KRW}\n"
STEPS = st.lists(st.integers(1, 50), min_size=1, max_size=3, unique=True).map(sorted)


def begun(**settings: Any) -> Experiment:  # noqa: ANN401 - members of the setting
    return ramps.begin(BEGUN, Ramp(**{"guardrails": ["orders"], **settings}), AT)


@given(STEPS, st.text(max_size=8))
def test_whoever_is_in_a_ramp_stays_on_a_side_for_all_of_it(steps: list[int], user: str) -> None:
    ramp, side = begun(steps=steps), None
    for number, share in enumerate(steps):
        ramp = ramp if number == 0 else ramps.grown(ramp, AT + number)
        variant = variant_of(ramp, user)
        assert side in {None, variant and variant.name}
        side = variant and variant.name
        new, control = (sum(ramp.weight(f"{arm}-{step + 1}") for step in range(number + 1)) for arm in ("new", "now"))
        assert (new, new <= control <= 5_000) == (share * 100, True)
        assert Experiments.read(Experiments("demo", (ramp,)).as_record()).experiments == (ramp,)
    spans = sorted((part.start, part.end) for part in ramp.slices)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


@given(SEEDS)
def test_users_who_come_later_are_never_compared_with_those_before_them(seed: int) -> None:
    """Both steps are without any effect, in shares of their own; together, the new side has more of who orders less."""
    often, seldom = users(seed, 40), [{**row, "orders": 0.0, "buyers": 0.0} for row in users(seed + 1, 40)]
    steps = [(Sums.of(often * 3), Sums.of(often)), (Sums.of(seldom), Sums.of(seldom * 4))]
    plain = replace(ORDERS, past=None)

    told, pooled = combined(plain, steps), effect(plain, steps[0][0] + steps[1][0], steps[0][1] + steps[1][1])

    if told is not None and pooled is not None:
        assert told.difference == pytest.approx(0, abs=1e-12)
        assert pooled.difference < 0


@given(SEEDS)
def test_differences_of_steps_count_by_their_users(seed: int) -> None:
    arms = [users(seed + number, size) for number, size in enumerate((40, 10, 30, 30))]
    strata = [(Sums.of(arms[0]), Sums.of(arms[1])), (Sums.of(arms[2]), Sums.of(arms[3]))]
    plain = replace(ORDERS, past=None)
    parts, whole = [effect(plain, *pair) for pair in strata], combined(plain, strata)
    if whole is None or None in parts:
        return
    weights = 40 * 10 / 50, 30 * 30 / 60
    differences = [part.difference for part in parts if part]
    errors = [part.error for part in parts if part]
    assert whole.users == 110
    assert whole.difference == pytest.approx(sum(map(float.__mul__, weights, differences)) / sum(weights))
    assert whole.error == pytest.approx(sum((w * e) ** 2 for w, e in zip(weights, errors, strict=True)) ** 0.5 / 23)


def test_the_sample_ratio_is_of_each_step() -> None:
    ramp = ramps.grown(begun(), AT + WEEK)
    shares = {name: ramp.weight(name) for name in ("now-1", "new-1", "now-2", "new-2")}
    # Each step's users came as its shares say, and the steps were of very different length.
    fair = {name: share * (10 if name.endswith("1") else 1) for name, share in shares.items()}
    assert sample_ratio(ramps.periods(ramp, fair)) > 0.9
    assert sample_ratio(ramps.periods(ramp, {**fair, "new-2": fair["new-2"] * 8 // 10})) < 0.001


def test_a_ramps_users_get_its_campaign_and_columns_only_if_it_shows_some() -> None:
    release = release_store.serving(RELEASE)
    ramp = replace(begun(steps=[50]), placements=("home",))
    release = replace(release, placements={"home": {"recipe": "user-personalization"}, "cart": {"recipe": "x"}})
    told: list[str] = []

    def shown_to(user: str) -> Any:  # noqa: ANN401 - what a user gets
        unit = Unit(drawn=user, digest=user)
        return variants.assigned((ramp,), release, lambda: unit, ["home", "cart"], now=AT + 1, tell=told.append)

    shown = [shown_to(f"u{number}") for number in range(40)]
    new = [chosen for chosen in shown if chosen.variant("home") == f"{ramp.name}.new-1"]
    assert 8 < len(new) < 32
    assert len(told) == 40
    assert new[0].release.placements["home"]["campaign"] == "arn:second"
    assert "campaign" not in new[0].release.placements["cart"]
    assert "arn:second" in new[0].release.without_metadata
    others = [chosen for chosen in shown if chosen not in new]
    assert all("campaign" not in chosen.release.placements["home"] for chosen in others)


class Shop:
    """A shop with a ramp that began on November 2nd."""

    def __init__(self, drop: Drop, table: "DynamoDBClient", bucket: "S3Client", bus: Bus) -> None:
        self.drop, self.table, self.bucket, self.bus = drop, table, bucket, bus

    @property
    def ramp(self) -> Experiment:
        ramp = following.get(self.table, TABLE, "demo").named(ramps.name_of("run-2"))
        assert ramp is not None
        return ramp

    def begun(self) -> int:
        """Return how many steps have."""
        return len(self.ramp.slices) // 2

    @property
    def report(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.read("json"))
        return document

    def read(self, ending: str) -> str:
        key = f"reports/demo/experiments/{self.ramp.name}/report.{ending}"
        return self.bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def round_at(self, days: float) -> Round:
        aws = Clients(clients.s3(), clients.dynamodb(), cast("Any", self.bus), cast("Any", None))
        lists = Lists(list_columns.variants, lambda _: 0)
        return Analyst(aws, Environment(), START + timedelta(days=days), lambda _: (), lists).round(lambda: False)

    def happen(self, day: int, people: Sequence[str], rates: Mapping[str, float]) -> None:
        """Expose people on a day, and let a share of each side buy."""
        lines, rows, ramp = [], [], self.ramp
        for number, user in enumerate(people):
            variant = variant_of(ramp, user)
            if variant is None:
                continue
            unit = unit_digest(str(RELEASE["trackingId"]), user)
            told = {"shop": "demo", "experiment": ramp.name, "variant": variant.name, "unit": unit}
            lines.append(json.dumps({**told, "placement": "home", "at": (AT + day * 86_400 + 60) * 1000}))
            rows.append(event("View", day * 86_400 + 61, user))
            if number % 100 < 100 * rates[variant.name.partition("-")[0]]:
                rows.append(buy(day * 86_400 + 70, user, orderId=f"o{day}{user}", value=10.0))
        when = START + timedelta(days=day)
        self.drop(f"exposures/demo/{when:%Y/%m/%d}/1.jsonl", "\n".join(lines))
        self.drop(f"events/demo/{when:%Y/%m/%d}/1.csv", copy(rows))


@pytest.fixture
def shop(drop: Drop, table: "DynamoDBClient", bucket: "S3Client", request: pytest.FixtureRequest) -> Iterator[Shop]:
    request.getfixturevalue("demo")
    drop("drops/demo/settings.yaml", SETTINGS)
    made = Shop(drop, table, bucket, Bus())
    following.change(table, TABLE, "demo", before=None, after=begun(steps=[25, 50], days=2))
    yield made
    release_store.delete(table, TABLE, "demo", "experiments")
    for key in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        bucket.delete_object(Bucket=BUCKET, Key=key["Key"])


PEOPLE = [f"u{number}" for number in range(2_000)]
FAIR = {"now": 0.3, "new": 0.3}


@pytest.mark.usefixtures("aws")
class TestRounds:
    def test_a_ramp_without_harm_grows_and_is_through_at_the_end(self, shop: Shop) -> None:
        shop.happen(0, PEOPLE, FAIR)
        assert shop.round_at(1).through == {}
        assert shop.begun() == 1
        assert shop.round_at(2.05).failed == ()
        assert shop.begun() == 2
        first, second = (step["users"] for step in shop.report["ramp"]["steps"])
        assert first == second > 0
        shop.happen(2, PEOPLE, FAIR)
        # Before the second step's days are over.
        assert shop.round_at(3).through == {}
        done = shop.round_at(4.1)
        assert [ramp.name for ramp in done.through["demo"]] == [shop.ramp.name]
        assert [what for what, _ in shop.bus.told] == ["Experiment started", "Release ramped", "Release ramped"]
        assert shop.bus.told[-1][1].startswith("50% of the users get the new version of user-personalization")
        told = shop.report
        assert [step["share"] for step in told["ramp"]["steps"]] == [0.25, 0.5]
        assert told["ramp"]["steps"][0]["users"] < told["ramp"]["steps"][1]["users"]
        first, second = (step["sight"][0]["least"] for step in told["ramp"]["steps"])
        assert 0 < second < first < 1
        assert told["sentence"] == "50% of the users get it, and no harm is seen."
        assert "Harm that it finds" in html.unescape(shop.read("html"))

    def test_harm_brings_everybody_back(self, shop: Shop) -> None:
        shop.happen(0, PEOPLE, {"now": 0.5, "new": 0.1})
        assert shop.round_at(1).stopped == {"demo": (shop.ramp.name,)}
        assert "goes back: it lowers orders per user by" in shop.ramp.stopped_because
        assert shop.bus.told[-1] == ("Experiment stopped", shop.ramp.stopped_because)
        shop.round_at(2.5)
        assert shop.begun() == 1
        assert not shop.ramp.runs(AT + 3 * 86_400)

    def test_a_step_that_nobody_was_in_waits_and_then_goes_back(self, shop: Shop) -> None:
        shop.round_at(2.5)
        assert shop.begun() == 1
        shop.round_at(8.1)
        assert not shop.ramp.runs(AT + 8.1 * 86_400)
        assert "was not through after 8 days" in shop.bus.told[-1][1]

    def test_a_step_whose_data_cannot_be_believed_waits(self, shop: Shop) -> None:
        ramp = shop.ramp
        missing = [user for user in PEOPLE if (side := variant_of(ramp, user)) and side.name == "new-1"][::2]
        shop.happen(0, [user for user in PEOPLE if user not in missing], {"now": 0.5, "new": 0.1})
        assert shop.round_at(2.5).stopped == {}
        assert shop.begun() == 1
        assert shop.report["verdict"]["state"] == "hidden"
        assert "cannot be believed" in shop.report["sentence"]

    def test_one_that_is_stopped_while_a_round_looks_at_it_does_not_grow(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.happen(0, PEOPLE, FAIR)
        grown = ramps.grown

        def meanwhile(experiment: Experiment, now: int) -> Experiment:
            following.stop(shop.table, TABLE, "demo", experiment.name, why="by hand", now=START + timedelta(days=2))
            return grown(experiment, now)

        monkeypatch.setattr(ramps, "grown", meanwhile)
        assert [name for name, _ in shop.round_at(2.05).failed] == ["demo"]
        assert (shop.ramp.stopped_because, shop.begun()) == ("by hand", 1)

    def test_the_shops_own_file_neither_stops_nor_names_a_ramp(self, shop: Shop) -> None:
        shop.drop(f"events/demo/{START:%Y/%m/%d}/9.csv", copy([event("View", 1)]))
        shop.round_at(0.1)
        assert shop.ramp.runs(AT + 9_000)
        named = FILE.replace("best:", "ramp-1:", 1)
        shop.drop("drops/demo/experiments.yaml", named)
        shop.round_at(0.2)
        refused = shop.bucket.get_object(Bucket=BUCKET, Key="reports/demo/experiments/refused.json")["Body"].read()
        assert b"holdouts and ramps" in refused
        assert shop.ramp.runs(AT + 20_000)

    def test_a_korean_shop_has_a_korean_page(self, shop: Shop) -> None:
        shop.drop("drops/demo/settings.yaml", SETTINGS + "language: ko\n")
        shop.happen(0, PEOPLE, FAIR)
        shop.round_at(1)
        names = ("user-personalization", "now-1", "new-1", "now-2", "new-2", "home", "gate", "demo", "orderId", "KRW")
        hypothesis = "The new version of user-personalization does no harm."
        page = shop.read("html")
        assert not [text for text in texts(page) if english(text, *names, shop.ramp.name, hypothesis)]
        assert "단계별" in page
