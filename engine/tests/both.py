# SPDX-License-Identifier: Apache-2.0
"""A dataset group that is asked twice: through the service, and through the library with the same models and data."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from personalize_local import library
from personalize_local.library import Changes, Live, PutRecord, Recommender, Refused, Since, StreamedEvent
from personalize_local.recipes import loading
from personalize_local.recipes.definitions import RECIPES
from personalize_local.testing import FaultDoor

from engine.tests.harness import Argument, Aws, Engine
from engine.tests.names import RECIPE

Json = dict[str, Any]
Files = Mapping[str, tuple[str, Path]]
"""The schema and the CSV file of each dataset type."""
STREAMED = 1_700_000_000
"""Time of the first event: after all imported ones."""
_OPERATIONS = {
    "PERSONALIZED_RANKING": "get_personalized_ranking",
    "PERSONALIZED_ACTIONS": "get_action_recommendations",
}
_CONFIGS: Mapping[str, Json] = {
    "aws-user-personalization": {"itemExplorationConfig": {"explorationWeight": "0.9"}},
    "aws-semantic-similarity": {"rankingInfluence": {"POPULARITY": 0.5, "FRESHNESS": 0.5}},
}
"""What campaigns of a recipe say besides that they show metadata."""


@dataclass
class Both:
    """Everything that is streamed, put or asked goes to both."""

    aws: Aws
    group: str
    files: Files
    sources: Mapping[str, str]
    """ARNs of campaigns and recommenders, by recipe."""
    recommenders: Mapping[str, Recommender]
    tracking_id: str
    since: Since = Since()  # noqa: RUF009 - it cannot be changed
    filters: dict[str, library.Filter] = field(default_factory=dict)
    """By ARN."""
    made: dict[str, str] = field(default_factory=dict)
    """ARNs of filters by their expressions."""
    numbers: Iterator[int] = field(default_factory=count)

    def filter(self, expression: str) -> str:
        """Return a filter's ARN. The library reads the filter from JSON, as a program that only answers does."""
        if expression in self.made:
            return self.made[expression]
        arn = self.aws.filter(self.group, expression, f"filter-{next(self.numbers)}")
        checked = library.check_filter(expression, {kind: text for kind, (text, _) in self.files.items()})
        self.filters[arn] = library.Filter.from_json(checked.to_json())
        self.made[expression] = arn
        return arn

    def filter_of(self, arn: str) -> library.Filter:
        if arn not in self.filters:
            raise Refused("ResourceNotFoundException", f"Resource Arn {arn} does not exist.")
        return self.filters[arn]

    def click(self, item: str, user: str | None, session: str, kind: str = "View") -> None:
        number = next(self.numbers)
        event = {"eventType": kind, "sentAt": STREAMED + number, "eventId": f"e{number}"}
        self.aws.click(self.tracking_id, item, user, session, **event)
        streamed = StreamedEvent(session, kind, STREAMED + number, f"e{number}", user, item)
        self.since = self.since._replace(events=[*self.since.events, streamed])

    def put_item(self, item: str, properties: Json) -> None:
        dataset = self.group.replace(":dataset-group/", ":dataset/") + "/ITEMS"
        self.aws.events.put_items(datasetArn=dataset, items=[{"itemId": item, "properties": json.dumps(properties)}])
        columns = library.columns(properties, self.files["ITEMS"][0], whole=True)
        self.since = self.since._replace(items=[*self.since.items, PutRecord(item, columns)])

    def answers(self, recipe: str, request: Json, live: Live | None = None) -> tuple[Json, Json]:
        """Return what the service and the library answer, or how they refuse."""
        operation = _OPERATIONS.get(RECIPES[recipe].recipe_type, "get_recommendations")
        source = {"recommenderArn" if RECIPES[recipe].domain else "campaignArn": self.sources[recipe]}
        more: Json = {"now": FaultDoor(self.aws.engine.url).now(), "filters": self.filter_of}
        try:
            answer: Json = getattr(self.aws.runtime, operation)(**source, **request)
            del answer["ResponseMetadata"]
            if operation == "get_recommendations":
                more["answer_id"] = answer["recommendationId"]
        except ClientError as error:
            answer = {name.lower(): error.response["Error"][name] for name in ("Code", "Message")}
        ask = getattr(self.recommenders[recipe], operation)
        try:
            of_library: Json = ask(request, live=live or Live(changes=Changes(self.since)), **more)
        except Refused as refused:
            of_library = {"code": refused.code, "message": refused.message}
        return _without_id(answer), _without_id(of_library)

    def explained(self, recipe: str, question: Json) -> tuple[Json, Json]:
        """Return what the service's page and the library say beside an answer, as JSON has it."""
        body = json.dumps({"source": self.sources[recipe], **question}).encode()
        status, _, answer = self.aws.engine.ask("/_page/why", body, Authorization="")
        assert status == 200, answer
        now = FaultDoor(self.aws.engine.url).now()
        said = self.recommenders[recipe].explain(question, live=Live(changes=Changes(self.since)), now=now)
        return json.loads(answer), json.loads(json.dumps(said))


