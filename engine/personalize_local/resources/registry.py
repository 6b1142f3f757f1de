# SPDX-License-Identifier: Apache-2.0
"""Resources: their kinds, ARNs and names, and the registry that finds them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from personalize_local.resources.store import Store
from personalize_local.wire.errors import ResourceAlreadyExists, ResourceNotFound
from personalize_local.wire.protocol import Json

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
    """Who asks, where and when."""

    region: str
    account: str
    now: float
    """Unix epoch seconds."""

    @property
    def prefix(self) -> str:
        """What the ARNs of this account and region begin with."""
        partition = "aws-cn" if self.region.startswith("cn-") else "aws-us-gov" if "-gov-" in self.region else "aws"
        return f"arn:{partition}:personalize:{self.region}:{self.account}:"

    def arn(self, kind: Kind, name: str) -> str:
        """The ARN of a resource here."""
        return f"{self.prefix}{kind.word}/{name}"


@dataclass(slots=True, eq=False)
class Resource:
    """One resource. `body` is what Describe answers, and beside it members of ours, which the wire leaves out."""

    kind: Kind
    arn: str
    number: int
    """Counts up in the order of creation."""
    body: Json

    @property
    def name(self) -> str:
        """Its name; jobs call it jobName."""
        return str(self.body.get("name") or self.body.get("jobName"))

    @property
    def status(self) -> str:
        """Its status; a schema, which has none, simply exists."""
        return str(self.body.get("status", ACTIVE))

    @property
    def active(self) -> bool:
        """Whether it is ACTIVE."""
        return self.status == ACTIVE

    @property
    def settled(self) -> bool:
        """Whether nothing goes on with it."""
        return self.status in SETTLED

    @property
    def deleting(self) -> bool:
        """Whether it is on its way out."""
        return self.status.startswith(DELETE)

    @property
    def group(self) -> str:
        """ARN of its dataset group."""
        return str(self.body["datasetGroupArn"])


class Registry:
    """All resources, in memory and in the store; what it has changed is on disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resources: dict[str, Resource] = {}
        self._by_kind: dict[Kind, dict[str, Resource]] = {kind: {} for kind in KINDS.values()}
        self._last = 0
        for arn, noun, number, body in store.resources():
            self._keep(Resource(KINDS[noun], arn, number, body))

    def get(self, kind: Kind, arn: str) -> Resource:
        """The resource of this kind and ARN. Raises ResourceNotFound."""
        resource = self._resources.get(arn)
        if resource is None or resource.kind is not kind:
            raise ResourceNotFound(f"Resource Arn {arn} does not exist.")
        return resource

    def any(self, arn: str) -> Resource:
        """The resource of this ARN. Raises ResourceNotFound."""
        if arn not in self._resources:
            raise ResourceNotFound(f"Resource Arn {arn} does not exist.")
        return self._resources[arn]

    def find(self, kind: Kind, prefix: str = "", **members: str) -> Iterator[Resource]:
        """Resources of a kind whose body has these members, in the order of creation."""
        for resource in list(self._by_kind[kind].values()):
            matches = all(resource.body.get(name) == value for name, value in members.items())
            if matches and resource.arn.startswith(prefix):
                yield resource

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def add(self, kind: Kind, arn: str, body: Json, now: float) -> Resource:
        """Register a new resource. Raises ResourceAlreadyExists."""
        if arn in self._resources:
            raise ResourceAlreadyExists(f"Another resource with Arn {arn} already exists.")
        dates = {kind.arn_member: arn, "creationDateTime": now, "lastUpdatedDateTime": now}
        resource = Resource(kind, arn, self._last + 1, body | dates)
        self._keep(resource)
        self.save(resource)
        return resource

    def save(self, *resources: Resource) -> None:
        """Write what was changed in their bodies, all or none; resources that were removed stay removed."""
        present = [each for each in resources if self._resources.get(each.arn) is each]
        self._store.save((each.arn, each.kind.noun, each.number, each.body) for each in present)

    def remove(self, *resources: Resource) -> None:
        """Forget resources and what was streamed to them, all or none."""
        self._store.remove(each.arn for each in resources)
        for each in resources:
            self._resources.pop(each.arn, None)
            self._by_kind[each.kind].pop(each.arn, None)

    def _keep(self, resource: Resource) -> None:
        self._last = resource.number
        self._resources[resource.arn] = resource
        self._by_kind[resource.kind][resource.arn] = resource
