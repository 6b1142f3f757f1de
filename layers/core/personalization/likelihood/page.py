# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501 - a page
"""What a fit is worth: one document, and the same as a page with its reliability curve that needs nothing else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from personalization.likelihood import training
from personalization.likelihood.answering import iso
from personalization.likelihood.bounds import LeftOut
from personalization.likelihood.histories import History
from personalization.likelihood.model import Model
from personalization.likelihood.verdict import WITHIN, WITHIN_STRANGERS, Answer, Verdict, verdict
from personalization.reports.style import STYLE

Document = Mapping[str, Any]
_SIDE, _PAD = 440, 68
_WORDS: Mapping[Answer, str] = {"yes": "yes", "no": "no", "unknown": "it cannot be said"}


def document(
    shop: str, model: Model, fitted: training.Fit, history: History, scores: Mapping[str, Any]
) -> dict[str, Any]:
    """The report of a fit.

    Args:
        shop: the shop. model: what serves now. fitted: what came of fitting. history: what it was fitted on.
        scores: what was decided about the ranking campaign's scores.
    """
    horizon = model.horizon_days * 86_400
    return {
        "shop": shop,
        "run": model.run,
        "fittedAt": model.fitted_at,
        "horizonDays": model.horizon_days,
        "eventType": model.event_type,
        "method": "anchored" if model.anchored else "counts",
        "baseRate": model.base_rate,
        "history": {
            "shoppers": len(history.users),
            "items": len(history.items),
            "events": len(history.time),
            "purchases": int(history.bought.sum()),
            "from": iso(int(history.time.min())),
            "to": iso(history.end),
        },
        "calibratedOn": {
            "from": iso(model.calibrated_from),
            "to": iso(model.calibrated_to),
            "pairs": model.calibrated_pairs,
            "purchases": model.calibrated_purchases,
        },
        "fittedOn": {
            "windows": len(fitted.windows),
            "from": iso(fitted.windows[-1]),
            "to": iso(fitted.windows[0] + horizon),
        },
        "tested": {
            **fitted.tested.as_json(),
            "from": iso(model.at - horizon),
            "to": iso(model.at),
            "baseRateLogLoss": fitted.base,
        },
        "testedBoughtBefore": fitted.tested_seen.as_json(),
        "testedStrangers": fitted.tested_strangers.as_json(),
        "newcomers": asdict(fitted.newcomers),
        "scores": dict(scores),
        "weights": {"boughtBefore": dict(model.seen.weights), "others": dict(model.other.weights)},
    }


def page(report: Document) -> str:
    """The report as a page."""
    tested, before = report["tested"], report["testedBoughtBefore"]
    found, strange = _verdict(tested, WITHIN), _verdict(report["testedStrangers"], WITHIN_STRANGERS)
    better = 1.0 - tested["logLoss"] / tested["baseRateLogLoss"] if tested["baseRateLogLoss"] else 0.0
    return _PAGE.format(
        style=STYLE + _STYLE,
        shop=escape(report["shop"]),
        run=escape(report["run"]),
        event=escape(report["eventType"]),
        days=report["horizonDays"],
        method=report["method"],
        when=_time(report["fittedAt"]),
        curve=_curve(tested["bins"]),
        answer=_answer(found),
        tag=_tag(found),
        strange_answer=_answer(strange),
        strange_tag=_tag(strange),
        strange_pairs=f"{report['testedStrangers']['pairs']:,}",
        newcomers=escape(_newcomers(report["newcomers"], report["horizonDays"])),
        rows="".join(_row(place, each) for place, each in enumerate(tested["bins"], 1)),
        auc=f"{tested['auc']:.3f}",
        better=f"{better:.1%}",
        error=f"{tested['calibrationError']:.1%}",
        again=f"{before['auc']:.3f}",
        rate=_percent(tested["baseRate"]),
        calibrated=_percent(report["baseRate"]),
        purchases=f"{tested['purchases']:,}",
        pairs=f"{tested['pairs']:,}",
        **{name: _time(tested[name]) for name in ("from", "to")},
        **{f"on_{name}": f"{report['calibratedOn'][name]:,}" for name in ("pairs", "purchases")},
        **{f"on_{name}": _time(report["calibratedOn"][name]) for name in ("from", "to")},
        **{f"all_{name}": f"{report['history'][name]:,}" for name in ("shoppers", "items", "purchases")},
        scores=escape(_scores(report["scores"])),
    )


def _answer(found: Verdict) -> str:
    return f"<p><strong>{escape(found.text)}</strong></p>"


def _tag(found: Verdict) -> str:
    mark = {"yes": "good", "no": "bad", "unknown": "mixed"}[found.answer]
    return f'<span class="tag {mark}">{_WORDS[found.answer]}</span>'


def _newcomers(came: Document, days: int) -> str:
    """What newcomers did, where the shop records what they do before they buy."""
    if not came["told"]:
        return "The shop records no events before purchases, so nothing is known of newcomers."
    if not came["users"]:
        return "No user had their first event in the horizon before the last."
    return (
        f"Newcomers, with their first event in the horizon before the last: {came['users']:,}. Within {days} days after it they "
        f"bought {came['purchases']:,} times, {_percent(came['purchases'] / max(came['pairs'], 1))} of pairs."
    )


def _verdict(tested: Document, within: float) -> Verdict:
    return verdict([(each["pairs"], each["predicted"], each["observed"]) for each in tested["bins"]], within)


def left_out(shop: str, run: str, at: str, left: LeftOut, serving: str | None) -> dict[str, Any]:
    """The report of a fit that was left out.

    Args:
        shop, run: whose. at: when, ISO 8601. left: what is too large. serving: the run whose fit serves on.
    """
    return {
        "shop": shop,
        "run": run,
        "leftOutAt": at,
        "reason": left.reason,
        "rows": left.rows,
        "mostRows": left.most,
        "memoryMegabytes": left.megabytes,
        "reachDays": left.days,
        "serving": serving,
    }


def left_out_page(report: Document) -> str:
    """That report as a page."""
    serving = (
        f"The fit of run {report['serving']} serves on." if report["serving"] else "The API answers with a problem."
    )
    return _LEFT_OUT.format(
        style=STYLE,
        shop=escape(report["shop"]),
        run=escape(report["run"]),
        when=_time(report["leftOutAt"]),
        reason=escape(report["reason"][:1].upper() + report["reason"][1:]),
        serving=escape(serving),
        **{name: f"{report[name]:,}" for name in ("rows", "mostRows", "memoryMegabytes", "reachDays")},
    )


def _scores(scores: Document) -> str:
    """Whether the campaign's scores count, in words."""
    told = {
        "no ranking campaign": "The shop has no personalized-ranking campaign, so probabilities come from counts alone.",
        "waiting": (
            "Probabilities come from counts alone until there are {neededSnapshots} labelled samples of the ranking campaign's "
            "scores with {neededPurchases} purchases; there are {labelled} with {purchases}."
        ),
        "no better": "The ranking campaign's scores were tried on held-out pairs and made nothing better, so counts alone are used.",
        "better": (
            "The ranking campaign's scores join the counts: on held-out pairs the log-loss fell from {countsLogLoss:.6f} to "
            "{anchoredLogLoss:.6f}."
        ),
    }
    words = told[str(scores["decision"])].format(**scores)
    taken = f" This run's own sample was {scores['snapshot']}." if scores.get("snapshot") else ""
    return words + taken


