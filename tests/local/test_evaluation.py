# SPDX-License-Identifier: Apache-2.0
"""Evaluating a shop's own files: what is refused, how it is split, what the rules say, and what is made of it."""

import gzip
import html.parser
import json
import multiprocessing
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from personalization.shop.settings.settings import ShopSettings, parse
from personalize_local.recipes.config import TrainingConfig

from local.cli.main import parser
from local.cloud.environments import LocalError
from local.evaluation import bill, command, page, plots, words
from local.evaluation.comparison import of_rule, tuned
from local.evaluation.counts import Counts
from local.evaluation.files import Tables, read
from local.evaluation.pasts import discoveries, panel, prepared, thinned
from local.evaluation.rules import listed
from local.evaluation.splitting import split
from local.evaluation.trainings import opened
from local.evaluation.trial import RULES
from local.terminal.output import Terminal
from tests.reports.reading import english

DAY = 86_400

ROOT = Path(__file__).resolve().parents[2]
BEGIN = 1_700_000_000
Row = tuple[str, str, int, str]


def shop(days: int = 60, shoppers: int = 120, items: int = 40) -> list[Row]:
    """Everybody has two favourites and buys one of them, or a bestseller, about every other day."""
    rng = random.Random(5)  # noqa: S311 - no secret
    rows = []
    for user in range(shoppers):
        favourites = rng.sample(range(items), 2)
        for day in range(days):
            if rng.random() < 0.5:
                item = rng.choice(favourites) if rng.random() < 0.7 else min(int(rng.paretovariate(1)) - 1, items - 1)
                rows.append((f"u{user}", f"i{item:03d}", BEGIN + day * DAY + user, "Purchase"))
    return rows


def write(path: Path, rows: Iterable[Sequence[object]], header: str = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE") -> Path:
    """A CSV."""
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def tables(
    folder: Path, rows: Iterable[Sequence[object]], *others: Path, settings: ShopSettings | None = None
) -> Tables:
    """The files as they are read."""
    scratch = folder / "scratch"
    scratch.mkdir()
    paths = [write(folder / "interactions.csv", rows), *others]
    return read(paths, settings or ShopSettings(domain="custom"), scratch, 7)


def evaluate(path: Path, *options: str) -> None:
    """Evaluate a file by the command."""
    command.main(parser().parse_args(["evaluate", str(path), *options]), Terminal())


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "a header and no rows"),
        ([("u", f"i{n}", BEGIN + n, "View") for n in range(1500)], "of 1 user only 1"),
        ([(f"u{n % 50}", f"i{n}", BEGIN + n, "View") for n in range(500)], "needs 1,000 different interactions"),
        ([(f"u{n % 50}", "i", BEGIN + n * 999, "View") for n in range(1500)], "with one item"),
        ([(f"u{n % 50}", f"i{n}", BEGIN, "View") for n in range(1500)], "of one instant"),
        ([(f"u{n % 50}", f"i{n}", "soon", "View") for n in range(1500)], "1,500 of 1,500 rows are bad"),
    ],
)
def test_what_cannot_be_evaluated_says_why(rows: list[Row], reason: str, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=reason):
        evaluate(write(tmp_path / "interactions.csv", rows))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.csv", b"", "is empty"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n\0\0", "the file is a picture"),
        ("book.csv", b"PK\x03\x04rest", "not whole zip"),
        ("cut.csv.gz", gzip.compress(b"USER_ID,ITEM_ID,TIMESTAMP\n" * 999, mtime=0)[:40], "not whole gzip"),
        ("plain.csv.gz", b"USER_ID,ITEM_ID,TIMESTAMP\n", "a header and no rows"),
        ("other.csv", b"sku,colour\n1,red\n", "do not show which data these are"),
        ("users.csv", b"USER_ID,AGE\nu,30\n", "none of the files has interactions"),
    ],
)
def test_a_file_that_is_none_is_named(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LocalError, match=reason) as refused:
        read([path], ShopSettings(domain="custom"), tmp_path, 7)
    assert name in str(refused.value)
    assert refused.value.code == 2


