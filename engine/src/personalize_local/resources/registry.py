# SPDX-License-Identifier: Apache-2.0
"""The resources of an engine, and the registry that finds them."""

from collections.abc import Iterator
from dataclasses import dataclass

from personalize_local.resources.kinds import ACTIVE, DELETE, KINDS, SETTLED, Kind
from personalize_local.resources.store import Store, StoredResource
from personalize_local.wire.errors import ResourceAlreadyExists, ResourceNotFound, StorageFailed
from personalize_local.wire.protocol import Json


@dataclass(slots=True, eq=False)
class Resource:
    """One resource. `body` is the answer of Describe, and members of ours, which the wire leaves out."""

    kind: Kind
    arn: str
    number: int
    """Ascending in the order of creation."""
    body: Json

    @property
    def name(self) -> str:
        """Its name, or a job's jobName."""
        return str(self.body.get("name") or self.body.get("jobName"))

    @property
    def status(self) -> str:
        """Its status; ACTIVE for a schema, which has none."""
        return str(self.body.get("status", ACTIVE))

    @property
    def active(self) -> bool:
        return self.status == ACTIVE

    @property
    def settled(self) -> bool:
        """Whether nothing is under way."""
        return self.status in SETTLED

    @property
    def deleting(self) -> bool:
        return self.status.startswith(DELETE)

    @property
    def group(self) -> str:
        return str(self.body["datasetGroupArn"])

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]


class Registry:
    """All resources, in memory and in the store; every change is on disk when a method returns."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resources: dict[str, Resource] = {}
        self._by_kind: dict[Kind, dict[str, Resource]] = {kind: {} for kind in KINDS.values()}
        self._last = 0
        for arn, noun, number, body in store.resources():
            self._keep(Resource(KINDS[noun], arn, number, body))

    def get(self, kind: Kind, arn: str) -> Resource:
        """Return the resource of this kind and ARN. Raises ResourceNotFound."""
        resource = self._resources.get(arn)
        if resource is None or resource.kind is not kind:
            raise ResourceNotFound(f"Resource Arn {arn} does not exist.")
        return resource

    def any(self, arn: str) -> Resource:
        """Return the resource of this ARN. Raises ResourceNotFound."""
        if arn not in self._resources:
            raise ResourceNotFound(f"Resource Arn {arn} does not exist.")
        return self._resources[arn]

    def find(self, kind: Kind, prefix: str = "", **members: str) -> Iterator[Resource]:
        """Yield the resources of a kind whose body has these members, in the order of creation."""
        for resource in list(self._by_kind[kind].values()):
            matches = all(resource.body.get(name) == value for name, value in members.items())
            if matches and resource.arn.startswith(prefix):
                yield resource

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def add(self, kind: Kind, arn: str, body: Json, now: float) -> Resource:
        """Register a new resource. Raises ResourceAlreadyExists, StorageFailed."""
        if arn in self._resources:
            raise ResourceAlreadyExists(f"Another resource with Arn {arn} already exists.")
        dates = {kind.arn_member: arn, "creationDateTime": now, "lastUpdatedDateTime": now}
        resource = Resource(kind, arn, self._last + 1, body | dates)
        self._store.save([_row(resource)])
        self._keep(resource)
        return resource

    def save(self, *resources: Resource) -> None:
        """Write changed bodies, all or none; removed resources stay removed.

        Raises StorageFailed: then the bodies are again as they were written last.
        """
        present = [resource for resource in resources if self._resources.get(resource.arn) is resource]
        try:
            self._store.save(map(_row, present))
        except StorageFailed:
            for unsaved in present:
                unsaved.body = self._store.body(unsaved.arn)
            raise

    def remove(self, *resources: Resource) -> None:
        """Delete resources and what was streamed to them, all or none. Raises StorageFailed."""
        self._store.remove(resource.arn for resource in resources)
        for resource in resources:
            self._resources.pop(resource.arn, None)
            self._by_kind[resource.kind].pop(resource.arn, None)

    def _keep(self, resource: Resource) -> None:
        self._last = resource.number
        self._resources[resource.arn] = resource
        self._by_kind[resource.kind][resource.arn] = resource


def _row(resource: Resource) -> StoredResource:
    return resource.arn, resource.kind.noun, resource.number, resource.body
