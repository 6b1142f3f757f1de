# SPDX-License-Identifier: Apache-2.0
"""Every model that reads what people write refuses a member that it does not have, by name; new models are found."""

import inspect
import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import get_args

import personalization
import pytest
from personalization.api.openapi import MODELS as DESCRIBED
from personalization.api.routes import ROUTES
from personalization.core.messages import Part
from personalization.shop.settings.settings import ShopSettings
from pydantic import BaseModel, ValidationError

STRANGE = "no_such_member"
Model = type[BaseModel]


def within(annotation: object) -> Iterator[Model]:
    """The models that an annotation names, at any depth."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from within(field.annotation)
    for inner in get_args(annotation):
        yield from within(inner)


def forbidding() -> Iterator[Model]:
    """The models of the package that say of themselves that they take nothing else."""
    for module in pkgutil.walk_packages(personalization.__path__, "personalization."):
        for _, model in inspect.getmembers(import_module(module.name), inspect.isclass):
            if issubclass(model, BaseModel) and model.model_config.get("extra") == "forbid":
                yield model


BODIES = {DESCRIBED[route.body] for route in ROUTES if route.body}
READ = {model for body in BODIES for model in within(body)} | {*within(ShopSettings)}
MODELS = sorted(READ | {*forbidding()}, key=lambda model: (model.__module__, model.__qualname__))


def strangers(model: Model) -> list[str]:
    """Names that are no member's: one of nothing, and those of attributes that are spelled otherwise in JSON."""
    aliases = {name: field.validation_alias or name for name, field in model.model_fields.items()}
    return [STRANGE, *(name for name, alias in aliases.items() if name not in aliases.values() and alias != name)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.__module__}.{model.__qualname__}")
def test_a_member_that_is_not_the_model_s_is_refused_by_name(model: Model) -> None:
    for name in strangers(model):
        for read in (model.model_validate_json, lambda text: model.model_validate(json.loads(text))):
            with pytest.raises(ValidationError) as refused:
                read(json.dumps({name: "x"}))
            told = [error["loc"] for error in refused.value.errors() if error["type"] == "extra_forbidden"]
            assert told == [(name,)]


def test_what_people_write_is_read_by_these_and_not_by_the_machine_s_lenient_ones() -> None:
    assert {*MODELS} >= BODIES | {ShopSettings}
    assert not [model for model in MODELS if issubclass(model, Part)]
    assert any(len(strangers(model)) > 1 for model in BODIES)
