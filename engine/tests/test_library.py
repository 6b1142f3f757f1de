# SPDX-License-Identifier: Apache-2.0
"""The library face: tables from files, models from tables, and what it says no to."""

import gzip
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from subprocess import run

import pytest
from personalize_local import library
from personalize_local.library import Options, PutRecord, Refused, Since, StreamedEvent

from engine.tests import shop_data
from engine.tests.harness import Argument

RECIPE = "arn:aws:personalize:::recipe/"
POPULAR = {"name": "popular", "recipeArn": f"{RECIPE}aws-popularity-count"}
SCHEMAS = {kind.upper(): shop_data.avro(kind) for kind in ("Interactions", "Users", "Items")}
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    shop_data.write_shop(folder)
    return folder


@pytest.fixture(scope="module")
def tables(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("tables")
    for kind, schema in SCHEMAS.items():
        library.import_table([files / f"{kind.lower()}.csv"], schema, folder / kind)
    return {kind: folder / kind for kind in SCHEMAS}


@pytest.fixture
def model(tables: Mapping[str, Path], tmp_path: Path) -> Path:
    library.train(tables, POPULAR, tmp_path / "model", notes={"cut": 7})
    return tmp_path / "model"


def code(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        act()
    assert refused.value.message
    return refused.value.code


def event(number: int, user: str | None, item: str) -> StreamedEvent:
    return StreamedEvent(f"s{number}", "View", NOW + number, f"e{number}", user, item)


def test_what_is_imported_again_is_not_read_again(files: Path, tmp_path: Path) -> None:
    def imported() -> tuple[library.Imported, float]:
        done = library.import_table([files / "users.csv"], SCHEMAS["USERS"], tmp_path / "users")
        return done, (tmp_path / "users").stat().st_ctime

    first = imported()
    assert first[0] == (60, 60)
    assert imported() == first


def test_an_import_adds_to_the_table_before(tables: Mapping[str, Path], tmp_path: Path) -> None:
    rows = [*shop_data.interactions(length=1), ("u-new", "i1", "View", 1.0, int(NOW), "phone")]
    shop_data.write_csv(tmp_path / "more.csv", shop_data.columns("Interactions"), rows)
    packed = tmp_path / "more.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "more.csv").read_bytes()))
    schema, before = SCHEMAS["INTERACTIONS"], tables["INTERACTIONS"]
    done = library.import_table([packed], schema, tmp_path / "both", before=before, minimum=1)
    assert done == (61, 1201)
    shop_data.write_csv(tmp_path / "users.csv", shop_data.columns("Users"), [("u1", "old"), ("u-new", "old")])
    users = [tmp_path / "users.csv"]
    assert library.import_table(users, SCHEMAS["USERS"], tmp_path / "users", before=tables["USERS"]) == (2, 61)


def test_what_an_import_job_refuses_is_refused(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("USER_ID\nu1\n")
    with pytest.raises(Refused, match=r"missing the following columns: \[AGE_GROUP\]") as refused:
        library.import_table([tmp_path / "users.csv"], SCHEMAS["USERS"], tmp_path / "table")
    assert refused.value.code == library.FAILED
    assert not (tmp_path / "table").exists()
    assert code(lambda: library.import_table([], "{}", tmp_path / "table")) == "InvalidInputException"


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ({"recipeArn": f"{RECIPE}aws-none"}, "ResourceNotFoundException"),
        ({}, "InvalidInputException"),
        ({"recipeArn": f"{RECIPE}aws-hrnn"}, "InvalidInputException"),
        (
            {
                "recipeArn": f"{RECIPE}aws-similar-items",
                "solutionConfig": {"trainingDataConfig": {"excludedDatasetColumns": {"ITEMS": ["NONE"]}}},
            },
            "InvalidInputException",
        ),
    ],
)
def test_a_solution_is_refused_with_the_code_of_the_service(solution: Argument, expected: str) -> None:
    assert code(lambda: library.check_solution(solution, SCHEMAS)) == expected


def test_schemas_are_checked_by_their_domain() -> None:
    assert library.check_schema(SCHEMAS["ITEMS"], "ECOMMERCE") == "ITEMS"
    assert code(lambda: library.check_schema(SCHEMAS["ITEMS"], "VIDEO_ON_DEMAND")) == "InvalidInputException"


@pytest.mark.parametrize(
    ("dataset_type", "members", "present", "expected"),
    [
        ("ITEMS", {"domain": "ECOMMERCE"}, None, "is for domain ECOMMERCE, the dataset group for no domain"),
        ("USERS", {}, None, "is for ITEMS, not for USERS"),
        ("ITEMS", {}, [], "The new schema leaves out field COLOUR"),
    ],
)
def test_a_dataset_takes_the_schema_that_fits_it(
    dataset_type: str, members: Argument, present: list[object] | None, expected: str
) -> None:
    schema = {"schemaArn": "arn:schema", "schema": SCHEMAS["ITEMS"], **members}
    more = [{"name": "COLOUR", "type": "string"}]
    before = json.loads(SCHEMAS["ITEMS"])
    text = None if present is None else json.dumps(before | {"fields": [*before["fields"], *more]})
    with pytest.raises(library.Refused, match=expected) as refused:
        library.check_dataset(dataset_type, schema, None, text)
    assert refused.value.code == "InvalidInputException"
    library.check_dataset("ITEMS", {"schemaArn": "arn:schema", "schema": SCHEMAS["ITEMS"]}, None, SCHEMAS["ITEMS"])


def test_too_little_data_are_refused_with_the_reason_of_the_version(tables: Mapping[str, Path], tmp_path: Path) -> None:
    def train() -> object:
        return library.train(tables, POPULAR, tmp_path / "model", options=Options(minimum_interactions=5000))

    assert code(train) == library.FAILED
    assert not list(tmp_path.iterdir())
    assert code(lambda: library.train({}, POPULAR, tmp_path / "model")) == "InvalidInputException"


def test_a_training_beyond_the_memory_is_refused_before_it_begins(tables: Mapping[str, Path], tmp_path: Path) -> None:
    phases: list[str] = []
    items = library.open_table(tables["INTERACTIONS"]).count("history.items")
    needed = library.needs("aws-popularity-count", 1200, items).memory
    assert needed > library.needs("aws-popularity-count", 1200).memory

    def train(memory: int) -> object:
        options = Options(memory=memory, enter=phases.append)
        return library.train(tables, POPULAR, tmp_path / "model", options=options)

    assert code(lambda: train(needed - 1)) == library.FAILED
    assert phases == []
    train(needed)
    assert phases


def test_events_are_read_no_further_than_the_memory_is_enough(tables: Mapping[str, Path], tmp_path: Path) -> None:
    read = 0

    def events() -> Iterator[StreamedEvent]:
        nonlocal read
        for read in range(50_000):
            yield event(read, "u", "i")

    options = Options(memory=library.needs("aws-popularity-count", 3200).memory)
    refused = code(lambda: library.train(tables, POPULAR, tmp_path, since=Since(events()), options=options))
    assert refused == library.FAILED
    assert 0 < read < 20_000


def test_notes_may_be_told_once_the_events_are_read(tables: Mapping[str, Path], tmp_path: Path) -> None:
    numbers = iter(range(3))
    events = (event(number, "u", "i") for number in numbers)
    library.train(tables, POPULAR, tmp_path / "model", since=Since(events), notes=lambda: {"left": [*numbers]})
    assert library.open_model(tmp_path / "model").notes == {"left": []}


@pytest.mark.parametrize("job", ["import", "aws-popularity-count", "aws-similar-items", "aws-user-personalization"])
def test_needs_grow_with_interactions(job: str) -> None:
    small, large = (library.needs(job, interactions) for interactions in (1_000_000, 10_000_000))
    assert large.memory > small.memory > 0
    assert large.seconds > small.seconds > 0
    assert code(lambda: library.needs("aws-none", 1)) == "ResourceNotFoundException"


def test_events_and_records_since_the_imports_train(tables: Mapping[str, Path], tmp_path: Path) -> None:
    crowd = [event(number, f"new-{number}", "i-new") for number in range(100)]
    since = Since([*crowd, event(0, "twice", "i-other")], items=[PutRecord("i-put", {"PRICE": 1.0})])
    library.train(tables, POPULAR, tmp_path / "model", since=since)
    items = set(library.open_model(tmp_path / "model").model.item_ids)
    assert {"i-new", "i-put"} <= items
    assert "i-other" not in items


def test_a_training_needs_no_table_where_enough_was_streamed(tmp_path: Path) -> None:
    rows = [event(number, f"u{number % 50}", f"i{number % 7}") for number in range(1000)]
    outcome = library.train({}, POPULAR, tmp_path / "model", since=Since(rows), options=Options(schemas=SCHEMAS))
    assert outcome.recipe == "aws-popularity-count"


def test_a_model_tells_what_it_is(model: Path) -> None:
    opened = library.open_model(model, verify=True)
    assert (opened.recipe, opened.notes, opened.engine) == (
        "aws-popularity-count",
        {"cut": 7},
        version("personalize-local"),
    )
    assert opened.solution == POPULAR
    assert opened.metrics["coverage"] > 0.0


def test_the_same_training_into_the_same_folder_is_not_done_again(model: Path, tables: Mapping[str, Path]) -> None:
    phases: list[str] = []
    options, before = Options(enter=phases.append), model.stat().st_ctime
    again = library.train(tables, POPULAR, model, notes={"cut": 7}, options=options)
    assert (phases, model.stat().st_ctime) == ([], before)
    assert again.metrics == library.open_model(model).metrics
    library.train(tables, POPULAR, model, notes={"cut": 8}, options=options)
    assert phases
    assert library.open_model(model).notes == {"cut": 8}


def cut(model: Path) -> None:
    data = model / "arrays.bin"
    data.write_bytes(data.read_bytes()[:-1])


def change(model: Path) -> None:
    data = bytearray((model / "arrays.bin").read_bytes())
    data[0] ^= 1
    (model / "arrays.bin").write_bytes(data)


def age(model: Path) -> None:
    manifest = json.loads((model / "manifest.json").read_text())
    (model / "manifest.json").write_text(json.dumps(manifest | {"format": library.FORMAT + 1}))


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (cut, library.DAMAGED),
        (change, library.DAMAGED),
        (age, library.NEWER),
        (lambda model: (model / "facts.json").unlink(), library.DAMAGED),
        (lambda model: (model / "manifest.json").write_text("{"), library.DAMAGED),
        (lambda model: (model / "manifest.json").unlink(), library.DAMAGED),
        (shutil.rmtree, library.DAMAGED),
    ],
)
def test_a_folder_that_is_not_whole_is_not_opened(model: Path, harm: Callable[[Path], object], expected: str) -> None:
    harm(model)
    assert code(lambda: library.open_model(model, verify=True)) == expected


