# SPDX-License-Identifier: Apache-2.0
"""Tests speak through the doors of rooms: the internals that they import are counted; a raise gives its reason."""

from pathlib import Path

from benchmarks.internals import House, Internal

LANDED = 323
"""Names that tests import and no other room uses, at the last landing; there were 508 in November."""


def test_tests_import_no_more_internals_than_at_the_last_landing() -> None:
    internals = House().internals
    assert len(internals) <= LANDED, "python -m benchmarks.internals --names lists them"


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
