# SPDX-License-Identifier: Apache-2.0
"""Every function with steps has tables of them, and an unknown step fails."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from personalization.core.errors import Broken
from personalization.core.messages import Steps

from tests.statemachines.machine import MACHINES, requests_of

pytestmark = pytest.mark.usefixtures("aws")

FUNCTIONS = Path(__file__).parents[2] / "functions"


def modules() -> list[str]:
    """The modules with a handler that tells steps apart."""
    files = [path for path in FUNCTIONS.glob("*/*.py") if "STEPS: Steps[" in path.read_text()]
    return sorted(f"functions.{path.parent.name}.{path.stem}" for path in files)


EVERY = pytest.mark.parametrize("module", modules())


@EVERY
def test_an_act_takes_the_request_that_the_table_has_it_for(module: str) -> None:
    tables = [table for table in vars(import_module(module)).values() if isinstance(table, Steps)]
    for request, act in (row for table in tables for row in table.acts.items()):
        assert next(iter(inspect.signature(act).parameters.values())).annotation is request


@EVERY
@pytest.mark.parametrize("event", [{"step": "verfy"}, {"step": None}, {}])
def test_an_unknown_step_is_broken(module: str, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHOPS_TABLE", "BUCKET"):
        monkeypatch.setenv(name, "it")
    with pytest.raises(Broken, match="the step's input"):
        import_module(module).handler(event, None)


def test_every_function_that_is_sent_a_step_has_a_table() -> None:
    sent = {
        function.removesuffix("Function")
        for machine in MACHINES.values()
        for function, request in requests_of(machine).values()
        if "step" in request
    }
    tables = {"".join(word.capitalize() for word in module.split(".")[1].split("_")) for module in modules()}
    assert sent == tables