def _without_id(answer: Json) -> Json:
    return {name: value for name, value in answer.items() if name != "recommendationId"}


def opened(aws: Aws, files: Files, recipes: list[str], domain: str = "") -> Both:
    """Import files into a dataset group and into tables, and train the recipes in the service."""
    of_domain: Argument = {"domain": domain} if domain else {}
    group = aws.group(**of_domain)
    tables: dict[str, Path] = {}
    for kind, (text, file) in files.items():
        made = aws.control.create_schema(name=kind.lower(), schema=text, **of_domain)["schemaArn"]
        dataset = aws.control.create_dataset(name=kind, schemaArn=made, datasetGroupArn=group, datasetType=kind)
        aws.imported(dataset["datasetArn"], f"s3://{file.relative_to(aws.engine.s3_root)}", kind.lower())
        tables[kind] = aws.engine.s3_root.parent / "tables" / aws.region / kind
        library.import_table([file], text, tables[kind])
    of_items = library.open_tables({kind: table for kind, table in tables.items() if not kind.startswith("ACTION")})
    of_actions = {kind: table for kind, table in tables.items() if kind not in {"INTERACTIONS", "ITEMS"}}
    sources, recommenders = {}, {}
    for recipe in recipes:
        config = {"enableMetadataWithRecommendations": True} | _CONFIGS.get(recipe, {})
        trained, source = _trained(aws, group, recipe, config)
        data = library.open_tables(of_actions) if recipe == "aws-next-best-action" else of_items
        model = model_of(aws.engine, trained, recipe)
        sources[recipe], recommenders[recipe] = source, Recommender(model, data, arn=source, config=config)
    return Both(aws, group, files, sources, recommenders, aws.tracker(group))


def _trained(aws: Aws, group: str, recipe: str, config: Argument) -> tuple[str, str]:
    """Train a recipe; returns the ARNs of what has the model, and of what answers."""
    if RECIPES[recipe].domain is None:
        version = aws.version(aws.solution(group, recipe, performAutoTraining=False))
        return version, aws.campaign(version, recipe, campaignConfig=config)
    made = aws.control.create_recommender(
        name=recipe, datasetGroupArn=group, recipeArn=RECIPE + recipe, recommenderConfig=config
    )
    return (aws.settle("Recommender", made["recommenderArn"]),) * 2


def model_of(engine: Engine, arn: str, recipe: str) -> library.Model:
    """Return the model in the folder where the service has it."""
    _, _, _, region, account, resource = arn.split(":", 5)
    model = loading.load(engine.data_dir.joinpath("files", region, account, *resource.split("/")))
    return library.Model(recipe=recipe, solution={}, metrics={}, notes={}, engine="", model=model)
