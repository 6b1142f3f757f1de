# SPDX-License-Identifier: Apache-2.0
"""What the machine sends to the functions, and reads of their answers, is what the domain package says."""

import json
import re
from typing import Any, get_args

import pytest
from personalization.core.messages import Part
from personalization.ingest.imports import outcome
from personalization.releases import judge, verdicts
from personalization.releases.held_out.trials import Result
from personalization.runs.concurrent_drops import Claimed
from personalization.runs.lifecycle import Drop
from personalization.shop import plan as plans
from personalization.shop.plan import ImportRequest, JoinedExport, Nothing, Plan, PrepareRequest, TrainRequest
from personalization.shop.settings.gate import Gate, HeldOut, Probe
from personalization.shop.settings.settings import parse

from functions.claim_drop import app as claim_drop
from functions.judge_release import app as judge_release
from functions.update_campaign import app as update_campaign
from tests.statemachines.machine import MACHINE, chosen, evaluate, expressions, requests_of, states

NAMED = {"name": "retail-shop", "arn": "arn:aws:personalize:us-east-1:123456789012:thing/retail-shop"}
RECIPE = {
    "alias": "popular",
    "recipeArn": "arn:recipe",
    "solution": NAMED,
    "campaign": NAMED,
    "solutionVersionName": "v",
    "earlierVersions": ["u"],
}
FILTER = NAMED | {"expression": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")'}
RECOMMENDER = NAMED | {"recipeArn": "arn:recipe", "config": {"minRecommendationRequestsPerSecond": 1}}
HOME = parse("settings.yaml", "placements: {home: {recipe: popularity-count}}").placements["home"]
EVALUATION: dict[str, Any] = {
    "run": "run", "shop": "shop", "domain": "ECOMMERCE", "eventType": "Purchase", "recipes": ["user-personalization"],
    "heldOut": HeldOut(days=7).model_dump(), "madeBy": ["earlier"],
}  # fmt: skip
PLAN: dict[str, Any] = {
    "version": 1, "run": "run", "shop": "shop", "engine": False, "batches": True, "isOnBoth": True,
    "kind": "interactions", "mode": "FULL", "rows": 1000, "notes": ["a note"],
    "datasetGroup": NAMED | {"domain": "ECOMMERCE"}, "dataset": NAMED | {"type": "INTERACTIONS", "changes": False},
    "report": "reports/shop/run/data-interactions.html", "rejects": 0, "leftOut": [],
    "schema": NAMED | {"kind": "interactions", "text": "{}", "domain": "ECOMMERCE"}, "eventTracker": {"name": "events"},
    "importJob": NAMED | {"mode": "FULL", "dataLocation": "s3://bucket/imports/", "earlier": [NAMED]},
    "further": [NAMED | {"mode": "INCREMENTAL", "dataLocation": "s3://bucket/imports-2/", "earlier": [NAMED]}],
    "filters": [FILTER], "recipes": [RECIPE], "trainingMode": "FULL",
    "gate": Gate().model_dump(), "probe": Probe().model_dump(),
    "serves": ["popular", "similar"], "evaluation": EVALUATION,
    "placements": {"home": HOME.model_dump(mode="json")},
    "recommenders": [RECOMMENDER], "unused": [NAMED],
}  # fmt: skip
TARGET = {
    "alias": "popular", "campaign": NAMED, "solutionVersionArn": "arn:version", "run": "run", "baselineArn": "arn:b",
    "recipe": "aws-popularity-count",
    "foundFrom": "2026-11-18T08:30:00+00:00",
}  # fmt: skip
SERVING = {
    "alias": "similar", "campaignArn": "arn:campaign", "solutionVersionArn": "arn:version", "run": "run",
    "baselineArn": None,
}  # fmt: skip
VERDICT: dict[str, Any] = {
    "run": "run", "shop": "shop", "datasetGroupArn": "arn:group", "outcome": "partly promoted",
    "reason": "similar: worse",
    "targets": [TARGET], "back": [TARGET], "kept": [SERVING], "approved": ["popular"],
    "refused": [{"alias": "similar", "reason": "worse"}], "rows": 1000, "notes": ["a note"],
    "probe": Probe().model_dump(), "restore": "2026-11-25T08:30:00Z",
    "heldOut": "popular: better", "ramp": TARGET,
}  # fmt: skip
DROP = {
    "id": "0f", "also": ["0e"], "key": "drops/shop/interactions/a b.csv", "kind": "interactions", "mode": "FULL",
    "outcome": "imported", "rows": 1000, "reason": "", "content": "9-ab-cd",
}  # fmt: skip
CHECK = {
    "id": "0f", "bucket": "drops", "key": "drops/shop/interactions/a b.csv", "versionId": "v1", "run": "run",
    "also": [{"id": "0e", "key": "drops/shop/interactions/incremental/b.csv", "versionId": None}], "retrain": None,
    "importedBy": ["earlier"], "trainedBy": ["earlier"],
    "known": {"content": "9-ab-cd", "key": "drops/shop/interactions/a.csv", "run": "earlier"},
    "last": {"key": "drops/shop/interactions/a.csv", "run": "earlier"},
    "since": {"key": "drops/shop/interactions/incremental/b.csv", "run": "earlier"},
}  # fmt: skip
NOTED = {"prefix": "retail", "run": "run", "shop": "shop", "kind": "interactions", "key": "drops/shop/a", "links": {}}
LISTS = ("drops", "imported", "unimported", "trained", "untrained", "back", "undone")
CALLER = {"version": 1, "run": "run", "execution": "arn:execution", "machine": "arn:machine"}
VARIABLES: dict[str, Any] = {
    "about": NOTED, "caller": CALLER, "plan": PLAN, "imports": [PLAN], "drops": [DROP],
    "imported": [{"kind": "interactions"}, {"failure": {"Error": "Broken", "Cause": "it: broke"}}],
    "claim": {"again": None}, "failure": {"Error": "Broken", "Cause": "it: broke"},
    "untrained": [
        {"alias": "engine/similar-items", "reason": "there is no memory"}, {"kind": "items", "reason": "no memory"},
    ],
    "wave": 1, "unimported": [],
    "heldOut": Result(outcome="judged", reason="popular: better", report="reports/shop/run/heldout.json").as_json(),
    "verdict": VERDICT, "target": TARGET,
    "trained": [{"alias": "popular", "solutionVersionArn": "arn:version", "foundFrom": "2026-11-18T08:30:00+00:00"}],
    "campaigns": [SERVING],
}  # fmt: skip
REQUESTS: dict[str, tuple[type[Part], ...]] = {
    "ClaimDropFunction": tuple(claim_drop.STEPS.acts),
    "ValidateDropFunction": (PrepareRequest,),
    "JoinExportFunction": (PrepareRequest,),
    "ImportDataFunction": (ImportRequest,),
    "TrainSolutionFunction": (TrainRequest,),
    "JudgeReleaseFunction": tuple(judge_release.STEPS.acts),
    "UpdateCampaignFunction": tuple(update_campaign.STEPS.acts),
}
ANSWERS: dict[str, type[Part]] = {
    "ClaimDropFunction": Claimed,
    "ValidateDropFunction": Plan,
    "JoinExportFunction": JoinedExport,
    "JudgeReleaseFunction": judge.Overridden,
}
SENT = requests_of()
FOR_EACH_REQUEST = pytest.mark.parametrize("name", SENT)
ITEMS: dict[str, Any] = {
    "Check the drop": {"request": CHECK}, "Join the export": {"request": CHECK},
    "Import the file": {"plan": PLAN, "backend": "engine"}, "Claim what started the run": {"a": 1},
    "Ensure the filter": FILTER, "Start the recommender": RECOMMENDER,
    "Wait for the recommender": {"recommender": RECOMMENDER, "made": {"arn": "arn:recommender"}},
    "Train the recipe": RECIPE, "Update the campaign": TARGET, "Return to the version before": TARGET,
}  # fmt: skip


def payload(name: str) -> dict[str, Any]:
    """What a state sends to its function in a run of PLAN."""
    sent: dict[str, Any] = evaluate(SENT[name][1], {"input": ITEMS.get(name)}, **VARIABLES)
    return sent


def words(of: type[Part] | dict[str, Any]) -> set[str]:
    """The steps that a model knows, or that are asked for."""
    if isinstance(of, dict):
        return {of["step"]} if "step" in of else set(of.get("steps", ()))
    fields = [of.model_fields[name].annotation for name in ("step", "steps") if name in of.model_fields]
    # Of `steps`, a tuple of any length, the words are those of its first argument.
    return {word for field in fields for arg in get_args(field) for word in get_args(arg) or [arg] if word != ...}


def request(name: str) -> type[Part]:
    """The model of what a state sends."""
    models = REQUESTS[SENT[name][0]]
    wanted = words(payload(name))
    (model,) = [model for model in models if not wanted or wanted <= words(model)]
    return model


@FOR_EACH_REQUEST
def test_a_function_understands_what_it_is_sent(name: str) -> None:
    sent = payload(name)
    understood = request(name).model_validate(sent).as_json()
    assert set(sent) <= set(understood)
    assert {key: understood[key] for key in sent if key != "made"} == {
        key: value for key, value in sent.items() if key != "made"
    }


def test_every_step_of_the_functions_is_taken() -> None:
    steps = {step for functions in REQUESTS.values() for model in functions for step in words(model)}
    assert {step for name in SENT for step in words(payload(name))} == steps


@FOR_EACH_REQUEST
def test_what_is_read_of_an_answer_is_in_it(name: str) -> None:
    task = states()[name]
    read = {
        name
        for text in expressions([task.get("Assign", {}), task.get("Output", {})])
        for name in re.findall(r"\$states\.result\.(?:Output\.)?(?!Output\b)(\w+)", text)
    }
    answered = ANSWERS.get(SENT[name][0], plans.Step)
    variables = {"report", "campaigns", "outcome", "reason", "work"}
    assert read <= set(answered.model_json_schema()["properties"]) | variables


def test_what_is_read_of_a_plan_is_in_it() -> None:
    for path in {path for text in expressions(MACHINE) for path in re.findall(r"\$plan\.([\w.]+)", text)}:
        node: Any = PLAN
        for name in path.split("."):
            node = node[name]
    assert Plan.model_validate(PLAN).as_json() == PLAN


def test_what_is_read_of_a_verdict_is_in_it() -> None:
    names = {name for text in expressions(MACHINE) for name in re.findall(r"\$verdict\.(\w+)", text)}
    assert "outcome" in names <= VERDICT.keys()
    read = judge_release.STEPS.read({"step": "probe", "verdict": VERDICT, "target": TARGET})
    assert read.as_json()["verdict"] == VERDICT


def test_the_words_of_an_outcome_are_the_domains() -> None:
    outcomes = set(get_args(verdicts.Outcome))
    comparison = re.compile(r"\$verdict\.outcome (?:=|!=|in) (\[[^]]*\]|'[^']*')")
    compared = [words for text in expressions(MACHINE) for words in comparison.findall(text)]
    named = {word for words in compared for word in re.findall(r"'([a-z ]+)'", words)}
    assert set() != named <= outcomes


def test_what_the_promoted_recipe_reports_is_what_a_release_records() -> None:
    campaign = {"arn": "arn:campaign", "notes": ["a note"]}
    reported = evaluate(states()["Probe the campaign"]["Output"], {}, target=TARGET, campaign=campaign)
    assert plans.Promoted.model_validate(reported).as_json() == reported


@pytest.mark.parametrize(
    ("started", "shop", "kind", "key"),
    [
        ("drops/shop/interactions/a b.csv", "shop", "interactions", "drops/shop/interactions/a b.csv"),
        ("drops/café/users/새 파일.csv", "café", "users", "drops/café/users/새 파일.csv"),
        ("drops/shop", "shop", "", "drops/shop"),
        ("drops/", "", "", "drops/"),
        ({"action": "retrain", "shop": "shop"}, "shop", "retrain", ""),
        ({"action": "sweep"}, "", "sweep", ""),
        ({}, "", "", ""),
    ],
)
def test_what_started_a_run_is_known_before_it_is_claimed(started: object, shop: str, kind: str, key: str) -> None:
    event = {"detail": {"bucket": {"name": "b"}, "object": {"key": started}}} if isinstance(started, str) else started
    context = {"Execution": {"Name": "run", "Id": "arn:execution"}, "StateMachine": {"Id": "arn:machine"}}
    noted = evaluate(states()["Note what started the run"]["Assign"], {"context": context, "input": event})
    noted_drop = noted.pop("about")
    assert (noted_drop["run"], noted_drop["shop"], noted_drop["kind"], noted_drop["key"]) == ("run", shop, kind, key)
    assert noted.pop("caller") == CALLER
    assert noted.pop("collected") == {"drops": [], "notes": []}
    assert noted == {name: [] for name in LISTS} | {"wave": 0}


def result(kind: str, outcome: str) -> dict[str, Any]:
    """What the check of one drop reports."""
    drop = DROP | {"kind": kind, "outcome": outcome, "key": f"drops/shop/{kind}", "reason": f"{kind} bad"}
    plan = {"plan": PLAN | {"kind": "interactions" if kind == "retrain" else kind}}
    return {"drop": drop} | ({} if outcome == "refused" else plan)


@pytest.mark.parametrize(
    ("results", "after", "imports", "trainings"),
    [
        ([], "Close the run", 0, 0),
        ([("settings", "settings")], "Close the run", 0, 0),
        ([("users", "imported")], "Announce that the run started", 1, 0),
        ([("users", "imported"), ("interactions", "imported")], "Announce that the run started", 2, 1),
        ([("users", "imported"), ("interactions", "refused")], "Announce that the run started", 1, 0),
        ([("interactions", "refused")], "Announce that the run failed", 0, 0),
        ([("users", "refused"), ("interactions", "refused")], "Announce that the run failed", 0, 0),
        ([("settings", "settings"), ("interactions", "refused")], "Announce that the run failed", 0, 0),
        ([("settings", "refused"), ("interactions", "held")], "Announce that the run failed", 0, 0),
        ([("settings", "settings"), ("users", "imported")], "Announce that the run started", 1, 0),
        ([("interactions", "alreadyHandled")], "Close the run", 0, 0),
        ([("users", "alreadyHandled"), ("interactions", "imported")], "Announce that the run started", 1, 1),
        ([("interactions", "alreadyHandled"), ("retrain", "retrained")], "Announce that the run started", 0, 1),
        ([("retrain", "retrained")], "Announce that the run started", 0, 1),
        ([("interactions", "held")], "Close the run", 0, 0),
    ],
)
def test_what_came_of_the_checks_decides(
    results: list[tuple[str, str]], after: str, imports: int, trainings: int
) -> None:
    told = [result(*case) for case in results]
    assigned = evaluate(states()["Check each drop"]["Assign"], {"result": told})
    assert (len(assigned["imports"]), len(assigned["trainings"]), len(assigned["drops"])) == (
        imports,
        trainings,
        len(results),
    )
    assert chosen(states()["What came of the checks?"], {}, **assigned) == after
    if after == "Announce that the run failed":
        (rule,) = [choice for choice in states()["What came of the checks?"]["Choices"] if choice["Next"] == after]
        refused = "; ".join(f"{kind} bad" for kind, outcome in results if outcome == "refused")
        assert evaluate(rule["Assign"], {}, **assigned) == {"failure": {"Error": "Rejected", "Cause": refused}}
    if after == "Close the run":
        ending = evaluate(states()["What came of the checks?"]["Assign"]["ending"], {}, **assigned)
        assert ending["outcome"] == (results[0][1] if results else "nothing")


LEFT = {"id": "0e", "key": "b", "outcome": "refused", "reason": "it is empty"}


@pytest.mark.parametrize(
    ("left", "first", "also", "after"),
    [
        ([], ("0f", "a"), ["0e", "0d"], "Report the checked drop"),
        ([LEFT], ("0f", "a"), ["0d"], "Announce that a file is refused"),
        ([LEFT | {"outcome": "later"}], ("0f", "a"), ["0d"], "Report the checked drop"),
        ([LEFT | {"id": "0f", "key": "a"}], ("0e", "b"), ["0d"], "Announce that a file is refused"),
        ([LEFT, LEFT | {"id": "0d"}], ("0f", "a"), [], "Announce that a file is refused"),
    ],
)
def test_what_is_left_out_of_a_joined_import_is_reported_beside_the_rest(
    left: list[dict[str, str]], first: tuple[str, str], also: list[str], after: str
) -> None:
    every, checked = states(), {"rows": 1200, "leftOut": left, "outcome": "imported", "reason": ""}
    others = [{"id": "0e", "key": "b", "versionId": None}, {"id": "0d", "key": "c", "versionId": None}]
    item = {"id": "0f", "also": ["0e", "0d"], "key": "a", "kind": "interactions", "mode": "INCREMENTAL",
            "request": {"also": others}}  # fmt: skip
    seen = {"input": item, "result": checked}
    assigned = evaluate(every["Check the drop"]["Assign"], seen)
    assert chosen(every["Is a file refused?"], {}, **assigned) == after
    told = evaluate(every["Report the checked drop"]["Output"], {}, **assigned)
    assert (told["drop"]["id"], told["drop"]["key"], told["drop"]["also"]) == (*first, also)
    assert [(other["id"], other["outcome"]) for other in told["others"]] == [
        (drop["id"], drop["outcome"]) for drop in left
    ]
    whole = evaluate(every["Check each drop"]["Assign"], {"result": [told]})
    assert [Drop.model_validate(drop).id for drop in whole["drops"]] == [first[0], *(drop["id"] for drop in left)]


def test_settings_that_are_good_say_which_file_the_shop_follows() -> None:
    every, notes = states(), ["the settings are good", "the shop follows settings.json"]
    item = {"id": "0f", "also": [], "key": "a", "kind": "settings", "mode": "FULL", "request": {"also": []}}
    settings = Nothing(run="run", shop="shop", kind="settings", notes=tuple(notes))
    answer = settings.as_json() | outcome(PrepareRequest.model_validate(CHECK), settings)
    seen = {"input": item, "result": answer}
    told = evaluate(every["Report the checked drop"]["Output"], {}, **evaluate(every["Check the drop"]["Assign"], seen))
    assert (told["drop"]["outcome"], told["drop"]["reason"]) == ("settings", "; ".join(notes))
    assigned = evaluate(every["Check each drop"]["Assign"], {"result": [told]})
    ending = evaluate(every["What came of the checks?"]["Assign"]["ending"], {}, **assigned)
    assert ending["notes"] == ["; ".join(notes)]


def test_what_is_imported_already_is_reported_with_the_run_that_did_it() -> None:
    every = states()
    item = {"id": "0f", "also": [], "key": "a", "kind": "users", "mode": "FULL", "request": {"also": []}}
    checked = {"kind": "users", "reason": "a has the bytes of b", "outcome": "alreadyHandled"}
    assigned = evaluate(every["Check the drop"]["Assign"], {"input": item, "result": checked})
    told = evaluate(every["Report the checked drop"]["Output"], {}, **assigned)
    drop = Drop.model_validate(told["drop"])
    assert (drop.outcome, drop.reason, drop.rows, drop.content) == ("alreadyHandled", "a has the bytes of b", 0, "")
    whole = evaluate(every["Check each drop"]["Assign"], {"result": [told]})
    ending = evaluate(every["What came of the checks?"]["Assign"]["ending"], {}, **whole)
    assert (ending["outcome"], ending["notes"]) == ("alreadyHandled", ["a has the bytes of b"])


def test_what_tells_a_history_from_others_is_kept_with_its_claim() -> None:
    every = states()
    item = {"id": "0f", "also": [], "key": "a", "kind": "users", "mode": "FULL", "request": {"also": []}}
    checked = {"kind": "users", "rows": 5, "content": "9-ab-cd", "leftOut": [], "outcome": "imported", "reason": ""}
    assigned = evaluate(every["Check the drop"]["Assign"], {"input": item, "result": checked})
    assert evaluate(every["Report the checked drop"]["Output"], {}, **assigned)["drop"]["content"] == "9-ab-cd"


def test_refused_files_are_announced_with_their_reasons() -> None:
    others = [LEFT, LEFT | {"key": "c", "outcome": "later"}, LEFT | {"key": "d", "reason": "it is gone"}]
    checked = {"drop": {"outcome": "imported", "kind": "interactions"}, "others": others}
    task = states()["Announce that a file is refused"]
    (entry,) = evaluate(task["Arguments"]["Entries"], {}, checked=checked, about=NOTED)
    told = entry["Detail"]
    assert (told["kind"], told["key"], told["reason"]) == ("interactions", "b, d", "it is empty; it is gone")


def test_a_refused_file_is_reported_with_the_rule() -> None:
    rule, _ = states()["Check the drop"]["Catch"]
    item = {"id": "0f", "also": ["0e"], "key": "a", "kind": "users", "mode": "FULL", "request": {}}
    error = {"Error": "Rejected", "Cause": json.dumps({"errorMessage": "it is empty", "errorType": "Rejected"})}
    assigned = evaluate(rule["Assign"], {"input": item, "errorOutput": error})
    drop = Drop.model_validate(assigned["checked"]["drop"])
    assert (drop.id, drop.also, drop.outcome, drop.reason) == ("0f", ("0e",), "refused", "it is empty")
    assert chosen(states()["Is a file refused?"], {}, **assigned) == "Announce that a file is refused"


def test_a_check_that_fails_leaves_what_became_of_the_settings_beside_it() -> None:
    _, rule = states()["Check the drop"]["Catch"]
    item = {"id": "0f", "also": [], "key": "a", "kind": "users", "mode": "FULL", "request": {}}
    error = {"Error": "Runtime.ExitError", "Cause": "it died"}
    results = [{"drop": item | {"id": "0e", "outcome": "settings"}}]
    results += [evaluate(rule["Output"], {"input": item, "errorOutput": error})]
    assigned = evaluate(states()["Check each drop"]["Assign"], {"result": results})
    assert [Drop.model_validate(drop).outcome for drop in assigned["drops"]] == ["settings", "failed"]
    decided = states()["What came of the checks?"]
    assert chosen(decided, {}, **assigned) == "Note why the run failed"
    assert evaluate(decided["Choices"][0]["Assign"], {}, **assigned) == {"failure": error}


FEW = PLAN | {"mode": "INCREMENTAL", "rows": 999}


@pytest.mark.parametrize(
    ("plan", "retrain", "told"),
    [
        (FEW, None, "held"),
        (FEW | {"rows": 1000}, None, "imported"),
        (FEW | {"kind": "users"}, None, "imported"),
        (FEW | {"mode": "FULL"}, None, "imported"),
        (FEW, {"shop": "shop"}, "retrained"),
    ],
)
def test_what_is_too_little_for_an_import_is_held(plan: dict[str, Any], retrain: object, told: str) -> None:
    answer = outcome(PrepareRequest.model_validate(CHECK | {"retrain": retrain}), Plan.model_validate(plan))
    assert answer["outcome"] == told
    assert ("1,000 interactions" in answer["reason"]) == (told == "held")


def test_a_run_that_waited_for_room_says_so() -> None:
    notes = ["a job waited 42 minutes for room"]
    ran = {"imported": [{"notes": notes}], "trained": [], "collected": {"notes": []}, "drops": []}
    ending = {"outcome": "promoted", "notes": ["of the plan"]}
    closed = evaluate(states()["Close the run"]["Output"], {}, **ran, ending=ending, about=NOTED)
    assert closed["notes"] == [*notes, "of the plan"]
    assert (closed["outcome"], closed["shop"], closed["kind"]) == ("promoted", "shop", "interactions")