def test_a_table_is_no_model(tables: Mapping[str, Path]) -> None:
    assert code(lambda: library.open_model(tables["ITEMS"])) == library.DAMAGED


@pytest.mark.parametrize("properties", [{"itemId": "i1", "price": 1}, {"price": "much"}, {"price": 1}])
def test_properties_are_refused_as_in_the_service(properties: Argument) -> None:
    assert code(lambda: library.columns(properties, SCHEMAS["ITEMS"], whole=True)) == "InvalidInputException"


def without(libraries: str, script: str, *arguments: object) -> None:
    """Run a script in a process that cannot import some libraries."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({libraries.split()}))\n"
    command = [sys.executable, "-c", f"{blocked}import json\nfrom pathlib import Path\n{script}"]
    run([*command, *map(str, arguments)], check=True, timeout=120)


SERVING = "boto3 botocore uvicorn httptools lark platformdirs shtab"
"""What the library never needs; lark reads filters alone."""


def test_importing_the_library_needs_nothing() -> None:
    script = """from personalize_local import library
assert library.check_schema(sys.argv[1], "ECOMMERCE") == "ITEMS"
library.check_solution(json.loads(sys.argv[2]), {"INTERACTIONS": sys.argv[1]})
assert library.columns({"price": 2, "colour": "red"}, sys.argv[1]) == {"PRICE": 2.0}
assert library.Refused("A", "b").code == "A" """
    without(f"{SERVING} polars scipy numpy", script, SCHEMAS["ITEMS"], json.dumps(POPULAR))


def test_imports_and_erasures_from_tables_need_no_numpy(
    files: Path, tables: Mapping[str, Path], tmp_path: Path
) -> None:
    script = """from personalize_local import library
