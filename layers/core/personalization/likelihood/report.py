# SPDX-License-Identifier: Apache-2.0
"""The report of a fit: one document, and a self-contained page with its reliability curve."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from table_intake.wording import Language

from personalization.likelihood import training
from personalization.likelihood.answering import calibrated_on, iso
from personalization.likelihood.histories import History
from personalization.likelihood.limits import LeftOut
from personalization.likelihood.model import Model
from personalization.reports import pages
from personalization.reports.pages import significant

Document = Mapping[str, Any]
_SIDE, _PAD = 440, 68


def document(
    shop: str, model: Model, fitted: training.Fit, history: Mapping[str, Any], scores: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the report of a fit.

    Args:
        history: as `of_history` describes it. scores: the decision about the ranking campaign's scores.
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
        "history": dict(history),
        "calibratedOn": calibrated_on(model),
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
        "verdict": asdict(fitted.known_verdict),
        "strangersVerdict": asdict(fitted.stranger_verdict),
        "newcomers": asdict(fitted.newcomers),
        "scores": dict(scores),
        "weights": {"boughtBefore": dict(model.seen.weights), "others": dict(model.other.weights)},
    }


def of_history(history: History) -> dict[str, Any]:
    """Return the figures of a history."""
    return {
        "shoppers": len(history.users),
        "items": len(history.items),
        "events": len(history.time),
        "purchases": int(history.bought.sum()),
        "from": iso(int(history.time.min())),
        "to": iso(history.end),
    }


def page(report: Document) -> str:
    if "leftOutAt" in report:
        return pages.render("likelihood_left_out.html", report)
    tested = report["tested"]
    return pages.render(
        "likelihood.html",
        report,
        better=1.0 - tested["logLoss"] / tested["baseRateLogLoss"] if tested["baseRateLogLoss"] else 0.0,
        curve=reliability_curve(tested["bins"], report.get("language", "en")),
    )


def left_out(shop: str, run: str, at: str, left: LeftOut, serving: str | None) -> dict[str, Any]:
    """Return the report of a fit that was left out at a time (ISO 8601); the fit of run `serving` continues."""
    return {
        "shop": shop,
        "run": run,
        "leftOutAt": at,
        "reason": left.reason,
        "rows": left.rows,
        "mostRows": left.most_rows,
        "memoryMegabytes": left.megabytes,
        "reachDays": left.days,
        "serving": serving,
    }


def reliability_curve(bins: Sequence[Document], language: Language = "en") -> str:
    """Draw observed against predicted shares, both on logarithmic axes, since purchases are rare."""
    points = [
        (counted["predicted"] / counted["pairs"], counted["observed"] / counted["pairs"], counted["observed"])
        for counted in bins
        if counted["pairs"] and counted["predicted"]
    ]
    if not points:
        return ""
    low = math.floor(math.log10(min(min(x, y or x) for x, y, _ in points)))
    high = min(0, math.ceil(math.log10(max(max(x, y) for x, y, _ in points)))) or 0
    high = max(high, low + 1)

    def at(value: float) -> float:
        return (math.log10(max(value, 10.0**low)) - low) / (high - low) * (_SIDE - 2 * _PAD)

    grid = "".join(_tick(10.0**power, at(10.0**power)) for power in range(low, high + 1))
    words = pages.texts(language)["likelihood"]["calibration"]
    drawn = ""
    for predicted, observed, count in points:
        x, y = _PAD + at(predicted), _SIDE - _PAD - at(observed)
        # Two standard errors of a count.
        error = 2 * math.sqrt(count) / count if count else 0.0
        top, bottom = (_SIDE - _PAD - at(observed * (1 + way * min(error, 0.99))) for way in (1, -1))
        drawn += f"<line class=spread x1='{x:.1f}' x2='{x:.1f}' y1='{top:.1f}' y2='{bottom:.1f}'/>"
        point = words["point"].format(predicted=significant(predicted), observed=significant(observed))
        drawn += f"<circle cx='{x:.1f}' cy='{y:.1f}' r=4><title>{point}</title></circle>"
    end, label = _SIDE - _PAD, words["label"].format(count=len(points))
    return (
        f"<svg class=reliability viewBox='0 0 {_SIDE} {_SIDE}' role=img aria-label='{label}'>{grid}"
        f"<line class=ideal x1='{_PAD}' y1='{end}' x2='{end}' y2='{_PAD}'/>{drawn}"
        f"<text x='{_SIDE / 2}' y='{_SIDE - 8}' text-anchor=middle>{words['axes'][0]}</text>"
        f"<text x='14' y='{_SIDE / 2}' text-anchor=middle transform='rotate(-90 14 {_SIDE / 2})'>"
        f"{words['axes'][1]}</text></svg>"
    )


def _tick(value: float, offset: float) -> str:
    x, y, end = _PAD + offset, _SIDE - _PAD - offset, _SIDE - _PAD
    return (
        f"<line x1='{_PAD}' x2='{end}' y1='{y:.1f}' y2='{y:.1f}'/>"
        f"<line y1='{_PAD}' y2='{end}' x1='{x:.1f}' x2='{x:.1f}'/>"
        f"<text x='{_PAD - 6}' y='{y + 4:.1f}' text-anchor=end>{significant(value)}</text>"
        f"<text x='{x:.1f}' y='{end + 18}' text-anchor=middle>{significant(value)}</text>"
    )