def test_what_map_has_mapped_is_read_though_two_files_call_their_key_id(tmp_path: Path) -> None:
    sold = [(user, item, at) for user, item, at, _ in shop()]
    orders = write(tmp_path / "orders.csv", sold, "customer_id,product_id,created_at")
    customers = write(
        tmp_path / "customers.csv", [(f"u{n}", "Oslo" if n % 2 else "Bergen") for n in range(120)], "id,city"
    )
    products = write(
        tmp_path / "products.csv", [(f"i{n:03d}", f"Lamp {n}", n + 0.5) for n in range(40)], "id,title,price"
    )
    written, others = tmp_path / "settings.yaml", (customers, products)
    line = [sys.executable, "-m", "local", "map", *map(str, (orders, *others)), "--write", str(written)]
    subprocess.run(line, cwd=ROOT, capture_output=True, check=True)
    settings = parse("settings.yaml", written.read_text()).model_copy(update={"domain": "custom"})
    (scratch := tmp_path / "scratch").mkdir()
    for checked in (
        read([orders, *others], settings, scratch, 7),
        read([orders], settings, scratch, 7, [(customers, "users"), (products, "items")]),
    ):
        assert sorted((source.name, source.kind) for source in checked.sources) == [
            ("customers.csv", "users"), ("orders.csv", "interactions"), ("products.csv", "items"),
        ]  # fmt: skip
    unclear = customers.rename(tmp_path / "a.csv")
    with pytest.raises(LocalError, match=r"a\.csv: .*Or say what it has: --interactions, --users or --items"):
        read([orders, unclear], settings, scratch, 7)


def test_the_parts_of_a_folder_are_one_kind(tmp_path: Path) -> None:
    rows, folder = shop(), tmp_path / "unloaded"
    folder.mkdir()
    for number in range(2):
        write(folder / f"part-{number}.csv", rows[number::2])
    (folder / "_SUCCESS").touch()
    (scratch := tmp_path / "scratch").mkdir()
    read_tables = read([folder], ShopSettings(domain="custom"), scratch, 7)
    assert read_tables.interactions.height == len(rows)


def test_an_unknown_event_type_is_answered_with_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no interactions of type Sale; the types are Purchase"):
        evaluate(write(tmp_path / "interactions.csv", shop()), "--event-type", "Sale")


def test_more_days_than_there_are_leave_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"--days 60 leaves nothing to train on: the interactions span 59\.\d days"):
        evaluate(write(tmp_path / "interactions.csv", shop()), "--days", "60")


def test_the_command_ends_with_code_2_and_no_traceback(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "local", "evaluate", str(tmp_path / "absent.csv")]
    ended = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "absent.csv: No such file or directory" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_columns_go_by_the_shops_settings_and_bad_rows_are_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv", [*shop(), ("u1", "i1", "never", "Purchase")], "Customer,sku,TIMESTAMP,EVENT_TYPE"
    )
    settings = ShopSettings(domain="custom", columns={"customer": "USER_ID", "SKU": "ITEM_ID"})
    read_tables = read([path], settings, tmp_path, 7)
    assert [(source.kind, source.rejected) for source in read_tables.sources] == [("interactions", 1)]
    assert read_tables.interactions.height == len(shop())


def test_several_files_of_a_kind_are_one(tmp_path: Path) -> None:
    more = write(tmp_path / "more.csv", [("u1", "i001", BEGIN + 99 * DAY, "Purchase"), shop()[0]])
    read_tables = tables(tmp_path, shop(), more)
    assert read_tables.interactions.height == len(shop()) + 1
    assert [source.rows for source in read_tables.sources] == [len(shop()), 2]


def test_files_of_a_kind_with_other_columns_are_refused(tmp_path: Path) -> None:
    more = write(tmp_path / "more.csv", [("u1", "i001", 1, BEGIN)], "USER_ID,ITEM_ID,DEVICE,TIMESTAMP")
    with pytest.raises(LocalError, match=r"more\.csv: the columns differ .*DEVICE"):
        tables(tmp_path, shop(), more)


