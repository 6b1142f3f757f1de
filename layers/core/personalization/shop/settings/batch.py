# SPDX-License-Identifier: Apache-2.0
"""The setting `batch`: batch inference jobs and user segments, by name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from table_intake.settings.files import ColumnName, Timezone
from table_intake.wording import Text

from personalization.shop import filters
from personalization.shop.settings import actions
from personalization.shop.settings.campaigns import mapping, switched_off
from personalization.shop.settings.cron import Every
from personalization.shop.settings.prices import Dollars
from personalization.shop.settings.recipes import FROM_ITEM, RECIPES, SEGMENTS, TRAINABLE, RecipeAlias
from personalization.shop.settings.settings_errors import at

NAME = r"^[a-z0-9][a-z0-9-]{0,19}$"
BatchName = Annotated[str, StringConstraints(pattern=NAME)]
ItemId = Annotated[str, StringConstraints(min_length=1, max_length=256)]

SegmentRecipe = Literal["item-affinity", "item-attribute-affinity", "likelihood"]
Output = Literal["csv", "parquet", "mail"]

FILE = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.(csv|txt|json|jsonl)(\.gz)?$"
"""Names of files with users."""
_HAVE_NONE: Mapping[str, str] = {
    "trending-now": "Trending-Now",
    "next-best-action": "Next-Best-Action",
}


class Users(BaseModel):
    """Users from a file of the shop or from a segment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, StringConstraints(pattern=FILE)] | None = None
    """The file's name under `drops/<shop>/lists/`: a CSV with USER_ID, ids line by line, or JSON lines with userId."""
    segment: BatchName | None = None
    """The name of a segment under `batch`, in its newest export."""


class Segment(BaseModel):
    """The users who most likely want certain items."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: SegmentRecipe = "likelihood"
    """`likelihood` counts with our own purchase likelihood; the others are Personalize's, and are trained for this."""
    items: Annotated[tuple[ItemId, ...], Field(max_length=500)] = ()
    """Item ids. item-affinity makes a segment of each, likelihood one of all together."""
    attributes: dict[ColumnName, Annotated[str, StringConstraints(min_length=1, max_length=1000)]] = {}
    """Columns of the items and the value that each must have, such as `{CATEGORY_L1: Tea}`."""
    users: Annotated[int, Field(ge=1, le=5_000_000)] = 5_000
    """The most users of a segment."""


