# SPDX-License-Identifier: Apache-2.0
"""The operator's command line: what it accepts, and what it says when it cannot do what is asked."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook
from personalization.core.errors import Rejected
from personalization.shop.settings.settings import parse

from local.cli import commands, mapping
from local.cli.main import main, parser
from local.cloud.client import Answer, ApiError, as_commands, drop_key
from local.cloud.environments import LocalError
from local.cloud.runs import Run
from local.start.files import several_tables
from local.terminal.output import Terminal

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = {
    *("up", "down", "status", "drop", "runs", "recommend", "similar", "event", "logs", "retrain", "continue", "sweep"),
    "open",
}
COMMANDS = sorted(next(action.choices for action in parser()._actions if isinstance(action.choices, dict)))
ACTIONS = [f"experiment {action}" for action in ("check", "plan", "start", "stop")]


def local(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m local` with these arguments."""
    line = [sys.executable, "-m", "local", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_names_every_command() -> None:
    shown = local("--help")
    assert shown.returncode == 0
    names = re.findall(r"^    ([a-z-]+)(?: \(([a-z-]+)\))?(?: |$)", shown.stdout, re.MULTILINE)
    assert set(COMMANDS) == {name for pair in names for name in pair if name}
    assert set(COMMANDS) >= CONTRACT


@pytest.mark.parametrize("command", sorted({*COMMANDS, *ACTIONS} - {"experiment"}))
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parser().parse_args([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert "--json" in shown
    name = "storefront" if command == "shopfront" else command
    assert f"  python -m local {name}" in shown


@pytest.mark.parametrize(
    "line",
    [
        ("runs", "shop"), ("recommend", "shop", "u"), ("similar", "shop", "i"), ("popular", "shop"),
        ("retrain", "shop"), ("continue", "shop"), ("sweep",), ("open",),
        ("ranking", "shop", "u", "i"), ("event", "shop", "u", "i", "View"), ("drop", "shop", "users", "x.csv"),
    ],
)  # fmt: skip
def test_a_question_to_a_cloud_that_is_not_there_says_how_to_start_it(
    line: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, environment = signal.getsignal(signal.SIGTERM), dict(os.environ)
    try:
        assert main([*line, "--run-dir", str(tmp_path / "my cloud")]) == 3
    finally:
        signal.signal(signal.SIGTERM, before)
        os.environ.update(environment)
    told = capsys.readouterr()
    assert f"python -m local up --run-dir '{tmp_path}/my cloud'" in told.err
    assert told.out == ""


def test_status_of_nothing_is_code_3_in_json_too(tmp_path: Path) -> None:
    shown = local("status", "--json", "--run-dir", tmp_path)
    assert (shown.returncode, json.loads(shown.stdout), shown.stderr) == (3, {"running": False}, "")


def test_down_with_nothing_to_stop_succeeds(tmp_path: Path) -> None:
    shown = local("down", "--json", "--run-dir", tmp_path)
    assert (shown.returncode, json.loads(shown.stdout)) == (0, {"stopped": []})


def test_publishing_sees_the_shells_aws_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ENDPOINT_URL": "http://127.0.0.1:9",
        "DEFAULT_REGION": "eu-west-1",
        "MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    refused = local("publish", "retail", "--shop", "shop")
    assert refused.returncode == 1
    assert "http://127.0.0.1:9" in refused.stderr


def test_an_unknown_log_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "engine.log").write_text("one\ntwo\nthree\n")
    assert local("logs", "engine", "--lines", 2, "--run-dir", tmp_path).stdout == "two\nthree\n"
    refused = local("logs", "motor", "--run-dir", tmp_path)
    assert refused.returncode == 1
    assert "there are: engine" in refused.stderr


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("up --cloud-port 80", "not between 1024 and 65535"),
        ("open --port 80", "not between 1024 and 65535"),
        ("recommend shop u --limit 0", "not a number of at least 1"),
        ("recommend shop u --context DEVICE", "not KEY=VALUE"),
        ("drop shop orders x.csv", "invalid choice: 'orders'"),
        ("drop shop users", "required: FILE"),
        ("drop 상점 users x.csv", "상점 cannot be a shop's name: it must be 1 to 30 characters out of a-z, 0-9 and -"),
        ("storefront --shop My_Shop", "My_Shop cannot be a shop's name"),
        ("shopfront --shop My_Shop", "My_Shop cannot be a shop's name"),
        ("", "required: COMMAND"),
    ],
)
def test_wrong_usage_is_named(line: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(line.split())
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "name", "incremental", "key"),
    [
        ("interactions", "day one é.csv", False, "drops/shop/interactions/day one é.csv"),
        ("interactions", "new.csv.gz", True, "drops/shop/interactions/incremental/new.csv.gz"),
        ("settings", "mine.yaml", False, "drops/shop/settings.yaml"),
        ("settings", "mine.yml", False, "drops/shop/settings.yml"),
        ("settings", "mine.json", False, "drops/shop/settings.json"),
    ],
)
def test_a_file_is_dropped_where_the_contract_says(
    kind: str, name: str, incremental: bool, key: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("{}")
    assert drop_key("shop", kind, tmp_path / name, incremental=incremental) == key


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "there are no parts in"),
        (["a.csv", "notes.md"], "notes.md: parts end in .csv"),
        (["a.csv", "deep/b.csv"], r"further folders \(deep\)"),
        (["a.csv", "_SUCCESS", "manifest"], r"several markers \(_SUCCESS, manifest\)"),
    ],
)
def test_a_folder_that_its_run_would_refuse_is_refused_before_it_is_sent(
    files: list[str], told: str, tmp_path: Path
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(LocalError, match=told):
        drop_key("shop", "users", tmp_path)


def test_settings_are_checked_before_they_are_sent(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("recepies: [similar-items]\n")
    with pytest.raises(Rejected) as cloud:
        parse("drops/shop/settings.yml", file.read_text())
    with pytest.raises(LocalError, match="nothing was uploaded") as here:
        drop_key("shop", "settings", file)
    assert str(cloud.value) in str(here.value)
    file.write_bytes(b"recipes: \xff")
    with pytest.raises(LocalError, match=r"settings\.yml: the file is not UTF-8"):
        drop_key("shop", "settings", file)
    file.write_text("recipes: [similar-items]\n")
    assert drop_key("shop", "settings", file) == "drops/shop/settings.yml"


@pytest.mark.parametrize(("kind", "name"), [("users", "users.orc"), ("settings", "s.csv"), ("items", "absent.csv")])
def test_a_file_that_fits_no_kind_is_refused_before_it_is_sent(kind: str, name: str, tmp_path: Path) -> None:
    if "absent" not in name:
        (tmp_path / name).touch()
    with pytest.raises(LocalError, match=name):
        drop_key("shop", kind, tmp_path / name)


RETAIL = Path(sys.executable).with_name("retail")


def retail(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the console script in a folder that is not the repository."""
    return subprocess.run([str(RETAIL), *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_the_console_script_runs_anywhere_and_names_itself(tmp_path: Path) -> None:
    hint = retail("status", "--run-dir", "a cloud", folder=tmp_path).stderr
    assert f"start it with `{RETAIL} up --run-dir 'a cloud'`" in hint
    shown = retail("drop", "--help", folder=tmp_path).stdout
    assert shown.startswith("usage: retail drop")
    assert "  retail drop myshop settings settings.yaml" in shown


def test_the_version_is_the_project_s(tmp_path: Path) -> None:
    version, engine = (
        tomllib.loads((ROOT / path).read_text())["project"]["version"]
        for path in ("pyproject.toml", "engine/pyproject.toml")
    )
    shown = retail("--version", folder=tmp_path).stdout
    assert shown.startswith(f"retail-personalization {version} (engine {engine}, Python 3.")
    assert local("--version").stdout == shown


@pytest.mark.parametrize(("line", "told"), [
    (("recomend", "shop", "u"), "argument COMMAND: there is no recomend; did you mean recommend?"),
    (("recommend", "shop", "u", "--limt", "3"), "there is no option --limt; did you mean --limit?"),
    (("drop", "shop", "interaction", "a.csv"), "argument KIND: there is no interaction; did you mean interactions?"),
    (("runs", "shop", "--zzz"), "there is no option --zzz\n"),
    (("zzz",), "invalid choice: 'zzz' (choose from"),
])  # fmt: skip
def test_a_mistyped_word_is_told_its_nearest(
    line: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(line)
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "offered"), [
    ("reco", ["recommend"]),
    ("drop shop inter", ["interactions"]),
    ("runs shop --wa", ["--watch"]),
    ("evaluate --settings a", ["a.yaml"]),
])  # fmt: skip
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_kinds_options_and_files(typed: str, offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    words = ["retail", *typed.split()]
    script = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _shtab_retail; echo ${{COMPREPLY[@]}}"
    completion = retail("--completion", "bash", folder=tmp_path).stdout
    line = ["/usr/bin/env", "bash", "-c", f"{completion}\n{script}"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == offered


def mapped(*arguments: object) -> int:
    """Run `python -m local map` in this process."""
    options = parser().parse_args(["map", *map(str, arguments)])
    return mapping.main(options, Terminal(as_json=options.json))


def test_map_writes_settings_that_extend_those_there_are(tmp_path: Path) -> None:
    (export := tmp_path / "orders.csv").write_text("CustomerID,StockCode,InvoiceDate\nu,i,03/04/2026 8:26\n")
    (settings := tmp_path / "own.yaml").write_text("domain: custom\n")
    new = tmp_path / "settings.yaml"
    assert mapped(export, "--settings", settings, "--write", new) == 0
    lines = new.read_text().splitlines()
    assert lines[0] == "domain: custom"
    assert "  # dates: '%d/%m/%Y %H:%M'  # if 03/04/2026 8:26 is 3 April 2026" in lines
    written = parse("settings.yaml", new.read_text())
    assert written.interactions is not None
    assert written.interactions.columns == {"CustomerID": "USER_ID", "StockCode": "ITEM_ID", "InvoiceDate": "TIMESTAMP"}
    with pytest.raises(LocalError, match="is there already: write to another file"):
        mapped(export, "--write", new)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["ann@example.org", "Bo@shop.example"], "the ids of users look like e-mail addresses"),
        (["010-1234-5678", "+49 170 1234567"], "the ids of users look like phone numbers"),
        (["1234567890", "20171231"], ""),
    ],
)
def test_map_says_a_word_on_ids_that_are_personal_data(
    ids: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("\n".join(["customer,sku,date", *(f"{user},i1,2026-01-0{n}" for n, user in enumerate(ids, 1))]))
    mapping.main(parser().parse_args(["map", str(orders)]), Terminal())
    said = capsys.readouterr().err
    assert told in said if told else "personal data" not in said


@pytest.mark.parametrize(
    ("typed", "types", "meant"),
    [
        ("Viewed", [], "View"),
        ("view", ["View", "Purchase"], "View"),
        ("Bestellun", ["Bestellung"], "Bestellung"),
        ("View", ["Purchase"], ""),
        ("Purchase", ["Purchase"], ""),
        ("Watch", [], ""),
    ],
)
def test_an_event_type_near_another_is_asked_about(typed: str, types: list[str], meant: str) -> None:
    assert commands.other_type(typed, types) == meant


def test_a_message_names_the_command_in_place_of_the_machine_s_input() -> None:
    problem = {
        "title": "Not Found",
        "detail": 'so an execution with {"action": "promote", "shop": "SHOP"} promotes it by hand.',
    }
    said = str(ApiError(Answer(404, problem, 1.0), "myshop"))
    assert "`python -m local promote myshop` promotes it by hand" in said
    assert "{" not in said
    both = 'ask for {"action": "retrain", "shop": "s"} on AWS'
    assert as_commands(both, "s") == both


def test_a_pipe_gets_no_padding(capsys: pytest.CaptureFixture[str]) -> None:
    started = datetime(2026, 11, 30, tzinfo=UTC)
    output = {"outcome": "imported", "rows": 1, "notes": ["looks wrong: half the rows"]}
    Terminal().runs([Run("arn:1", "shop", "items", "k", "SUCCEEDED", started, started, output=output)])
    Terminal().table(("item", "name"), [("1", "a long name"), ("2", "b")])
    lines = capsys.readouterr().out.splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert "    imported 1 row" in lines


def test_prices_have_the_cents_that_they_are_quoted_with(capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"itemId": str(price), "metadata": {"PRICE": price}} for price in ("11000", "9.5", "1234.5")]
    Terminal().items(Answer(200, {"items": items}, 1.0), "")
    shown = capsys.readouterr().out
    assert {"11,000", "9.50", "1,234.50"} <= {*shown.split()}


def test_what_a_run_refused_of_several_drops_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    reason = (
        "drops/s/interactions/orders.csv: Personalize needs 1,000 different interactions (report: reports/s/x.html)"
    )
    drops = [
        {"key": "drops/s/items/items.csv", "outcome": "imported", "reason": ""},
        {"key": "drops/s/interactions/orders.csv", "outcome": "refused", "reason": reason},
    ]
    output = {"outcome": "imported", "rows": 40, "drops": drops}
    Terminal().runs([Run("arn:1", "s", "items", "k", "SUCCEEDED", datetime.now(UTC), output=output)])
    shown = capsys.readouterr().out.splitlines()
    assert "    orders.csv was refused: Personalize needs 1,000 different interactions" in shown


def test_a_drop_that_was_handled_already_says_how_to_train_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    output = {"outcome": "alreadyHandled", "notes": ['the same bytes: ask for {"action": "retrain"}']}
    Terminal().runs([Run("arn:1", "shop", "interactions", "k", "SUCCEEDED", datetime.now(UTC), output=output)])
    assert "python -m local retrain shop`)" in capsys.readouterr().out


def test_map_names_what_it_cannot_read_or_recognise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (things := tmp_path / "things.csv").write_text("id,name\n1,x\n")
    assert mapped(things) == 1
    assert "say so with --kind" in " ".join(capsys.readouterr().err.split())
    assert mapped(things, "--kind", "users", "--json") == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["settings"] == {"users": {"columns": {"id": "USER_ID"}, "ignore": ["name"]}}
    with pytest.raises(LocalError, match="there is no file"):
        mapped(tmp_path / "absent.csv")
    (folder := tmp_path / "sales").mkdir()
    (folder / "_SUCCESS").touch()
    with pytest.raises(LocalError, match="the folder has no parts"):
        mapped(folder)


def test_map_says_why_and_which_files_it_leaves_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = [f"2026-01-{n % 28 + 1:02} 10:00" for n in range(90)]
    files = {
        "orders.csv": "id,customer_id,created_at\n" + "".join(f"{n},{n % 9},{days[n]}\n" for n in range(30)),
        "order_lines.csv": "id,order_id,product_id,price\n" + "".join(f"{n},{n // 3},{n % 7},9\n" for n in range(90)),
        "products.csv": "id,name,price,category\n" + "".join(f"{n},P{n},9,tea\n" for n in range(7)),
        "till.csv": "Datum,Bon,Artikel,Preis\n" + "".join(f"{days[n]},{n},A{n % 7},9\n" for n in range(90)),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert mapped(*(tmp_path / name for name in files), "--json") == 1
    documents = {Path(document["file"]).name: document for document in json.loads(capsys.readouterr().out)}
    assert {name: document["kind"] for name, document in documents.items()} == {
        "orders.csv": "interactions", "products.csv": "items", "till.csv": "interactions", "order_lines.csv": None,
    }  # fmt: skip
    lines = documents["order_lines.csv"]["leftOut"]
    assert "it has lines of orders (order_id, product_id has 7 different values in 90 rows)" in lines
    assert "Its order_id is the id of orders.csv: join the two by it, and map the file that you get" in lines
    assert documents["till.csv"]["leftOut"].startswith("it has interactions, as orders.csv has (each row has a time")
    assert documents["products.csv"]["otherwise"] == "it could be users (id for USER_ID) as well"
    assert mapped(tmp_path / "till.csv") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "till.csv has interactions: each row has a time (Datum for TIMESTAMP), and items come back: Artikel" in told


def test_map_reads_a_file_as_the_section_of_its_kind_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Workbook()
    for name in ("May", "June"):
        sheet = book.create_sheet(name)
        sheet.append(["CustomerID", "StockCode", "InvoiceDate"])
        sheet.append(["u", "i", "2026-05-01 08:26"])
    book.save(export := tmp_path / "orders.xlsx")
    (products := tmp_path / "products.csv").write_text("sku,price,category\ni,1,tea\n")
    assert mapped(export) == 1
    assert "orders.xlsx#June, 1 row: it has the same rows as orders.xlsx#May" in capsys.readouterr().err
    assert several_tables(export) == (
        "orders.xlsx has several tables (May, June): the run reads the one that `sheet` or `member` in the settings "
        f"names. To take all of them: python -m local start {export}"
    )
    assert several_tables(products) == ""
    (settings := tmp_path / "own.yaml").write_text("interactions: {sheet: June}\n")
    assert mapped(products, export, "--settings", settings, "--json") == 0
    orders, items = json.loads(capsys.readouterr().out)
    assert (orders["kind"], orders["settings"]["interactions"]["sheet"], items["kind"]) == (
        "interactions",
        "June",
        "items",
    )
    settings.write_text("interactions: {sheet: July}\n")
    with pytest.raises(LocalError, match="no sheet July"):
        mapped(export, "--settings", settings)


def test_what_looks_wrong_in_a_drop_is_printed_with_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    output = {"outcome": "promoted", "rows": 5, "notes": ["a was read as b", "looks wrong: half is missing"]}
    Terminal().runs([Run("arn:run-1", "shop", "interactions", "key", "SUCCEEDED", datetime.now(UTC), output=output)])
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1:]] == [
        "promoted 5 rows",
        "looks wrong: half is missing",
    ]
