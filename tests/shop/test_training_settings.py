# SPDX-License-Identifier: Apache-2.0
"""What settings say of event types and trainings: what a solution gets of them, and what is refused and why."""

import pytest
from personalization.core.errors import Rejected
from personalization.shop.settings.settings import parse

SECOND = "generation: v2\n"
DAILY = "schedules: [{name: daily, every: rate(1 day), training_mode: UPDATE, recipes: [user-personalization]}]"


def test_weights_reach_the_recipes_that_take_them() -> None:
    settings = parse("settings.yaml", f"{SECOND}events: {{Purchase: 1, View: {{weight: .1, threshold: 0.5}}}}")
    weighed = {
        "eventsConfig": {
            "eventParametersList": [
                {"eventType": "Purchase", "weight": 1.0},
                {"eventType": "View", "weight": 0.1, "eventValueThreshold": 0.5},
            ]
        }
    }
    assert {alias: settings.solution_members(alias) for alias in settings.trained} == {
        "user-personalization": {"solutionConfig": weighed},
        "personalized-ranking": {"solutionConfig": weighed},
        "similar-items": {},
        "popularity-count": {},
    }


def test_what_is_set_for_all_recipes_reaches_those_that_take_it_unless_a_recipe_has_its_own() -> None:
    settings = parse(
        "settings.yaml",
        """
        training:
          all:
            exclude: {items: [NOTE], users: [AGE]}
            objective: {column: PRICE}
            features: {max_user_history_length_percentile: 0.9}
          personalized-ranking:
            objective: {column: PRICE, sensitivity: high}
            include: {items: [PRICE]}
        """,
    )
    excluded = {"trainingDataConfig": {"excludedDatasetColumns": {"Items": ["NOTE"], "Users": ["AGE"]}}}
    of_histories = {"featureTransformationParameters": {"max_user_history_length_percentile": "0.9"}}
    low, high = (
        {"optimizationObjective": {"itemAttribute": "PRICE", "objectiveSensitivity": word}} for word in ("LOW", "HIGH")
    )
    included = {"trainingDataConfig": {"includedDatasetColumns": {"Items": ["PRICE"]}}}
    assert settings.solution_members("user-personalization") == {"solutionConfig": excluded | of_histories | low}
    assert settings.solution_members("personalized-ranking") == {"solutionConfig": included | of_histories | high}
    assert settings.solution_members("similar-items") == {"solutionConfig": excluded}


def test_one_event_type_trains_alone_from_a_value_on() -> None:
    settings = parse("settings.yaml", "training: {similar-items: {event_type: Purchase, threshold: 2.5}}")
    chosen = {"eventType": "Purchase", "solutionConfig": {"eventValueThreshold": "2.5"}}
    assert settings.solution_members("similar-items") == chosen


