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


KINDS: Final[dict[str, Kind]] = {}
"""By noun."""


def _kind(word: str, noun: str, parent: str = "", *, taggable: bool = True) -> Kind:
    KINDS[noun] = Kind(word, noun, parent, taggable)
    return KINDS[noun]


DATASET_GROUP: Final = _kind("dataset-group", "DatasetGroup")
SCHEMA: Final = _kind("schema", "Schema", taggable=False)
DATASET: Final = _kind("dataset", "Dataset", "datasetGroupArn")
IMPORT_JOB: Final = _kind("dataset-import-job", "DatasetImportJob", "datasetArn")
EVENT_TRACKER: Final = _kind("event-tracker", "EventTracker", "datasetGroupArn")
FILTER: Final = _kind("filter", "Filter", "datasetGroupArn")
SOLUTION: Final = _kind("solution", "Solution", "datasetGroupArn")
SOLUTION_VERSION: Final = _kind("solution", "SolutionVersion", "solutionArn")
CAMPAIGN: Final = _kind("campaign", "Campaign", "solutionArn")
RECOMMENDER: Final = _kind("recommender", "Recommender", "datasetGroupArn")
EXPORT_JOB: Final = _kind("dataset-export-job", "DatasetExportJob", "datasetArn")
BATCH_INFERENCE_JOB: Final = _kind("batch-inference-job", "BatchInferenceJob", "solutionVersionArn")
BATCH_SEGMENT_JOB: Final = _kind("batch-segment-job", "BatchSegmentJob", "solutionVersionArn")
DATA_DELETION_JOB: Final = _kind("data-deletion-job", "DataDeletionJob", "datasetGroupArn")
METRIC_ATTRIBUTION: Final = _kind("metric-attribution", "MetricAttribution", "datasetGroupArn", taggable=False)


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
