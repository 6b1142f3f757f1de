# SPDX-License-Identifier: Apache-2.0
"""Whether a purchase likelihood would mean what it says: the model that would serve, tested on the last horizon."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from personalization.likelihood.histories import Reader
from personalization.likelihood.training import TooLittle, fit
from personalize_local.data.frames import pl
from table_intake.wording import Text
from table_intake.write import dialect

from local.evaluation.files import Tables

DAYS = 7
"""The horizon: the default of a shop's settings."""
USUAL = "purchase"


def of(tables: Tables, event_type: str | None) -> dict[str, Any] | None:
    """Fit on the past and test on the newest DAYS, as the fit of a release does.

    Return figures and bins, or the reason why nothing could be fitted; None without purchases or a single type, where
    no `event_type` is given.
    """
    rows = tables.interactions
    types = rows["EVENT_TYPE"].drop_nulls().unique().to_list()
    wanted = [name for name in types if name.lower() == (event_type or USUAL).lower()]
    if not wanted and (event_type is not None or len(types) != 1):
        return None
    name = (wanted or types)[0]
    end = int(rows["TIMESTAMP"].max())  # type: ignore[arg-type]
    reader = Reader(name, end)
    for row in rows.select("USER_ID", "ITEM_ID", "TIMESTAMP", pl.col("EVENT_TYPE").fill_null("")).iter_rows():
        reader.event(*row)
    if tables.users is not None:
        reader.users(_lines(tables.users))
    if tables.items is not None:
        reader.items(_lines(tables.items))
    result: dict[str, Any] = {"eventType": name, "days": DAYS}
    if tables.positions:
        text = "TIMESTAMP holds positions, not times, and a likelihood is one within days"
        return result | {"reason": Text("evaluation.positions", text)}
    try:
        fitted = fit(reader.history(), DAYS, end)
    except TooLittle as little:
        return result | {"reason": Text("evaluation.it", "it {reason}", reason=little.reason)}
    tested = fitted.tested
    return result | {
        "auc": round(tested.auc, 4),
        "logLoss": tested.log_loss,
        "baseRateLogLoss": fitted.base,
        "baseRate": tested.base_rate,
        "calibrationError": round(tested.calibration_error, 4),
        "pairs": round(tested.pairs),
        "purchases": round(tested.purchases),
        "bins": [
            {"pairs": round(pairs), "predicted": predicted / pairs, "observed": observed / pairs}
            for pairs, predicted, observed in tested.bins
            if pairs
        ],
        "verdict": asdict(fitted.known_verdict),
        "strangers": {
            "pairs": round(fitted.tested_strangers.pairs),
            "purchases": round(fitted.tested_strangers.purchases),
            "verdict": asdict(fitted.stranger_verdict),
        },
        "boughtBefore": {"auc": round(fitted.tested_seen.auc, 4), "baseRate": fitted.tested_seen.base_rate},
    }


def _lines(table: pl.DataFrame) -> Iterator[str]:
    yield dialect.record(table.columns)
    for row in table.select(pl.all().cast(pl.String).fill_null("")).iter_rows():
        yield dialect.record(row)
