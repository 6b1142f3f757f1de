# SPDX-License-Identifier: Apache-2.0
"""What lists cost: an estimate by the shop's prices, since no bill tells placements apart."""

from collections import defaultdict
from collections.abc import Mapping

from personalization.shop.settings.placements import Placement
from personalization.shop.settings.prices import MONTH_HOURS, campaign_month, thousand_answers
from personalization.shop.settings.settings import ShopSettings


def costs(settings: ShopSettings, lists: Mapping[str, float], days: float) -> dict[str, float | None]:
    """Estimate the dollars of placements in some days; None where no price is known.

    A campaign bills its requests, and at least those that it provides. Its bill is shared out by lists that were seen.

    Args:
        settings: the shop's, with prices.
        lists: how many were seen, by placement.
        days: the days.
    """
    shared: dict[str, list[str]] = defaultdict(list)
    dollars: dict[str, float | None] = {}
    for name in lists:
        placement = settings.placements.get(name)
        if placement is None or placement.recipe is None:
            dollars[name] = None
        elif placement.recipe in settings.deployed:
            shared[placement.recipe].append(name)
        else:
            # The application answers by itself, from the bestsellers of the run.
            dollars[name] = 0.0
    for names in shared.values():
        seen = sum(lists[name] for name in names)
        bill = _bill(settings, settings.placements[names[0]], seen, days)
        dollars |= {name: bill * lists[name] / seen if seen else None for name in names}
    return dollars


def _bill(settings: ShopSettings, placement: Placement, lists: float, days: float) -> float:
    if placement.recipe is None:
        return 0.0
    billed = settings.billed(placement.recipe)
    least = campaign_month(settings.prices, billed) * days * 24 / MONTH_HOURS
    return max(thousand_answers(settings.prices, billed) * lists / 1_000, least)
