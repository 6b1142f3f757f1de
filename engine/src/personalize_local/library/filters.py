# SPDX-License-Identifier: Apache-2.0
"""Filters: read and checked when they are made; answers take them as they were read."""

from collections.abc import Mapping

from personalize_local.filters import Filter, check, parse
from personalize_local.library.checks import schema_of
from personalize_local.library.refusals import refusing


def check_filter(expression: str, schemas: Mapping[str, str]) -> Filter:
    """Read a filter expression, and check it as CreateFilter does, without its quotas.

    `schemas`: texts of the dataset group's schemas, by dataset type. Needs lark, whose import takes longer than
    hundreds of answers: keep what it returns as JSON (`Filter.to_json`). Raises Refused.
    """
    with refusing():
        return check(parse(expression), {kind: schema_of(text) for kind, text in schemas.items()})
