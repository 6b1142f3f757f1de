# SPDX-License-Identifier: Apache-2.0
"""The nightly job: what was sold today, from S3 into Personalize, and a campaign that knows it."""

import time

import boto3

POLL_SECONDS = 60


class NotReady(Exception):
    """A job of Personalize failed; the text is its reason."""


def retrain(dataset_arn: str, solution_arn: str, campaign_arn: str, source: str, role_arn: str) -> str:
    """Import `s3://bucket/key`, train, and let the campaign serve the new version; return its ARN. Raises NotReady."""
    personalize = boto3.client("personalize")
    day = time.strftime("%Y-%m-%d")
    job = personalize.create_dataset_import_job(
        jobName=f"sales-{day}", datasetArn=dataset_arn, dataSource={"dataLocation": source}, roleArn=role_arn
    )["datasetImportJobArn"]
    _wait(lambda: personalize.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"])
    version = personalize.create_solution_version(solutionArn=solution_arn)["solutionVersionArn"]
    _wait(lambda: personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
    personalize.update_campaign(campaignArn=campaign_arn, solutionVersionArn=version)
    return version


def _wait(describe) -> None:
    while (shown := describe())["status"] != "ACTIVE":
        if shown["status"].endswith("FAILED"):
            raise NotReady(shown["failureReason"])
        time.sleep(POLL_SECONDS)
