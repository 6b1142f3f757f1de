# SPDX-License-Identifier: Apache-2.0
"""AWS's getting-started-cli.html with its own arguments: files, shorthand, JSON in quotes; and errors."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.tests.calls import Refused
from engine.tests.doors import AwsCli, Boto3, aws_cli, settled
from engine.tests.guide import RATINGS
from engine.tests.harness import Aws, Engine
from engine.tests.names import RECIPE, ROLE
from engine.tests.shop_data import interactions, schema, write_csv


@pytest.fixture
def cli(engine: Engine, region: str) -> Iterator[AwsCli]:
    with aws_cli(engine, region) as door:
        yield door


def test_getting_started(cli: AwsCli, engine: Engine, region: str, tmp_path: Path) -> None:
    rated = [(user, item, time, kind, device) for user, item, kind, _, time, device in interactions()]
    write_csv(engine.s3_root / region / "ratings.csv", RATINGS, rated)
    file = tmp_path / "MovieRatingSchema.json"
    file.write_text(schema("Interactions", RATINGS))

    # Each poll by the CLI takes a third of a second of CPU time.
    door = Boto3(Aws(engine, region))

    def aws(command: str, *arguments: str) -> str:
        """Make something; returns its ARN."""
        answer = cli.run("personalize", command, *arguments)
        return str(next(value for name, value in answer.items() if name.endswith("Arn")))

    group = aws("create-dataset-group", "--name", "MovieRatingDatasetGroup", "--tags", "tagKey=team,tagValue=films")
    listed = cli.run("personalize", "list-dataset-groups")["datasetGroups"]
    assert [resource["name"] for resource in listed] == ["MovieRatingDatasetGroup"]
    schema_arn = aws("create-schema", "--name", "MovieRatingSchema", "--schema", f"file://{file}")
    where = ("--dataset-group-arn", group, "--dataset-type", "Interactions", "--schema-arn", schema_arn)
    dataset = aws("create-dataset", "--name", "MovieRatingDataset", *where)
    source = ("--data-source", f"dataLocation=s3://{region}/ratings.csv", "--role-arn", ROLE)
    job = aws("create-dataset-import-job", "--job-name", "MovieRatingImportJob", "--dataset-arn", dataset, *source)
    settled(door, "DatasetImportJob", job)
    recipe = ("--recipe-arn", f"{RECIPE}aws-popularity-count")
    solution = aws("create-solution", "--name", "MovieSolution", "--dataset-group-arn", group, *recipe)
    version = aws("create-solution-version", "--solution-arn", solution)
    settled(door, "SolutionVersion", version)
    throughput = ("--min-provisioned-tps", "10")
    campaign = aws("create-campaign", "--name", "MovieCampaign", "--solution-version-arn", version, *throughput)
    settled(door, "Campaign", campaign)
    liked = "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($TYPE)"
    chosen = aws("create-filter", "--name", "seen", "--dataset-group-arn", group, "--filter-expression", liked)
    values = ("--filter-arn", chosen, "--filter-values", json.dumps({"TYPE": '"View"'}))
    request = ("--campaign-arn", campaign, "--user-id", "u1", "--num-results", "40")
    answer = cli.run("personalize-runtime", "get-recommendations", *request, *values)
    assert len(answer["itemList"]) == 20
    tracker = cli.run("personalize", "create-event-tracker", "--name", "clicks", "--dataset-group-arn", group)
    event = [{"sentAt": "1700000000", "eventType": "View", "properties": '{"itemId": "i3"}'}]
    session = ("--tracking-id", str(tracker["trackingId"]), "--user-id", "cli", "--session-id", "session1")
    cli.run("personalize-events", "put-events", *session, "--event-list", json.dumps(event))
    paged = cli.run("personalize", "list-recipes", "--page-size", "3", "--max-items", "7")
    assert len(paged["recipes"]) == 7


def test_errors_are_shown_by_their_codes(cli: AwsCli) -> None:
    none = "arn:aws:personalize:us-east-1:123456789012:campaign/none"
    for arguments, code in {
        f"describe-campaign --campaign-arn {none}": "ResourceNotFound",
        "create-dataset-group --name _bad": "InvalidInput",
        "list-schemas --next-token nonsense --no-paginate": "InvalidNextToken",
    }.items():
        with pytest.raises(Refused, match=f"An error occurred .{code}Exception"):
            cli.run("personalize", *arguments.split())
