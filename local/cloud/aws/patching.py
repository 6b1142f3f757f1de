# SPDX-License-Identifier: Apache-2.0
"""Replace functions of ministack by ones that take what they replace as their first argument."""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from ministack import app
from ministack.services.cloudformation import provisioners

from local.cloud.aws import DOORS

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes | str]
Handler = Callable[[str, str, dict[str, str], bytes | str, dict[str, Any]], Awaitable[Answer]]
"""A service of ministack: method, path, headers, body, query."""
Door = Callable[[str, str, bytes], Awaitable[tuple[int, object]]]
"""Method, path and body of a request to a status and a JSON value."""
Function = Callable[..., Any]


def wrapping(owner: Any, name: str) -> Callable[[Function], Function]:  # noqa: ANN401 - a module or a table of functions
    """Replace a module's function, or an entry of a table, by the decorated one."""
    table: dict[str, Function] = owner if isinstance(owner, dict) else vars(owner)
    stock = table[name]

    def replace(function: Function) -> Function:
        table[name] = partial(function, stock)
        return function

    return replace


def after_change(kind: str, customise: Callable[[str, Json], None]) -> None:
    """Call `customise` with a resource's physical id and properties after CloudFormation made or updated it."""
    table = provisioners._RESOURCE_HANDLERS[kind]

    @wrapping(table, "create")
    def create(stock: Function, logical_id: str, props: Json, stack: str) -> tuple[str, dict[str, str]]:
        made: tuple[str, dict[str, str]] = stock(logical_id, props, stack)
        customise(made[0], props)
        return made

    @wrapping(table, "update")
    def update(stock: Function, physical_id: str, old: Json, new: Json, *names: str) -> tuple[str, dict[str, str]]:
        made: tuple[str, dict[str, str]] = stock(physical_id, old, new, *names)
        customise(made[0], new)
        return made


def open_doors(doors: Mapping[str, Door]) -> None:
    """Answer requests to these paths before ministack does; a path that ends in a slash stands for all below it."""

    @wrapping(app, "_handle_post_body_shortcuts")
    async def handle(
        stock: Function, method: str, path: str, headers: object, body: bytes, *more: object
    ) -> Answer | None:
        door = doors.get(path) or (doors.get(DOORS) if path.startswith(DOORS) else None)
        if door is None:
            answer: Answer | None = await stock(method, path, headers, body, *more)
            return answer
        status, document = await door(method, path, body)
        return status, {"Content-Type": "application/json"}, json.dumps(document)