file, schema, before, target = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
assert library.import_table([file], schema, target, before=before) == (1200, 1200)
assert library.without_users(target, {"u1"}) == 20 """
    arguments = files / "interactions.csv", SCHEMAS["INTERACTIONS"], tables["INTERACTIONS"], tmp_path / "table"
    without(f"{SERVING} scipy numpy", script, *arguments)
    assert len(library.open_table(tmp_path / "table", verify=True).strings("history.users")) == 59


def test_trainings_and_answers_need_no_polars(tables: Mapping[str, Path], tmp_path: Path) -> None:
    script = f"""from personalize_local import library
tables = {{kind: Path(table) for kind, table in json.loads(sys.argv[1]).items()}}
library.train(tables, {POPULAR}, Path(sys.argv[2]))
model = library.open_model(Path(sys.argv[2]))
assert model.recipe == "aws-popularity-count"
recommender = library.Recommender(model, library.open_tables(tables), arn="popular")
assert len(recommender.get_recommendations({{"userId": "u1", "numResults": 7}})["itemList"]) == 7"""
    named = json.dumps({kind: str(folder) for kind, folder in tables.items()})
    without(f"{SERVING} polars", script, named, tmp_path / "model")


def test_users_go_from_tables_and_models(tables: Mapping[str, Path], tmp_path: Path) -> None:
    copies = {kind: Path(shutil.copytree(folder, tmp_path / kind)) for kind, folder in tables.items()}
    segments = {"name": "segments", "recipeArn": f"{RECIPE}aws-item-affinity"}
    for name, solution in (("segments", segments), ("popular", POPULAR)):
        library.train(copies, solution, tmp_path / name)
    gone = {name: library.without_users(tmp_path / name, {"u1", "u2"}) for name in (*copies, "segments", "popular")}
    assert gone == {"INTERACTIONS": 40, "USERS": 2, "ITEMS": 0, "segments": 1, "popular": 0}
    assert library.without_users(copies["INTERACTIONS"], {"u1"}) == 0
    for folder in (*copies.values(), tmp_path / "segments"):
        assert b"u1\x00" not in (folder / "arrays.bin").read_bytes()
    assert "u1" not in library.open_table(copies["INTERACTIONS"], verify=True).strings("history.users")
    assert "u1" not in library.open_model(tmp_path / "segments", verify=True).model.user_ids  # type: ignore[attr-defined]
