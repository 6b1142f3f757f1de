# SPDX-License-Identifier: Apache-2.0
"""A small trained shop, made by the calls that AWS's guide shows; each create call returns when its job is done."""

import json
from typing import NamedTuple

import boto3

ROLE = "arn:aws:iam::123456789012:role/personalize"
SCHEMA = {
    "type": "record",
    "name": "Interactions",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
    "version": "1.0",
}


class Shop(NamedTuple):
    """ARNs, and the id for events."""

    dataset: str
    solution: str
    campaign: str
    tracking_id: str


def sales() -> str:
    """Return a CSV file: even users buy books, odd ones buy games."""
    lines = ["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"]
    for user in range(60):
        kind = "game" if user % 2 else "book"
        lines += [f"u{user},{kind}-{(user * 7 + n * 3) % 25},Purchase,{1_700_000_000 + n}" for n in range(18)]
    return "\n".join(lines)


def open_shop(source: str) -> Shop:
    """Import `s3://bucket/key`, train and deploy."""
    personalize = boto3.client("personalize")
    group = personalize.create_dataset_group(name="shop")["datasetGroupArn"]
    schema = personalize.create_schema(name="sales", schema=json.dumps(SCHEMA))["schemaArn"]
    dataset = personalize.create_dataset(
        name="sales", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions"
    )["datasetArn"]
    personalize.create_dataset_import_job(
        jobName="first", datasetArn=dataset, dataSource={"dataLocation": source}, roleArn=ROLE
    )
    recipe = "arn:aws:personalize:::recipe/aws-user-personalization-v2"
    solution = personalize.create_solution(name="for-you", datasetGroupArn=group, recipeArn=recipe)["solutionArn"]
    version = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    campaign = personalize.create_campaign(name="for-you", solutionVersionArn=version)["campaignArn"]
    tracker = personalize.create_event_tracker(name="shop", datasetGroupArn=group)
    return Shop(dataset, solution, campaign, tracker["trackingId"])
