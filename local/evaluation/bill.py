# SPDX-License-Identifier: Apache-2.0
"""What the shop's recipes would cost on either backend, by the shop's prices."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from personalization.core.names import Backend
from personalization.ingest.report import engine_limits
from personalization.shop.settings.prices import Billed, estimate, requests_month
from personalization.shop.settings.settings import ShopSettings

from local.evaluation.comparison import Document

REQUESTS = (0, 100_000, 1_000_000, 10_000_000)
"""Requests a month."""


def estimated(settings: ShopSettings, backend: Backend, items: int, interactions: int) -> Document:
    """Return the dollars of a training, and of a month by its number of requests, of the wished backend first.

    Recipes of both backends come before: what they cost as the settings have them.
    """
    backends: list[Document] = []
    bills: dict[str, Sequence[Billed]] = {
        name: [replace(settings.billed(alias), engine=name == "engine") for alias in settings.trained]
        for name in sorted(get_args(Backend), key=lambda other: other != backend)
    }
    if len({*settings.backends.values()}) > 1:
        bills = {"both": settings.billed_trainings, **bills}
    for name, recipes in bills.items():
        backends.append(
            {
                "backend": name,
                "training": round(estimate(settings.prices, 0, interactions, recipes).training_dollars, 4),
                "months": [round(requests_month(settings.prices, recipes, number), 2) for number in REQUESTS],
            }
        )
    notes = engine_limits(settings, settings.trained, items, interactions) if backend == "engine" else ()
    return {"asOf": settings.prices.as_of, "requests": [*REQUESTS], "backends": backends, "notes": [*notes]}
