# SPDX-License-Identifier: Apache-2.0
import json
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.errors import Broken

from functions.evaluate_release.app import handler
from functions.split_history.app import handler as split_handler
from tests.handlers.fakes import ARN, FakePersonalize
from tests.handlers.samples import BUCKET, Event, load, said

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

DAY = 86_400
START = 1_700_000_000
HEADER = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE"
ITEMS = "ITEM_ID,PRICE,CATEGORY_L1\n" + "".join(f'i{n},{n}.5,"a, {n}"\n' for n in range(40))
GROUP = f"{ARN}:dataset-group/retail-heldout_demo"


def history(users: int = 50, days: int = 30) -> str:
    """A purchase of everybody a day, of the items in turn; the last of them is at the end of the last day."""
    rows = [(f"u{user}", f"i{(user + day) % 40}", START + day * DAY) for day in range(days) for user in range(users)]
    return "\n".join([HEADER, *(f"{user},{item},{when},purchase,1.5" for user, item, when in rows)]) + "\n"


def key(location: str) -> str:
    return location.removeprefix(f"s3://{BUCKET}/")


def export(bucket: "S3Client", trial: Event, interactions: str) -> None:
    """What the export jobs left; AWS may put the files into folders of their own."""
    for source, text in zip(trial["sources"], (interactions, ITEMS), strict=True):
        bucket.put_object(Bucket=BUCKET, Key=f"{key(source['location'])}job/part-00.csv", Body=text.encode())


def body(bucket: "S3Client", location: str) -> str:
    return bucket.get_object(Bucket=BUCKET, Key=key(location))["Body"].read().decode()


@pytest.fixture
def trial(bucket: "S3Client") -> Event:
    """A trial whose datasets are exported."""
    trial_event: Event = load("split_history_split")["trial"]
    export(bucket, trial_event, history())
    return trial_event


def measured(trial: Event, split: Event) -> Event:
    imported = split_handler({"step": "verify", "trial": trial}, None)
    return {"step": "measure", "trial": trial, "split": split, "imported": imported}


def answered(bucket: "S3Client", trial: Event, choose: Any) -> None:  # noqa: ANN401 - a function of a user's number
    """What the batch inference jobs left: `choose` says the first item of each list."""
    for question in trial["questions"]:
        lines = [json.loads(line) for line in body(bucket, question["source"]).splitlines()]
        lists = [[f"i{choose(int(line['userId'][1:])) % 40}", "i39"] for line in lines]
        rows = [
            {"input": line, "output": {"recommendedItems": items}} for line, items in zip(lines, lists, strict=True)
        ]
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        bucket.put_object(Bucket=BUCKET, Key=f"{key(question['target'])}questions.json.out", Body=text.encode())


def located(personalize: FakePersonalize, trial: Event) -> None:
    """Personalize says where the import came from."""
    location = trial["imports"][0]["importJob"]["dataLocation"]
    job = {"status": "ACTIVE", "dataSource": {"dataLocation": location}}
    personalize.says("DescribeDatasetImportJob", {"datasetImportJob": job})


def test_a_history_is_cut_at_the_cut_off(trial: Event, bucket: "S3Client") -> None:
    split = split_handler({"step": "split", "trial": trial}, None)
    assert split["cutOff"] == START + 22 * DAY
    assert (split["rows"], split["heldOutRows"], split["shoppers"]) == (50 * 23, 50 * 7, 50)
    assert split["eventType"] == "Purchase"
    imported = body(bucket, trial["imports"][0]["importJob"]["dataLocation"] + "part-0.csv").splitlines()
    assert imported[0] == HEADER
    assert max(int(line.split(",")[2]) for line in imported[1:]) == START + 22 * DAY
    assert body(bucket, trial["imports"][1]["importJob"]["dataLocation"] + "part-0.csv") == ITEMS


