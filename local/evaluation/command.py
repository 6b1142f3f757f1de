# SPDX-License-Identifier: Apache-2.0
"""``python -m local evaluate``: from the command line to tables, JSON and a page."""

import tempfile
from argparse import Namespace
from pathlib import Path

from personalization.core.errors import Rejected
from personalization.shop.settings.settings import ShopSettings, parse
from personalize_local.recipes.config import EventParameters

from local.cloud.environments import LOCAL
from local.evaluation import page, tables
from local.evaluation.bill import estimated
from local.evaluation.files import BadInput, read
from local.evaluation.samples import KINDS
from local.evaluation.trial import Plan, evaluate
from local.evaluation.words import texts
from local.terminal.output import Terminal


def main(options: Namespace, terminal: Terminal) -> None:
    """Evaluate the files that were named. Raises BadInput."""
    settings = settings_of(options.settings)
    stated = [(path, kind) for kind in KINDS for path in getattr(options, kind)]
    if not options.files and not stated:
        raise BadInput("name your files: evaluate FILE…, or --interactions FILE --users FILE --items FILE")
    language = options.language or settings.language
    plan = Plan(
        depth=options.k,
        seed=options.seed,
        tier=options.tier,
        event_type=options.event_type,
        days=options.days,
        language=language,
        goal=settings.event_type,
        events=tuple(EventParameters(name, event.threshold, event.weight) for name, event in settings.weights.items()),
    )
    with terminal.bar() as tell, tempfile.TemporaryDirectory(prefix="evaluate-") as scratch:
        tell("reading the files", 0.0)
        shop = read(options.files, settings, Path(scratch), plan.seed, stated)
        if shop.positions:
            terminal.note(texts(plan.language)["positions"]["note"])
        document = evaluate(shop, plan, tell)
        counts = (shop.interactions["ITEM_ID"].n_unique(), shop.interactions.height)
        document["bill"] = estimated(settings, options.backend or settings.backend, *counts)
    name = [*options.files, *(path for path, _ in stated)][0].name.removesuffix(".gz").removesuffix(".csv")
    target = options.html or LOCAL / "evaluation" / f"{name}.html"
    document["page"] = str(target.resolve())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page.page(document), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{target}: the page cannot be written: {error.strerror or error}") from None
    if terminal.as_json:
        terminal.json(document)
    else:
        tables.show(document, terminal)


def settings_of(path: Path | None) -> ShopSettings:
    """Read the shop's settings; without a file, ask for no column but those of every shop."""
    if path is None:
        return ShopSettings(domain="custom")
    try:
        return parse(path.name, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except (Rejected, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from None
