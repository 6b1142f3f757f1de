# SPDX-License-Identifier: Apache-2.0
"""The function's environment variables from the template, read on use and never at import."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeVar

from personalization.core.errors import Broken
from personalization.core.names import Names

T = TypeVar("T")


def _variables() -> Mapping[str, str]:
    return os.environ


class _Variable(Generic[T]):
    """A variable that must be set unless it is optional."""

    def __init__(self, name: str, read: Callable[[str], T], *, optional: bool = False) -> None:
        self._name = name
        self._read = read
        self._optional = optional

    def __get__(self, environment: "Environment", _owner: type) -> T:
        return self._read(environment.value(self._name, optional=self._optional))


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of template.yaml, by meaning. A missing one raises Broken on use."""

    variables: Mapping[str, str] = field(default_factory=_variables)

    bucket = _Variable("BUCKET", str)
    table = _Variable("SHOPS_TABLE", str)
    """The table of shops, which holds the release records."""
    shopper_events_table = _Variable("SHOPPER_EVENTS_TABLE", str)
    """The table of users' events since the last fit."""
    live_table = _Variable("LIVE_TABLE", str)
    """The table of what users did since the engine's tables were written."""
    role_arn = _Variable("PERSONALIZE_ROLE_ARN", str)
    """The role that Personalize assumes to read the bucket."""
    incremental_bytes = _Variable("INCREMENTAL_IMPORT_BYTES", int)
    """The account's quota of bytes of an incremental import job."""
    check_part_bytes = _Variable("CHECK_PART_BYTES", int)
    """The bytes that one function reads; of more, each part is read by a function of its own."""
    check_machine_arn = _Variable("CHECK_MACHINE_ARN", str)
    """The machine that checks large drops, and makes large days of experiments."""
    large_day_bytes = _Variable("LARGE_DAY_BYTES", int)
    """The bytes of a day's events and impressions that one function analyses."""
    retrain_machine_arn = _Variable("RETRAIN_MACHINE_ARN", str)
    batch_machine_arn = _Variable("BATCH_MACHINE_ARN", str)
    schedule_group = _Variable("SCHEDULE_GROUP", str)
    """The group of the shops' schedules in EventBridge Scheduler."""
    schedule_role_arn = _Variable("SCHEDULE_ROLE_ARN", str)
    """The role with which a schedule starts the state machine."""
    chores_queue_arn = _Variable("CHORES_QUEUE_ARN", str)
    """The dead-letter queue of schedules."""
    chores_queue = _Variable("CHORES_QUEUE_URL", str)
    """URL of the dead-letter queue of schedules."""
    events_queue = _Variable("EVENTS_QUEUE_URL", str)
    """URL of the queue of events that Personalize did not accept at once."""
    impressions_queue = _Variable("IMPRESSIONS_QUEUE_URL", str)
    """URL of the queue of lists that were seen."""
    dead_events_queue = _Variable("DEAD_EVENTS_QUEUE_URL", str)
    """URL of the dead-letter queue of events."""
    probe_rate = _Variable("PROBE_RATE", float)
    """The share of a campaign's throughput that probes may use."""
    megabytes = _Variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", int)
    """The function's memory in Lambda."""
    join_megabytes = _Variable("JOIN_STORAGE", int)
    """The disk of the function that joins exports."""
    fit_rows = _Variable("LIKELIHOOD_ROWS", lambda text: int(text or 0), optional=True)
    """The rows of a history that one function fits; 0 for as many as its memory holds."""
    unused_days = _Variable("UNUSED_DAYS", int)
    """Days after which an unused schema or filter may be deleted."""
    token_issuer = _Variable("TOKEN_ISSUER", str, optional=True)
    """The OIDC issuer whose tokens identify users; "" if there is none."""
    token_audience = _Variable("TOKEN_AUDIENCE", str, optional=True)
    """The required `aud` of the issuer's tokens."""
    token_user_claim = _Variable("TOKEN_USER_CLAIM", str)
    """The claim of the issuer's tokens with the user's id."""
    session_keys = _Variable("SESSION_KEYS", str)
    """The secret with the signing keys of sessions' tokens."""
    list_id_keys = _Variable("LIST_ID_KEYS", str)
    """The secret with the signing keys of listIds."""
    shopper_key = _Variable("SHOPPER_KEY", str)
    """The API key of the usage plan for users who are logged in."""
    visitor_key = _Variable("VISITOR_KEY", str)
    """The API key of the usage plan for anonymous users."""

    @property
    def names(self) -> Names:
        """This deployment's names of resources."""
        get = self.value
        partition = self.variables.get("PARTITION") or "aws"
        return Names(prefix=get("PREFIX"), region=get("AWS_REGION"), account=get("ACCOUNT_ID"), partition=partition)

    @property
    def event_calls_per_second(self) -> float:
        """PutEvents calls a second for each delivering container."""
        return float(self.value("EVENT_CALLS_PER_SECOND")) / float(self.value("EVENT_DELIVERIES"))

    @property
    def token_algorithms(self) -> tuple[str, ...]:
        """The issuer's signature algorithms."""
        return tuple(self.value("TOKEN_ALGORITHMS").replace(" ", "").split(","))

    @property
    def session_seconds(self) -> int:
        """The lifetime of a session's token."""
        return int(self.value("SESSION_MINUTES")) * 60

    @property
    def service(self) -> str:
        """The name of this function in logs and metrics."""
        return self.variables.get("POWERTOOLS_SERVICE_NAME") or "personalization"

    @property
    def namespace(self) -> str:
        return self.variables.get("POWERTOOLS_METRICS_NAMESPACE") or "RetailPersonalization"

    def value(self, name: str, *, optional: bool = False) -> str:
        value = self.variables.get(name) or ""
        if not value and not optional:
            raise Broken("environment", f"{name} is not set; template.yaml sets it for every function")
        return value


_READ: list[Any] = []


def _once(read: Callable[[Environment], T]) -> Callable[[], T]:
    """Return a function that reads variables on its first call: an argument for what is made at import."""
    made = cache(lambda: read(Environment()))
    _READ.append(made)
    return made


bucket = _once(lambda environment: environment.bucket)
table = _once(lambda environment: environment.table)
shopper_events_table = _once(lambda environment: environment.shopper_events_table)
engine_names = _once(lambda environment: environment.names.on("engine"))
"""Returns the names of the engine's resources."""
live_table = _once(lambda environment: environment.live_table)
hash_key = _once(lambda environment: environment.names.hash_key)
megabytes = _once(lambda environment: environment.megabytes)
list_id_keys = _once(lambda environment: environment.list_id_keys)
events_queue = _once(lambda environment: environment.events_queue)
impressions_queue = _once(lambda environment: environment.impressions_queue)
metrics = _once(lambda environment: (environment.namespace, environment.service))
"""Returns the namespace and the service of metrics."""


def forget() -> None:
    """Read the variables anew."""
    for made in _READ:
        made.cache_clear()