def test_items_go_by_other_names_and_keep_what_belongs_together(tmp_path: Path) -> None:
    items = write(tmp_path / "items.csv", [(f"i{n:03d}", n % 4) for n in range(40)], "ITEM_ID,KIND")
    read_tables = tables(tmp_path, shop(), items)
    assert read_tables.items is not None
    names = read_tables.interactions["ITEM_ID"].unique()
    assert not set(names) & {f"i{n:03d}" for n in range(40)}
    assert set(names) <= set(read_tables.items["ITEM_ID"])
    counted = sorted(read_tables.interactions["ITEM_ID"].value_counts()["count"])
    given = np.unique([row[1] for row in shop()], return_counts=True)[1]
    assert counted == sorted(given.tolist())


def test_nothing_of_the_test_is_in_the_past(tmp_path: Path) -> None:
    given = split(tables(tmp_path, shop()).interactions, None, 10)
    first = {user: min(t for u, _, t, _ in shop() if u == user and t > given.cut) for user in given.tests}
    assert given.training["TIMESTAMP"].max() <= given.cut  # type: ignore[operator]
    assert given.cut == max(row[2] for row in shop()) - 10 * DAY
    assert all(len(items) == 1 for items in given.tests.values())
    assert first.keys() == given.tests.keys()


def test_a_basket_is_one_test_and_only_of_the_type_that_is_foretold(tmp_path: Path) -> None:
    late = BEGIN + 59 * DAY + 500
    rows = [row for row in shop() if row[0] != "u1" or row[2] < BEGIN + 40 * DAY]
    basket = [("u1", "i001", late, "Purchase"), ("u1", "i002", late, "Purchase"), ("u1", "i003", late, "View")]
    read_tables = tables(tmp_path, [*rows, *basket, ("u1", "i004", late - 60, "View")])
    assert len(split(read_tables.interactions, "purchase", 10).tests["u1"]) == 2
    assert len(split(read_tables.interactions, None, 10).tests["u1"]) == 1


def test_positions_instead_of_times_are_noticed(tmp_path: Path) -> None:
    rows = [
        (f"u{u}", f"i{(u * 7 + n) % 30:03d}", BEGIN + n * DAY, "View")
        for u in range(90)
        for n in range(8 + 40 * (u < 9))
    ]
    given = split(tables(tmp_path, rows).interactions, None, None)
    assert given.kind == "last"
    assert len(given.tests) == 90
    assert given.training.height == len(rows) - 90


def test_items_that_come_after_the_cut_are_not_there_yet(tmp_path: Path) -> None:
    made = [(f"i{n:03d}", BEGIN if n < 30 else BEGIN + 58 * DAY) for n in range(50)]
    items = write(tmp_path / "items.csv", made, "ITEM_ID,CREATION_TIMESTAMP")
    with_kind = write(tmp_path / "items.csv", [(*row, "a") for row in made], "ITEM_ID,CREATION_TIMESTAMP,KIND")
    assert items == with_kind
    read_tables = tables(tmp_path, [row for row in shop() if row[1] < "i030"], items)
    given = split(read_tables.interactions, None, 10)
    assert len(prepared(read_tables, given, TrainingConfig()).snapshot.items) == 30


def test_panels_are_drawn_by_the_seed_alone_and_strangers_are_apart(tmp_path: Path) -> None:
    late = [(f"new{n}", "i001", BEGIN + 59 * DAY, "Purchase") for n in range(5)]
    read_tables = tables(tmp_path, [*shop(), *late])
    past = prepared(read_tables, split(read_tables.interactions, None, 10), TrainingConfig())
    first, other = (panel(past, seed=3, most=20) for _ in range(2))
    assert [question.user for question in first.active] == [question.user for question in other.active]
    assert sorted(question.user for question in first.cold) == [f"new{n}" for n in range(5)]
    assert (len(first.active), first.active_users > 100, first.cold_users) == (20, True, 5)
    assert all(question.query.history[-1].timestamp <= past.split.cut for question in first.active)
    assert all(not discovery.relevant & discovery.seen for discovery in discoveries(first.active))


