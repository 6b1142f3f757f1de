# SPDX-License-Identifier: Apache-2.0
"""Start and describe Personalize's data deletion jobs, and find versions that were trained after them."""

from typing import TYPE_CHECKING

from personalization.core.aws.errors import ClientError, code, none_if_missing, translate_errors
from personalization.core.aws.pagination import paginate
from personalization.core.environment import Environment
from personalization.events import erasures
from personalization.events.erasures import Progress, Version

if TYPE_CHECKING:
    from mypy_boto3_personalize import PersonalizeClient


class DeletionJobs:
    """Data deletion jobs by name.

    Args:
        client: the control plane.
        environment: the bucket of their files, and the role with which Personalize reads them.
    """

    def __init__(self, client: "PersonalizeClient", environment: Environment) -> None:
        self._client = client
        self._environment = environment

    def progress(self, job: str) -> Progress:
        """Return the progress of a job by its ARN."""
        with translate_errors(job):
            job_described = none_if_missing(
                lambda: self._client.describe_data_deletion_job(dataDeletionJobArn=job)["dataDeletionJob"]
            )
        return erasures.progress(job_described["status"] if job_described else None)

    def version(self, arn: str) -> Version | None:
        """Return a solution version that serves; None if it is gone."""
        with translate_errors(arn):
            described = none_if_missing(
                lambda: self._client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
            )
        if not described:
            return None
        return Version(int(described["creationDateTime"].timestamp()), described.get("trainingMode", "FULL") == "FULL")

    def start(self, group: str, name: str, key: str) -> str:
        """Start a job, or find the one of that name; return its ARN.

        Args:
            group: ARN of the dataset group.
            name: the name of the job.
            key: the key of the file that lists the users.

        Raises:
            RetryLater, LimitReached, Rejected, Broken: see `translate_errors`.
        """
        with translate_errors(name):
            try:
                return self._client.create_data_deletion_job(
                    jobName=name,
                    datasetGroupArn=group,
                    dataSource={"dataLocation": f"s3://{self._environment.bucket}/{key}"},
                    roleArn=self._environment.role_arn,
                )["dataDeletionJobArn"]
            except ClientError as error:
                if code(error) != "ResourceAlreadyExistsException":
                    raise
            jobs = paginate(self._client.list_data_deletion_jobs, "dataDeletionJobs", datasetGroupArn=group)
            return str(next(each for each in jobs if each["jobName"] == name)["dataDeletionJobArn"])
