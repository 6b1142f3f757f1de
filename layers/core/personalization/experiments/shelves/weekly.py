# SPDX-License-Identifier: Apache-2.0
"""The mail of a Monday: what last week's shelves and experiments say, in a few lines, once a week and shop."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from table_intake.wording import Text

from personalization.experiments.shelves.earnings import Span, amount
from personalization.reports import pages
from personalization.shop.settings.shelves import WeeklyMail

RECORD = "weekly-mail"
"""The sort key of the shop's record of the last week that was mailed."""
_SHELVES = 3
"""The shelves that a mail names."""
_TESTS = 5
_LAST_WEEKDAY = 1
"""A mail that Monday's rounds could not send is sent on Tuesday, and no later."""


def due(mail: WeeklyMail, now: datetime) -> Span | None:
    """Return the week to be told now; None before its hour, and from Wednesday on.

    Weeks are from Monday to Sunday in UTC, as days are: where Monday comes first, the mail waits for the end of theirs.
    """
    local, today = now.astimezone(ZoneInfo(mail.timezone)), now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    is_time = local.weekday() <= _LAST_WEEKDAY and (local.weekday() > 0 or local.hour >= mail.hour)
    if not is_time or today.weekday() > _LAST_WEEKDAY:
        return None
    return Span(period="week", first=monday - timedelta(days=7), last=monday - timedelta(days=1))


def lines(report: Mapping[str, Any], address: str) -> dict[str, str]:
    """Return the lines of a mail, by name, in the shop's language.

    Args:
        report: that of the week; see `earnings.document`.
        address: where its page is.
    """
    currency = report["currency"]
    shelves = [
        Text(
            "weekly.shelf",
            "{placement}: {orders:,} {orders:order|orders}, {amount}",
            placement=shelf["placement"],
            orders=int(shelf["figures"]["orders"] or 0),
            amount=amount(shelf["figures"]["attributedRevenue"] or 0, currency),
        )
        for shelf in report["shelves"][:_SHELVES]
    ]
    # The page goes on showing what is proven; a mail tells it until the week in which it ended.
    news = [test for test in report["tests"] if test["ends"] >= report["from"]]
    tests = [
        Text("weekly.test", "{experiment}: {sentence}", experiment=test["experiment"], sentence=test["sentence"])
        for test in news[:_TESTS]
    ]
    none = Text("weekly.no-shelves", "There are no figures of shelves.")
    said: dict[str, str] = {
        "from": report["from"],
        "to": report["to"],
        "summary": report["sentence"],
        "proof": report["proof"],
        "shelves": Text.joined("; ", shelves) if shelves else none,
        "verdicts": Text.joined(" ", tests) if tests else Text("weekly.no-tests", "No experiment ran."),
        "problems": Text.joined(" ", report["findings"])
        if report["findings"]
        else Text("weekly.fine", "Nothing is wrong with the data."),
        "page": address,
    }
    return {name: str(pages.said(text, report["language"])) for name, text in said.items()}
