# SPDX-License-Identifier: Apache-2.0
"""The costs of two backends stand on the page as they are computed."""

import re

import pytest
from personalization.shop.settings.prices import estimate, requests_month
from personalization.shop.settings.settings import parse

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
PERSONALIZE, ENGINE = (parse("settings.yaml", f"backend: {name}") for name in ("personalize", "engine"))
LAMBDA, LOGS, READS = 1.30, 0.48, 4 * 0.125
"""Dollars of a million: docs/costs.md has the first two; four strongly consistent units of DynamoDB are the third."""
CALLS, MILLISECONDS, GIGABYTES = 0.20, 10.7 * 1769 / 1024 + 5, 1.0
"""A million calls of Lambda in dollars; what an answer of the engine takes with a share of a processor, and waits."""


def dollars(millions: float) -> tuple[float, ...]:
    """What Amazon Personalize and the engine cost with so many requests."""
    return tuple(
        requests_month(settings.prices, [settings.billed(alias) for alias in settings.deployed], millions * 1e6)
        for settings in (PERSONALIZE, ENGINE)
    )


def test_the_prices_of_a_thousand_requests_are_computed() -> None:
    prices = ENGINE.prices
    answers = CALLS + MILLISECONDS / 1_000 * 1e6 * GIGABYTES * prices.gigabyte_second + READS + LOGS
    assert prices.thousand_engine_answers == pytest.approx(answers / 1_000, rel=0.005)
    assert prices.thousand_requests == pytest.approx((LAMBDA + LOGS) / 1_000)


@pytest.mark.parametrize(("text", "millions"), [("0", 0), ("1 million", 1), ("10 million", 10), ("100 million", 100)])
def test_the_costs_of_requests_are_computed(text: str, millions: int) -> None:
    row = re.search(rf"^\| {text} \| \$([\d,]+) \| \$([\d,]+) \|$", PAGE, re.MULTILINE)
    assert row is not None
    stated = [int(group.replace(",", "")) for group in row.groups()]
    assert stated == pytest.approx(dollars(millions), rel=0.01, abs=0.5)


def test_the_costs_of_a_training_are_computed() -> None:
    costs = [
        estimate(settings.prices, 0, 1_000_000, [settings.billed(alias) for alias in settings.trained])
        for settings in (PERSONALIZE, ENGINE)
    ]
    assert [cost.training_dollars for cost in costs] == pytest.approx([1.92, 0.0116], rel=0.02)
