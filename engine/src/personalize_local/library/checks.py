# SPDX-License-Identifier: Apache-2.0
"""Checks of what a request asks for, with the codes and the words of the service."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from personalize_local.data import properties
from personalize_local.data.schemas import Schema, fitting, parse_schema, updatable
from personalize_local.library.refusals import refusing
from personalize_local.wire.errors import InvalidInput

_DOMAINS = (None, "ECOMMERCE", "VIDEO_ON_DEMAND")


def check_schema(text: str, domain: str | None = None) -> str:
    """Check an Avro schema as CreateSchema does; returns its dataset type, INTERACTIONS for example.

    `domain`: ECOMMERCE, VIDEO_ON_DEMAND, or None for a custom dataset group. Raises Refused.
    """
    with refusing():
        return parse_schema(text, domain).dataset_type


def check_dataset(
    dataset_type: str, schema: Mapping[str, Any], domain: str | None = None, present: str | None = None
) -> None:
    """Check the schema of a dataset as CreateDataset does, or with the text of its present one as UpdateDataset does.

    `schema`: the members of CreateSchema, and `schemaArn`. `domain`: that of the dataset group. Raises Refused.
    """
    with refusing():
        parsed = fitting(schema, domain, dataset_type)
        if present is not None:
            updatable(schema_of(present), parsed)


def check_solution(solution: Mapping[str, Any], schemas: Mapping[str, str]) -> None:
    """Check the members of CreateSolution as it does.

    `schemas`: texts of the dataset group's schemas, by dataset type. Raises Refused.
    """
    from personalize_local.solutions import configs  # noqa: PLC0415 - who answers checks no solutions

    with refusing():
        configs.check_solution(solution, {kind: schema_of(text) for kind, text in schemas.items()})


def columns(members: Mapping[str, Any], schema: str, *, whole: bool = False) -> dict[str, str | float | None]:
    """Return the values of an event's, a user's or an item's `properties` by the columns of a schema (its text).

    `members`: the object in the JSON string; keys that the schema does not have are left out. `whole`: a record of
    PutUsers, PutItems or PutActions, which needs a value in every column that does not allow null. Raises Refused.
    """
    with refusing():
        parsed = schema_of(schema)
        properties.refuse(members, parsed)
        return properties.record(members, parsed) if whole else properties.columns(members, parsed)


@lru_cache(maxsize=128)
def schema_of(text: str) -> Schema:
    """Read a schema that CreateSchema took in some domain. Raises InvalidInput for one that none takes."""
    refused: InvalidInput | None = None
    for domain in _DOMAINS:
        try:
            return parse_schema(text, domain)
        except InvalidInput as error:
            refused = refused or error
    raise refused or InvalidInput("No domain takes this schema.")
