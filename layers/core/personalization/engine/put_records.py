# SPDX-License-Identifier: Apache-2.0
"""Records of the live table by the columns of schemas."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from personalization.engine.live import Put

if TYPE_CHECKING:
    from personalize_local import library


def records(puts: Iterable[Put], schema: str) -> "Iterator[library.PutRecord]":
    """Yield put users or items for the library, but for those that the schema refuses: they came for another one."""
    from personalize_local import library  # noqa: PLC0415 - what only the engine's shops need

    for put in puts:
        values = columns(put.properties, schema, whole=True)
        if values is not None:
            yield library.PutRecord(put.id, values)


def columns(
    properties: Mapping[str, object], schema: str, *, whole: bool = False
) -> Mapping[str, str | float | None] | None:
    """Return properties by a schema's columns; None if there is nothing to tell, or the schema refuses them.

    Args:
        properties, schema: in camelCase, and the text of the schema; empty without a dataset.
        whole: whether they are a whole record.
    """
    from personalize_local import library  # noqa: PLC0415 - as above

    if not (properties or whole) or not schema:
        return None
    try:
        return library.columns(properties, schema, whole=whole)
    except library.Refused:
        return None
