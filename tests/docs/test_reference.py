# SPDX-License-Identifier: Apache-2.0
"""The reference pages list what the code has, no more and no less: settings, routes, parameters, outputs, alarms."""

import json
import re

import polars as pl
import yaml
from personalization.shop.settings import ShopSettings, parse

from local.demo.sample_data import DemoData, sample_shopper
from tests.docs.pages import ROOT, blocks, first_cells, headings, read, section
from tests.template.stack import STACK

TEMPLATE = STACK.source
ROUTE = re.compile(r"^`([A-Z]+) (/\S*)`$")


def test_every_setting_is_explained() -> None:
    assert set(first_cells(section("docs/settings.md", "Keys"))) == set(ShopSettings.model_fields)


def test_the_example_is_a_shops_settings() -> None:
    examples = [text for language, text in blocks(ROOT / "docs/settings.md") if language == "yaml"]
    assert set(yaml.safe_load(examples[0])) == set(ShopSettings.model_fields)
    assert parse("settings.yaml", examples[0]).recipes == ("user-personalization", "similar-items")


def test_the_default_filter_is_the_one_that_the_page_gives() -> None:
    name, expression = ShopSettings().filters.popitem()
    assert f"`{name}`" in read("docs/settings.md")
    assert f"`{expression}`" in read("docs/settings.md")


def test_every_route_is_explained() -> None:
    served = json.loads(read("functions/get_recommendations/openapi.json"))["paths"]
    routes = {(method.upper(), path) for path, methods in served.items() for method in methods}
    titles = [ROUTE.match(text) for _, text in headings(ROOT / "docs/api.md")]
    assert {title.groups() for title in titles if title} == routes


def test_every_template_parameter_is_explained() -> None:
    assert set(TEMPLATE["Parameters"]) | set(TEMPLATE["Outputs"]) == set(
        first_cells(section("docs/operations.md", "Deploy"))
    )


def test_every_alarm_is_explained() -> None:
    assert set(first_cells(section("docs/operations.md", "Alarms"))) == set(STACK.of("CloudWatch::Alarm"))


def test_parameters_have_the_defaults_that_the_page_gives() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| `?(.*?)`? \|$", section("docs/operations.md", "Deploy"), re.MULTILINE)
    for parameter, default in rows:
        actual = str(TEMPLATE["Parameters"][parameter]["Default"])
        assert actual in {default, ""}, parameter


def test_examples_name_a_household_and_items_of_the_demo(demo_data: DemoData) -> None:
    text = read("docs/api.md") + read("docs/client.md")
    assert set(re.findall(r'(?:/users/|"userId": "|login\(")(\d+)', text)) == {sample_shopper(demo_data)}
    named = set(re.findall(r'(?:/items/|")(\d{5,})\b', text))
    items = pl.read_csv(demo_data.items, infer_schema=False).rows_by_key("ITEM_ID", named=True, unique=True)
    assert named
    assert named <= items.keys()
    shown = re.findall(r'"itemId": "(\d+)"[^}]*"metadata": (\{[^}]*\})', text)
    assert shown
    assert all(json.loads(metadata).items() <= items[item].items() for item, metadata in shown)
