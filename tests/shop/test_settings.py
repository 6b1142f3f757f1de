# SPDX-License-Identifier: Apache-2.0
import json
import re
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from personalization.core.environment import Environment
from personalization.core.errors import Broken, Rejected
from personalization.shop.settings.settings import ShopSettings, parse
from table_intake.settings import yaml_core


def test_retail_defaults() -> None:
    settings = ShopSettings()
    assert (settings.personalize_domain, settings.event_type) == ("ECOMMERCE", "Purchase")
    assert settings.recipes == ("user-personalization", "personalized-ranking", "similar-items", "popularity-count")
    assert settings.filters == {"not-purchased": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")'}


def test_yaml_and_json_say_the_same() -> None:
    text = "domain: custom\nrecipes: [similar-items, similar-items]\ncolumns: {Kunde: USER_ID}\ndefaults: {PRICE: 0}\n"
    chosen = parse("settings.yaml", text)
    same = {"domain": "custom", "recipes": ["similar-items"], "columns": {"Kunde": "USER_ID"}, "defaults": {"PRICE": 0}}
    assert chosen == parse("settings.json", json.dumps(same))
    assert chosen.personalize_domain is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1:30", "1:30"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1f", 31),
        ("1_000", "1_000"),
        ("on", "on"),
        ("no", "no"),
        ("2026-11-30", "2026-11-30"),
        ("1e3", 1000.0),
        ("True", True),
        ("~", None),
        ("", None),
    ],
)
def test_scalars_are_read_as_yaml_1_2_has_them_and_what_is_written_reads_the_same(
    written: str, meant: str | float | None
) -> None:
    assert yaml_core.load(f"x: {written}") == {"x": meant}
    for value in (written, meant):
        text = yaml_core.dump({"x": value})
        assert yaml_core.load(text) == {"x": value}
        # Programs that read YAML 1.1 take it for the same.
        assert yaml.safe_load(text) == {"x": value}


def test_numbers_are_what_they_look_like() -> None:
    with pytest.raises(Rejected, match=r"likelihood\.horizon_days: must be a valid integer"):
        parse("settings.yaml", "likelihood: {horizon_days: 1:30}")
    assert parse("settings.yaml", "likelihood: {horizon_days: 030}").likelihood.horizon_days == 30
    assert not parse("settings.yaml", "diversity: off").diversity.enabled
    assert parse("settings.yaml", "prices: {as_of: 2026-11-30}").prices.as_of == "2026-11-30"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "  \n"])