def _row(place: int, each: Document) -> str:
    pairs = max(each["pairs"], 1e-9)
    share, seen = each["predicted"] / pairs, each["observed"] / pairs
    cells = (
        f"{each['pairs']:,.0f}",
        _percent(share),
        _percent(seen),
        f"{each['predicted']:,.0f}",
        f"{each['observed']:,.0f}",
    )
    return f"<tr><th scope=row>{place}</th>" + "".join(f"<td class=n>{cell}</td>" for cell in cells) + "</tr>"


def _curve(bins: Sequence[Document]) -> str:
    """Observed against predicted shares, both on logarithmic axes, since purchases are rare."""
    points = [
        (each["predicted"] / each["pairs"], each["observed"] / each["pairs"], each["observed"])
        for each in bins
        if each["pairs"] and each["predicted"]
    ]
    if not points:
        return "<p class=quiet>There is nothing to draw.</p>"
    low = math.floor(math.log10(min(min(x, y or x) for x, y, _ in points)))
    high = min(0, math.ceil(math.log10(max(max(x, y) for x, y, _ in points)))) or 0
    high = max(high, low + 1)

    def at(value: float) -> float:
        return (math.log10(max(value, 10.0**low)) - low) / (high - low) * (_SIDE - 2 * _PAD)

    grid = "".join(_tick(10.0**power, at(10.0**power)) for power in range(low, high + 1))
    drawn = ""
    for predicted, observed, count in points:
        x, y = _PAD + at(predicted), _SIDE - _PAD - at(observed)
        # Two standard errors of a count.
        error = 2 * math.sqrt(count) / count if count else 0.0
        top, bottom = (_SIDE - _PAD - at(observed * (1 + way * min(error, 0.99))) for way in (1, -1))
        drawn += f"<line class=spread x1='{x:.1f}' x2='{x:.1f}' y1='{top:.1f}' y2='{bottom:.1f}'/>"
        drawn += f"<circle cx='{x:.1f}' cy='{y:.1f}' r=4><title>predicted {_percent(predicted)}, observed {_percent(observed)}</title></circle>"
    end = _SIDE - _PAD
    label = f"Reliability curve of {len(points)} bins: observed against predicted share of pairs with a purchase."
    return (
        f"<svg class=reliability viewBox='0 0 {_SIDE} {_SIDE}' role=img aria-label='{label}'>{grid}"
        f"<line class=ideal x1='{_PAD}' y1='{end}' x2='{end}' y2='{_PAD}'/>{drawn}"
        f"<text x='{_SIDE / 2}' y='{_SIDE - 8}' text-anchor=middle>predicted</text>"
        f"<text x='14' y='{_SIDE / 2}' text-anchor=middle transform='rotate(-90 14 {_SIDE / 2})'>observed</text></svg>"
    )


