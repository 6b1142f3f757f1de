# SPDX-License-Identifier: Apache-2.0
"""The setting `prices`, and rough estimates of a run's cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from personalization.core.names import Backend
from personalization.shop.settings.engine_jobs import gigabyte_seconds
from personalization.shop.settings.recipes import Generation

Dollars = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
MONTH_HOURS = 730
MONTH_DAYS = MONTH_HOURS / 24


class Prices(BaseModel):
    """Prices of Amazon Personalize in US dollars.

    The defaults are for us-east-1 and come from secondary sources, not from AWS's own list: set what your bill says.
    Those of the first generation were collected from articles and answers of 2024 to 2026, those of the second one
    (`…_v2`) from notes of 2025 and 2026. Recipes without a second generation are billed as the first one.
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
    thousand_batch_segment_users: Dollars = 0.067
    """What a batch segment job costs for a thousand users of its segments: no known source has it, so it is taken for
    that of lists."""
    training_hours_per_million: Dollars = 2.0
    """Training hours of a recipe for a million interactions: a guess until your own runs give a figure."""
    thousand_with_metadata: Dollars | None = None
    """The surcharge for metadata in a thousand first-generation recommendations; no known source has it."""
    thousand_recommendations_v2: Dollars = 0.15
    thousand_interactions_v2: Dollars = 0.002
    """The cost of each training per thousand interactions of the whole history."""
    gigabyte_second: Dollars = 0.0000133334
    """A second of a function of Lambda with a GB, on arm64: what a training of the engine costs."""
    thousand_requests: Dollars = 0.00178
    """What a thousand requests cost beside Amazon Personalize: Lambda and logs."""
    thousand_engine_answers: Dollars = 0.00149
    """What a thousand requests cost with the engine: Lambda, reads of DynamoDB, and logs."""
    thousand_engine_batch_lists: Dollars = 0.0009
    """What the engine's batch jobs cost for a thousand lists: Lambda, 8 milliseconds a list with 3,008 MB, half of them
    waiting, and four units of reading DynamoDB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """The properties of a recipe that determine its cost."""

    alias: str
    generation: Generation = "v1"
    tps: int | None = 1
    """The least requests a second that its campaign provides; None if the recipe has no campaign."""
    metadata: bool = False
    """Whether the campaign's answers have columns of Items."""
    trials: int = 0
    """Trainings that a tuning tries before each training, at most."""
    engine: bool = False
    """Whether the stack's own functions train and answer: its campaigns cost nothing while nobody asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The cost of one run, and the monthly cost of its campaigns."""

    import_dollars: float
    interactions: int
    """Interactions to train on: the whole history."""
    training_hours: float
    """Hours of first-generation recipes, which are billed by the hour."""
    training_dollars: float
    campaign_months: tuple[tuple[str, float], ...]
    """The least monthly cost of each campaign, by recipe: its provisioned requests, used or not."""

    @property
    def run_dollars(self) -> float:
        return self.import_dollars + self.training_dollars

    @property
    def month_dollars(self) -> float:
        """The least monthly cost of all campaigns."""
        return sum(dollars for _, dollars in self.campaign_months)


@dataclass(frozen=True, slots=True)
class TrialEstimate:
    """The additional cost of a test on held-out time."""

    training_hours: float
    lists: int
    """The most requested lists."""
    dollars: float
    """Import, training and lists; exports and the dataset group are free."""


def thousand_answers(prices: Prices, billed: Billed) -> float:
    """Return the dollars of a thousand answers of a campaign."""
    if billed.engine:
        return prices.thousand_engine_answers
    if billed.generation == "v2":
        return prices.thousand_recommendations_v2
    return prices.thousand_recommendations + ((prices.thousand_with_metadata or 0) if billed.metadata else 0)


def campaign_month(prices: Prices, billed: Billed) -> float:
    """Return the least monthly dollars of a campaign: its provisioned requests, used or not.

    Amazon does not publish whether an idle second-generation campaign is billed; the estimate assumes it.
    """
    return 0.0 if billed.engine else thousand_answers(prices, billed) * 3.6 * MONTH_HOURS * (billed.tps or 0)


