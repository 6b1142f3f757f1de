# SPDX-License-Identifier: Apache-2.0
"""The items of a Distributed Map: read from the state or from S3, selected, and put into batches."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ministack.services import stepfunctions

from local.cloud.aws.executions import LARGEST, size
from local.cloud.aws.patching import Json

READERS: Final = {"arn:aws:states:::s3:getObject", "arn:aws:states:::s3:listObjectsV2"}
FORMATS: Final = {"JSON", "JSONL", "CSV"}
"""Formats of an item file that are read here; AWS reads PARQUET and MANIFEST too."""
FAILED: Final = "States.ItemReaderFailed"
Allow = Callable[[str, list[tuple[str, str]]], None]
"""Raises an error, by its name, unless the machine's role has these rights on these ARNs."""


def refusals(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield why AWS refuses to create a machine with this map."""
    reader, batcher = state.get("ItemReader"), state.get("ItemBatcher")
    if reader is not None and (reader.get("Resource") not in READERS or "Arguments" not in reader):
        yield "an ItemReader has Arguments and a Resource, s3:getObject or s3:listObjectsV2"
    if batcher is not None and not {"MaxItemsPerBatch", "MaxInputBytesPerBatch"} & set(batcher):
        yield "an ItemBatcher has MaxItemsPerBatch, MaxInputBytesPerBatch or both"


def units(state: Json, given: object, context: Json, allow: Allow) -> list[tuple[object, int]]:
    """Return the input of each child, and how many items it has. Raises _ExecutionError."""
    items, source = _read(state, given, context, allow)
    if isinstance(items, dict):
        entries = [{"Key": key, "Value": value} for key, value in items.items()]
        seen = [{"Index": index, **item, "Source": source} for index, item in enumerate(entries)]
    else:
        entries = items
        seen = [{"Index": index, "Value": value, "Source": source} for index, value in enumerate(items)]
    if (selector := state.get("ItemSelector")) is not None:
        entries = [
            stepfunctions._apply_jsonata_template(selector, given, {**context, "Map": {"Item": item}}) for item in seen
        ]
    batcher = state.get("ItemBatcher")
    made: list[tuple[object, int]] = (
        [(entry, 1) for entry in entries] if batcher is None else [*_batches(batcher, entries, given, context)]
    )
    for unit, _ in made:
        if size(unit) > LARGEST:
            cause = f"The input of a child execution exceeds the limit of {LARGEST} bytes"
            raise stepfunctions._ExecutionError("States.DataLimitExceeded", cause)
    return made


def _read(state: Json, given: object, context: Json, allow: Allow) -> tuple[list[Any] | Json, str]:
    """Return the items, and where they are from as the context object names it."""
    reader = state.get("ItemReader")
    if reader is None:
        items = stepfunctions._apply_jsonata_template(state.get("Items", "{% $states.input %}"), given, context)
        if not isinstance(items, list | dict):
            cause = f"The field 'Items' needs an array or an object, and has: {json.dumps(items)[:200]}"
            raise stepfunctions._ExecutionError("States.QueryEvaluationError", cause)
        return items, "STATE_DATA"
    location = stepfunctions._apply_jsonata_template(reader["Arguments"], given, context)
    config = stepfunctions._apply_jsonata_template(reader.get("ReaderConfig") or {}, given, context)
    bucket = f"arn:aws:s3:::{location.get('Bucket')}"
    if reader["Resource"].endswith("listObjectsV2"):
        allow(FAILED, [("s3:ListBucket", bucket)])
        source = f"S3://{location.get('Bucket')}"
    else:
        allow(FAILED, [("s3:GetObject", f"{bucket}/{location.get('Key')}")])
        source = f"S3://{location.get('Bucket')}/{location.get('Key')}"
    if config.get("InputType", "JSON") not in FORMATS:
        raise stepfunctions._ExecutionError(FAILED, f"{config['InputType']} is not read by the local AWS")
    resolved = {"Resource": reader["Resource"], "Arguments": location, "ReaderConfig": config}
    try:
        items = stepfunctions._read_map_items(resolved, given, context)
    except (ValueError, LookupError, TypeError) as error:
        raise stepfunctions._ExecutionError(FAILED, f"{source}: {error}") from None
    if not isinstance(items, list):
        raise stepfunctions._ExecutionError(FAILED, f"{source} is not an array")
    return items, source


def _batches(batcher: Json, items: list[Any], given: object, context: Json) -> Iterator[tuple[object, int]]:
    """Yield batches and their numbers of items, each as large as it may be."""
    told = stepfunctions._apply_jsonata_template(batcher, given, context)
    most, room = int(told.get("MaxItemsPerBatch") or len(items) or 1), int(told.get("MaxInputBytesPerBatch") or LARGEST)
    shared = {"BatchInput": told["BatchInput"]} if "BatchInput" in told else {}
    empty = size({**shared, "Items": []})
    batch: list[Any] = []
    used = empty
    for item in items:
        needed = size(item)
        if batch and (len(batch) == most or used + len(",") + needed > room):
            yield {**shared, "Items": batch}, len(batch)
            batch, used = [], empty
        used += needed + (len(",") if batch else 0)
        batch.append(item)
    if batch:
        yield {**shared, "Items": batch}, len(batch)