def _tick(value: float, place: float) -> str:
    x, y, end = _PAD + place, _SIDE - _PAD - place, _SIDE - _PAD
    return (
        f"<line x1='{_PAD}' x2='{end}' y1='{y:.1f}' y2='{y:.1f}'/><line y1='{_PAD}' y2='{end}' x1='{x:.1f}' x2='{x:.1f}'/>"
        f"<text x='{_PAD - 6}' y='{y + 4:.1f}' text-anchor=end>{_percent(value)}</text>"
        f"<text x='{x:.1f}' y='{end + 18}' text-anchor=middle>{_percent(value)}</text>"
    )


def _percent(share: float) -> str:
    digits = max(0, 1 - math.floor(math.log10(share * 100))) if share > 0 else 0
    return f"{share:.{min(digits, 6)}%}"


def _time(text: str) -> str:
    return escape(text.replace("T", " ").removesuffix("Z").rsplit(":", 1)[0])


_STYLE = """
.reliability{width:100%;max-width:30rem;height:auto;font-size:11px;fill:var(--quiet)}
.reliability line{stroke:var(--line)}.reliability .ideal{stroke:var(--quiet);stroke-dasharray:4 4}
.reliability circle{fill:var(--bar)}.reliability .spread{stroke:var(--bar);stroke-width:1.5;opacity:.6}
"""
_LEFT_OUT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Purchase likelihood of {shop}</title><style>{style}</style></head>
<body><main>
<h1>Purchase likelihood of {shop} <span class="tag bad">left out</span></h1>
<p>The release is promoted and serves without it. {reason}. {serving}</p>
<dl class="facts"><div><dt>Rows</dt><dd>{rows}</dd></div><div><dt>Rows that memory holds</dt><dd>{mostRows}</dd></div>
<div><dt>Memory in MB</dt><dd>{memoryMegabytes}</dd></div><div><dt>Days that count</dt><dd>{reachDays}</dd></div>
<div><dt>Looked at</dt><dd>{when}</dd></div><div><dt>Run</dt><dd>{run}</dd></div></dl>
</main></body></html>
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Purchase likelihood of {shop}</title><style>{style}</style></head>
<body><main>
<h1>Purchase likelihood of {shop} <span class="tag good">{method}</span></h1>
<p>How likely a shopper is to have a {event} of an item within {days} days. {scores}</p>
<dl class="facts"><div><dt>Fitted</dt><dd>{when}</dd></div><div><dt>Shoppers</dt><dd>{all_shoppers}</dd></div>
<div><dt>Items</dt><dd>{all_items}</dd></div><div><dt>Purchases</dt><dd>{all_purchases}</dd></div><div><dt>Run</dt><dd>{run}</dd></div></dl>
<h2>Does 5 % mean 5 %? {tag}</h2>
{answer}
<p>Tested on {from} to {to}, with weights and a calibrator that had seen nothing of these days: {pairs} pairs of a shopper and an
item, {purchases} of them with a purchase ({rate}). On the dashed line, as many pairs had a purchase as was predicted; the bars
are what chance may do to a count.</p>
{curve}
<div class="scroll" tabindex="0" role="region" aria-label="Bins"><table>
<thead><tr><th scope="col">Bin</th><th scope="col" class="n">Pairs</th><th scope="col" class="n">Predicted</th><th scope="col" class="n">Observed</th>
<th scope="col" class="n">Purchases predicted</th><th scope="col" class="n">Purchases observed</th></tr></thead><tbody>{rows}</tbody></table></div>
<p class="quiet">Each bin has an equal part of the predicted purchases.</p>
<h2>And for strangers? {strange_tag}</h2>
{strange_answer}
<p>The same test, asked about users drawn at random with their history hidden, so that nothing but their attributes tells:
{strange_pairs} pairs. {newcomers}</p>
<h2>Figures of the test</h2>
<dl class="facts"><div><dt>Of two pairs, one with a purchase, the right one is called likelier</dt><dd>{auc}</dd></div>
<div><dt>the same among pairs bought before</dt><dd>{again}</dd></div>
<div><dt>Log-loss below that of the base rate</dt><dd>{better}</dd></div>
<div><dt>Calibration error, of the base rate</dt><dd>{error}</dd></div></dl>
<h2>What serves now</h2>
<p>The same weights, calibrated anew on the latest days: {on_from} to {on_to}, {on_pairs} pairs with {on_purchases} purchases
(base rate {calibrated}).</p>
</main></body></html>
"""
