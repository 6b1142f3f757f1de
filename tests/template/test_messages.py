# SPDX-License-Identifier: Apache-2.0
"""What people are told: which announcements reach the topic, in which words, and who may publish to it."""

import json
import re

import pytest

from tests.template.stack import PSEUDO, STACK, Resource, Stack, compiled


def topic_rules(stack: Stack) -> dict[str, Resource]:
    return {name: rule for name, rule in stack.of("Events::Rule").items() if rule["Targets"][0]["Arn"] == "NotifyTopic"}


TOPIC_RULES = topic_rules(STACK)
RULES = pytest.mark.parametrize("rule", TOPIC_RULES.values(), ids=TOPIC_RULES)
EVENT = {
    "detail-type": "Run failed",
    "detail": {
        "shop": "green",
        "run": "run-1",
        "experiment": "home-list",
        "key": "data.csv",
        "reason": "row 7 has no ITEM_ID",
        "prefix": "retail",
        **dict.fromkeys(("summary", "proof", "shelves", "verdicts", "problems"), "well"),
        "from": "2026-11-23",
        "to": "2026-11-29",
        "page": "s3://drops/reports/green/shelves/weeks/2026-11-23.html",
    },
}


def lines(rule: Resource) -> list[str]:
    """The message of a rule for EVENT."""
    transformer = rule["Targets"][0]["InputTransformer"]
    text = str(transformer["InputTemplate"])
    for name, path in transformer["InputPathsMap"].items():
        value: object = EVENT
        for part in path.removeprefix("$.").split("."):
            assert isinstance(value, dict)
            value = value[part]
        text = text.replace(f"<{name}>", str(value))
    return [str(json.loads(line)) for line in text.splitlines()]


@RULES
def test_a_message_is_plain_words_with_everything_filled_in(rule: Resource) -> None:
    told = lines(rule)
    assert told[0].startswith("Shop green: ")
    assert not re.search(r"[<>{}]", " ".join(told))


def test_bad_news_says_why() -> None:
    for name in ("FailedRunsRule", "RefusedDropsRule", "RefusedRunsRule"):
        assert "Why: row 7 has no ITEM_ID" in lines(TOPIC_RULES[name])


def test_a_stack_tells_it_in_korean() -> None:
    korean = topic_rules(compiled({"NotifyLanguage": "ko"}))
    assert korean.keys() == TOPIC_RULES.keys()
    for rule in korean.values():
        first, *others = lines(rule)
        assert first.startswith("상점 green: ")
        assert not re.search(r"[<>{}]|Why|bucket|Shop", " ".join([first, *others]))


def test_every_outcome_is_told_once() -> None:
    told = [kind for rule in TOPIC_RULES.values() for kind in rule["EventPattern"]["detail-type"]]
    assert sorted(told) == [
        "Batch not exported", "Drop refused", "Experiment decided", "Experiment started", "Experiment stopped",
        "Release ramped", "Run failed", "Run promoted", "Run refused", "Run rolled back", "Shelves of the week",
        "Shop removal failed", "Shop removed",
    ]  # fmt: skip


@RULES
def test_the_runs_of_another_stack_are_not_told(rule: Resource) -> None:
    assert rule["EventPattern"]["source"] == ["retail-personalization"]
    assert rule["EventPattern"]["detail"] == {"prefix": ["retail"]}


def test_an_address_that_is_given_subscribes() -> None:
    assert not STACK.of("SNS::Subscription")
    (made,) = compiled({"NotifyEmail": "shop@example.com"}).of("SNS::Subscription").values()
    assert (made["Protocol"], made["Endpoint"], made["TopicArn"]) == ("email", "shop@example.com", "NotifyTopic")


def test_rules_and_alarms_alone_may_publish_and_rules_without_a_condition() -> None:
    statements = STACK.of("SNS::TopicPolicy")["NotifyTopicPolicy"]["PolicyDocument"]["Statement"]
    may = {statement["Principal"]["Service"]: statement for statement in statements}
    assert set(may) == {"events.amazonaws.com", "cloudwatch.amazonaws.com"}
    # EventBridge supports no condition in the policy of a topic: it delivers nothing where there is one.
    assert "Condition" not in may["events.amazonaws.com"]
    assert may["cloudwatch.amazonaws.com"]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": PSEUDO["AWS::AccountId"]}
    }