def test_a_tuning_tries_what_it_is_told_and_each_try_is_billed() -> None:
    ranges = "{bptt: [16, 2], recency_mask: [true, 'false']}"
    text = f"training: {{user-personalization: {{tune: {{trainings: 4, parallel: 2, ranges: {ranges}}}}}}}"
    settings = parse("settings.yaml", text)
    assert settings.solution_members("user-personalization") == {
        "performHPO": True,
        "solutionConfig": {
            "hpoConfig": {
                "hpoResourceConfig": {"maxNumberOfTrainingJobs": "4", "maxParallelTrainingJobs": "2"},
                "algorithmHyperParameterRanges": {
                    "integerHyperParameterRanges": [{"name": "bptt", "minValue": 2, "maxValue": 16}],
                    "categoricalHyperParameterRanges": [{"name": "recency_mask", "values": ["True", "False"]}],
                },
            }
        },
    }
    assert [settings.billed(alias).trials for alias in settings.trained] == [4, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "events: {View: 0.1, Purchase: 1}",
            r"events: generation v1 has no weights .*user-personalization: \{event_type: Purchase\}",
        ),
        (f"{SECOND}recipes: [similar-items]\nevents: {{View: 1}}", "events: weights of event types need one of"),
        (f"{SECOND}events: {{View: 0, Purchase: {{weight: 0}}}}", "events: every weight is 0"),
        (f"{SECOND}events: {{View: 1.5}}", "events.View: must be less than or equal to 1"),
        (f"{SECOND}events: {{View: -1}}", "events.View: must be greater than or equal to 0"),
        (f"{SECOND}events: {{View: true}}", "events.View: must be a valid number"),
        (f"{SECOND}events: {{View: {{wait: 1}}}}", r"events.View.wait is not a setting \(did you mean weight"),
        (f"{SECOND}events: {{View: 1, view: 1}}", "events.view: View is the same type in other letters"),
        (f"{SECOND}events: {{Purchase: 1, Return: 0.1}}", "events.Return: what comes back"),
        (f"{SECOND}events: {{{', '.join(f'e{n}: 1' for n in range(11))}}}", "events: must have at most 10 items"),
        (
            f"{SECOND}training: {{user-personalization: {{objective: {{column: PRICE}}}}}}",
            r"user-personalization\.objective: generation v2 has no objective",
        ),
        (f"{SECOND}training: {{personalized-ranking: {{tune: {{}}}}}}", "tune: generation v2 has nothing to tune"),
        (f"{SECOND}training: {{personalized-ranking: {{event_type: View}}}}", "event_type: generation v2 weighs"),
        ("training: {similar-items: {objective: {column: PRICE}}}", "similar-items does not take it.*it is for user-"),
        ("training: {all: {incremental_updates: true}}", "incremental_updates: none of the shop's recipes takes it"),
        (
            "training: {all: {exclude: {items: [A]}, include: {items: [B]}}}",
            "include: Personalize takes exclude or inc",
        ),
        ("training: {all: {exclude: {interactions: [EVENT_TYPE]}}}", "always trains on EVENT_TYPE"),
        ("training: {all: {exclude: {orders: [A]}}}", r"training\.all\.exclude\.orders: must be 'interactions', "),
        ("training: {all: {threshold: 2}}", "threshold: needs event_type"),
        (
            "training: {user-personalization: {parameters: {depth: 2}}}",
            "parameters.depth: is not a .* hidden_dimension",
        ),
        ("training: {user-personalization: {parameters: {bptt: 99}}}", "parameters.bptt: must be out of 2 to 32"),
        ("training: {user-personalization: {parameters: {bptt: 2.5}}}", "parameters.bptt: must be out of 2 to 32"),
        ("training: {user-personalization: {parameters: {bptt: []}}}", "bptt: must be a text or a number"),
        ("training: {similar-items: {tune: {ranges: {item_id_hidden_dim: [3]}}}}", "out of 30 to 200"),
        ("training: {similar-items: {tune: {trainings: 41}}}", "tune.trainings: must be less than or equal to 40"),
        ("training: {popularity-count: {tune: {trainings: 2}}}", "popularity-count does not take it"),
        ("training: {sims: {}}", r"training\.sims: must be 'all', 'user-personalization'"),
        ("recipes: [similar-items]\ntraining: {popularity-count: {}}", "popularity-count: the shop does not train"),
        (f"training: {{all: {{tune: {{trainings: 2}}}}}}\n{DAILY}", r"training\.all\.tune: .* UPDATE, which a sched"),
    ],
)
def test_what_personalize_would_refuse_is_refused_by_name_with_a_way_out(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse("settings.yaml", text)


def test_what_changes_nothing_is_no_error_in_korean_either() -> None:
    with pytest.raises(Rejected, match="가중치가 0이어서"):
        parse("settings.yaml", f"language: ko\n{SECOND}events: {{View: 0}}")
    assert parse("settings.yaml", "events: {}\ntraining: {}").solution_members("user-personalization") == {}