def test_rules_know_what_sells_and_what_the_shopper_buys(tmp_path: Path) -> None:
    old = [(f"u{n % 40}", f"old{n % 3}", BEGIN + n, "Buy") for n in range(1200)]
    new = [(f"u{n % 40}", f"new{n % 3}", BEGIN + 99 * DAY + n, "Buy") for n in range(600)]
    repeats = [("u1", "own", BEGIN + 50 * DAY + n, "Buy") for n in range(50)]
    read_tables = tables(tmp_path, [*old, *new, *repeats, ("u1", "own", BEGIN + 101 * DAY, "Buy")])
    past = prepared(read_tables, split(read_tables.interactions, None, 1.5), TrainingConfig())
    times: dict[str, int] = dict(zip(past.snapshot.items.tolist(), np.bincount(past.rows.item).tolist(), strict=True))
    counts = Counts(past)

    def best(rule: str, user: str, *options: float) -> int:
        question = past.question(user, frozenset())
        [(item, _), *_rest] = of_rule("", RULES[rule], counts, options).ask(question, False, 3)
        return times[item]

    assert best("popular", "u1") == 400
    assert best("popular lately", "u1", 3.0) == 200
    assert best("bought before", "u1") == 50
    assert best("bought before", "nobody") == 400
    assert best("bought before and lately", "u1", 90.0, 0.001, 7.0) == 50


