# SPDX-License-Identifier: Apache-2.0
"""Judge a recipe on held-out time: by how much its lists beat popularity, and with what confidence.

A recipe is approved if its NDCG at 10 exceeds the least lift times that of popularity by more than chance: if the
interval of the paired difference lies above 0. Studies of significance in retrieval recommend one paired test over the
same users (Smucker, Allan and Carterette, "A comparison of statistical significance tests for information retrieval
evaluation", 2007); `ranking_metrics` has the bootstrap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from table_intake.wording import Text

from personalization.releases import ranking_metrics
from personalization.releases.held_out import trials
from personalization.releases.held_out.trials import RecipeResult, Result, report_key
from personalization.releases.ranking_metrics import Answer, Bootstrap, Interval
from personalization.shop.plan import Evaluation
from personalization.shop.settings.gate import HeldOut

DEPTH = 10
"""Positions of a list that count: as many as a storefront shows."""
MEASURES: Mapping[str, ranking_metrics.Metric] = {
    "ndcg": ranking_metrics.discounted_gain,
    "hitRate": ranking_metrics.hit_rate,
    "recall": ranking_metrics.recall,
}
"""Metrics in the report of each recipe; the first one decides."""
Lists = Mapping[str, Sequence[str]]
"""Each user's items, best first."""
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exam:
    """The questions of a test and their right answers."""

    baskets: Mapping[str, frozenset[str]]
    """The held-out items of each user."""
    popular: Sequence[str]
    """Items by popularity up to the cut-off, most popular first."""
    catalogue: int
    """The number of items up to the cut-off."""

    def for_recipe(self, alias: str) -> "Exam":
        """Return the questions for one recipe.

        A ranking orders the popular items, so only these can be right answers, and only users with any of them count.
        """
        if alias != "personalized-ranking":
            return self
        chosen = {user: basket & set(self.popular) for user, basket in self.baskets.items()}
        return replace(self, baskets={user: basket for user, basket in chosen.items() if basket})


def leak(split: trials.Split, imported: trials.Imported, location: str | None, wanted: str) -> str | None:
    """Return how held-out data may have leaked into the training; None if the test is clean.

    Args:
        split, imported: the data as they were written, and as they were read again after the training.
        location, wanted: the import job's source (None if Personalize no longer knows it), and the expected one.
    """
    if location != wanted:
        source = location or Text("held-out.nowhere", "an unknown place")
        text = "the training took its data from {source} and not from {wanted}"
        return Text("held-out.other-data", text, source=source, wanted=wanted)
    if imported.last > split.cut_off:
        latest, cut_off = _time(imported.last), _time(split.cut_off)
        text = "the import has interactions up to {latest}, after the cut-off {cut_off}"
        return Text("held-out.too-late", text, latest=latest, cut_off=cut_off)
    if (imported.rows, imported.digest, imported.files) != (split.rows, split.digest, split.files):
        text = (
            "the import is not the one that was cut off: {rows:,} {rows:row|rows} in {files:,} {files:file|files} "
            "where {written:,} in {written_files} were written"
        )
        figures = {"rows": imported.rows, "files": imported.files, "written": split.rows}
        written_files = split.files if split.files > 1 else Text("held-out.one", "one")
        return Text("held-out.other-import", text, written_files=written_files, **figures)
    return None


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _head(trial: trials.Trial, split: trials.Split) -> Document:
    """Return the members that every report of a test begins with."""
    return {
        "shop": trial.shop,
        "run": trial.run,
        "days": trial.held_out.days,
        "cutOff": _time(split.cut_off),
        "trainedOn": split.rows,
        "heldOut": split.held_out_rows,
        "eventType": split.event_type,
        "shoppers": split.shoppers,
        "newShoppers": split.new_shoppers,
        "minimumShoppers": trial.held_out.minimum_users,
        "minimumLift": trial.held_out.minimum_lift,
        "asked": trial.parameters,
    }


def earlier_result(evaluation: Evaluation, run: str, document: Mapping[str, Any] | None) -> Result | None:
    """Return the result of an earlier run's report if it answers the same questions and its test was clean."""
    if document is None or document["asked"] != trials.test_parameters(evaluation) or document["outcome"] == "leaked":
        return None
    return Result.read({**document, "report": report_key(evaluation.shop, run)})


