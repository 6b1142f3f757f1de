# SPDX-License-Identifier: Apache-2.0
"""What the figures mean, in sentences for those who run a shop; the texts are in ``texts/``."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from personalization.reports import pages
from table_intake.check import findings
from table_intake.wording import Language, fill

Document = Mapping[str, Any]
Mark = Literal["good", "mixed", "bad"]
Answer = tuple[str, Mark, str]
"""A question, a mark, and the answer."""
FAR_ABOVE = 3.0
"""The ratio from which a gain reads as a multiple, not as a percentage."""
LIKELIHOOD_MARKS: Mapping[str, Mark] = {"yes": "good", "unknown": "mixed", "no": "bad"}
LEVEL = 0.02
"""Gain by the second half of the users below which more of them hardly help."""


@cache
def texts(language: Language = "en") -> dict[str, Any]:
    path = Path(__file__).with_name("texts") / f"{language}.yaml"
    texts: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return texts


def language_of(document: Document) -> Language:
    language: Language = document.get("language", "en")
    return language


def statements(document: Document) -> list[dict[str, str]]:
    """Answer what a shop wants to know: `{title, mark, text}` each, the most important first."""
    language = language_of(document)
    answers = [
        _positions(document["protocol"], language),
        _better(document),
        _enough(document["data"], language),
        _discovery(document),
        _strangers(document),
        _likely(document["calibration"], language),
        _more(document["learning"], language),
        _weights(document.get("weights"), language),
        _sure(document),
    ]
    return [dict(zip(("title", "mark", "text"), answer, strict=True)) for answer in answers if answer is not None]


def mark(document: Document) -> Mark:
    """Return the mark of the whole: whether it is better than simple rules."""
    return _better(document)[1]


def task(document: Document, name: str) -> Document | None:
    return next((task for task in document["tasks"] if task["task"] == name), None)


def percent(share: float) -> str:
    """Return a share in per cent, with a decimal where it is small."""
    return f"{share:.1%}" if abs(share) < 0.1 else f"{share:.0%}"


def cents(dollars: float) -> str:
    """Return dollars to the cent; what is less than one is not nothing."""
    return "< $0.01" if 0 < dollars < 0.01 else f"${dollars:,.2f}"


def method(name: str, language: Language = "en") -> tuple[str, bool]:
    """Return the displayed name of a recipe or rule, and whether it is a rule."""
    prefix, _, plain = texts(language)["methods"][name].rpartition(": ")
    return plain[:1].upper() + plain[1:], bool(prefix)


def _positions(protocol: Document, language: Language) -> Answer | None:
    wording = texts(language)["positions"]
    return (wording["title"], "bad", fill(wording["text"], **wording)) if protocol["times"] == "positions" else None


def _better(document: Document) -> Answer:
    language = language_of(document)
    wording, shown = texts(language)["better"], task(document, "next")
    if shown is None:
        return wording["title"], "mixed", wording["nobody"]
    best = next(method for method in shown["methods"] if method["method"] == shown["bestRule"])
    lead = fill(
        wording["lead"],
        mine=percent(shown["methods"][0]["hitRate"][0]),
        depth=document["protocol"]["depth"],
        rule=texts(language)["methods"][shown["bestRule"]].rpartition(": ")[2],
        best=percent(best["hitRate"][0]),
    )
    return (wording["title"], *_compared(shown["timesBestRule"], lead, wording["other"], language))


def _compared(times: Sequence[float] | None, lead: str, other: str, language: Language) -> tuple[Mark, str]:
    wording = texts(language)["compared"]
    if times is None:
        return "mixed", fill(wording["nothing"], lead=lead)
    value, low, high = times
    if low > 1 and value >= FAR_ABOVE:
        return "good", fill(wording["many"], lead=lead, other=other, value=value, low=low, high=high)
    gains = {"value": value, "low": low, "high": high}
    span = fill(wording["span"], **{name: f"{ratio - 1:+.0%}" for name, ratio in gains.items()})
    result: tuple[Mark, str] = ("good", "better") if low > 1 else ("bad", "worse") if high < 1 else ("mixed", "chance")
    return result[0], fill(wording[result[1]], lead=lead, other=other, span=span)


def _enough(data: Document, language: Language) -> Answer:
    wording, rows, users = texts(language)["enough"], data["trains"], data["returning"]
    few = rows < findings.MINIMUM_INTERACTIONS or users < findings.MINIMUM_USERS
    some = rows < findings.RECOMMENDED_INTERACTIONS or users < findings.RECOMMENDED_USERS
    result: Mark = "bad" if few else "mixed" if some else "good"
    text = fill(
        wording[result],
        have=fill(wording["have"], rows=rows, users=users),
        least=fill(wording["least"], rows=findings.MINIMUM_INTERACTIONS, users=findings.MINIMUM_USERS),
        advice=fill(wording["advice"], rows=findings.RECOMMENDED_INTERACTIONS, users=findings.RECOMMENDED_USERS),
    )
    return wording["title"], result, text


def _discovery(document: Document) -> Answer | None:
    language = language_of(document)
    wording, new = texts(language)["discovery"], task(document, "discovery")
    if new is None:
        return None
    lead = fill(wording["lead"], share=percent(new["methods"][0]["hitRate"][0]), depth=document["protocol"]["depth"])
    return (wording["title"], *_compared(new["timesBestRule"], lead, texts(language)["better"]["other"], language))


def _strangers(document: Document) -> Answer | None:
    language = language_of(document)
    wording, cold = texts(language)["strangers"], task(document, "strangers")
    if cold is None:
        return None
    lead = wording["real" if cold["real"] else "unreal"].format(share=percent(cold["methods"][0]["hitRate"][0]))
    return (wording["title"], *_compared(cold["timesBestRule"], lead, wording["other"], language))


def _more(curve: Sequence[Document], language: Language) -> Answer | None:
    if len(curve) < 2 or curve[-1]["times"] is None:
        return None
    wording, (value, low, _) = texts(language)["more"], curve[-1]["times"]
    result: Mark = "mixed" if low > 1 and value - 1 > LEVEL else "good"
    return wording["title"], result, fill(wording[result], gain=value - 1)


def weights_of(variant: Document, language: Language) -> str:
    """Return the weights of a variant in words."""
    wording = texts(language)["weights"]
    told = (
        wording["event" if event["threshold"] is None else "threshold"].format(**event) for event in variant["events"]
    )
    return ", ".join(told)


def _weights(measured: Document | None, language: Language) -> Answer | None:
    wording = texts(language)["weights"]
    if measured is None:
        return None
    by_name = {variant["variant"]: variant for variant in measured["variants"]}

    def figures(name: str, times: Sequence[float] | None) -> str:
        return fill(wording[name], **dict(zip(("value", "low", "high"), times, strict=True))) if times else ""

    proposal, validated = by_name.get("proposal"), measured["validated"]
    of_settings = figures("set", by_name["settings"]["times"]) if "settings" in by_name else ""
    if proposal is None or validated is None:
        return wording["question"], "good", f"{fill(wording['none'], goal=measured['goal'])} {of_settings}".strip()
    setting = ", ".join(f"{event['name']}: {event['weight']:g}" for event in proposal["events"])
    text = fill(
        wording["proposal"],
        weights=weights_of(proposal, language),
        **dict(zip(("value", "low", "high"), validated, strict=True)),
        test=figures("test", proposal["times"]),
        setting=f"events: {{{setting}}}",
    )
    return wording["question"], "mixed", f"{text} {of_settings}".strip()


def _likely(measured: Document | None, language: Language) -> Answer | None:
    wording = texts(language)["likely"]
    if measured is None:
        return None
    calibration = pages.translated(measured, language)
    if "reason" in calibration:
        return wording["title"], "bad", fill(wording["refused"], **calibration)
    return wording["title"], LIKELIHOOD_MARKS[calibration["verdict"]["answer"]], calibration["verdict"]["text"]


def _sure(document: Document) -> Answer:
    wording, protocol, shown = texts(language_of(document))["sure"], document["protocol"], task(document, "next")
    users, (_, low, high) = (shown["shoppers"], shown["methods"][0]["hitRate"]) if shown else (0, (0.0, 0.0, 2.0))
    if protocol["split"] == "time":
        how = fill(wording["time"], end=protocol["cut"][:10], days=protocol["days"])
    else:
        how = wording["positions" if protocol["times"] == "positions" else "last"]
    result: Mark = "good" if users >= 400 else "mixed" if users >= 100 else "bad"
    return wording["title"], result, fill(wording["text"], how=how, asked=users, width=(high - low) / 2)
