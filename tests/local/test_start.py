# SPDX-License-Identifier: Apache-2.0
"""`start` before it needs a cloud: what it shows, asks and refuses."""

import io
import json
import subprocess
import sys
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import DEVNULL
from typing import NoReturn

import pytest
from personalization.shop.settings.settings import parse
from rich.cells import cell_len
from table_intake import ExportProposal, ExportSettings, Question, join_tables
from table_intake.settings import yaml_core

from local.cli import mapping
from local.cli.main import parser
from local.cloud import lifecycle
from local.cloud.client import Answer
from local.cloud.environments import LocalError
from local.cloud.home import Home
from local.cloud.runs import Moment, Run
from local.start import command, document, progress
from local.start.outlook import Outlook
from local.start.progress import Progress
from local.terminal.output import Terminal

DAYS = [f"{n % 12 + 1:02}/{n % 12 + 1:02}/2026" for n in range(40)]
ORDERS = "Customer,SKU,Ordered at,Status\n" + "".join(
    f"C{n % 9},P{n % 7},{day},{'cancelled' if n % 8 == 0 else 'paid'}\n" for n, day in enumerate(["03/04/2026", *DAYS])
)
PRODUCTS = "SKU,Product name,Price,Category\n" + "".join(f"P{n},Thing {n},9.50,tea\n" for n in range(7))
HEADS = "id,customer_id,created_at\n" + "".join(f"{n},{n % 9},2026-01-{n % 28 + 1:02}\n" for n in range(60))
LINES = "id,order_id,sku\n" + "".join(f"{n},{n + 900},P{n % 7}\n" for n in range(60))
"""Lines of orders of another shop."""
TIMED = "id,customer_id,created_at\n" + "".join(f"{n},{n % 9},2026-01-{n % 28 + 1:02} 10:00:00\n" for n in range(60))
OF_TIMED = "id,order_id,sku\n" + "".join(f"{n},{n},P{n % 7}\n" for n in range(60))
ZONE = Question(
    id="interactions.timezone",
    text="Which zone?",
    choices={"UTC": "", "Asia/Seoul": ""},
    default="UTC",
    evidence="",
    any_zone=True,
)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """The folder of a shop's files."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "orders.csv").write_text(ORDERS)
    (folder / "products.csv").write_text(PRODUCTS)
    return folder


def start(folder: Path, *arguments: str) -> int:
    """Start with all tables of a folder, on a cloud that is not up."""
    files = sorted(path for path in folder.iterdir() if path.suffix == ".csv")
    line = ["start", *map(str, files), *arguments, "--run-dir", str(folder.parent / "run")]
    options = parser().parse_args(line)
    return command.main(options, Terminal(as_json=options.json))


def test_where_nobody_can_be_asked_the_questions_are_shown_with_a_file_to_answer_them(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LocalError) as refused:
        start(export)
    assert refused.value.code == 2
    told = str(refused.value)
    assert (
        "interactions.dates: How are the dates in Ordered at written?\n    %d/%m/%Y: 03/04/2026 is 3 April 2026" in told
    )
    assert "interactions.timezone: UTC" in told
    assert "Put answers into a file" in told
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "orders.csv  interactions, 41 rows" in shown
    assert "products.csv  items, 7 rows" in shown
    assert "cancelled (6 rows)" in shown
    assert not (export / "settings.yaml").exists()


def test_a_folder_of_parts_and_a_json_file_are_tables_too(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (parts := export / "parts.csv").mkdir()
    header, *rows = ORDERS.splitlines()
    for number in range(2):
        (parts / f"part-{number}.csv").write_text("\n".join([header, *rows[number::2]]) + "\n")
    (export / "orders.csv").unlink()
    (export / "products.csv").unlink()
    products = [json.dumps({"SKU": f"P{n}", "Price": 9.5, "Category": "tea"}) for n in range(7)]
    (export / "products.json").write_text("\n".join(products) + "\n")
    line = ["start", str(parts), str(export / "products.json"), "--run-dir", str(export.parent / "run")]
    with pytest.raises(LocalError, match=r"interactions\.dates"):
        command.main(parser().parse_args(line), Terminal())
    shown = capsys.readouterr().out
    assert "parts.csv/*  interactions, 21 rows and more" in shown
    assert "products.json  items, 7 rows" in shown


def test_columns_tell_the_currency_and_the_language_of_the_shop(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = export / "orders.csv"
    header, *rows = orders.read_text().splitlines()
    orders.write_text("\n".join([f"{header},통화", *(f"{row},KRW" for row in rows)]) + "\n")
    files = [str(orders), str(export / "products.csv")]
    assert mapping.main(parser().parse_args(["map", *files]), Terminal()) == 0
    printed = capsys.readouterr()
    settings = yaml_core.load(printed.out)
    assert (settings["storefront"], settings["language"]) == ({"currency": "KRW"}, "ko")
    assert max(map(cell_len, [*printed.err.splitlines(), *printed.out.splitlines()])) <= 80
    assert "파일의 행마다 한 행" in printed.err
    assert "# 어느 파일이 무엇이고 어떻게 결합하는지." in printed.out
    assert "# - Ordered at의 날짜" in printed.out


def test_a_zip_of_several_files_is_mapped_as_the_files_are(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(export / "all.zip", "w") as archive:
        for name in ("orders.csv", "products.csv"):
            archive.write(export / name, name)
    assert mapping.main(parser().parse_args(["map", str(export / "all.zip")]), Terminal()) == 0
    printed = capsys.readouterr()
    assert "all.zip/orders.csv  interactions, 41 rows" in printed.err
    assert yaml_core.load(printed.out)["export"]["items"] == {"file": "all.zip/products.csv"}
    line = parser().parse_args(["map", str(export / "all.zip"), "--json"])
    assert mapping.main(line, Terminal(as_json=True)) == 0
    document = json.loads(capsys.readouterr().out)
    assert [question["id"] for question in document["questions"]] == ["interactions.dates", "interactions.timezone"]
    (export / "orders.csv").write_text(PRODUCTS)
    with zipfile.ZipFile(export / "all.zip", "w") as archive:
        archive.write(export / "orders.csv", "orders.csv")
        archive.writestr("colours.csv", "colour,size\nred,1\n")
    with pytest.raises(LocalError, match="no file says who bought what and when"):
        mapping.main(parser().parse_args(["map", str(export / "all.zip")]), Terminal())


def test_start_speaks_korean_where_it_is_asked_to(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    line = [sys.executable, "-m", "local", "start", *map(str, sorted(export.glob("*.csv"))), "--language", "ko"]
    done = subprocess.run(
        [*line, "--run-dir", str(export.parent / "run")], capture_output=True, text=True, check=False, stdin=DEVNULL
    )
    assert done.returncode == 2
    assert "orders.csv  상호 작용, 41행" in done.stdout
    assert "열린 질문이 2개 있는데 답할 사람이 없습니다." in done.stderr
    assert "✓ 파일 2개 읽기" in done.stderr


def test_yes_takes_no_answer_that_has_no_default(export: Path) -> None:
    with pytest.raises(LocalError, match=r"1 question is open.*\n  interactions\.dates"):
        start(export, "--yes")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("interactions.dates: '%d/%m/%Y'\n", "answers the questions of other files"),
        ("for: 000000000000\ninteractions.dates: '%d/%m/%Y'\n", "answers the questions of other files"),
        ("[1]\n", "a line `QUESTION: answer`"),
        ("a: [\n", "is not YAML"),
        (None, "No such file"),
    ],
)
def test_answers_to_other_questions_are_refused(content: str | None, problem: str, export: Path) -> None:
    given = export.parent / "answers.yaml"
    if content is not None:
        given.write_text(content)
    with pytest.raises(LocalError, match=problem) as refused:
        start(export, "--answers", str(given))
    assert refused.value.code == 2


def test_a_refusal_has_the_file_that_answers_it(export: Path) -> None:
    with pytest.raises(LocalError) as refused:
        start(export)
    head, dates, _ = str(refused.value).splitlines()[-3:]
    assert dates == "interactions.dates: ''  # %d/%m/%Y; %m/%d/%Y"
    given = export.parent / "answers.yaml"
    for answer, told in {
        "interactions.dates: 2": r"^1 question is open.*\n  interactions\.timezone",
        "interactions.dates: '%m/%d/%Y'": r"^1 question is open.*\n  interactions\.timezone",
        "interactions.dates: tomorrow": "'tomorrow' is no answer to this question: the answers are %d/%m/%Y, %m/%d/%Y",
        "interactions.colour: red": r"answers interactions\.colour, which these files do not ask",
    }.items():
        given.write_text(f"{head}\n{answer}\n")
        with pytest.raises(LocalError, match=told):
            start(export, "--answers", str(given))
    (export / "orders.csv").write_text(ORDERS.replace("Status", "State"))
    with pytest.raises(LocalError, match="answers the questions of other files"):
        start(export, "--answers", str(given))


class Typed(io.StringIO):
    """A terminal on which somebody types."""

    def isatty(self) -> bool:
        return True


def test_questions_are_asked_until_they_are_answered(
    export: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Typed("\ntomorrow\n2\n9\n"))
    with pytest.raises(LocalError, match="questions are open"):
        start(export)
    shown = capsys.readouterr().out
    assert shown.count("is no answer to this question") == 2
    assert "2 of 2  In which time zone are the times in Ordered at?" in shown
    assert "   1  UTC: the times are those of UTC  (Enter)" in shown
    assert "'9' is no time zone" in shown


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"orders.csv": None}, "no file says who bought what and when"),
        ({"orders.csv": "id,colour\n1,red\n"}, "no file says who bought what and when"),
        ({"orders.csv": HEADS, "order_lines.csv": LINES}, "do not belong together"),
        ({"orders.csv": HEADS}, "no file says what was bought: add the file with the lines of orders"),
        ({"orders.csv": None, "order_lines.csv": LINES}, "no file says who bought and when: add the file with the or"),
        ({"scan.csv": "%PDF-1.7"}, "the file is a PDF"),
    ],
)
def test_what_is_no_shop_is_refused_with_the_way_out(files: dict[str, str | None], problem: str, export: Path) -> None:
    for name, content in files.items():
        (export / name).unlink(missing_ok=True)
        if content is not None:
            (export / name).write_text(content)
    with pytest.raises(LocalError, match=problem) as refused:
        start(export, "--yes")
    assert refused.value.code == 2


def test_what_is_nobodys_or_there_twice_is_left_out_and_said(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (export / "copy.csv").write_text(PRODUCTS)
    (export / "zz.csv").write_text("colour,size\nred,1\nblue,2\n")
    with pytest.raises(LocalError, match="question"):
        start(export)
    shown = " ".join(capsys.readouterr().out.split())
    assert "products.csv: it is the same as copy.csv, byte for byte" in shown
    assert "zz.csv, 2 rows: nothing in it (colour, size) belongs to users, items or sales" in shown


def sales(extra: str = "", cells: Sequence[str] = ("",)) -> str:
    rows = [f"{n % 50 + 1},{n % 40 + 1},2026-01-{n % 28 + 1:02} 10:00:00{cells[n % len(cells)]}" for n in range(400)]
    return "\n".join([f"customer_id,product_id,sold_at{extra}", *rows]) + "\n"


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        (
            # Numbers from 1 on are in any column of numbers.
            {"sales.csv": sales(), "stores.csv": "id,store\n" + "".join(f"{n},Store {n}\n" for n in range(1, 46))},
            ["sales.csv  interactions, 400 rows one row for each of its rows", "stores.csv, 45 rows: nothing in it"],
        ),
        (
            {
                "sales.csv": sales(),
                "customers.csv": "customer_id,city\n" + "".join(f"{n},City {n % 5}\n" for n in range(1, 1_200)),
            },
            ["customers.csv has 1,199 users or more, of whom about 50 bought something: all of them are imported"],
        ),
        (
            {"sales.csv": sales(",price,currency", [",9.50,EUR", ",12.00,USD"])},
            ["? The sales are in 2 currencies. Which count? 200 rows of those looked at in EUR"],
        ),
        (
            {"orders.csv": TIMED, "orders copy.csv": TIMED, "order_lines.csv": OF_TIMED},
            ["order_lines.csv + orders.csv interactions", "orders copy.csv: it is the same as orders.csv"],
        ),
    ],
)
def test_what_matches_by_accident_or_does_not_fit_is_said(
    files: dict[str, str], shown: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder := tmp_path / "export").mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    with pytest.raises(LocalError, match="question"):
        start(folder)
    printed = " ".join(capsys.readouterr().out.split())
    assert all(" ".join(text.split()) in printed for text in shown), printed


def test_ctrl_c_at_a_question_leaves_nothing_behind_and_the_next_start_asks_again(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Left(Typed):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Left())
    with pytest.raises(LocalError, match="the same `start` goes on from here") as interrupted:
        start(export)
    assert (interrupted.value.code, (export / "settings.yaml").exists()) == (130, False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(LocalError, match="2 questions are open"):
        start(export)


def test_ctrl_c_at_each_later_step_and_the_next_start_goes_on_from_there(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"orders.csv": TIMED, "order_lines.csv": OF_TIMED}.items():
        (export / name).write_text(content)
    made = export.parent / "run" / "starts" / "export"

    def leave(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "up", leave)
    for name, interrupted in (("join_tables", leave), ("join_tables", join_tables), ("join_tables", leave)):
        monkeypatch.setattr(command, name, interrupted)
        with pytest.raises(LocalError, match="the same `start` goes on from here"):
            start(export, "--yes")
        settings = (export / "settings.yaml").read_text()
        # The last start ends where the second one did: what was joined is not joined again.
        assert (made / "drops" / "interactions").exists() == (made / "joined" / "interactions.csv").exists()
    assert not list(made.rglob("*.part"))
    rows = (made / "drops" / "interactions" / "interactions.csv").read_text().splitlines()
    assert len(rows) == len(OF_TIMED.splitlines())
    assert (made / "drops" / "settings.yaml").read_text() == settings


def test_who_trains_and_answers_is_written_and_not_changed_by_a_later_start(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"orders.csv": TIMED, "order_lines.csv": OF_TIMED}.items():
        (export / name).write_text(content)

    def leave(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "up", leave)
    for options in (("--backend", "engine"), (), ("--backend", "engine")):
        with pytest.raises(LocalError, match="the same `start` goes on from here"):
            start(export, "--yes", *options)
        assert parse("settings.yaml", (export / "settings.yaml").read_text()).backend == "engine"
    with pytest.raises(LocalError, match="says `backend: engine`: change it there, or leave --backend out"):
        start(export, "--yes", "--backend", "personalize")


def test_settings_of_somebody_else_are_not_written_over(export: Path) -> None:
    (export / "settings.yaml").write_text("domain: custom\n")
    with pytest.raises(LocalError, match=r"`start` did not write it\. To extend it: --settings .* --write NEW"):
        start(export, "--yes")
    assert (export / "settings.yaml").read_text() == "domain: custom\n"


def test_settings_that_nobody_changed_are_written_anew_for_other_files(export: Path) -> None:
    written = export / "settings.yaml"
    outlook = Outlook(
        roles=[],
        proposal=ExportProposal(
            export=ExportSettings.model_validate({"interactions": {"file": "a.csv"}}),
            settings={},
            sure=("x",),
            questions=(),
            left_out=(),
        ),
    )
    written.write_text(text := document.text(outlook, "export", "0" * 16, str))
    with pytest.raises(LocalError, match="question"):
        start(export)
    written.write_text(f"{text}domain: custom\n")
    with pytest.raises(LocalError, match="was changed by hand, and the files are others now"):
        start(export)


def test_settings_that_a_start_wrote_are_no_table_where_a_shell_names_all_files(export: Path) -> None:
    written = export / "settings.yaml"
    outlook = Outlook(
        roles=[],
        proposal=ExportProposal(
            export=ExportSettings.model_validate({"interactions": {"file": "orders.csv"}}),
            settings={},
            sure=(),
            questions=(),
            left_out=(),
        ),
    )
    written.write_text(document.text(outlook, "export", "0" * 16, str))
    with pytest.raises(LocalError, match="2 questions are open"):
        start(export, str(written))
    written.write_text("domain: custom\n")
    with pytest.raises(LocalError, match=r"settings\.yaml is not a table"):
        start(export, str(written))


def test_the_first_list_is_that_of_a_user_and_not_of_all_guests(export: Path) -> None:
    orders = export / "orders.csv"
    orders.write_text("who,sku,at\n" + "--,p1,1\n" * 9 + "u1,p1,1\n" * 2 + "u2,p1,1\n")
    settings = parse(
        "settings.yaml", "interactions: {columns: {who: USER_ID, sku: ITEM_ID, at: TIMESTAMP}, skip: {who: [--]}}"
    )
    assert command.Start.busiest(orders, settings) == "u1"


def test_a_wiped_cloud_has_no_copies_of_a_shops_files(export: Path) -> None:
    with pytest.raises(LocalError, match="question"):
        start(export)
    home = Home(export.parent / "run")
    assert (home.starts / "export").is_dir()
    lifecycle.down(home, wipe=True)
    assert not home.starts.exists()


@pytest.mark.parametrize(
    ("folder", "shop"),
    [("My Shop (2026)", "my-shop-2026"), ("상점", "myshop"), ("a" * 40, "a" * 30), ("x_1", "x-1")],
)
def test_a_shop_has_a_valid_name_whatever_its_folder_is_called(folder: str, shop: str, export: Path) -> None:
    with pytest.raises(LocalError, match="question"):
        start(export.rename(export.parent / folder))
    assert [path.name for path in (export.parent / "run" / "starts").iterdir()] == [shop]


@dataclass
class LateCloud:
    """A client of a cloud whose release was trained before items were in; following a run there is interrupted."""

    outcome: str
    late: tuple[str, ...] = ("items",)
    started: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """The reasons of the drops without which nothing was trained."""

    @property
    def runs(self) -> "LateCloud":
        return self

    def untrained(self, _shop: str) -> tuple[str, ...]:
        return self.late

    def claims(self, shop: str) -> list[str]:
        return [shop]

    def claim(self, _run: Run) -> dict[str, str]:
        return {}

    def record(self, shop: str, _name: str) -> dict[str, str]:
        return {} if self.refused else {"shop": shop}

    def start(self, shop: str, action: str) -> Run:
        self.started.append(action)
        return Run(action, shop, action, "", "RUNNING", datetime.now(UTC))

    def handling(self, run: Run) -> Run:
        return run

    def describe(self, arn: str) -> Run:
        refused = [
            {"key": f"drops/green/x/{name}", "outcome": "refused", "reason": reason}
            for name, reason in self.refused.items()
        ]
        output = {"outcome": self.outcome, "drops": [{"key": "drops/green/items/i.csv"}, *refused]}
        return Run(arn, "green", arn, "", "SUCCEEDED", datetime.now(UTC), output=output)

    def follow(self, _arn: str) -> Iterator[Moment]:
        raise KeyboardInterrupt

    def trained(self, folder: Path) -> list[str]:
        """Start once more; return the kinds of the runs."""
        (settings := folder / "settings.yaml").write_text("domain: custom\n")
        done = Progress(files={}, dropped=document.digest(settings.read_text()), runs=("interactions",))
        drops = {"settings": settings, "items": folder / "items.csv"}
        start = command.Start(Namespace(write=settings), Terminal(as_json=True), Home(folder), "green")
        runs, _ = start.train(self, drops, folder, progress.read(folder) or done)  # type: ignore[arg-type]
        return [run.kind for run in runs]


@pytest.mark.parametrize("outcome", ["refused", "partly promoted"])
def test_what_the_gate_has_refused_is_not_trained_a_second_time(outcome: str, tmp_path: Path) -> None:
    cloud = LateCloud(outcome)
    assert (cloud.trained(tmp_path), cloud.started) == (["interactions"], [])


def test_what_a_run_has_refused_is_said_where_nothing_was_trained(tmp_path: Path) -> None:
    cloud = LateCloud("imported")
    cloud.refused = {"interactions.csv": "Personalize needs 1,000 different interactions"}
    with pytest.raises(
        LocalError, match=r"refused interactions\.csv: Personalize needs 1,000 .*settings\.yaml, and start"
    ):
        cloud.trained(tmp_path)


class Impersonal:
    """A client of a shop whose personal lists the gate refused: only bestsellers are served."""

    @property
    def runs(self) -> "Impersonal":
        return self

    def record(self, _shop: str, _name: str) -> dict[str, object]:
        return {"campaigns": {"similar-items": {}}}

    def popular(self, _shop: str, **_query: str) -> Answer:
        return Answer(200, {"items": [{"itemId": "P1"}]}, 1.0)


def test_a_shop_without_personal_lists_shows_what_sells_most_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = command.Start(Namespace(), Terminal(), Home(tmp_path), "green")
    assert start.first_list(Impersonal(), "u1").body["items"] == [{"itemId": "P1"}]  # type: ignore[arg-type]
    assert "the gate found personal lists no better than what sells most" in capsys.readouterr().err


class Waking(Impersonal):
    """An API whose campaign is too slow for the first request."""

    def __init__(self) -> None:
        fallback = {"items": [{"itemId": "P1"}], "degraded": True, "degradedReason": "slow"}
        personal = {"items": [{"itemId": "P2", "metadata": {"NAME": "Cup"}}]}
        self.answers = [Answer(200, body, 1.0) for body in (fallback, personal)]

    def record(self, _shop: str, _name: str) -> dict[str, object]:
        return {"campaigns": {"user-personalization": {}}}

    def recommend(self, _shop: str, _user: str, **_query: str) -> Answer:
        return self.answers.pop(0)


def test_the_first_list_is_a_campaigns_even_if_that_is_slow_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.cloud.client.LOOK_SECONDS", 0.0)
    start = command.Start(Namespace(), Terminal(), Home(tmp_path), "green")
    first = start.first_list(Waking(), "u1")  # type: ignore[arg-type]
    assert first.body["items"][0]["metadata"] == {"NAME": "Cup"}


def test_an_interrupted_retraining_is_followed_by_the_next_start_and_not_begun_again(tmp_path: Path) -> None:
    cloud = LateCloud("promoted")
    with pytest.raises(KeyboardInterrupt):
        cloud.trained(tmp_path)
    cloud.late = ()
    assert (cloud.trained(tmp_path), cloud.started) == (["interactions", "retrain"], ["retrain"])


def test_json_has_the_questions_of_a_refusal(export: Path) -> None:
    line = [sys.executable, "-m", "local", "start", *map(str, sorted(export.glob("*.csv"))), "--json"]
    done = subprocess.run(
        [*line, "--run-dir", str(export.parent / "run")], capture_output=True, text=True, check=False, stdin=DEVNULL
    )
    refusal = json.loads(done.stdout)
    assert (done.returncode, refusal["code"], done.stderr) == (2, 2, "")
    assert refusal["error"].startswith("2 questions are open")
    dates, zone = refusal["questions"]
    assert (dates["id"], [*dates["choices"]], dates["default"]) == (
        "interactions.dates",
        ["%d/%m/%Y", "%m/%d/%Y"],
        None,
    )
    assert (zone["id"], zone["default"]) == ("interactions.timezone", "UTC")
    given = export.parent / "answers.yaml"
    given.write_text(f"for: {refusal['for']}\n{dates['id']}: '%d/%m/%Y'\n")
    with pytest.raises(LocalError, match="1 question is open"):
        start(export, "--answers", str(given))


def test_settings_are_written_as_they_are_meant() -> None:
    table = {"file": "a #1.csv", "columns": ["id", "Bestell-Nr: x"], "join": [{"file": "b.csv", "by": {"id": "no"}}]}
    meant = {
        "domain": "custom",
        "rejects": {"limit": 0.2},
        "interactions": {"columns": {"no": "USER_ID"}, "timezone": "Asia/Seoul", "skip": {"상태": ["취소", ""]}},
        "export": {"interactions": table},
        "returns": [{"column": "n", "below": 0}],
    }
    export = ExportSettings.model_validate(meant["export"])
    questions = [replace(ZONE, text="Where?\n: [x")]
    proposal = ExportProposal(export=export, settings=meant, sure=("a: b # c",), questions=(*questions,), left_out=())
    written = document.proposed(Outlook(roles=[], proposal=proposal), str)
    assert yaml_core.load(written) == meant
    assert max(map(len, [line for line in written.splitlines() if line.startswith("#")])) <= 80
