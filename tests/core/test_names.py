# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.names import Names, run_hash, shorten

NAMES = Names(prefix="retail", region="eu-west-1", account="123456789012")
ARN = "arn:aws:personalize:eu-west-1:123456789012"
PERSONALIZE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,62}")
shops = st.from_regex(r"[a-z0-9][a-z0-9-]{0,29}", fullmatch=True)


def test_arns_follow_from_names() -> None:
    assert NAMES.dataset_group("demo").arn == f"{ARN}:dataset-group/retail-demo"
    assert NAMES.dataset("demo", "items").arn == f"{ARN}:dataset/retail-demo/ITEMS"
    assert NAMES.campaign("demo", "similar-items").arn == f"{ARN}:campaign/retail-demo-similar-items"
    assert NAMES.filter("demo", "not-purchased").name == "retail-demo-not-purchased"
    assert NAMES.recipe_arn("aws-sims") == "arn:aws:personalize:::recipe/aws-sims"


def test_china_has_a_partition_of_its_own() -> None:
    assert (
        Names(prefix="p", region="cn-north-1", account="1", partition="aws-cn")
        .schema("items", "0" * 12)
        .arn.startswith("arn:aws-cn:personalize:")
    )


@given(shop=shops, run=st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
def test_every_name_fits_personalize(shop: str, run: str) -> None:
    names = Names(prefix="retail-prod", region="us-east-1", account="123456789012")
    made = [names.import_job(shop, "interactions", run).name, names.event_tracker(shop), names.dataset_group(shop).name]
    made += [
        names.solution_version(shop, "personalized-ranking", run),
        names.campaign(shop, "personalized-ranking").name,
    ]
    assert all(PERSONALIZE_NAME.fullmatch(name) for name in made)


@given(shop=shops)
def test_long_lived_resources_are_never_shortened(shop: str) -> None:
    names = Names(prefix="retail-prod", region="us-east-1", account="123456789012")
    assert names.solution(shop, "personalized-ranking").name == f"retail-prod-{shop}-personalized-ranking"
    assert names.filter(shop, "f" * 20).name == f"retail-prod-{shop}-{'f' * 20}"


def test_what_is_too_long_keeps_its_tail_and_stays_apart() -> None:
    first, second = shorten("a" * 40, "b" * 30, "run"), shorten("a" * 40, "b" * 29 + "c", "run")
    assert len(first) <= 63
    assert first.endswith("-run")
    assert first != second


SCHEDULED = (
    "4b69cbb7-4050-4cf0-a096-4a0307b92a1a",
    "4b69ca65-c050-4cf0-a096-4a0307b92a1a",
    "4b69cd08-c050-4cf0-a096-4a0307b92a1a",
)
"""Names that EventBridge Scheduler gave executions of one schedule: all but the first ten digits are the schedule's."""


@pytest.mark.parametrize("settings", ["", "c0de"])
@pytest.mark.parametrize("shop", ["demo", "a" * 30])
def test_executions_of_one_schedule_share_no_name(shop: str, settings: str) -> None:
    names = Names(prefix="retail-prod", region="us-east-1", account="123456789012")
    for made in (
        [names.import_job(shop, "interactions", run, settings).name for run in SCHEDULED],
        [names.solution_version(shop, "personalized-ranking", run, settings) for run in SCHEDULED],
        [names.export_job(shop, "interactions", run).name for run in SCHEDULED],
        [names.lists_job(shop, "user-personalization", run).name for run in SCHEDULED],
    ):
        assert len(set(made)) == len(SCHEDULED)
        assert all(PERSONALIZE_NAME.fullmatch(name) for name in made)


@given(
    run=st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
    index=st.integers(0, 79),
    other=st.characters(codec="utf-8"),
)
def test_every_character_of_a_run_counts(run: str, index: int, other: str) -> None:
    at = index % len(run)
    changed = run[:at] + other + run[at + 1 :]
    assert (run_hash(changed) == run_hash(run)) == (changed == run)