def test_what_is_of_later_than_the_drop_moves_no_cut_off(trial: Event, bucket: "S3Client") -> None:
    """One event of a clock that is wrong would leave nothing to test on, and so switch the test off."""
    strange = [f"u{user},i1,{when},purchase,1.5\n" for user, when in ((0, 99_999_999_999), (1, START + 40 * DAY))]
    export(bucket, trial, history() + "".join(strange))
    trial["until"] = START + 30 * DAY
    split = split_handler({"step": "split", "trial": trial}, None)
    assert (split["enough"], split["cutOff"]) == (True, START + 22 * DAY)
    assert (split["rows"], split["heldOutRows"], split["shoppers"]) == (50 * 23, 50 * 7, 50)
    assert str(START + 40 * DAY) not in body(bucket, trial["imports"][0]["importJob"]["dataLocation"] + "part-0.csv")
    # The machine of the version before says nothing of the drop's time.
    del trial["until"]
    export(bucket, trial, history() + strange[0])
    assert split_handler({"step": "split", "trial": trial}, None)["cutOff"] == START + 22 * DAY


@pytest.mark.parametrize(
    ("interactions", "reason"),
    [
        (history(days=14), "only 350 interactions are from before it"),
        (history(users=19, days=90), "only 19 users have two interactions or more before it"),
    ],
)
def test_too_little_is_said_and_nothing_is_asked(
    trial: Event, bucket: "S3Client", interactions: str, reason: str
) -> None:
    export(bucket, trial, interactions)
    split = split_handler({"step": "split", "trial": trial}, None)
    assert split["enough"] is False
    assert reason in str(split["reason"])
    result = handler({"step": "untested", "trial": trial, "split": split}, None)
    assert result["outcome"] == "tooLittle"
    assert "The offline metrics decide alone" in str(result["reason"])


def test_an_export_without_a_column_is_broken(trial: Event, bucket: "S3Client") -> None:
    export(bucket, trial, history().replace("ITEM_ID", "THING"))
    with pytest.raises(Broken, match="no column ITEM_ID"):
        split_handler({"step": "split", "trial": trial}, None)


def test_lists_that_foretell_are_approved_and_others_refused(
    trial: Event, bucket: "S3Client", personalize: FakePersonalize
) -> None:
    split = split_handler({"step": "split", "trial": trial}, None)
    located(personalize, trial)
    for choose, decision in ((lambda user: user + 23, "approved"), (lambda user: user + 35, "refused")):
        answered(bucket, trial, choose)
        result = handler(measured(trial, split), None)
        recipes = {recipe["alias"]: recipe for recipe in json.loads(body(bucket, str(result["report"])))["recipes"]}
        assert result["outcome"] == "judged"
        assert recipes["user-personalization"]["decision"] == decision
        assert "times popularity" in recipes["user-personalization"]["reason"]


@pytest.mark.parametrize("how", ["later", "second", "changed", "elsewhere"])
def test_a_test_whose_answers_were_in_the_training_is_refused(
    trial: Event, bucket: "S3Client", personalize: FakePersonalize, how: str
) -> None:
    split = split_handler({"step": "split", "trial": trial}, None)
    if how != "elsewhere":
        located(personalize, trial)
    prefix = key(trial["imports"][0]["importJob"]["dataLocation"])
    clean = body(bucket, trial["imports"][0]["importJob"]["dataLocation"] + "part-0.csv")
    files = {
        "later": ("part-0.csv", clean + f"u1,i1,{START + 25 * DAY},purchase,1\n"),
        "second": ("part-1.csv", clean),
        "changed": ("part-0.csv", clean.replace("u1,", "u2,", 1)),
    }
    if how in files:
        name, text = files[how]
        bucket.put_object(Bucket=BUCKET, Key=prefix + name, Body=text.encode())
    result = handler(measured(trial, split), None)
    assert result["outcome"] == "leaked"
    assert "refused, because" in str(result["reason"])


def test_a_test_that_a_run_with_the_same_data_has_made_is_not_made_again(bucket: "S3Client") -> None:
    event = load("evaluate_release_plan")
    event["evaluation"]["madeBy"] = ["run-0"]
    shown_plan = {
        "event_type": "Purchase",
        "recipes": event["evaluation"]["recipes"],
        "held_out": event["evaluation"]["heldOut"],
    }
    told: Event = {"asked": shown_plan, "outcome": "judged", "reason": "good", "recipes": []}
    bucket.put_object(Bucket=BUCKET, Key="reports/demo/run-0/heldout.json", Body=json.dumps(told).encode())
    before = handler(event, None)["before"]
    assert before == {"outcome": "judged", "reason": "good", "recipes": [], "report": "reports/demo/run-0/heldout.json"}


