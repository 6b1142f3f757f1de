# SPDX-License-Identifier: Apache-2.0
"""Tests speak through the doors of rooms: the internals that they import are counted; a raise gives its reason."""

from collections import defaultdict
from pathlib import Path

from benchmarks.internals import House, Internal

LANDED = 434
"""Names that tests import and no other room uses, at the last landing; there were 508 at f316f95d. Kills and threads of
the room `engine` are played beside its container and its disk, and batches of its stream in any cut."""
INSIDE: tuple[tuple[str, str, str], ...] = (
    ("tests/app/replay", "handlers", "what the fallback asks again depends on its clock, which stands still there"),
    (
        "tests/reports",
        "test_korean_pages test_languages",
        "every text of the catalogues is held against its code, and pages are made of documents that runs rarely leave",
    ),
    (
        "engine/tests",
        "breaches calls test_wire_properties",
        "every operation of the wire is tried, so its models are read",
    ),
    (
        "engine/tests",
        "test_context test_counting test_deep test_ease test_neighbours test_online_counts test_ranker "
        "test_recipes test_tuning",
        "a part of a recipe is held against a planted truth or a plain computation, which lists of items hide",
    ),
    (
        "engine/tests",
        "test_objectives test_offline_metrics",
        "figures are held against worked examples",
    ),
    (
        "engine/tests",
        "test_filter_language test_filters",
        "every text of a language is tried, far from HTTP",
    ),
    (
        "engine/tests",
        "test_request_log test_rights test_running test_themes test_wire",
        "one rule decides, and a server would hide which",
    ),
    (
        "table-intake/tests",
        "test_counts test_dialect test_forms test_parquet_files test_proposals test_ranges test_statuses "
        "test_text_files test_validation",
        "every cell, number, time and size of memory is tried where it is decided",
    ),
    (
        "tests/api",
        "test_bodies test_openapi",
        "tables of routes and models are held against the functions",
    ),
    (
        "tests/api",
        "test_diversity test_fallback test_filter_values test_list_ids_of_answers test_lists test_page_tokens "
        "test_request_metrics test_silence",
        "decisions and their clocks are tried for any input, without a container",
    ),
    (
        "tests/app",
        "laptop test_cloud test_demo test_drops test_fallback test_long_run test_outage test_pages test_upgrade "
        "test_watch",
        "scenarios start, fault and stop a local cloud and the demo as commands do",
    ),
    (
        "tests/app/matrix",
        "courses kills",
        "scenarios start, fault and stop a local cloud and the demo as commands do",
    ),
    (
        "tests/app/replay",
        "requests",
        "a table of routes tells which parameters are strange",
    ),
    (
        "tests/auth",
        "test_auth_keys test_authorize_request test_hashed_ids test_issue_session test_list_id_keys test_list_ids "
        "test_sessions test_tokens",
        "every forged token, key and session is tried; the authorizer says the same of all",
    ),
    (
        "tests/batch",
        "test_batch test_run_batch",
        "users, budgets and parts of millions are decided without so many rows",
    ),
    (
        "tests",
        "conftest",
        "the demo's data are prepared once for all",
    ),
    (
        "tests/core",
        "test_aws_errors test_metrics test_snapshots",
        "clients, names and errors have no door of their own",
    ),
    (
        "tests/docs",
        "test_compatibility test_metrics test_my_shop test_reference test_refusals test_settings_schema test_sql",
        "what documents say is held against the tables, commands and screens that they show",
    ),
    ("tests/api", "test_drafts", "what holds for all drafts is tried on hundreds of rankings, far from any request"),
    ("tests/local", "test_experiment_files", "what is said before a start is made of a shop's days, without a cloud"),
    (
        "tests/experiments",
        "test_aggregates test_checks test_day_files test_effects test_looks "
        "test_large_days test_metrics test_oracles test_ramps test_placement_days test_earnings test_verdicts "
        "test_large_and_small test_shards test_signs",
        "statistics are held against plain computations and other libraries, far from any file",
    ),
    (
        "tests/engine",
        "test_archive test_counting test_live test_live_refusals",
        "any order, repetition and death of calls is played on a table in memory, on DynamoDB and on S3",
    ),
    (
        "tests/engine",
        "engine_shop test_backend test_bad_input test_batches test_explaining test_files",
        "kills, threads and a full disk are played in one container, whose clock a test holds",
    ),
    (
        "tests/events",
        "test_copy_events test_impressions test_list_ids_of_events test_queue test_record_events",
        "any order and size of messages is tried, and clocks move",
    ),
    (
        "tests/handlers",
        "fixtures likelihoods samples silences variables",
        "this makes what handlers have around them, and forgets it again",
    ),
    (
        "tests/hostile",
        "world",
        "a container is made new for each run of requests",
    ),
    (
        "tests/ingest",
        "test_changes test_check_part test_copies test_data_limits test_data_report test_dropped_folders "
        "test_every_string test_exports test_join_export test_parts test_sales test_validate_drop",
        "any text and any cut of a file is tried, and reports of rare files are made by hand",
    ),
    (
        "tests/likelihood",
        "test_answering test_counters test_customers test_judge test_likelihood_fits test_likelihood_silence "
        "test_populations test_sharded test_sharded_likelihood test_snapshots test_training test_verdict "
        "worlds",
        "numeric parts are held against a planted truth; the handler's tests hold the whole",
    ),
    (
        "tests/local",
        "test_board test_cli test_demo_data test_distributed_map test_documents test_evaluation "
        "test_evaluation_positions test_experiment_plan test_expressions test_guard test_json_patch "
        "test_launcher test_layers test_log_role test_personalize_types test_runtime_interface_client "
        "test_saving test_simulated_users test_start test_strictness test_systems",
        "parts of the local AWS and of commands are held against AWS's documents or a plain computation",
    ),
    (
        "tests/maintenance",
        "test_erase_users test_keep_house",
        "a shop's records are put there as other functions leave them",
    ),
    (
        "tests/personalize",
        "test_schemas test_status",
        "every status and column is tried",
    ),
    (
        "tests/releases",
        "test_gate test_held_out_judging test_held_out_splitting test_judge_release test_probe "
        "test_ranking_metrics test_release_page test_update_campaign",
        "gates, probes and figures are held against worked examples for any input",
    ),
    (
        "tests/runs",
        "flow_world test_batches test_claims test_leases test_sweep_drops",
        "any order of drops, runs and sweeps is played on a table in memory and on DynamoDB",
    ),
    (
        "tests/shop",
        "test_catalogue test_item_table test_releases test_schedules",
        "any id, size and value is tried where it is decided",
    ),
    (
        "tests/statemachines",
        "test_batch test_evaluate test_payloads test_teardown",
        "what machines send is held against what functions read",
    ),
    (
        "tests/storefront",
        "shop test_catalogue test_checks test_experiment test_own_shop test_publishing test_server test_strangers",
        "a page has a catalogue and a server without a cloud",
    ),
    (
        "tests/watch",
        "conftest sample test_server",
        "a page has a server whose facts are the test's own",
    ),
    (
        "tests/template",
        "test_browsers test_dashboard test_pipeline test_storefront",
        "what the template says is held against the code's tables",
    ),
)
"""Folders, their modules that look inside, and why; any other test speaks through doors alone."""


