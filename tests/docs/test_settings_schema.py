# SPDX-License-Identifier: Apache-2.0
"""docs/settings.schema.json is what the models say, and an editor that has it tells good settings from bad ones."""

import json

import jsonschema
import pytest
import yaml
from personalization.core.errors import Rejected
from personalization.shop.settings.settings import ShopSettings, parse

from local.cli import settings_schema
from tests.docs.pages import ROOT, examples

FILE = ROOT / "docs/settings.schema.json"
SCHEMA = json.loads(FILE.read_text())
EXAMPLES = examples("docs/settings", "yaml")
GOOD = [
    *EXAMPLES,
    (ROOT / "storefront/settings.yaml").read_text(),
    ShopSettings().model_dump_json(),
    "prices: {as_of: '2026-11-25', training_hour: 0.3}",
    "placements: {home: {recipe: similar-items, filter: cheap, filter_values: {MOST: 5}}}\n"
    "filters: {cheap: INCLUDE ItemID WHERE Items.PRICE < $MOST}",
    "schedules: [{name: nightly, every: 'cron(0 3 ? * MON *)'}, {name: weekly, every: rate(7 days)}]",
    "returns: {column: quantity}",
    "diversity: off",
    "diversity: 'off'",
    "defaults: {PRICE: 0.5, AGE: unknown}",
]
BAD = [
    "recipe: [similar-items]",
    "domain: groceries",
    "recipes: []",
    "recipes: [sims]",
    "rejects: {limit: 2}",
    "rejects: {share: 0.1}",
    "filters: {Too Long: EXCLUDE}",
    "filters: {empty: ''}",
    "columns: {sku: item id}",
    "returns: {below: 1}",
    "prices: {as_of: November}",
    "campaigns: {similar-items: {min_provisioned_tps: 0}}",
    "campaigns: {similar-items: {metadata: 'yes'}}",
    "erasure: {retrain_within_days: 400}",
    "likelihood: {horizon_days: 0}",
    "placements: {home: {limit: 5}}",
    "placements: {home: {recipe: similar-items, recommender: mine}}",
    "placements: {home: {recipe: similar-items, limit: 500}}",
    "recommenders: {mine: {use_case: everything}}",
    "schedules: [{name: nightly, every: 5 days}]",
    "diversity: on",
    "diversity: often",
    "diversity: {strength: 2}",
    "schedules: [{every: rate(7 days)}]",
    "- domain",
]


def complaints(text: str) -> list[str]:
    """What an editor marks."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [error.message for error in validator.iter_errors(json.loads(json.dumps(yaml.safe_load(text))))]


def test_the_file_is_what_the_command_writes() -> None:
    assert FILE.read_text() == settings_schema.text(), (
        "`.venv/bin/python -m local settings-schema > docs/settings.schema.json`"
    )
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_setting_is_explained() -> None:
    assert [name for name, member in SCHEMA["properties"].items() if "description" not in member] == []


@pytest.mark.parametrize("text", GOOD)
def test_good_settings_pass(text: str) -> None:
    parse("settings.yaml", text)
    assert complaints(text) == []


@pytest.mark.parametrize("text", BAD)
def test_bad_settings_are_marked_as_a_run_would_refuse_them(text: str) -> None:
    assert complaints(text)
    with pytest.raises(Rejected):
        parse("settings.yaml", text)
