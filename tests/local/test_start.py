# SPDX-License-Identifier: Apache-2.0
"""`start` before it needs a cloud: what it shows, asks and refuses."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cli.main import parser
from local.cloud.environments import LocalError
from local.start import answers, command, document
from local.start.outlook import Question
from local.start.progress import shop_of
from local.terminal.output import Terminal

DAYS = [f"{n % 12 + 1:02}/{n % 12 + 1:02}/2026" for n in range(40)]
ORDERS = "Customer,SKU,Ordered at,Status\n" + "".join(
    f"C{n % 9},P{n % 7},{day},{'cancelled' if n % 8 == 0 else 'paid'}\n" for n, day in enumerate(["03/04/2026", *DAYS])
)
PRODUCTS = "SKU,Product name,Price,Category\n" + "".join(f"P{n},Thing {n},9.50,tea\n" for n in range(7))
DATES = Question(
    id="interactions.dates",
    text="Which dates?",
    choices={"%d/%m/%Y": "3 April", "%m/%d/%Y": "4 March"},
)
ZONE = Question(id="interactions.timezone", text="Which zone?", choices={"UTC": "", "Asia/Seoul": ""}, default="UTC")


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
    assert "interactions.dates: Which dates has orders.csv? %d/%m/%Y: if 03/04/2026 is 3 April 2026" in told
    assert "interactions.timezone: UTC" in told
    assert "Put answers into a file" in told
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "orders.csv  interactions, 41 rows" in shown
    assert "products.csv  items, 7 rows" in shown
    assert "cancelled (6 rows)" in shown
    assert not (export / "settings.yaml").exists()


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


def test_answers_name_choices_by_themselves_or_by_number(tmp_path: Path) -> None:
    questions, name = [DATES, ZONE], answers.digest([DATES, ZONE], {"orders.csv": ["a", "b"]})
    file = tmp_path / "answers.yaml"
    file.write_text(answers.template(questions, name).replace("interactions.dates: ''", "interactions.dates: 2"))
    assert answers.read(file, questions, name) == {"interactions.dates": "%m/%d/%Y", "interactions.timezone": "UTC"}
    file.write_text(f"for: {name}\ninteractions.colour: red\n")
    with pytest.raises(LocalError, match=r"answers interactions\.colour, which these files do not ask"):
        answers.read(file, questions, name)
    file.write_text(f"for: {name}\ninteractions.dates: tomorrow\n")
    with pytest.raises(LocalError, match=r"interactions\.dates is one of %d/%m/%Y, %m/%d/%Y, not tomorrow"):
        answers.read(file, questions, name)
    assert name != answers.digest([DATES], {"orders.csv": ["a", "b"]})
    assert name != answers.digest(questions, {"orders.csv": ["a", "c"]})


def test_questions_are_asked_until_they_are_answered() -> None:
    typed: Iterator[str] = iter(["", "9", "2", "", "Europe/Paris"])
    said: list[str] = []
    given = answers.ask([DATES, ZONE], said.append, lambda _: next(typed))
    assert given == {"interactions.dates": "%m/%d/%Y", "interactions.timezone": "UTC"}
    assert "   1  UTC  (Enter)" in said
    assert sum("is one of" in line for line in said) == 2
    assert answers.ask([ZONE], said.append, lambda _: next(typed)) == {"interactions.timezone": "Europe/Paris"}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"orders.csv": None}, "none of the files has interactions"),
        ({"more.csv": ORDERS.replace("C", "K")}, r"more\.csv: it has interactions, as orders\.csv has.*two shops"),
        ({"orders.csv": "id,colour\n1,red\n"}, "none of the files has interactions"),
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
    assert "zz.csv, 2 rows: neither its columns nor its name tell what it has" in shown


def test_settings_of_somebody_else_are_not_written_over(export: Path) -> None:
    (export / "settings.yaml").write_text("domain: custom\n")
    with pytest.raises(LocalError, match=r"`start` did not write it\. To extend it: --settings .* --write NEW"):
        start(export, "--yes")
    assert (export / "settings.yaml").read_text() == "domain: custom\n"


def test_a_shop_has_a_valid_name_whatever_its_folder_is_called(tmp_path: Path) -> None:
    names = {name: shop_of(tmp_path / name) for name in ("My Shop (2026)", "상점", "a" * 40, "x_1")}
    assert names == {"My Shop (2026)": "my-shop-2026", "상점": "myshop", "a" * 40: "a" * 30, "x_1": "x-1"}


def test_json_has_the_questions_of_a_refusal(export: Path) -> None:
    with pytest.raises(LocalError) as refused:
        start(export, "--json")
    assert json.loads(json.dumps({"error": str(refused.value)}))["error"].startswith("2 questions are open")


def test_settings_say_for_which_files_they_are() -> None:
    assert document.written_for("# Settings\n# files: 0a1b\ndomain: custom\n") == "0a1b"
    assert document.written_for("domain: custom\n") == ""
