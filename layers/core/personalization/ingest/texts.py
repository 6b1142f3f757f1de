# SPDX-License-Identifier: Apache-2.0
"""Whether a shop has what recipes need beside interactions, before anything is spent on a training.

Next-Best-Action needs actions, and Semantic-Similarity the texts of items.

Personalize needs a column that is marked as the items' name and one that is marked as text. A column keeps its marks
for ever ("Replacing a dataset's schema to add new columns", in the developer guide), so a dataset that was made without
them needs new columns, which the next whole file of items may bring.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from table_intake.wording import Text

from personalization.core.aws import objects
from personalization.core.errors import Rejected
from personalization.core.names import dataset_arn
from personalization.ingest import report
from personalization.personalize import ensure
from personalization.personalize.campaigns import INFLUENCE
from personalization.shop.plan import Plan
from personalization.shop.settings.recipes import NEXT_BEST_ACTION, SEMANTIC

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient
    from mypy_boto3_s3 import S3Client

_NO_ITEMS = Text(
    "texts.no-items",
    "semantic-similarity is not trained: the shop has no items yet. Drop them, then interactions, or retrain",
)


_NO_ACTIONS = Text(
    "texts.no-actions",
    "next-best-action is not trained: the shop has no actions yet. Drop them, then interactions, or retrain",
)


def trainable(s3: "S3Client", client: "PersonalizeClient", bucket: str, plan: Plan) -> Plan:
    """Return the plan without the recipes for which the shop lacks data, with a note on each.

    Raises:
        Rejected: as in `with_texts`; or nothing else would be trained.
    """
    return with_actions(s3, client, bucket, with_texts(s3, client, bucket, plan))


def with_actions(s3: "S3Client", client: "PersonalizeClient", bucket: str, plan: Plan) -> Plan:
    """Return the plan, without Next-Best-Action and with a note if the shop has no actions yet.

    Raises:
        Rejected: nothing else would be trained.
    """
    if all(recipe.alias != NEXT_BEST_ACTION for recipe in plan.recipes):
        return plan
    checked = objects.get_json(s3, bucket, f"{report.key(plan.shop, plan.run, 'actions', 0)}.json") or {}
    if checked.get("outcome") == "accepted" or ensure.dataset(client, dataset_arn(plan.dataset_group.arn, "ACTIONS")):
        return plan
    return _left_out(plan, NEXT_BEST_ACTION, _NO_ACTIONS)


def _left_out(plan: Plan, alias: str, why: Text) -> Plan:
    """Return the plan without a recipe, and with the reason; Rejected if nothing else would be trained."""
    others = tuple(recipe for recipe in plan.recipes if recipe.alias != alias)
    if not others:
        raise Rejected(plan.shop, why)
    return plan.replaced(recipes=others, notes=(*plan.notes, why))


def with_texts(s3: "S3Client", client: "PersonalizeClient", bucket: str, plan: Plan) -> Plan:
    """Return the plan, without Semantic-Similarity and with a note if the shop has no items yet.

    Raises:
        Rejected: the items have no texts that the recipe can compare, or nothing else would be trained.
    """
    part = next((recipe for recipe in plan.recipes if recipe.alias == SEMANTIC), None)
    if part is None:
        return plan
    items = _items(s3, client, bucket, plan)
    if items is None:
        return _left_out(plan, SEMANTIC, _NO_ITEMS)
    if missing := items.missing():
        text = (
            "semantic-similarity needs {missing}, and a column of the dataset never changes: drop the whole file of "
            "items with a new column for it, which may repeat what another one has, or leave the recipe out"
        )
        raise Rejected(plan.shop, Text("texts.missing", text, missing=Text.all_of(missing)))
    chosen = part.solution_members.get("solutionConfig", {}).get("trainingDataConfig", {})
    excluded = chosen.get("excludedDatasetColumns", {}).get("Items", ())
    if texts := [column for column in (items.name, items.description) if column in excluded]:
        text = "semantic-similarity compares {columns}, which training excludes: name it apart from all, or take it out"
        raise Rejected(plan.shop, Text("texts.excluded", text, columns=", ".join(filter(None, texts))))
    if part.campaign_config.get(INFLUENCE, {}).get("FRESHNESS") and "CREATION_TIMESTAMP" not in items.columns:
        text = (
            "ranking_influence of semantic-similarity goes by freshness, and the items have no CREATION_TIMESTAMP: "
            "drop them with that column, or leave freshness out"
        )
        raise Rejected(plan.shop, Text("texts.no-times", text))
    return plan


@dataclass(frozen=True, slots=True)
class _Items:
    """The columns of a shop's items."""

    columns: frozenset[str]
    name: str | None
    """The column that is marked as the items' name."""
    description: str | None
    """The one that is marked as text."""

    def missing(self) -> list[Text]:
        """Return the columns that the recipe lacks, in words."""
        name = Text("texts.name", "a column with the names of items (such as ITEM_NAME)")
        description = Text("texts.description", "one that describes them (such as PRODUCT_DESCRIPTION)")
        return [*([] if self.name else [name]), *([] if self.description else [description])]


def _items(s3: "S3Client", client: "PersonalizeClient", bucket: str, plan: Plan) -> _Items | None:
    """Return the items that the run imports before it trains, else those of the dataset; None if there are none."""
    checked = objects.get_json(s3, bucket, f"{report.key(plan.shop, plan.run, 'items', 0)}.json") or {}
    if checked.get("outcome") == "accepted":
        columns = checked["columns"]
        return _Items(
            frozenset(column["name"] for column in columns),
            name=next((column["name"] for column in columns if column.get("itemName")), None),
            description=next((column["name"] for column in columns if column["kind"] == report.LONG_TEXT), None),
        )
    schema = ensure.dataset_schema(client, "items", dataset_arn(plan.dataset_group.arn, "ITEMS"))
    if schema is None:
        return None
    return _Items(
        frozenset(schema.names()),
        name=next((column.name for column in schema.columns if column.item_name), None),
        description=next((column.name for column in schema.columns if column.textual), None),
    )
