# SPDX-License-Identifier: Apache-2.0
"""What the flows of AWS's developer guide start from: a group of its tutorial, made in the tutorial's order.

Pages are those of https://docs.aws.amazon.com/personalize/latest/dg/. A flow waits where its page waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.tests.calls import Json
from engine.tests.doors import Door, settled
from engine.tests.harness import Engine
from engine.tests.names import RECIPE, ROLE
from engine.tests.shop_data import interactions, schema, write_csv

STRING: Final = {"type": "string"}
CATEGORY: Final = {"type": "string", "categorical": True}
RATINGS: Final[Mapping[str, Json]] = {
    "USER_ID": STRING,
    "ITEM_ID": STRING,
    "TIMESTAMP": {"type": "long"},
    "EVENT_TYPE": STRING,
    "DEVICE": {"type": ["null", "string"], "categorical": True},
}
MOVIES: Final[Mapping[str, Json]] = {
    "ITEM_ID": STRING,
    "GENRES": CATEGORY,
    "OWNER": CATEGORY,
    "CREATION_TIMESTAMP": {"type": "long"},
    "LENGTH": {"type": "float"},
}
VIEWERS: Final[Mapping[str, Json]] = {"USER_ID": STRING, "MEMBERSHIP": CATEGORY, "AGE": {"type": "int"}}
START: Final = 1_600_000_000


def write_movies(folder: Path) -> None:
    """Write ratings, movies and viewers: even viewers like comedies, odd ones dramas."""
    rated = [(user, item, time, kind, device) for user, item, kind, _, time, device in interactions()]
    write_csv(folder / "ratings.csv", RATINGS, rated)
    genres = [("comedy", "drama")[number // 20] for number in range(40)]
    films = [(f"i{n}", genres[n], ("in-house", "studio")[n % 2], START - n * 86_400, 60 + n) for n in range(40)]
    write_csv(folder / "movies.csv", MOVIES, films)
    write_csv(folder / "viewers.csv", VIEWERS, [(f"u{n}", ("gold", "silver")[n % 2], 20 + n) for n in range(60)])


@dataclass
class Tutorial:
    """A door, and what the tutorial made through it."""

    door: Door
    engine: Engine
    bucket: str
    group: str = ""
    datasets: dict[str, str] = field(default_factory=dict)
    version: str = ""
    campaign: str = ""

    @property
    def folder(self) -> Path:
        return self.engine.s3_root / self.bucket

    def made(self, operation: str, **request: object) -> str:
        """Make something; returns its ARN."""
        answer = self.door.call(operation, **request)
        return str(next(value for name, value in answer.items() if name.endswith("Arn")))

    def imported(self, dataset: str, file: str, name: str, **options: object) -> str:
        """Import a file as the tutorial does, which waits until the job is ACTIVE."""
        source = {"dataLocation": f"s3://{self.bucket}/{file}"}
        common = {"jobName": name, "datasetArn": dataset, "dataSource": source, "roleArn": ROLE}
        return settled(self.door, "DatasetImportJob", self.made("CreateDatasetImportJob", **common, **options))

    def trained(self, recipe: str, name: str, **config: object) -> str:
        """Make a solution and its version one after the other, and wait for the version alone."""
        solution = self.made(
            "CreateSolution", name=name, datasetGroupArn=self.group, recipeArn=RECIPE + recipe, **config
        )
        version = self.made("CreateSolutionVersion", solutionArn=solution)
        return settled(self.door, "SolutionVersion", version)

    def filter(self, name: str, expression: str) -> str:
        """Make a filter, which the guide's examples use at once."""
        return self.made("CreateFilter", name=name, datasetGroupArn=self.group, filterExpression=expression)

    def items(self, **question: object) -> list[Json]:
        """Ask for recommendations."""
        answer = self.door.call("GetRecommendations", campaignArn=self.campaign, **question)
        items: list[Json] = answer["itemList"]
        return items

    def ids(self, **question: object) -> list[str]:
        return [str(item["itemId"]) for item in self.items(**question)]


def custom_tutorial(door: Door, engine: Engine, region: str) -> Tutorial:
    """Go through getting-started-python.html with its other datasets (importing-datasets.html) besides."""
    tutorial = Tutorial(door, engine, region)
    write_movies(tutorial.folder)
    kinds = {"Interactions": RATINGS, "Items": MOVIES, "Users": VIEWERS}
    files = {"Interactions": "ratings.csv", "Items": "movies.csv", "Users": "viewers.csv"}
    schemas = {
        kind: tutorial.made("CreateSchema", name=f"getting-started-{kind}", schema=schema(kind, columns))
        for kind, columns in kinds.items()
    }
    tutorial.group = tutorial.made("CreateDatasetGroup", name="getting-started")
    for kind, schema_arn in schemas.items():
        common = {"name": kind, "schemaArn": schema_arn, "datasetGroupArn": tutorial.group, "datasetType": kind}
        tutorial.datasets[kind] = tutorial.made("CreateDataset", **common)
        tutorial.imported(tutorial.datasets[kind], files[kind], f"import-{kind}", importMode="FULL")
    tutorial.version = tutorial.trained("aws-user-personalization", "movies")
    config = {"enableMetadataWithRecommendations": True}
    campaign = {"solutionVersionArn": tutorial.version, "minProvisionedTPS": 1, "campaignConfig": config}
    tutorial.campaign = settled(door, "Campaign", tutorial.made("CreateCampaign", name="movies", **campaign))
    return tutorial
