# SPDX-License-Identifier: Apache-2.0
"""What the figures mean, in sentences for those who run a shop."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from personalization.ingest.findings import (
    MINIMUM_INTERACTIONS,
    MINIMUM_USERS,
    RECOMMENDED_INTERACTIONS,
    RECOMMENDED_USERS,
)

from local.evaluation.positions import NOTE

Document = Mapping[str, Any]
Mark = Literal["good", "mixed", "bad"]
TITLES = {
    "aws-user-personalization": "Recommended for you",
    "aws-similar-items": "Similar to the last item",
    "aws-sims": "Others also chose (SIMS)",
    "aws-popularity-count": "Popular items",
    "aws-trending-now": "Trending now",
    "aws-personalized-ranking": "Personal order of a list",
    "popular": "Rule: what sells most",
    "popular lately": "Rule: what sells most lately",
    "bought before": "Rule: what the shopper buys most",
    "bought before and lately": "Rule: what the shopper buys, and what sells lately",
    "bought before, the newest most": "Rule: what the shopper buys, the newest most",
}
"""What each recipe and rule is called in front of people."""
_MANY = 3.0
"""Times as good from which a gain is a multiple, no percentage."""
LIKELIHOOD_MARKS: Mapping[str, Mark] = {"yes": "good", "unknown": "mixed", "no": "bad"}
_LEVEL = 0.02
"""Gain by the second half of the shoppers below which more of them hardly help."""


def about(found: Document) -> list[dict[str, str]]:
    """Answers to what one wants to know: `{title, mark, text}` each, the most important first."""
    told = [
        _positions(found["protocol"]),
        _better(found),
        _enough(found["data"]),
        _discovery(found),
        _strangers(found),
        _likely(found["calibration"]),
        _more(found["learning"]),
        _sure(found),
    ]
    return [dict(zip(("title", "mark", "text"), each, strict=True)) for each in told if each is not None]


def mark(found: Document) -> Mark:
    """The mark of the whole: whether it is better than simple rules."""
    return _better(found)[1]


def task(found: Document, name: str) -> Document | None:
    """One of the tasks of the document."""
    return next((each for each in found["tasks"] if each["task"] == name), None)


def percent(share: float) -> str:
    """A share in per cent, with a decimal where it is small."""
    return f"{share:.1%}" if abs(share) < 0.1 else f"{share:.0%}"


def _positions(protocol: Document) -> tuple[str, Mark, str] | None:
    return ("Are there times in these files?", "bad", f"No. {NOTE}") if protocol["times"] == "positions" else None


def _better(found: Document) -> tuple[str, Mark, str]:
    title = "Is it better than simple rules?"
    next_ = task(found, "next")
    if next_ is None:
        return title, "mixed", "There are no known shoppers to ask about."
    mine, depth = next_["methods"][0], found["protocol"]["depth"]
    hits = f"In {percent(mine['hitRate'][0])} of the cases something that the shopper took next is among {depth} items"
    rule = TITLES[next_["bestRule"]].removeprefix("Rule: ")
    best = next(each for each in next_["methods"] if each["method"] == next_["bestRule"])
    hits += f"; with the best simple rule ({rule}) in {percent(best['hitRate'][0])}."
    return (title, *_compared(next_["timesBestRule"], hits, "the best simple rule"))


def _compared(times: Sequence[float] | None, lead: str, other: str) -> tuple[Mark, str]:
    if times is None:
        return "mixed", f"{lead} The rule finds nothing that could be compared with."
    value, low, high = times
    if low > 1 and value >= _MANY:
        sure = f"(95 % sure: between {low:.1f} and {high:.1f} times)"
        return "good", f"{lead} The order of the list is {value:.1f} times as good as that of {other} {sure}."
    span = f"{_gain(value)} (95 % sure: between {_gain(low)} and {_gain(high)})"
    if low > 1:
        return "good", f"{lead} The order of the list is better than {other} by {span}."
    if high < 1:
        return (
            "bad",
            f"{lead} The order of the list is worse than {other}: {span}. Shoppers would be better served by the rule.",
        )
    return "mixed", f"{lead} Against {other} that is {span}: the difference may be chance."


def _gain(times: float) -> str:
    return f"{times - 1:+.0%}"


def _enough(data: Document) -> tuple[str, Mark, str]:
    title = "Is there enough data?"
    rows, users = data["trains"], data["returning"]
    have = f"{rows:,} interactions and {users:,} shoppers with two or more"
    least = f"{MINIMUM_INTERACTIONS:,} and {MINIMUM_USERS}"
    if rows < MINIMUM_INTERACTIONS or users < MINIMUM_USERS:
        return title, "bad", f"No: {have}, and Amazon Personalize trains on no less than {least}."
    advice = f"it advises {RECOMMENDED_INTERACTIONS:,} and {RECOMMENDED_USERS:,}"
    if rows < RECOMMENDED_INTERACTIONS or users < RECOMMENDED_USERS:
        return (
            title,
            "mixed",
            f"Enough to train: {have}. Amazon Personalize needs {least}, and {advice}: more will help.",
        )
    return title, "good", f"Yes: {have}. Amazon Personalize needs {least}, and {advice}."


def _discovery(found: Document) -> tuple[str, Mark, str] | None:
    new = task(found, "discovery")
    if new is None:
        return None
    mine, depth = new["methods"][0], found["protocol"]["depth"]
    found_new = percent(mine["hitRate"][0])
    lead = f"Of shoppers who took something new to them, {found_new} find it among {depth} items they never took."
    return ("Does it find new things?", *_compared(new["timesBestRule"], lead, "the best simple rule"))


def _strangers(found: Document) -> tuple[str, Mark, str] | None:
    cold = task(found, "strangers")
    if cold is None:
        return None
    mine = cold["methods"][0]
    who = "New shoppers" if cold["real"] else "Shoppers whom the model was not shown, asked as if they were new,"
    lead = f"{who} find something they take in {percent(mine['hitRate'][0])} of the cases, from their first page on."
    return ("And shoppers who are new?", *_compared(cold["timesBestRule"], lead, "the best list for everybody"))


def _more(curve: Sequence[Document]) -> tuple[str, Mark, str] | None:
    if len(curve) < 2 or curve[-1]["times"] is None:
        return None
    value, low, _ = curve[-1]["times"]
    if low > 1 and value - 1 > _LEVEL:
        text = f"The last doubling of the shoppers made the lists better by {value - 1:.1%}: more are worth having."
        return "Would more data help?", "mixed", text
    text = f"Twice as many shoppers changed the lists by {value - 1:+.1%}: more of the same hardly helps."
    return "Would more data help?", "good", text


def _likely(told: Document | None) -> tuple[str, Mark, str] | None:
    title = "Can purchases be predicted as a probability?"
    if told is None:
        return None
    if "reason" in told:
        return title, "bad", f"Not with these files: {told['reason']}."
    return title, LIKELIHOOD_MARKS[told["verdict"]["answer"]], told["verdict"]["text"]


def _sure(found: Document) -> tuple[str, Mark, str]:
    protocol = found["protocol"]
    next_ = task(found, "next")
    asked = next_["shoppers"] if next_ else 0
    width = (next_["methods"][0]["hitRate"][2] - next_["methods"][0]["hitRate"][1]) / 2 if next_ else 1.0
    if protocol["split"] == "time":
        end, days = protocol["cut"][:10], protocol["days"]
        how = f"Nothing after {end} was shown to recipes and rules; the {days:g} days after it are the test."
    elif protocol["times"] == "positions":
        how = "The times are positions and no clock that shoppers share, so each shopper's last moment is the test."
    else:
        how = "Hardly a shopper comes back after a cut in time, so each shopper's last moment is the test."
    text = f"{how} {asked:,} shoppers were asked about, so a hit rate is sure to about ± {width:.1%}."
    return "How sure is this?", _size(asked), text


def _size(asked: int) -> Mark:
    return "good" if asked >= 400 else "mixed" if asked >= 100 else "bad"