def test_an_empty_file_means_the_defaults(text: str) -> None:
    assert parse("settings.yaml", text) == ShopSettings()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "gates: {}",
            r"gates is not a setting \(did you mean gate\? the settings are domain, event_type, columns, defaults, ",
        ),
        ("domain: video", "domain: must be 'ecommerce' or 'custom'"),
        ("recipes: []", "recipes: must have at least one"),
        ("erasure: {retrain_within_days: 0}", "erasure.retrain_within_days: must be greater than or equal to 1"),
        ("erasure: {retrain_within_days: soon}", "erasure.retrain_within_days"),
        ("recipes: [sims]", "recipes.0: must be 'user-personalization'"),
        ("filters: {Not OK: x}", "filters.Not OK: must be 1 to 20 characters"),
        ("columns: {kunde: user id}", "columns.kunde: must be a column's name in capitals"),
        ("rejects: {limit: 3}", "rejects.limit: must be less than or equal to 1"),
        ("rejects: {limt: 0}", r"rejects.limt is not a setting \(did you mean limit\? the settings are limit"),
        ("prices: {as_of: soon, hour: 1}", "prices.as_of: must be a month or a day.*; prices.hour is not a setting"),
        ("[a, b]", "the file: "),
        ("a: [", "is not YAML"),
        ("x: &a [*a]", "x is not a setting"),
        ("defaults: {PRICE: []}", "defaults.PRICE: must be a text or a number"),
        ("recipes: similar-items", "recipes: must be a list"),
        ("domain: custom\nevent_type: View\ndomain: ecommerce", "domain: is there twice, in lines 1 and 3"),
        ("probe:\n  requests: 3\n  requests: 4", "probe.requests: is there twice, in lines 2 and 3"),
        ("a: 2001-13-45", "is not YAML|a is not a setting"),
        ("generation: v3", "generation: must be 'v1' or 'v2'"),
        (
            "recipes: [similar-items]\ncampaigns: {user-personalization: {min_provisioned_tps: 2}}",
            "campaigns.user-personalization: the shop does not train this recipe; it trains similar-items",
        ),
        ("campaigns: {sims: {}}", "campaigns.sims: .*must be 'user-personalization', "),
        ("campaigns: {similar-items: {min_provisioned_tps: 0}}", "min_provisioned_tps: must be greater than or equal"),
        ("campaigns: {similar-items: {min_provisioned_tps: 501}}", "min_provisioned_tps: must be less than or equal"),
        ("campaigns: {similar-items: {tps: 5}}", "campaigns.similar-items.tps is not a setting .*min_provisioned_tps"),
        (
            "campaigns: {similar-items: {exploration_weight: 0.1}}",
            "campaigns.similar-items.exploration_weight: similar-items doesn't explore: leave it out",
        ),
        (
            "generation: v2\ncampaigns: {user-personalization: {exploration_weight: 0.1}}",
            "exploration_weight: user-personalization of generation v2 explores by itself: .* set generation: v1",
        ),
        (
            "generation: v2\ncampaigns: {personalized-ranking: {metadata: false}}",
            "campaigns.personalized-ranking.metadata: generation v2 shows it without a charge",
        ),
        (
            "generation: v2\n"
            "schedules: [{name: a, every: rate(7 days), training_mode: UPDATE, recipes: [user-personalization]}]",
            "schedules.0.training_mode: generation v2 has no UPDATE",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse("settings.yaml", text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("returns: {below: 0}", "returns.column"),
        ("returns: {column: ''}", "returns.column"),
        ("returns: {column: quantity, below: .nan}", "returns.below"),
        ("returns: {column: quantity, above: 0}", "returns.above"),
    ],
)
def test_what_tells_returns_is_a_column_and_a_number(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse("settings.yaml", text)


def test_only_a_shop_with_returns_has_another_digest_for_them() -> None:
    assert parse("settings.yaml", "").digest == "483d"
    assert parse("settings.yaml", "returns: {column: quantity}").digest != parse("settings.yaml", "").digest


def test_a_campaign_is_set_by_its_recipe() -> None:
    text = (
        "campaigns:\n  user-personalization: {exploration_weight: 0.25, exploration_item_age_cutoff: 14}\n"
        "  popularity-count: {min_provisioned_tps: 20, metadata: true}\n"
    )
    chosen = parse("settings.yaml", text)
    assert chosen.campaigns["user-personalization"].config == {
        "itemExplorationConfig": {"explorationWeight": "0.25", "explorationItemAgeCutOff": "14"}
    }
    assert chosen.campaigns["popularity-count"].config == {"enableMetadataWithRecommendations": True}
    assert chosen.campaigns["popularity-count"].min_provisioned_tps == 20
    assert (ShopSettings().generation, ShopSettings().campaigns) == ("v1", {})


def test_every_error_is_told_at_once() -> None:
    text = """
domain: shopify
recipess: []
recipes: [similar-items]
rejects: {limit: much}
gate: {minimum_over_popularity: 2, tolerance: 7}
probe: {requests: 0, requests: 1}
schedules:
  - {name: a, every: never, training_mode: UPDATE}
  - {name: a, every: rate(2 days), recipes: [popularity-count]}
"""
    with pytest.raises(Rejected) as refused:
        parse("settings.yaml", text)
    places = [part.partition(": ")[0].partition(" is ")[0] for part in refused.value.reason.split("; ")]
    assert sorted(places) == [
        "domain", "gate.minimum_over_popularity", "gate.tolerance", "probe.requests", "recipess",
        "rejects.limit", "schedules", "schedules.0.every", "schedules.0.training_mode", "schedules.1.recipes",
    ]  # fmt: skip


def test_a_name_that_json_has_twice_is_refused() -> None:
    with pytest.raises(Rejected, match="limit: is there twice"):
        parse("settings.json", '{"rejects": {"limit": 0, "limit": 1}}')


@pytest.mark.parametrize("text", ["{", "nonsense", "[" * 100_000, '{"domain": NaN}'])
def test_broken_json_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        parse("settings.json", text)


@given(st.text(max_size=200))
def test_any_text_is_settings_or_refused(text: str) -> None:
    for key in ("settings.yaml", "settings.json"):
        with suppress(Rejected):
            assert parse(key, text).recipes


def test_the_environment_is_read_when_it_is_asked() -> None:
    environment = Environment({"PREFIX": "retail", "AWS_REGION": "us-east-1", "ACCOUNT_ID": "123456789012"})
    assert environment.names.dataset_group("demo").name == "retail-demo"
    assert environment.service == "personalization"
    with pytest.raises(Broken, match="BUCKET is not set"):
        assert environment.bucket


def test_the_engine_has_a_campaign_beside_each_but_that_of_actions() -> None:
    chosen = parse("settings.yaml", "domain: custom\nfallback: engine\nrecipes: [similar-items, next-best-action]\n")
    assert chosen.campaign_aliases == ("similar-items", "next-best-action", "engine/similar-items")
    assert parse("settings.yaml", "").campaign_aliases == parse("settings.yaml", "").deployed


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("fallback: engine\nbackend: engine\n", "fallback: the engine answers already"),
        ("fallback: engine\ndeploy: false\n", "leaves no campaign whose place"),
        ("fallback: nobody\n", "fallback: must be 'engine'"),
        ("fallback: engine\nrecipes: [{name: similar-items, backend: engine}]\n", "the engine answers already"),
    ],
)
def test_a_fallback_that_cannot_be_is_refused_by_name(settings: str, why: str) -> None:
    with pytest.raises(Rejected, match=re.escape(why)):
        parse("settings.yaml", settings)