@pytest.mark.parametrize(
    ("rule", "options"), [("follows", (0.0, 0.0)), ("same users", (0.5, 0.0)), ("all together", (0.5, 100.0))]
)
def test_rules_know_what_goes_with_what_the_shopper_took(rule: str, options: tuple[float, ...], tmp_path: Path) -> None:
    """Everybody takes one of ten pairs, and everybody but the last shopper the second of it later on."""
    rows = [(f"u{n}", f"i{n % 10}{part}", BEGIN + (n + part) * DAY // 9, "Buy") for n in range(900) for part in (0, 1)]
    read_tables = tables(
        tmp_path, [*rows, ("new", "i40", BEGIN + DAY, "Buy"), ("new", "i51", BEGIN + 102 * DAY, "Buy")]
    )
    past = prepared(read_tables, split(read_tables.interactions, None, 1.5), TrainingConfig())
    told = next(row for row in past.question("new", frozenset()).query.history)
    [(best, _), *_rest] = of_rule("", RULES[rule], Counts(past), options).ask(
        past.question("new", frozenset()), True, 3
    )
    taken = dict(past.split.training.group_by("USER_ID").agg("ITEM_ID").iter_rows())
    assert next(set(items) for items in taken.values() if told.item_id in items and len(items) > 1) == {
        told.item_id,
        best,
    }


def test_the_parameters_of_the_rules_follow_the_shop(tmp_path: Path) -> None:
    read_tables = tables(tmp_path, shop())
    past = prepared(read_tables, split(read_tables.interactions, None, 10), TrainingConfig())
    half_life, blend, _ = tuned(RULES["bought before and lately"], Counts(past), panel(past, 7).active, 10, new=False)
    assert blend < 2.0
    assert half_life > 3.0


def test_lists_of_rules_leave_out_what_is_not_allowed_and_end_with_the_catalogue(tmp_path: Path) -> None:
    read_tables = tables(tmp_path, shop())
    past = prepared(read_tables, split(read_tables.interactions, None, 10), TrainingConfig())
    counts, allowed = Counts(past), np.arange(40) % 2 == 0
    found_items = listed(counts.popular, counts.ids, allowed, 99)
    assert {item for item, _ in found_items} == set(past.snapshot.items[allowed])
    scores = np.array([score for _, score in found_items], np.float64)
    assert np.all(np.diff(scores) <= 0)


def test_a_thinner_past_keeps_whole_shoppers_and_all_tests(tmp_path: Path) -> None:
    given = split(tables(tmp_path, shop()).interactions, None, 10)
    half = thinned(given, 0.5)
    users = set(half.training["USER_ID"])
    assert 35 < len(users) < 85
    assert half.training.height == sum(user in users for user in given.training["USER_ID"])
    assert half.tests == given.tests


def begun(folder: Path, trainings: Any) -> None:  # noqa: ANN401 - what `opened` gives
    """Start a training that is still under way when this returns."""
    read_tables = tables(folder, shop())
    past = prepared(read_tables, split(read_tables.interactions, None, 10), TrainingConfig())
    trainings.start("aws-user-personalization", "all", past.snapshot, TrainingConfig())


def interrupted(folder: Path) -> None:
    """Somebody presses Ctrl-C during a training."""
    with opened(folder) as trainings:
        begun(folder, trainings)
        raise KeyboardInterrupt


def test_whoever_interrupts_leaves_no_process_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    assert multiprocessing.active_children() == []


def test_a_training_that_is_killed_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as trainings:
        begun(tmp_path, trainings)
        for process in multiprocessing.active_children():
            process.kill()
        with pytest.raises(LocalError, match="aws-user-personalization was killed"):
            trainings.wait("aws-user-personalization", "all", TrainingConfig())


class Balance(html.parser.HTMLParser):
    """Notes elements that are opened and never closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """Closed at once."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A whole evaluation from the command line, as JSON."""
    folder = tmp_path_factory.mktemp("shop")
    users = write(folder / "users.csv", [(f"u{n}", 20 + n % 50) for n in range(120)], "USER_ID,AGE")
    files = [str(write(folder / "<i>.csv", shop())), str(users)]
    line = [
        sys.executable,
        "-m",
        "local",
        "evaluate",
        *files,
        "--json",
        "--tier",
        "fast",
        "--html",
        str(folder / "r.html"),
    ]
    ended = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def test_favourites_are_found_where_popularity_finds_less(report: dict[str, Any]) -> None:
    tasks = {task["task"]: task for task in report["tasks"]}
    assert tasks.keys() == {"next", "discovery", "ranking", "strangers"}
    personal, *_ = tasks["next"]["methods"]
    assert personal["method"] == "aws-user-personalization"
    assert personal["times"][1] > 1.2
    assert all(low <= value <= high for value, low, high in (method["ndcg"] for method in tasks["next"]["methods"]))
    assert tasks["strangers"]["real"] is False


def test_it_says_whether_different_items_have_different_lists(report: dict[str, Any]) -> None:
    similar, sims, cosine = report["lists"]
    assert [row["method"] for row in (similar, sims, cosine)] == ["aws-similar-items", "aws-sims", "cosine"]
    for row in (similar, sims):
        assert row["overlap"] <= max(1.2 * cosine["overlap"], cosine["overlap"] + 0.1)
        assert 0 <= row["filled"] <= 1
    assert "Different items, different lists" in page.page(report)


def test_a_quarter_of_these_shoppers_is_too_little_to_learn_from(report: dict[str, Any]) -> None:
    shares, shoppers = zip(*((point["share"], point["shoppers"]) for point in report["learning"]), strict=True)
    assert shares == (0.5, 1.0)
    assert shoppers[0] < shoppers[1] == 120


def test_the_report_says_what_was_done(report: dict[str, Any]) -> None:
    assert report["protocol"] | {"seed": 7, "tier": "fast", "split": "time", "days": 7.0} == report["protocol"]
    assert report["data"]["interactions"] == len(shop())
    assert [word["title"] for word in report["words"]][:2] == [
        "Is it better than simple rules?",
        "Is there enough data?",
    ]


def test_both_backends_have_a_bill_which_the_engine_without_requests_has_not(report: dict[str, Any]) -> None:
    bill = report["bill"]
    service, engine = bill["backends"]
    assert [service["backend"], engine["backend"]] == ["personalize", "engine"]
    assert bill["requests"][0] == 0
    assert engine["months"][0] == 0 < service["months"][0]
    assert all(cheap < dear for cheap, dear in zip(engine["months"], service["months"], strict=True))
    text = page.page(report)
    assert all(f"${dollars:,.0f}" in text for backend in bill["backends"] for dollars in backend["months"])


def test_the_backend_that_is_wished_for_comes_first_with_the_memory_that_it_takes() -> None:
    settings = ShopSettings(domain="custom")
    small, large = (bill.estimated(settings, "engine", 2_000, interactions) for interactions in (10_000, 30_000_000))
    assert [backend["backend"] for backend in small["backends"]] == ["engine", "personalize"]
    assert not small["notes"]
    assert "EngineMemory" in large["notes"][0]
    assert not bill.estimated(settings, "personalize", 2_000, 30_000_000)["notes"]


def test_the_page_is_whole_and_lets_nothing_in(report: dict[str, Any]) -> None:
    reader, text = Balance(), Path(report["page"]).read_text(encoding="utf-8")
    reader.feed(text)
    assert reader.open == []
    assert "http" not in text
    assert "<script" not in text
    assert "&lt;i&gt;.csv" in text
    told = " ".join(reader.text)
    assert all(word["title"] in told for word in report["words"])


def test_the_likelihood_is_tested_on_the_last_week(report: dict[str, Any]) -> None:
    told = report["calibration"]
    assert (told["eventType"], told["days"]) == ("Purchase", 7)
    assert told["auc"] > 0.8
    assert told["logLoss"] < told["baseRateLogLoss"]
    assert sum(bin_["pairs"] for bin_ in told["bins"]) == pytest.approx(120 * 40, rel=0.01)
    assert told["verdict"]["answer"] in {"yes", "no"}
    # Thirty strangers are too few to tell.
    assert told["strangers"]["verdict"]["answer"] == "unknown"
    assert "Strangers, whose history is hidden: " in page.page(report)
    assert any(word["text"] == told["verdict"]["text"] for word in report["words"])


@pytest.mark.parametrize(
    ("told", "shown", "said"),
    [
        ({"reason": "it needs more days"}, "It cannot be said", "it needs more days"),
        ({"verdict": {"answer": "no", "text": "No: far too much.", "ratio": 9.0}}, "class=ideal", "No: far too much."),
    ],
)
def test_a_likelihood_is_drawn_or_refused(report: dict[str, Any], told: dict[str, Any], shown: str, said: str) -> None:
    changed = report | {"calibration": report["calibration"] | told}
    text = page.page(changed)
    assert shown in text
    assert any(said in statement["text"] for statement in words.statements(changed))


def test_an_evaluation_without_purchases_has_no_likelihood(report: dict[str, Any]) -> None:
    assert "likelihood" not in page.page(report | {"calibration": None, "words": report["words"][:2]})


@pytest.mark.parametrize(
    ("most", "top"), [(0.0, 1.0), (0.0004, 0.0004), (0.012, 0.015), (0.11, 0.15), (0.92, 1.0), (1.0, 1.0)]
)
def test_scales_end_at_round_numbers(most: float, top: float) -> None:
    assert plots.nice(most) == pytest.approx(top)


@pytest.mark.parametrize(
    ("times", "mark", "said"),
    [
        ([1.3, 1.1, 1.5], "good", "better than the best simple rule by +30%"),
        ([9.2, 6.3, 14.8], "good", "is 9.2 times as good as that of the best simple rule (95 % sure: between 6.3 and"),
        ([0.9, 0.8, 0.95], "bad", "worse than the best simple rule: -10%"),
        ([1.02, 0.9, 1.1], "mixed", "may be chance"),
        (None, "mixed", "finds nothing"),
    ],
)
def test_words_follow_the_interval(report: dict[str, Any], times: list[float] | None, mark: str, said: str) -> None:
    tasks = [task | {"timesBestRule": times} for task in report["tasks"]]
    first, *_ = words.statements(report | {"tasks": tasks})
    assert first["mark"] == mark
    assert said in first["text"]


@pytest.mark.parametrize(
    ("rows", "users", "mark"), [(900, 200, "bad"), (5_000, 20, "bad"), (5_000, 200, "mixed"), (60_000, 2_000, "good")]
)
def test_enough_is_held_against_personalizes_figures(report: dict[str, Any], rows: int, users: int, mark: str) -> None:
    told = words.statements(report | {"data": report["data"] | {"trains": rows, "returning": users}})
    assert next(statement["mark"] for statement in told if statement["title"] == "Is there enough data?") == mark


def test_an_evaluation_is_told_in_the_shops_language(report: dict[str, Any]) -> None:
    korean = report | {"language": "ko"}
    korean |= {"words": words.statements(korean)}
    text = page.page(korean)
    assert '<html lang="ko">' in text
    assert "단순한 규칙보다 나은가요?" in text
    shown = english(text, "<i>.csv", "users.csv", "fast", *(training["method"] for training in report["training"]))
    assert shown == {}


def tempted(days: int = 40, shoppers: int = 145) -> list[Row]:
    """Users buy what follows in their own category, and look at anything right before."""
    rng = random.Random(3)  # noqa: S311 - no secret
    rows = []
    for user in range(shoppers):
        step = rng.randrange(20)
        for day in range(days):
            if rng.random() < 0.35:
                at = BEGIN + day * DAY + user * 7
                seen = [f"i{rng.randrange(6)}-{rng.randrange(20):02d}" for _ in range(3)]
                rows += [(f"u{user}", item, at + later, "View") for later, item in enumerate(seen)]
                rows.append((f"u{user}", f"i{user % 6}-{step % 20:02d}", at + 100, "Purchase"))
                step += 1
    return rows


@pytest.fixture(scope="module")
def weighed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The evaluation of a shop whose views mislead, and whose settings weigh them more than purchases."""
    folder = tmp_path_factory.mktemp("tempted")
    settings = folder / "settings.yaml"
    settings.write_text("domain: custom\ngeneration: v2\nevents: {Purchase: 0.1, View: 1}\n")
    files = [str(write(folder / "clicks.csv", tempted())), "--settings", str(settings)]
    line = [sys.executable, "-m", "local", "evaluate", *files, "--json", "--tier", "fast"]
    ended = subprocess.run(
        [*line, "--html", str(folder / "r.html")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def test_weights_are_proposed_where_they_order_later_purchases_better_beyond_chance(weighed: dict[str, Any]) -> None:
    measured = weighed["weights"]
    assert [kind["name"] for kind in measured["types"]] == ["View", "Purchase"]
    assert [kind["share"] for kind in measured["types"]] == [0.75, 0.25]
    variants = {variant["variant"]: variant for variant in measured["variants"]}
    assert variants.keys() == {"equal", "settings", "proposal"}
    assert variants["proposal"]["events"][0]["name"] == "Purchase"
    assert measured["validated"][1] > 1
    # Chosen before the test, and at least what equal weights give in it.
    assert variants["proposal"]["ndcg"][0] >= variants["equal"]["ndcg"][0] > variants["settings"]["ndcg"][0]
    said = next(word for word in weighed["words"] if "events count" in word["title"])
    assert "generation: v2 and events: {Purchase: 1" in said["text"]
    assert "The weights in the settings order them 0." in said["text"]


def test_the_page_shows_what_weights_change_in_both_languages(weighed: dict[str, Any]) -> None:
    shown = page.page(weighed)
    assert "What other events count for" in shown
    assert "Purchase 0.1, View 1" in shown
    assert "Of all events: View 75%, Purchase 25%." in shown
    korean = page.page(weighed | {"language": "ko", "words": words.statements(weighed | {"language": "ko"})})
    assert "다른 이벤트는 얼마나 중요한가" in korean
    none = weighed["weights"] | {"validated": None, "variants": weighed["weights"]["variants"][:1]}
    assert any(
        "우연을 넘어" in word["text"] for word in words.statements(weighed | {"language": "ko", "weights": none})
    )


def test_one_type_of_events_needs_no_weights(report: dict[str, Any]) -> None:
    assert report["weights"] is None
