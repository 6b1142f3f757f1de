# SPDX-License-Identifier: Apache-2.0
"""The report of a batch job: its input and price before it runs, then its result."""

from collections.abc import Mapping
from typing import Any

from personalization.batch.plan import Cursor, Job, WrittenInput
from personalization.reports import pages
from personalization.shop.settings.settings import ShopSettings


def document(job: Job, written: WrittenInput, settings: ShopSettings, made: Cursor | None, at: str) -> dict[str, Any]:
    """Return a job's report; without `made` it is the one before the job runs. `at` is ISO 8601."""
    segment, prices = job.settings.segment, settings.prices
    return {
        "language": settings.language,
        "currency": settings.storefront.currency,
        "shop": job.shop,
        "run": job.run,
        "batch": job.name,
        "at": at,
        "state": "exported" if made else "running",
        "kind": job.kind,
        "recipe": segment.recipe if segment else job.settings.recipe,
        "release": job.release,
        "solutionVersionArn": job.solution_version_arn,
        "settings": job.settings.model_dump(mode="json", exclude_defaults=True),
        "asked": {"lines": written.lines, "bytes": written.size, "unknown": written.unknown},
        "answers": written.answers,
        "price": {
            "dollars": written.dollars,
            "training": written.training_dollars,
            "budget": job.settings.budget,
            "asOf": prices.as_of,
        },
        "notes": list(written.notes),
        "folder": job.folder,
        "customers": None,
        "exported": None
        if made is None
        else {
            "files": made.parts,
            "lists": made.lists,
            "rows": made.rows,
            "errors": made.errors,
            "empty": made.empty,
            "formulas": made.formulas,
            "examples": list(made.examples),
        },
    }


def page(report: Mapping[str, Any]) -> str:
    return pages.render("batch.html", report)
