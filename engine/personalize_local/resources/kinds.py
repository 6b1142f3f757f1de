# SPDX-License-Identifier: Apache-2.0
"""The kinds of resources, their ARNs, and the words of their statuses."""

from dataclasses import dataclass
from typing import Final

ACTIVE: Final = "ACTIVE"
CREATE: Final = "CREATE"
UPDATE: Final = "UPDATE"
DELETE: Final = "DELETE"
START: Final = "START"
STOP: Final = "STOP"
INACTIVE: Final = "INACTIVE"
SETTLED: Final = frozenset({ACTIVE, INACTIVE, "CREATE FAILED", "CREATE STOPPED", "COMPLETED", "FAILED"})
"""Statuses that do not change by themselves."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource, in the spellings of the API."""

    word: str
    """In ARNs: `dataset-group`."""
    noun: str
    """In operations: `DatasetGroup`, as in DescribeDatasetGroup."""
    parent: str = ""
    """The member that its List operation may select by."""
    taggable: bool = True

    @property
    def member(self) -> str:
        """In answers: `datasetGroup`."""
        return self.noun[0].lower() + self.noun[1:]

    @property
    def arn_member(self) -> str:
        """In requests: `datasetGroupArn`."""
        return f"{self.member}Arn"

    @property
    def list_member(self) -> str:
        """In the answers of List operations; the service writes `Filters` with a capital."""
        return "Filters" if self.noun == "Filter" else f"{self.member}s"


DATASET_GROUP: Final = Kind("dataset-group", "DatasetGroup")
SCHEMA: Final = Kind("schema", "Schema", taggable=False)
DATASET: Final = Kind("dataset", "Dataset", "datasetGroupArn")
IMPORT_JOB: Final = Kind("dataset-import-job", "DatasetImportJob", "datasetArn")
EVENT_TRACKER: Final = Kind("event-tracker", "EventTracker", "datasetGroupArn")
FILTER: Final = Kind("filter", "Filter", "datasetGroupArn")
SOLUTION: Final = Kind("solution", "Solution", "datasetGroupArn")
SOLUTION_VERSION: Final = Kind("solution", "SolutionVersion", "solutionArn")
CAMPAIGN: Final = Kind("campaign", "Campaign", "solutionArn")
RECOMMENDER: Final = Kind("recommender", "Recommender", "datasetGroupArn")
EXPORT_JOB: Final = Kind("dataset-export-job", "DatasetExportJob", "datasetArn")
BATCH_INFERENCE_JOB: Final = Kind("batch-inference-job", "BatchInferenceJob", "solutionVersionArn")
BATCH_SEGMENT_JOB: Final = Kind("batch-segment-job", "BatchSegmentJob", "solutionVersionArn")
DATA_DELETION_JOB: Final = Kind("data-deletion-job", "DataDeletionJob", "datasetGroupArn")
METRIC_ATTRIBUTION: Final = Kind("metric-attribution", "MetricAttribution", "datasetGroupArn", taggable=False)
KINDS: Final = {
    kind.noun: kind
    for kind in (
        DATASET_GROUP,
        SCHEMA,
        DATASET,
        IMPORT_JOB,
        EVENT_TRACKER,
        FILTER,
        SOLUTION,
        SOLUTION_VERSION,
        CAMPAIGN,
        RECOMMENDER,
        EXPORT_JOB,
        BATCH_INFERENCE_JOB,
        BATCH_SEGMENT_JOB,
        DATA_DELETION_JOB,
        METRIC_ATTRIBUTION,
    )
}


@dataclass(frozen=True, slots=True)
class Call:
    """The account, region and time of a request."""

    region: str
    account: str
    now: float
    """Unix epoch seconds."""

    @property
    def prefix(self) -> str:
        """The beginning of the ARNs of this account and region."""
        partition = "aws-cn" if self.region.startswith("cn-") else "aws-us-gov" if "-gov-" in self.region else "aws"
        return f"arn:{partition}:personalize:{self.region}:{self.account}:"

    def arn(self, kind: Kind, name: str) -> str:
        return f"{self.prefix}{kind.word}/{name}"
