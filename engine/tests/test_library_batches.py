# SPDX-License-Identifier: Apache-2.0
"""Batch jobs by the library answer line for line as those of the service: the same models, data and lines."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from personalize_local import library
from personalize_local.library import Batch, Changes, Live, Meanwhile, Refused
from personalize_local.testing import FaultDoor

from engine.tests.both import Both, model_of, opened
from engine.tests.harness import Argument, Aws, EngineHere
from engine.tests.names import ROLE
from engine.tests.shop_data import avro, columns, interactions, write_csv

UP, RANKING = "aws-user-personalization", "aws-personalized-ranking"
SIMILAR, POPULAR = "aws-similar-items", "aws-popularity-count"
AFFINITY, KINDS = "aws-item-affinity", "aws-item-attribute-affinity"
DAY: Final = 86_400
BOOKS: Final = "INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ($KIND)"
UNSEEN: Final = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("View")'
YOUNG: Final = 'INCLUDE UserID WHERE Users.AGE_GROUP IN ("young")'
Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with EngineHere(tmp_path_factory.mktemp("batches"), options=["--faults", "--tier", "fast"]) as engine:
        door = FaultDoor(engine.url)
        door.advance(DAY - door.now() % DAY)  # what is drawn for a day stays while the tests run
        rows: dict[str, Any] = {
            "INTERACTIONS": ("Interactions", interactions()),
            "ITEMS": ("Items", [(f"i{n}", n + 0.5, "books" if n < 20 else "games") for n in range(40)]),
            "USERS": ("Users", [(f"u{n}", "young" if n % 2 else "old") for n in range(60)]),
        }
        files = {}
        for kind, (name, lines) in rows.items():
            file = engine.s3_root / "batches" / f"{name}.csv"
            write_csv(file, columns(name), lines)
            files[kind] = avro(name), file
        yield opened(Aws(engine, "batches"), files, [UP, RANKING, SIMILAR, POPULAR])


def lists(both: Both, recipe: str) -> str:
    """The version that answers lists."""
    return both.aws.control.describe_campaign(campaignArn=both.sources[recipe])["campaign"]["solutionVersionArn"]


def answered(both: Both, recipe: str, version: str, asked_lines: Lines, **options: Argument) -> tuple[Lines, Lines]:
    """Return the lines of the service and of the library."""
    segments, name = recipe in {AFFINITY, KINDS}, f"job-{next(both.numbers)}"
    noun = "BatchSegmentJob" if segments else "BatchInferenceJob"
    root = both.aws.engine.s3_root
    texts = [json.dumps(line) for line in asked_lines]
    (root / "batches" / f"{name}.json").write_text("\n".join(texts))
    job: dict[str, Any] = {
        "jobName": name,
        "solutionVersionArn": version,
        "jobInput": {"s3DataSource": {"path": f"s3://batches/{name}.json"}},
        "jobOutput": {"s3DataDestination": {"path": "s3://batches/out/"}},
        "roleArn": ROLE,
        **options,
    }
    chosen = both.filter_of(str(options["filterArn"])) if "filterArn" in options else None
    library.check_batch(job, recipe, segments=segments, chosen=chosen)
    operations = both.aws.control
    create = operations.create_batch_segment_job if segments else operations.create_batch_inference_job
    made: Any = create(**job)
    arn = str(made[f"b{noun[1:]}Arn"])
    both.aws.settle(noun, arn)
    describe: Any = operations.describe_batch_segment_job if segments else operations.describe_batch_inference_job
    now = describe(**{f"b{noun[1:]}Arn": arn})[f"b{noun[1:]}"]["creationDateTime"].timestamp()
    of_service = [json.loads(line) for line in (root / f"batches/out/{name}.json.out").read_text().splitlines()]
    batch = Batch(
        model_of(both.aws.engine, version, recipe),
        both.recommenders[UP].data,
        job,
        meanwhile=Meanwhile(changes=Changes(both.since)),
        chosen=chosen,
        now=now,
    )
    return of_service, [json.loads(batch.answer(text)) for text in texts]


# A job of the service begins with an update of the model, by which it explores; the library learns in trainings alone.
PLAIN: dict[str, Any] = {"batchInferenceJobConfig": {"itemExplorationConfig": {"explorationWeight": "0"}}}
QUESTIONS: dict[str, Lines] = {
    UP: [{"userId": "u1"}, {"userId": "clicker"}, {"userId": "new"}, {"itemId": "i1"}],
    RANKING: [{"userId": "u1", "itemList": ["i1", "i21", "no", "i1"]}, {"userId": "clicker", "itemList": ["i2"]}],
    SIMILAR: [{"itemId": "i2"}, {"itemId": "no"}],
    POPULAR: [{"userId": "u1"}, {}],
}


@pytest.mark.parametrize("recipe", QUESTIONS)
def test_lists_are_those_of_the_service_with_what_came_since_and_with_filters(both: Both, recipe: str) -> None:
    version, plain = lists(both, recipe), PLAIN if recipe == UP else {}
    for turn in range(2):
        of_service, of_library = answered(both, recipe, version, QUESTIONS[recipe], numResults=8, **plain)
        assert of_library == of_service
        assert any(row["output"]["recommendedItems"] for row in of_library)
        kinds = [{**line, "filterValues": {"KIND": '"games"'}} for line in QUESTIONS[recipe]]
        of_service, of_library = answered(both, recipe, version, [*kinds, {}], filterArn=both.filter(BOOKS), **plain)
        assert of_library == of_service
        names = {name for row in of_library for name in row["output"]["recommendedItems"]}
        assert names
        assert all(int(name[1:]) >= 20 for name in names)
        if turn == 0:
            for number in range(4):
                both.click(f"i{20 + number}", "clicker", f"s-{recipe}-{number}")
    of_service, of_library = answered(both, recipe, version, QUESTIONS[recipe], filterArn=both.filter(UNSEEN), **plain)
    assert of_library == of_service


@pytest.mark.parametrize(
    ("recipe", "conditions"),
    [
        (AFFINITY, [{"itemId": "i22"}, {"itemId": "none"}, {"userId": "u1"}]),
        (KINDS, [{"itemAttributes": 'ITEMS.CATEGORY_L1 = "games"'}, {"itemAttributes": "ITEMS.PRICE > 3"}]),
    ],
)
def test_segments_are_those_of_the_service(both: Both, recipe: str, conditions: Lines) -> None:
    version = both.aws.version(both.aws.solution(both.group, recipe, performAutoTraining=False))
    for options in ({}, {"filterArn": both.filter(YOUNG)}):
        of_service, of_library = answered(both, recipe, version, conditions, numResults=40, **options)
        assert of_library == of_service
        assert of_library[0]["output"]["usersList"]
        assert of_library[-1]["error"]
    users = of_library[0]["output"]["usersList"]
    gone = Meanwhile(hidden=lambda user: user == users[0])
    job: dict[str, Any] = {"numResults": 40}
    batch = Batch(
        model_of(both.aws.engine, version, recipe),
        both.recommenders[UP].data,
        job,
        meanwhile=gone,
        chosen=both.filter_of(both.filter(YOUNG)),
    )
    assert json.loads(batch.answer(json.dumps(conditions[0])))["output"]["usersList"] == users[1:]


def test_an_erased_user_is_answered_as_somebody_new(both: Both) -> None:
    model = model_of(both.aws.engine, lists(both, RANKING), RANKING)
    gone = Meanwhile(user=lambda user: (user + "\0", Live()))
    batch, plain = (
        Batch(model, both.recommenders[UP].data, {}, meanwhile=meanwhile, now=1_700_000_000)
        for meanwhile in (gone, Meanwhile())
    )
    learned, new, erased = (
        json.loads(job_batch.answer(json.dumps({"userId": user, "itemList": ["i1", "i21", "i3"]})))["output"]
        for job_batch, user in ((plain, "u1"), (plain, "u-new"), (batch, "u1"))
    )
    assert erased == new != learned


def test_what_the_operations_refuse_is_refused() -> None:
    for job, recipe, segments in (
        ({"numResults": 501}, UP, False),
        ({}, "aws-trending-now", False),
        ({}, UP, True),
        ({"batchInferenceJobMode": "THEME_GENERATION"}, SIMILAR, False),
    ):
        with pytest.raises(Refused):
            library.check_batch(job, recipe, segments=segments)