def test_tests_import_no_more_internals_than_at_the_last_landing_and_say_why() -> None:
    internals = House().internals
    assert len(internals) <= LANDED, "python -m benchmarks.internals --names lists them"
    tests = defaultdict(list)
    for internal, paths in internals.items():
        for path in paths:
            tests[path].append(f"{internal.module}.{internal.name}")
    told = {f"{folder}/{name}.py" for folder, names, why in INSIDE for name in names.split() if why}
    assert {path: names for path, names in tests.items() if path not in told} == {}, "say why in INSIDE"
    assert sorted(told - tests.keys()) == [], "they look inside no more"


def test_what_no_other_room_uses_is_an_internal_however_it_is_imported(tmp_path: Path) -> None:
    shop = tmp_path / "layers/core/personalization/shop"
    files = {
        shop / "keys.py": "from personalization.shop.cron import beat\n",
        shop / "cron.py": "def beat(): ...\ndef due(): ...\ndef late(): ...\n",
        shop.with_name("api") / "lists.py": "from personalization.shop import cron\nWHEN = cron.due()\n",
        tmp_path / "functions/sweep/app.py": "def handler(): ...\ndef helper(): ...\n",
        tmp_path / "tests/test_cron.py": "from functions.sweep.app import handler, helper\n"
        "from personalization.shop import cron\nfrom personalization.shop.cron import due\n"
        "def test(): cron.beat()\ndef other(cron): cron.late()\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    test = ("tests/test_cron.py",)
    assert House(tmp_path).internals == {
        Internal("functions.sweep.app", "helper"): test,
        Internal("personalization.shop.cron", "beat"): test,
    }
