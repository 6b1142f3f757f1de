# SPDX-License-Identifier: Apache-2.0
"""The reference pages list what the code has, no more and no less: settings, routes, parameters, outputs, alarms."""

import json
import re

import polars as pl
from personalization.shop.settings.settings import ShopSettings, parse
from personalize_local.recipes.definitions import EXPLORATION
from table_intake.settings.files import InteractionFileSettings

from local.demo.sample_data import DemoData, sample_shopper
from tests.docs.pages import ROOT, first_cells, headings, read, section
from tests.template.stack import STACK

TEMPLATE = STACK.source
ROUTE = re.compile(r"^`([A-Z]+) (/\S*)`$")


def test_every_setting_is_explained() -> None:
    assert set(first_cells(section("docs/settings/README.md", "Keys"))) == set(ShopSettings.model_fields)


def test_every_key_answers_a_wish_with_a_line_that_can_be_written() -> None:
    wishes = read("docs/settings/wishes.md")
    keys = {"interactions"}
    for cell in re.findall(r"^\|[^|]*\|([^|]*)\|", wishes, re.MULTILINE):
        lines = {line.partition(":")[0]: line for line in re.findall(r"`(.*?)`", cell)}
        of_shop = [line for key, line in lines.items() if key in ShopSettings.model_fields]
        of_files = [line for key, line in lines.items() if key not in ShopSettings.model_fields]
        parse("settings.yaml", "\n".join([*of_shop, f"interactions: {{{', '.join(of_files)}}}"]))
        keys |= lines.keys()
    assert keys == {*ShopSettings.model_fields, *InteractionFileSettings.model_fields}


def test_the_default_filter_is_the_one_that_the_page_gives() -> None:
    name, expression = ShopSettings().filters.popitem()
    assert f"`{name}`" in read("docs/settings/README.md")
    assert f"`{expression}`" in read("docs/settings/README.md")


def test_every_route_is_explained() -> None:
    served = json.loads(read("functions/get_recommendations/openapi.json"))["paths"]
    routes = {(method.upper(), path) for path, methods in served.items() for method in methods}
    titles = [ROUTE.match(text) for _, text in headings(ROOT / "docs/api.md")]
    assert {title.groups() for title in titles if title} == routes


def test_every_template_parameter_is_explained() -> None:
    page = "docs/operations/deploy.md"
    assert set(first_cells(section(page, "Parameters"))) == set(TEMPLATE["Parameters"])
    assert set(first_cells(section(page, "Outputs"))) == set(TEMPLATE["Outputs"])


def test_every_alarm_is_explained() -> None:
    alarms = section("docs/operations/alarms.md", "What each means")
    assert set(first_cells(alarms)) == set(STACK.of("CloudWatch::Alarm"))


def test_parameters_have_the_defaults_that_the_page_gives() -> None:
    parameters = section("docs/operations/deploy.md", "Parameters")
    rows = re.findall(r"^\* `(\w+)` \(`?(.*?)`?\): ", parameters, re.MULTILINE)
    assert len(rows) == len(TEMPLATE["Parameters"])
    for parameter, default in rows:
        actual = str(TEMPLATE["Parameters"][parameter]["Default"])
        assert actual in {default, ""}, parameter


def test_exploration_has_the_defaults_that_the_page_gives() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    rows = re.findall(r"^\| `(exploration_\w+)` \| .* \| (.*?) \|$", text, re.MULTILINE)
    wires = {"exploration_weight": "explorationWeight", "exploration_item_age_cutoff": "explorationItemAgeCutOff"}
    actual = {name: float(EXPLORATION[wire].default) for name, wire in wires.items()}
    assert {name: float(default) for name, default in rows} == actual


def test_examples_name_a_household_and_items_of_the_demo(demo_data: DemoData) -> None:
    text = read("docs/api.md") + read("storefront/client/README.md")
    assert set(re.findall(r'(?:/users/|"userId": "|login\(")(\d+)', text)) == {sample_shopper(demo_data)}
    named = set(re.findall(r'(?:/items/|")(\d{5,})\b', text))
    items = pl.read_csv(demo_data.items, infer_schema=False).rows_by_key("ITEM_ID", named=True, unique=True)
    assert named
    assert named <= items.keys()
    shown = re.findall(r'"itemId": "(\d+)"[^}]*"metadata": (\{[^}]*\})', text)
    assert shown
    assert all(json.loads(metadata).items() <= items[item].items() for item, metadata in shown)