UP, SIMILAR, POPULAR = "user-personalization", "{name: similar-items, backend: engine}", "popularity-count"


def of(*recipes: str, more: str = "") -> ShopSettings:
    return parse("settings.yaml", f"recipes: [{', '.join(recipes)}]\n{more}")


def test_a_recipe_has_a_backend_of_its_own_or_that_of_the_shop() -> None:
    chosen = of(UP, SIMILAR, POPULAR)
    assert chosen.backends == {UP: "personalize", "similar-items": "engine", POPULAR: "personalize"}
    assert (chosen.home, chosen.is_on_both, chosen.deployed) == ("personalize", True, (UP, "similar-items"))
    assert [billed.engine for billed in chosen.billed_trainings] == [False, True, False, True]
    other = of("{name: user-personalization, backend: personalize}", "similar-items", more="backend: engine\n")
    assert (other.backends["similar-items"], other.home, other.is_on_both) == ("engine", "personalize", True)
    alone = of(SIMILAR)
    assert (alone.home, alone.is_on_both) == ("engine", False)
    assert parse("settings.json", '{"recipes": [{"name": "similar-items", "backend": "engine"}]}') == alone


@pytest.mark.parametrize(
    ("recipes", "more", "further"),
    [
        ((UP, SIMILAR, POPULAR), "", ("engine/popularity-count",)),
        ((UP, SIMILAR, "{name: popularity-count, backend: engine}"), "", ("personalize/popularity-count",)),
        ((UP, SIMILAR), "", ()),
        ((UP, "{name: popularity-count, backend: engine}"), "", ("personalize/popularity-count",)),
        ((UP, POPULAR, "{name: semantic-similarity, backend: engine}"), "", ()),
        ((UP, SIMILAR, POPULAR), "fallback: engine\n", (f"engine/{UP}", "engine/popularity-count")),
    ],
)
def test_each_backend_has_a_baseline_and_a_recipe_of_the_engine_needs_no_fallback(
    recipes: tuple[str, ...], more: str, further: tuple[str, ...]
) -> None:
    chosen = of(*recipes, more=more)
    assert chosen.further_aliases == further
    beside = {alias for alias in chosen.campaign_aliases if "/" in alias}
    assert beside == ({f"engine/{UP}"} if more else set())


@pytest.mark.parametrize(
    ("recipes", "more", "why"),
    [
        ((UP, "{name: next-best-action, backend: engine}"), "domain: custom\n", "recipes: the engine, which has next-"),
        (
            (SIMILAR,),
            "metric_attribution: {p: {event_type: Purchase}}\n",
            "metric_attribution: the engine does not have",
        ),
        (
            ("{name: user-personalization, backend: engine}", "similar-items"),
            "gate: {held_out: {days: 14}}\n",
            "gate.held_out: the engine, which has user-personalization",
        ),
        (
            ("{name: user-personalization, backend: engine}", "similar-items"),
            "schedules: [{name: n, every: rate(7 days), training_mode: UPDATE, recipes: [user-personalization]}]\n",
            "schedules.0.training_mode: the engine, which has user-personalization",
        ),
        ((SIMILAR, "similar-items"), "", "recipes: name a recipe once"),
        (("{name: similar-items}",), "", "recipes.0.backend: is missing"),
        (("{name: similar-items, backend: nobody}",), "", "recipes.0.backend: must be 'personalize' or 'engine'"),
        (("{name: like-this, backend: engine}",), "", "recipes.0.name: must be"),
    ],
)
def test_what_the_engine_lacks_for_a_recipe_of_its_own_is_refused_by_name(
    recipes: tuple[str, ...], more: str, why: str
) -> None:
    with pytest.raises(Rejected, match=re.escape(why)):
        of(*recipes, more=more)


def test_campaigns_of_the_engine_do_not_count_for_the_quota_of_personalize() -> None:
    names = [UP, "personalized-ranking", "similar-items", "trending-now", "semantic-similarity"]
    more = "campaigns: {popularity-count: {}}\n"
    assert len(of(*names, "{name: popularity-count, backend: engine}", more=more).deployed) == 6
    with pytest.raises(Rejected, match="6 campaigns"):
        of(*names, POPULAR, more=more)
