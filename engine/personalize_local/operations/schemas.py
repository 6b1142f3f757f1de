# SPDX-License-Identifier: Apache-2.0
"""Schemas: immutable, and without a status."""

from personalize_local.data.schemas import parse_schema
from personalize_local.engine import Engine, operation
from personalize_local.operations.common import limit
from personalize_local.resources import kinds
from personalize_local.resources.kinds import Call
from personalize_local.wire.errors import ResourceInUse
from personalize_local.wire.protocol import Json


@operation("CreateSchema")
def create_schema(engine: Engine, call: Call, request: Json) -> Json:
    parse_schema(request["schema"], request.get("domain"))
    limit(engine.registry.find(kinds.SCHEMA, call.prefix), 500, "schemas in this region")
    schema = engine.registry.add(kinds.SCHEMA, call.arn(kinds.SCHEMA, request["name"]), request, call.now)
    return {"schemaArn": schema.arn}


@operation("DeleteSchema")
def delete_schema(engine: Engine, _call: Call, request: Json) -> None:
    schema = engine.registry.get(kinds.SCHEMA, request["schemaArn"])
    for dataset in engine.registry.find(kinds.DATASET, schemaArn=schema.arn):
        raise ResourceInUse(f"{schema.arn} is used by {dataset.arn}.")
    engine.registry.remove(schema)
