# SPDX-License-Identifier: Apache-2.0
"""A history that is cut part by part, held against the same history cut by one function."""

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from personalization.core.aws import objects
from personalization.core.errors import Broken

from functions.split_history.app import handler
from tests.handlers.samples import BUCKET, Event, load
from tests.releases.test_evaluate_release import HEADER, ITEMS, START, body, export, history, key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def trial(bucket: "S3Client", monkeypatch: pytest.MonkeyPatch) -> Event:
    """A trial whose datasets are exported, and too large for one function."""
    monkeypatch.setenv("CHECK_PART_BYTES", "30000")
    trial_event: Event = load("split_history_split")["trial"]
    export(bucket, trial_event, history())
    return trial_event


def rows(seed: int) -> list[str]:
    """A history out of order: some users are new, some come back, some items are returned."""
    lines = history().splitlines()[1:]
    mixed = random.Random(seed)  # noqa: S311 - a shuffle
    lines += [f"new{n},i{n % 40},{START + 29 * 86_400},purchase,2" for n in range(30)]
    lines += [f"u{n},i{n},{START + 28 * 86_400},Return,1" for n in range(20)]
    lines += [f'"odd\n""{n}""",i{n},{START + n * 86_400},purchase,1' for n in range(20)]
    mixed.shuffle(lines)
    return lines


def in_parts(bucket: "S3Client", trial: Event, lines: list[str], ends: list[int]) -> None:
    prefix = key(trial["sources"][0]["location"])
    bucket.delete_object(Bucket=BUCKET, Key=f"{prefix}job/part-00.csv")
    for number, (start, end) in enumerate(zip([0, *ends], [*ends, len(lines)], strict=True)):
        text = "".join(f"{line}\n" for line in [HEADER, *lines[start:end]])
        bucket.put_object(Bucket=BUCKET, Key=f"{prefix}job/part-{number:02}.csv", Body=text.encode())


def step(name: str, trial: Event, **more: object) -> Any:  # noqa: ANN401 - any JSON
    # As between a machine and a function: JSON both ways, and twice, since any step may be repeated.
    request = json.loads(json.dumps({"step": name, "trial": trial, **more}))
    first = handler(request, None)
    assert handler(request, None) == first
    return json.loads(json.dumps(first))


def listed(bucket: "S3Client", location: str) -> list[Event]:
    document: list[Event] = json.loads(bucket.get_object(Bucket=BUCKET, Key=location)["Body"].read())
    return document


def cut_in_parts(bucket: "S3Client", trial: Event) -> tuple[Event, Event]:
    """What the machine does with a large history, the last part first."""
    exported = step("list", trial)
    assert exported["large"]
    for part in reversed(listed(bucket, exported["history"])):
        step("latest", trial, part=part)
    cut_off = step("cutOff", trial)["cutOff"]
    for part in reversed(listed(bucket, exported["every"])):
        step("cut", trial, part=part, cutOff=cut_off)
    return exported, step("joinCut", trial, cutOff=cut_off)


