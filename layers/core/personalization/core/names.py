# SPDX-License-Identifier: Apache-2.0
"""Names of resources, and the ARNs that Personalize derives from them.

A long-lived resource is named `<prefix>-<shop>[-<suffix>]`, so that two environments in one account never collide and a
repeated step finds its resource. Only import jobs and solution versions belong to a run.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, get_args

Backend = Literal["personalize", "engine"]
"""Who trains and answers: Amazon Personalize, or the engine in the shop's account."""
ENGINE = "engine"
"""The service in the ARNs of what the engine has. ARNs begin `arn:<partition>:<service>:`."""
NAME_LENGTH = 63
"""Characters that Personalize allows in a name."""
UNVERSIONED = "null"
"""S3's version id of objects written while the bucket had no versioning. The next such write replaces the object."""
RUN_LENGTH = 12
"""Characters of a run's hash in names."""
RAMP = "ramp"
"""The end of the names of second campaigns."""
_DIGEST_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Named:
    """A resource's name, and the ARN derived from it."""

    name: str
    arn: str


def is_of_engine(text: str) -> bool:
    """Return whether a text is the ARN of one of the engine's resources."""
    parts = text.split(":", 3)
    return len(parts) > 3 and parts[0] == "arn" and parts[2] == ENGINE


def backend_of(arn: str) -> Backend:
    """Return whose resource an ARN is of."""
    return "engine" if is_of_engine(arn) else "personalize"


def on_backend(arn: str, backend: Backend) -> str:
    """Return the ARN of the resource with the same name on a backend; all but the service stays."""
    parts = arn.split(":", 3)
    return ":".join([*parts[:2], backend, *parts[3:]]) if len(parts) > 3 and parts[0] == "arn" else arn


def run_hash(run: str) -> str:
    """Return the hash of a run's whole id for names: 12 hexadecimal digits.

    A part of the id would be ambiguous: EventBridge Scheduler gives all executions of a schedule the same last ten
    bytes.
    """
    return hashlib.sha256(run.encode()).hexdigest()[:RUN_LENGTH]


def of_run(run: str, settings: str) -> str:
    """Return the suffix for resources that a run made under certain settings, identified by their digest.

    A run that continues the work under other settings looks for another name.
    """
    return f"{run_hash(run)}-{settings}" if settings else run_hash(run)


def shorten(*parts: str) -> str:
    """Join `parts` by hyphens into a name of at most 63 characters.

    A longer name keeps its last part, and six hexadecimal digits of its hash replace what is cut.
    """
    name = "-".join(parts)
    if len(name) <= NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    tail = f"-{digest}-{parts[-1]}"
    return "-".join(parts[:-1])[: NAME_LENGTH - len(tail)].rstrip("-") + tail


def dataset_type(kind: str) -> str:
    """Return Personalize's type of the datasets of a kind: ACTION_INTERACTIONS for action-interactions."""
    return kind.upper().replace("-", "_")


def dataset_arn(group_arn: str, kind: str) -> str:
    """Return the ARN of the dataset of `kind` (INTERACTIONS, USERS, ITEMS) in a group, whether or not it exists."""
    return f"{group_arn.replace(':dataset-group/', ':dataset/')}/{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names and ARNs of all resources of one deployment in one account and region."""

    prefix: str
    """At most 11 characters, which the template checks: `<prefix>-<shop>-personalized-ranking` fits for every shop."""
    region: str
    account: str
    partition: str = "aws"
    backend: Backend = "personalize"
    """Whose resources they are."""

    def on(self, backend: Backend) -> "Names":
        """Return the names of another backend's resources; the ARNs tell them apart."""
        return replace(self, backend=backend)

    def everywhere(self) -> "tuple[Names, ...]":
        """Return the names of the resources of all backends."""
        return tuple(self.on(backend) for backend in get_args(Backend))

    def arn(self, kind: str, resource_id: str) -> str:
        """Return the ARN of a resource: `kind` as Personalize spells it in ARNs, for example `dataset-group`."""
        return f"arn:{self.partition}:{self.backend}:{self.region}:{self.account}:{kind}/{resource_id}"

    def recipe_arn(self, recipe: str) -> str:
        """Return the ARN of one of Personalize's own recipes, which have no region and account."""
        return f"arn:{self.partition}:personalize:::recipe/{recipe}"

    def shop(self, shop: str, *suffix: str) -> str:
        return shorten(self.prefix, shop, *suffix)

    def dataset_group(self, shop: str) -> Named:
        return self._named("dataset-group", self.shop(shop))

    def dataset(self, shop: str, kind: str) -> Named:
        """Return the dataset of `kind` (interactions, users, items); its ARN has the group's name and the type."""
        return Named(self.shop(shop, kind), self.arn("dataset", f"{self.shop(shop)}/{dataset_type(kind)}"))

    def schema(self, kind: str, digest: str) -> Named:
        """Return a schema, named by its content: `digest` is 12 hexadecimal digits."""
        return self._named("schema", shorten(self.prefix, kind, digest))

    def import_job(self, shop: str, kind: str, run: str, settings: str = "") -> Named:
        """Return the import job of a run; see `of_run`."""
        return self._named("dataset-import-job", self.shop(shop, kind, of_run(run, settings)))

    def export_job(self, shop: str, kind: str, run: str) -> Named:
        return self._named("dataset-export-job", self.shop(shop, kind, run_hash(run)))

    def lists_job(self, shop: str, recipe: str, run: str) -> Named:
        """Return the batch inference job of a run."""
        return self._named("batch-inference-job", self.shop(shop, recipe, run_hash(run)))

    def batch_job(self, shop: str, name: str, run: str, *, segment: bool = False) -> Named:
        """Return the batch inference or segment job of a run, by its name in the settings."""
        kind = "batch-segment-job" if segment else "batch-inference-job"
        return self._named(kind, self.shop(shop, name, run_hash(run)))

    def solution(self, shop: str, recipe: str) -> Named:
        """Return the solution of a recipe (by our alias, for example `similar-items`)."""
        return self._named("solution", self.shop(shop, recipe))

    def solution_version(self, shop: str, recipe: str, run: str, settings: str = "") -> str:
        """Return the name of a run's solution version (see `of_run`); Personalize chooses the last part of its ARN."""
        return self.shop(shop, recipe, of_run(run, settings))

    def campaign(self, shop: str, recipe: str) -> Named:
        """Return the campaign of a recipe; it has its solution's name."""
        return self._named("campaign", self.shop(shop, recipe))

    def second_campaign(self, shop: str, recipe: str) -> Named:
        """Return the campaign beside a recipe's own, which shows a new version to a part of the users."""
        return self._named("campaign", self.shop(shop, recipe, RAMP))

    def filter(self, shop: str, name: str) -> Named:
        return self._named("filter", self.shop(shop, name))

    def recommender(self, shop: str, name: str) -> Named:
        return self._named("recommender", self.shop(shop, name))

    def event_tracker(self, shop: str) -> str:
        """Return the name of the shop's event tracker; Personalize chooses its ARN."""
        return self.shop(shop, "events")

    def metric_attribution(self, shop: str) -> str:
        """Return the name of the shop's metric attribution."""
        return self.shop(shop, "metrics")

    @property
    def hash_key(self) -> str:
        """The secret with the key of the hashes that stand for users' ids."""
        return f"{self.prefix}-hash-key"

    def _named(self, kind: str, name: str) -> Named:
        return Named(name, self.arn(kind, name))
