# SPDX-License-Identifier: Apache-2.0
"""Plan a run that imports nothing and trains on the existing data."""

from table_intake.columns.schema import Schema
from table_intake.wording import Text

from personalization.core.errors import Rejected
from personalization.core.names import Names, is_of_engine
from personalization.ingest import hashed_ids, imports, texts, training_checks
from personalization.ingest.imports import Accepted, Lineage
from personalization.ingest.services import Services
from personalization.personalize import ensure
from personalization.shop.keys import Drop
from personalization.shop.plan import Plan, PrepareRequest, Retraining
from personalization.shop.records.release import recipe_of
from personalization.shop.settings import settings_file
from personalization.shop.settings.settings import ShopSettings


def of_shop(services: Services, names: Names, request: PrepareRequest, wish: Retraining, lineage: Lineage) -> Plan:
    """Return the plan of a run that trains on the existing data.

    Raises:
        Rejected: the shop has no interactions; or the recipes or the training mode do not fit its settings, or these
            its columns.
    """
    bucket, s3, personalize = request.bucket, services.s3, services.personalize
    settings, remarks = settings_file.settings_that_hold(s3, bucket, wish.shop)
    names = names.on(settings.home)
    schema = ensure.dataset_schema(personalize, "interactions", names.dataset(wish.shop, "interactions").arn)
    if schema is None:
        raise Rejected(wish.shop, "there are no interactions to train on: drop them first")
    if settings.is_on_both:
        imports.check_engine(personalize, names, wish.shop, "interactions", wish.shop)
    planned = plan(names, bucket, wish, lineage=lineage, settings=settings, schema=schema)
    if settings.events or settings.training:
        training_checks.check_events(wish.shop, settings, schema, None)
        tables = training_checks.tables(s3, personalize, names, wish.shop, request)
        training_checks.check_columns(wish.shop, settings, tables)
    # Of the data that are there, whatever the settings say by now.
    hashed = hashed_ids.of_shop(s3, bucket, wish.shop).columns
    planned = planned.replaced(notes=(*remarks, *planned.notes), hashed=hashed)
    planned = texts.trainable(s3, personalize, bucket, planned)
    planned = imports.with_left_behind(personalize, names, planned, settings, made_on=services.made_on)
    return imports.with_existing(personalize, names, planned, settings)


def plan(names: Names, bucket: str, wish: Retraining, lineage: Lineage, settings: ShopSettings, schema: Schema) -> Plan:
    """Return the plan of a run that imports nothing and trains on the existing data.

    Raises:
        Rejected: a recipe is not the shop's, or has no training mode UPDATE.
    """
    unknown = [alias for alias in wish.recipes if alias not in settings.trained]
    if unknown:
        raise Rejected(wish.shop, f"{', '.join(unknown)} is not a recipe of the shop's settings")
    chosen = tuple(alias for alias in settings.trained if not wish.recipes or alias in wish.recipes)
    if wish.training_mode == "UPDATE" and chosen != ("user-personalization",):
        raise Rejected(wish.shop, "trainingMode UPDATE needs recipes: [user-personalization], the only one that has it")
    if wish.training_mode == "UPDATE" and settings.generation == "v2":
        raise Rejected(wish.shop, "generation v2 has no trainingMode UPDATE: train it in full")
    if wish.training_mode == "UPDATE" and "performHPO" in settings.solution_members("user-personalization"):
        raise Rejected(wish.shop, "trainingMode UPDATE tunes nothing, and the settings say tune: train it in full")
    if wish.training_mode == "UPDATE" and settings.backends["user-personalization"] == "engine":
        raise Rejected(
            wish.shop, "user-personalization is on the engine, which has no trainingMode UPDATE: train it in full"
        )
    drop = Drop(key="", kind="interactions", shop=wish.shop)
    planned = imports.plan(
        names,
        bucket,
        drop,
        lineage=lineage,
        settings=settings,
        checked=Accepted(schema=schema, rows=0, notes=(Text("note.retrained", "trained on the data that is there"),)),
    )
    parts = tuple(part for part in planned.recipes if recipe_of(part.alias) in chosen)
    if wish.training_mode == "UPDATE":
        # The engine has no such training: what it has goes on answering.
        parts = tuple(part for part in parts if not is_of_engine(part.solution.arn))
    # An update only adds new data; a second full training for the test would cost many times as much.
    evaluation = planned.evaluation if wish.training_mode == "FULL" else None
    if evaluation:
        tested = tuple(alias for alias in evaluation.recipes if alias in chosen)
        evaluation = evaluation.replaced(recipes=tested) if tested else None
    return planned.replaced(training_mode=wish.training_mode, recipes=parts, evaluation=evaluation)