@pytest.mark.parametrize(("ends", "most"), [([], 30_000), ([], 5_000), ([1], 30_000), ([0, 50, 50, 1200], 30_000)])
def test_parts_come_to_the_same_as_the_whole(
    trial: Event, bucket: "S3Client", monkeypatch: pytest.MonkeyPatch, ends: list[int], most: int
) -> None:
    monkeypatch.setenv("CHECK_PART_BYTES", str(most))
    lines = rows(len(ends))
    in_parts(bucket, trial, lines, [])
    whole = step("split", trial)
    files = {"exam": body(bucket, f"s3://{BUCKET}/evaluations/demo/{trial['attempt']}/exam.json")}
    files |= {question["source"]: body(bucket, question["source"]) for question in trial["questions"]}
    prefix = trial["imports"][0]["importJob"]["dataLocation"]
    imported = body(bucket, f"{prefix}part-0.csv").splitlines()
    verified = step("verify", trial)
    bucket.delete_object(Bucket=BUCKET, Key=f"{key(prefix)}part-0.csv")

    in_parts(bucket, trial, lines, ends)
    prefix = key(trial["sources"][0]["location"])
    sizes = [content["Size"] for content in bucket.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]]
    parts = sum(-(-size // most) for size in sizes)
    exported, cut = cut_in_parts(bucket, trial)
    assert len(listed(bucket, exported["history"])) == parts > 1
    count = cut.pop("files", 1)
    assert {name: value for name, value in cut.items() if name != "digest"} == {
        name: value for name, value in whole.items() if name != "digest"
    }
    assert body(bucket, f"s3://{BUCKET}/evaluations/demo/{trial['attempt']}/exam.json") == files.pop("exam")
    assert {file: body(bucket, file) for file in files} == files
    files_of_parts = listed(bucket, exported["imported"])
    # A part without rows before the cut-off is no file.
    assert count == len(files_of_parts) <= parts
    files_read = [body(bucket, f"s3://{BUCKET}/{part['key']}").splitlines() for part in files_of_parts]
    assert {part[0] for part in files_read} == {imported[0]}
    assert [line for part in files_read for line in part[1:]] == imported[1:]
    items = trial["imports"][1]["importJob"]["dataLocation"]
    assert body(bucket, f"{items}part-{parts:06}.csv") == ITEMS
    for part in files_of_parts:
        step("read", trial, part=part)
    read = step("joinRead", trial)
    assert {**verified, "digest": cut["digest"], "files": count} == read


def test_a_file_that_appears_among_the_imported_ones_is_noticed(trial: Event, bucket: "S3Client") -> None:
    in_parts(bucket, trial, rows(1), [800])
    exported, cut = cut_in_parts(bucket, trial)
    for part in listed(bucket, exported["imported"]):
        step("read", trial, part=part)
    assert step("joinRead", trial)["files"] == cut["files"] == 2
    prefix = key(trial["imports"][0]["importJob"]["dataLocation"])
    bucket.put_object(Bucket=BUCKET, Key=f"{prefix}more.csv", Body=b"USER_ID\n")
    assert step("joinRead", trial)["files"] == 3


def test_a_small_history_is_cut_by_one_function(trial: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECK_PART_BYTES", "1000000")
    assert step("list", trial)["large"] is False


def test_a_part_that_failed_is_told_with_its_reason(trial: Event, bucket: "S3Client") -> None:
    folder = step("list", trial)["results"]
    # Where no part has failed, the map's own error stands.
    assert step("explain", trial) == {}
    cause = json.dumps({"errorType": "Broken", "errorMessage": "part-07.csv: the export has no column ITEM_ID"})
    failed = [{"Status": "ABORTED"}, {"Status": "FAILED", "Error": "Broken", "Cause": cause}]
    bucket.put_object(Bucket=BUCKET, Key=f"{folder}/1f/FAILED_0.json", Body=json.dumps(failed).encode())
    with pytest.raises(Broken, match=r"^part-07.csv: the export has no column ITEM_ID$"):
        handler({"step": "explain", "trial": trial}, None)


@pytest.mark.parametrize("missing", ["latest", "cut"])
def test_a_part_whose_result_is_missing_fails_the_test(trial: Event, bucket: "S3Client", missing: str) -> None:
    exported = step("list", trial)
    if missing == "cut":
        for part in listed(bucket, exported["history"]):
            step("latest", trial, part=part)
    with pytest.raises(Broken, match="the file is gone"):
        step("cutOff" if missing == "latest" else "joinCut", trial, cutOff=START)


@pytest.mark.parametrize(("begin", "window"), [(0, 7), (3, 4), (9, 1), (0, 10), (0, 11)])
def test_an_object_is_read_from_a_place_on_by_several_requests(bucket: "S3Client", begin: int, window: int) -> None:
    bucket.put_object(Bucket=BUCKET, Key="ten", Body=b"0123456789")
    chunks = objects.stream_from(bucket, BUCKET, "ten", None, begin, window)
    assert b"".join(chunks) == b"0123456789"[begin:]
