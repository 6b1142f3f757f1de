# SPDX-License-Identifier: Apache-2.0
"""The function's environment variables from the template, read on use and never at import."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from personalization.core.errors import Broken
from personalization.core.names import Names


def _variables() -> Mapping[str, str]:
    return os.environ


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of template.yaml, by meaning. A missing one raises Broken on use."""

    variables: Mapping[str, str] = field(default_factory=_variables)

    @property
    def names(self) -> Names:
        """This deployment's names of resources."""
        get = self._get
        return Names(get("PREFIX"), get("AWS_REGION"), get("ACCOUNT_ID"), self.variables.get("PARTITION") or "aws")

    @property
    def bucket(self) -> str:
        return self._get("BUCKET")

    @property
    def table(self) -> str:
        """The table of shops, which holds the release records."""
        return self._get("SHOPS_TABLE")

    @property
    def shopper_events_table(self) -> str:
        """The table of users' events since the last fit."""
        return self._get("SHOPPER_EVENTS_TABLE")

    @property
    def role_arn(self) -> str:
        """The role that Personalize assumes to read the bucket."""
        return self._get("PERSONALIZE_ROLE_ARN")

    @property
    def incremental_bytes(self) -> int:
        """The account's quota of bytes of an incremental import job."""
        return int(self._get("INCREMENTAL_IMPORT_BYTES"))

    @property
    def schedule_group(self) -> str:
        """The group of the shops' schedules in EventBridge Scheduler."""
        return self._get("SCHEDULE_GROUP")

    @property
    def schedule_role_arn(self) -> str:
        """The role with which a schedule starts the state machine."""
        return self._get("SCHEDULE_ROLE_ARN")

    @property
    def retrain_machine_arn(self) -> str:
        return self._get("RETRAIN_MACHINE_ARN")

    @property
    def chores_queue_arn(self) -> str:
        """The dead-letter queue of schedules."""
        return self._get("CHORES_QUEUE_ARN")

    @property
    def chores_queue(self) -> str:
        """URL of the dead-letter queue of schedules."""
        return self._get("CHORES_QUEUE_URL")

    @property
    def events_queue(self) -> str:
        """URL of the queue of events that Personalize did not accept at once."""
        return self._get("EVENTS_QUEUE_URL")

    @property
    def dead_events_queue(self) -> str:
        """URL of the dead-letter queue of events."""
        return self._get("DEAD_EVENTS_QUEUE_URL")

    @property
    def event_calls_per_second(self) -> float:
        """PutEvents calls a second for each delivering container."""
        return float(self._get("EVENT_CALLS_PER_SECOND")) / float(self._get("EVENT_DELIVERIES"))

    @property
    def probe_rate(self) -> float:
        """The share of a campaign's throughput that probes may use."""
        return float(self._get("PROBE_RATE"))

    @property
    def megabytes(self) -> int:
        """The function's memory in Lambda."""
        return int(self._get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))

    @property
    def unused_days(self) -> int:
        """Days after which an unused schema or filter may be deleted."""
        return int(self._get("UNUSED_DAYS"))

    @property
    def token_issuer(self) -> str:
        """The OIDC issuer whose tokens identify users; "" if there is none."""
        return self.variables.get("TOKEN_ISSUER") or ""

    @property
    def token_audience(self) -> str:
        """The required `aud` of the issuer's tokens."""
        return self.variables.get("TOKEN_AUDIENCE") or ""

    @property
    def token_algorithms(self) -> tuple[str, ...]:
        """The issuer's signature algorithms."""
        return tuple(self._get("TOKEN_ALGORITHMS").replace(" ", "").split(","))

    @property
    def token_user_claim(self) -> str:
        """The claim of the issuer's tokens with the user's id."""
        return self._get("TOKEN_USER_CLAIM")

    @property
    def session_keys(self) -> str:
        """The secret with the signing keys of sessions' tokens."""
        return self._get("SESSION_KEYS")

    @property
    def session_seconds(self) -> int:
        """The lifetime of a session's token."""
        return int(self._get("SESSION_MINUTES")) * 60

    @property
    def shopper_key(self) -> str:
        """The API key of the usage plan for users who are logged in."""
        return self._get("SHOPPER_KEY")

    @property
    def visitor_key(self) -> str:
        """The API key of the usage plan for anonymous users."""
        return self._get("VISITOR_KEY")

    @property
    def service(self) -> str:
        """The name of this function in logs and metrics."""
        return self.variables.get("POWERTOOLS_SERVICE_NAME") or "personalization"

    @property
    def namespace(self) -> str:
        return self.variables.get("POWERTOOLS_METRICS_NAMESPACE") or "RetailPersonalization"

    def _get(self, name: str) -> str:
        value = self.variables.get(name)
        if not value:
            raise Broken("environment", f"{name} is not set; template.yaml sets it for every function")
        return value