class Customers(BaseModel):
    """All customers, with what they will probably buy within the likelihood's horizon."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: Annotated[tuple[ItemId, ...], Field(max_length=20)] = ()
    """Item ids: for each, a column with the probability that the customer buys it."""

    @field_validator("items")
    @classmethod
    def _once(cls, items: tuple[ItemId, ...]) -> tuple[ItemId, ...]:
        if len(set(items)) < len(items):
            raise ValueError(Text("settings.batch.item-twice", "names an item twice"))
        return items


class BatchJob(BaseModel):
    """A batch inference job, or with `segment` a batch segment job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: RecipeAlias = "user-personalization"
    """The recipe that answers, by the version that serves."""
    users: Literal["all"] | Users = "all"
    """`all` users of the shop's data, `{file: NAME}` or `{segment: NAME}`."""
    rank: Annotated[tuple[ItemId, ...], Field(max_length=500)] = ()
    """The item ids that personalized-ranking puts in order for each user."""
    items: Annotated[int, Field(ge=1, le=500)] = 10
    """Items in each list."""
    filter: BatchName | None = None
    """One of the shop's filters, without parameters."""
    segment: Segment | None = None
    """Makes a segment of users instead of lists of items."""
    customers: Customers | None = None
    """Makes a file of all customers instead, with what they will probably buy; `{}` is enough."""
    after: Literal["promotion"] | None = None
    """`promotion` starts the job after each promotion."""
    every: Every | None = None
    """A schedule, such as `rate(7 days)` or `cron(0 5 ? * MON *)`."""
    timezone: Timezone = "UTC"
    """The time zone of a cron expression."""
    output: Output = "csv"
    """`csv` or `parquet` with a row for each item of a list; `mail` is a CSV with one row a user."""
    formulas: Literal["text", "keep"] = "text"
    """`text` puts an apostrophe before texts of a CSV that spreadsheets would compute; `keep` leaves them."""
    columns: Annotated[tuple[ColumnName, ...], Field(max_length=10)] | None = None
    """Item columns beside the ids; by default the name and the price."""
    budget: Dollars = 100
    """The most dollars that one job may cost by the estimate; a dearer one is refused before it begins."""

    @field_validator("users", mode="before")
    @classmethod
    def _names_users(cls, users: object) -> object:
        if users == "all" or isinstance(users, Users):
            return users
        given = {name: value for name, value in mapping(users).items() if value is not None}
        patterns = {"file": FILE, "segment": NAME}
        if len(given) != 1 or any(name not in patterns for name in given):
            text = "write all, {{file: NAME}} for drops/<shop>/lists/NAME, or {{segment: NAME}}"
            raise ValueError(Text("settings.batch.users", text))
        ((kind, name),) = given.items()
        if not re.fullmatch(patterns[kind], str(name)):
            rule = "must be a name under lists/ that ends in .csv, .txt, .json or .jsonl, or one of these and .gz"
            of_file = Text("settings.batch.file", rule)
            of_segment = Text("settings.batch.segment-name", "must be the name of a segment")
            raise ValueError(at(kind, of_file if kind == "file" else of_segment))
        return given

    @property
    def takes_items(self) -> bool:
        """Whether the job's input are the shop's items."""
        return self.segment is None and self.recipe in FROM_ITEM


Batch = dict[BatchName, BatchJob]


def find_errors(settings: Mapping[Any, Any], recipes: Sequence[str], expressions: Mapping[str, str]) -> list[Text]:
    """Return errors in batch jobs that are valid one by one.

    Args:
        settings: the settings file.
        recipes, expressions: the recipes that the shop trains, and its filters by name.
    """
    jobs = {str(name): mapping(job) for name, job in mapping(settings.get("batch")).items()}
    likelihood = mapping(settings.get("likelihood")).get("enabled", True)
    errors: list[Text] = []
    for name, job in jobs.items():
        if "customers" in job:
            lacking = _customers(job, likelihood=not switched_off(likelihood))
        elif "segment" in job:
            lacking = _segment(job, mapping(job["segment"]), likelihood=not switched_off(likelihood))
        else:
            lacking = _lists(job, recipes, expressions, jobs)
        errors += [Text.joined("", [f"batch.{name}.", reason]) for reason in lacking]
    return errors


def impossible(recipe: object) -> str:
    """Return why a recipe has no batch jobs at all; empty if it may have."""
    plain = str(recipe).removeprefix("aws-")
    if plain in _HAVE_NONE:
        text = "{name} has no batch jobs: take {recipes}"
        return Text("settings.batch.no-jobs", text, name=_HAVE_NONE[plain], recipes=Text.any_of(RECIPES))
    if plain.startswith("ecomm-"):
        text = "recommenders have no batch jobs: take {recipes}"
        return Text("settings.batch.recommenders", text, recipes=Text.any_of(RECIPES))
    return ""