@pytest.mark.parametrize("other", [{"outcome": "leaked"}, {"asked": {"event_type": "View"}}])
def test_a_test_of_something_else_is_made_anew(bucket: "S3Client", personalize: FakePersonalize, other: Event) -> None:
    event = load("evaluate_release_plan")
    evaluation = event["evaluation"]
    shown_plan = {"event_type": "Purchase", "recipes": evaluation["recipes"], "held_out": evaluation["heldOut"]}
    told: Event = {"asked": shown_plan, "outcome": "judged", "reason": "good", "recipes": []} | other
    bucket.put_object(
        Bucket=BUCKET, Key=f"reports/demo/{evaluation['run']}/heldout.json", Body=json.dumps(told).encode()
    )
    schema = load("evaluate_release_measure")["trial"]["imports"][0]["schema"]
    personalize.says("DescribeDataset", {"dataset": {"schemaArn": schema["arn"]}})
    personalize.fails("DescribeDataset", "ResourceNotFoundException")
    personalize.says("DescribeSchema", {"schema": {"schema": schema["text"]}})
    evaluation["begunAt"] = "2026-11-25T08:30:00+00:00"
    planned = handler(event, None)
    assert planned["before"] is None
    assert isinstance(planned["trial"], dict)
    assert planned["trial"]["until"] == 1_795_595_400
    assert [source["kind"] for source in planned["trial"]["sources"]] == ["interactions"]


def test_jobs_are_started_once_and_found_again(personalize: FakePersonalize) -> None:
    started = handler(load("evaluate_release_export"), None)
    request = personalize.body_of("CreateDatasetExportJob")
    assert (started["status"], request["ingestionMode"]) == ("CREATE PENDING", "ALL")
    personalize.says("DescribeDatasetExportJob", {"datasetExportJob": {"status": "ACTIVE"}})
    assert said(handler(load("evaluate_release_export"), None)) == {"arn": started["arn"], "status": "ACTIVE"}
    lists = handler(load("evaluate_release_ask"), None)
    exploring = personalize.body_of("CreateBatchInferenceJob")["batchInferenceJobConfig"]["itemExplorationConfig"]
    assert (lists["status"], exploring) == ("CREATE PENDING", {"explorationWeight": "0"})
    personalize.says("DescribeBatchInferenceJob", {"batchInferenceJob": {"status": "CREATE IN_PROGRESS"}})
    assert handler(load("evaluate_release_ask"), None)["status"] == "CREATE IN_PROGRESS"
    assert personalize.operations().count("CreateBatchInferenceJob") == 1


def test_what_a_test_made_goes_in_order_and_nothing_else(personalize: FakePersonalize) -> None:
    assert handler(load("evaluate_release_clear"), None)["ready"]
    named = {"name": "retail-heldout_demo", "status": "ACTIVE"}
    personalize.says("DescribeDatasetGroup", {"datasetGroup": {"datasetGroupArn": GROUP, **named}})
    solution = {
        "name": "retail-heldout_demo-user-personalization",
        "solutionArn": f"{ARN}:solution/a",
        "status": "ACTIVE",
    }
    personalize.says("ListSolutions", {"solutions": [solution]})
    waits = handler(load("evaluate_release_clear"), None)
    assert (waits["left"], waits["ready"], waits["name"]) == (2, False, solution["name"])
    assert [name for name in personalize.operations() if name.startswith("Delete")] == ["DeleteSolution"]
    campaign = {"name": "somebodys", "campaignArn": f"{ARN}:campaign/somebodys", "status": "ACTIVE"}
    personalize.says("ListCampaigns", {"campaigns": [campaign]})
    with pytest.raises(Broken, match="no test made this campaign"):
        handler(load("evaluate_release_clear"), None)
