# SPDX-License-Identifier: Apache-2.0
"""What a run roughly costs: the settings `prices`, and an estimate made with them."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Dollars = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
_MONTH_HOURS = 730


class Prices(BaseModel):
    """Prices of Amazon Personalize in US dollars.

    The defaults are for us-east-1 and come from secondary sources, not from AWS's own list: set what your bill says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: Annotated[str, BeforeValidator(str), Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")] = "2026-01"
    """When these prices were right, year and month or day; YAML takes a day for a date."""
    import_gigabyte: Dollars = 0.05
    training_hour: Dollars = 0.24
    """A training hour is one hour of 4 processors with 8 GiB."""
    thousand_recommendations: Dollars = 0.0556
    thousand_batch_recommendations: Dollars = 0.067
    """What a batch inference job costs for a thousand lists."""
    training_hours_per_million: Dollars = 2.0
    """Training hours of a recipe for a million interactions: a guess until your own runs tell better."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one run costs, and what its campaigns cost as long as they are there."""

    import_dollars: float
    training_hours: float
    training_dollars: float
    campaigns: int
    campaign_month_dollars: float
    """The least that one campaign costs a month: one request a second, asked for or not."""

    @property
    def run_dollars(self) -> float:
        """The whole of this run."""
        return self.import_dollars + self.training_dollars

    @property
    def month_dollars(self) -> float:
        """The least that all campaigns cost a month."""
        return self.campaigns * self.campaign_month_dollars


@dataclass(frozen=True, slots=True)
class TrialEstimate:
    """What a test on held-out time costs besides."""

    training_hours: float
    lists: int
    """Lists that are asked for, at most."""
    dollars: float
    """Import, training and lists together; exports and the dataset group cost nothing."""


def campaign_month(prices: Prices) -> float:
    """The least dollars that a campaign costs a month: one request a second, asked for or not."""
    return prices.thousand_recommendations * 3.6 * _MONTH_HOURS


def estimate_trial(prices: Prices, size: int, interactions: int, recipes: int, users: int) -> TrialEstimate:
    """What a test on held-out time roughly costs at most: as if nothing were held out.

    Args:
        prices: the price table.
        size: bytes of the interactions.
        interactions: how many they are.
        recipes: recipes that are tested.
        users: shoppers whose lists are asked for, of each recipe.
    """
    run = estimate(prices, size, interactions, recipes)
    lists = recipes * users
    return TrialEstimate(
        training_hours=run.training_hours,
        lists=lists,
        dollars=run.run_dollars + prices.thousand_batch_recommendations * lists / 1_000,
    )


def estimate(prices: Prices, size: int, interactions: int, recipes: int) -> Estimate:
    """What a run roughly costs.

    Args:
        prices: the price table.
        size: bytes that are imported.
        interactions: rows that are trained on; 0 where nothing is trained.
        recipes: recipes that are trained, each with a campaign.
    """
    trained = recipes if interactions else 0
    # Below some size a training is all start and end; a quarter of an hour is what small ones take.
    hours = trained * max(0.25, prices.training_hours_per_million * interactions / 1e6)
    return Estimate(
        import_dollars=prices.import_gigabyte * size / 1e9,
        training_hours=hours,
        training_dollars=prices.training_hour * hours,
        campaigns=trained,
        campaign_month_dollars=campaign_month(prices),
    )