def _lists(
    job: Mapping[Any, Any],
    recipes: Sequence[str],
    expressions: Mapping[str, str],
    jobs: Mapping[str, Mapping[Any, Any]],
) -> Iterator[Text]:
    recipe = job.get("recipe", "user-personalization")
    if reason := impossible(recipe):
        yield at("recipe", reason)
    elif recipe in SEGMENTS:
        text = "{recipe} makes segments: write segment: {{recipe: {recipe}, …}}"
        yield at("recipe", Text("settings.batch.makes-segments", text, recipe=recipe))
    elif recipe in TRAINABLE and recipe not in recipes:
        text = "the shop does not train {recipe}; it trains {recipes}"
        yield at("recipe", Text("settings.batch.untrained", text, recipe=recipe, recipes=", ".join(recipes)))
    if recipe == "personalized-ranking" and not job.get("rank"):
        yield at("rank", Text("settings.batch.rank", "personalized-ranking needs the item ids to rank"))
    if recipe != "personalized-ranking" and job.get("rank"):
        text = "{recipe} ranks no given items; personalized-ranking does"
        yield at("rank", Text("settings.batch.no-rank", text, recipe=recipe))
    if recipe in FROM_ITEM and "users" in job:
        text = "{recipe} takes the shop's items and no users: leave it out"
        yield at("users", Text("settings.batch.no-users", text, recipe=recipe))
    if recipe in FROM_ITEM and job.get("output") == "mail":
        text = "a mail goes to users, and {recipe} takes items: take csv or parquet"
        yield at("output", Text("settings.batch.no-mail", text, recipe=recipe))
    named = job.get("filter")
    if named is not None and str(named) not in expressions:
        text = "the shop has no filter {name}; it has {filters}"
        filters_of_shop = ", ".join(expressions) or Text("none", "none")
        yield at("filter", Text("settings.batch.no-filter", text, name=str(named), filters=filters_of_shop))
    elif named is not None and (why := actions.filters_no_items(str(named), expressions[str(named)])):
        yield at("filter", why)
    elif named is not None and filters.parameters(expressions[str(named)], ()):
        text = "{name} has parameters, for which a batch job has no values: name one without"
        yield at("filter", Text("settings.batch.parameters", text, name=str(named)))
    source = mapping(job.get("users")).get("segment")
    if source is not None and "segment" not in jobs.get(str(source), {}):
        segments = ", ".join(name for name, batch_job in jobs.items() if "segment" in batch_job) or Text("none", "none")
        text = "there is no segment {name}; the segments are {segments}"
        yield at("users", Text("settings.batch.no-segment", text, name=str(source), segments=segments))


def _customers(job: Mapping[Any, Any], *, likelihood: bool) -> Iterator[Text]:
    for name in ("segment", "recipe", "users", "rank", "items", "filter", "columns"):
        if name in job:
            none = Text("settings.batch.none-of-customers", "a file of customers takes none here")
            yield at(name, none, "write customers: {items: …}") if name == "items" else at(name, none)
    if job.get("output") == "mail":
        text = "a mail has lists of items, and customers have none: take csv or parquet"
        yield at("output", Text("settings.batch.customers-mail", text))
    if not likelihood:
        text = "the shop's likelihood is switched off: enable it"
        yield at("customers", Text("settings.batch.likelihood-off", text))


def _segment(job: Mapping[Any, Any], segment: Mapping[Any, Any], *, likelihood: bool) -> Iterator[Text]:
    for name in ("recipe", "users", "rank", "items", "filter", "columns"):
        if name in job:
            none = Text("settings.batch.none-of-segment", "a segment takes none here")
            hint = [f"write segment: {{{name}: …}}"] if name in {"recipe", "users", "items"} else []
            yield at(name, none, *hint)
    if job.get("output") == "mail":
        text = "a segment has users and no items for a mail: take csv or parquet, and name the segment as users"
        yield at("output", Text("settings.batch.segment-mail", text))
    recipe, items, attributes = segment.get("recipe", "likelihood"), segment.get("items"), segment.get("attributes")
    if recipe == "item-affinity" and (not items or attributes):
        text = "item-affinity needs items, and takes no attributes"
        yield at("segment", Text("settings.batch.affinity", text))
    if recipe == "item-attribute-affinity" and (not attributes or items):
        text = "item-attribute-affinity needs attributes, and takes no items"
        yield at("segment", Text("settings.batch.attribute-affinity", text))
    if recipe == "likelihood":
        if bool(items) == bool(attributes):
            text = "likelihood needs either items or attributes"
            yield at("segment", Text("settings.batch.likelihood", text))
        if not likelihood:
            text = "the shop's likelihood is switched off: enable it, or take a recipe of Personalize"
            yield at("segment", Text("settings.batch.segment-off", text))