def unjudged(trial: trials.Trial, split: trials.Split, leak: str | None = None) -> tuple[Result, Document]:
    """Return the result and the report of a test that judges nothing: with leaked data, or too short a history."""
    text = "Not tested on held-out time: {reason}. The offline metrics decide alone."
    reason = Text("held-out.not-tested", text, reason=split.reason)
    if leak:
        text = "the test on held-out time is refused, because {leak}. A recipe that has seen the test proves nothing."
        reason = Text("held-out.leak", text, leak=leak)
    result = Result(outcome="leaked" if leak else "tooLittle", reason=reason, report=report_key(trial.shop, trial.run))
    return result, {**_head(trial, split), "outcome": result.outcome, "reason": reason, "recipes": []}


def judged(
    trial: trials.Trial, split: trials.Split, imported: trials.Imported, exam: Exam, lists: Mapping[str, Lists]
) -> tuple[Result, Document]:
    """Return the result and the report of a test, from the lists of each tested recipe by its alias."""
    documents = [_recipe(alias, trial.held_out, exam.for_recipe(alias), lists[alias]) for alias in lists]
    results = [
        RecipeResult(alias=document["alias"], decision=document["decision"], reason=document["reason"])
        for document in documents
    ]
    reason = "; ".join(f"{recipe_result.alias}: {recipe_result.reason}" for recipe_result in results)
    result = Result(outcome="judged", reason=reason, recipes=tuple(results), report=report_key(trial.shop, trial.run))
    facts = {"outcome": result.outcome, "reason": reason, "boughtAgain": imported.bought_again, "recipes": documents}
    return result, _head(trial, split) | facts


def _recipe(alias: str, rules: HeldOut, exam: Exam, lists: Lists) -> Document:
    users = sorted(exam.baskets)
    measured: Document = {"alias": alias, "shoppers": len(users), "depth": DEPTH}
    if len(users) < rules.minimum_users:
        text = (
            "only {users:,} {users:user is|users are} in the test, and at least {least} are needed: the offline "
            "metrics decide"
        )
        few = Text("held-out.few", text, users=len(users), least=rules.minimum_users)
        return {**measured, "decision": "unjudged", "reason": few}
    new = [Answer(lists.get(user, ()), exam.baskets[user]) for user in users]
    old = [Answer(exam.popular, exam.baskets[user]) for user in users]
    figures = {
        name: [[metric(answer, DEPTH) for answer in side] for side in (new, old)] for name, metric in MEASURES.items()
    }
    decision, reason, lift = _decide(rules, *figures["ndcg"])
    measures = {
        name: {"new": ranking_metrics.mean(new_values), "popularity": ranking_metrics.mean(popular_values)}
        for name, (new_values, popular_values) in figures.items()
    }
    covered = {"new": [answer.items[:DEPTH] for answer in new], "popularity": [exam.popular[:DEPTH]]}
    measures["coverage"] = {side: ranking_metrics.coverage(shown, exam.catalogue) for side, shown in covered.items()}
    return {
        **measured,
        "decision": decision,
        "reason": reason,
        "lift": lift._asdict() if lift else None,
        "measures": measures,
        "unanswered": sum(not answer.items for answer in new),
    }


def _decide(
    rules: HeldOut, new_values: Sequence[float], popular_values: Sequence[float]
) -> tuple[str, str, Interval | None]:
    draws = Bootstrap(len(new_values))
    lift = draws.ratio(new_values, popular_values)
    least = rules.minimum_lift
    sure = draws.gain(new_values, [least * value for value in popular_values]).low > 0
    times = Text("held-out.no-lift", "an unknown lift")
    if lift:
        text = "{lift:.2f} times popularity (95 %: {low:.2f} to {high:.2f})"
        times = Text("held-out.lift", text, lift=lift.value, low=lift.low, high=lift.high)
    reason = Text(
        "held-out.judged",
        "on held-out time its NDCG at {depth} is {new:.4f} where popularity has {popularity:.4f}: {times} for "
        "{users:,} {users:user|users}",
        depth=DEPTH,
        new=ranking_metrics.mean(new_values),
        popularity=ranking_metrics.mean(popular_values),
        times=times,
        users=len(new_values),
    )
    if sure or not least:
        return "approved", reason, lift
    text = "{reason}, and it must be above {least:g} times beyond chance"
    return "refused", Text("held-out.refused", text, reason=reason, least=least), lift