def requests_month(prices: Prices, recipes: Sequence[Billed], requests: float) -> float:
    """Return the dollars of a month with so many requests, spread evenly over the campaigns and over the month.

    Trainings and API Gateway are not among them.
    """
    campaigns = [recipe for recipe in recipes if recipe.tps is not None]
    if not campaigns:
        return 0.0
    thousands = requests / 1_000 / len(campaigns)
    answers = sum(
        max(campaign_month(prices, campaign), thousand_answers(prices, campaign) * thousands) for campaign in campaigns
    )
    beside = sum(0.0 if campaign.engine else prices.thousand_requests * thousands for campaign in campaigns)
    return answers + beside


def estimate_trial(
    prices: Prices, size: int, interactions: int, recipes: Sequence[Billed], users: int
) -> TrialEstimate:
    """Estimate the most that a test on held-out time costs, as if nothing were held out.

    Args:
        prices, recipes: the price table, and the tested recipes.
        size, interactions: bytes of the interactions, and their number.
        users: the users in the test of each recipe.
    """
    run = estimate(prices, size, interactions, recipes)
    lists = len(recipes) * users
    return TrialEstimate(
        run.training_hours, lists, run.run_dollars + prices.thousand_batch_recommendations * lists / 1_000
    )


def estimate(prices: Prices, size: int, interactions: int, recipes: Sequence[Billed]) -> Estimate:
    """Estimate the cost of a run.

    Args:
        prices, recipes: the price table, and the trained recipes.
        size: bytes to import.
        interactions: the whole history, which every training reads; 0 if nothing is trained.
    """
    trained = recipes if interactions else ()
    # An import of the engine takes a fraction of a cent.
    imports = not recipes or any(not recipe.engine for recipe in recipes)
    service = [recipe for recipe in trained if not recipe.engine]
    of_engine = [recipe for recipe in trained if recipe.engine]
    seconds = sum(gigabyte_seconds(recipe.alias, interactions) * (1 + recipe.trials) for recipe in of_engine)
    # Small trainings consist of start and end only, and take a quarter of an hour.
    each_hours = max(0.25, prices.training_hours_per_million * interactions / 1e6)
    hours = each_hours * sum(1 + recipe.trials for recipe in service if recipe.generation == "v1")
    by_interactions = prices.thousand_interactions_v2 * interactions / 1_000
    return Estimate(
        import_dollars=prices.import_gigabyte * size / 1e9 if imports else 0.0,
        interactions=interactions,
        training_hours=hours,
        training_dollars=prices.training_hour * hours
        + by_interactions * sum(recipe.generation == "v2" for recipe in service)
        + prices.gigabyte_second * seconds,
        campaign_months=tuple(
            (recipe.alias, campaign_month(prices, recipe)) for recipe in trained if recipe.tps is not None
        ),
    )


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """The most that a batch job costs."""

    answers: int
    """Lists, or users in segments."""
    answer_dollars: float
    training_dollars: float
    """A training of a segment recipe; 0 where a trained version answers."""

    @property
    def dollars(self) -> float:
        return self.answer_dollars + self.training_dollars


def estimate_lists(prices: Prices, lists: int, backend: Backend = "personalize") -> BatchEstimate:
    """Estimate the cost of a batch inference job that answers with so many lists."""
    of_engine = backend == "engine"
    thousand = prices.thousand_engine_batch_lists if of_engine else prices.thousand_batch_recommendations
    return BatchEstimate(lists, thousand * lists / 1_000, 0.0)


def estimate_segments(
    prices: Prices, users: int, interactions: int | None, backend: Backend = "personalize"
) -> BatchEstimate:
    """Estimate the most that a batch segment job costs. Of the engine's, only the training costs what can be counted.

    Args:
        prices: the price table.
        users: the most users in all segments.
        interactions: what the recipe is trained on first; None if it is trained already.
        backend: whose functions do it.
    """
    billed, training = Billed(alias="item-affinity", tps=None, engine=backend == "engine"), 0.0
    if interactions is not None:
        training = estimate(prices, 0, max(1, interactions), [billed]).training_dollars
    thousand = 0.0 if billed.engine else prices.thousand_batch_segment_users
    return BatchEstimate(users, thousand * users / 1_000, training)
