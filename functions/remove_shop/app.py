# SPDX-License-Identifier: Apache-2.0
"""List and remove a shop's resources, one step per call. Each step can be repeated."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from personalization.core import environment
from personalization.core.aws import clients
from personalization.core.environment import Environment
from personalization.core.messages import Part, Steps
from personalization.core.observability import logger
from personalization.engine import backend, deleting, describing, files
from personalization.maintenance import teardown
from personalization.maintenance.teardown import Clients
from personalization.personalize import removal
from personalization.personalize.removal import (
    Finished,
    FinishRequest,
    ForgetRequest,
    Forgotten,
    Left,
    ListRequest,
    Objects,
    ObjectsRequest,
    Removal,
    RemoveRequest,
    Schemas,
    SchemasRequest,
)

LOG = logger()
backend.connect(
    clients.dynamodb,
    environment,
    describing.OPERATIONS,
    deleting.operations(files.Store(clients.s3, environment.bucket)),
)
CLIENTS = Clients(
    personalize=clients.personalize,
    dynamodb=clients.dynamodb,
    s3=clients.s3,
    scheduler=clients.scheduler,
    stepfunctions=clients.stepfunctions,
)


@dataclass(frozen=True, slots=True)
class _Call:
    environment: Environment
    now: datetime


def _list(request: ListRequest, call: _Call) -> Removal:
    return teardown.survey(CLIENTS, request.shop, call.environment)


def _forget(request: ForgetRequest, call: _Call) -> Forgotten:
    return teardown.forget(CLIENTS, request, call.environment, call.now)


def _remove(request: RemoveRequest, call: _Call) -> Left:
    return removal.remove(CLIENTS.personalize(), *teardown.groups(CLIENTS, request.shop, call.environment))


def _schemas(request: SchemasRequest, _call: _Call) -> Schemas:
    return removal.remove_schemas(CLIENTS.personalize(), request.schemas)


def _objects(request: ObjectsRequest, call: _Call) -> Objects:
    return teardown.remove_objects(CLIENTS.s3(), call.environment.bucket, request.folders)


def _finish(request: FinishRequest, call: _Call) -> Finished:
    return teardown.finish(CLIENTS, request, call.environment, call.now)


STEPS: Steps[_Call, Part] = Steps(
    {
        ListRequest: _list,
        ForgetRequest: _forget,
        RemoveRequest: _remove,
        SchemasRequest: _schemas,
        ObjectsRequest: _objects,
        FinishRequest: _finish,
    }
)


def handler(event: dict[str, Any], _context: object) -> dict[str, object]:
    """List a shop's resources, or remove the next ones.

    Args:
        event: `{step: list|forget|remove|schemas|objects|finish, shop, run, execution, schemas?}`.

    Returns:
        The step's result: see `personalization.personalize.removal`.

    Raises:
        Rejected: no shop can have this name, or a run leads it.
    """
    done = STEPS.take(event, _Call(Environment(), datetime.now(UTC)))
    LOG.info("Step done", step=event["step"], shop=event["shop"])
    return done.as_json()
