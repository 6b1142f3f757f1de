# SPDX-License-Identifier: Apache-2.0
"""The report of a release: one JSON document, and an HTML page for retailers.

The judging writes the first version. After the promotion, each probed campaign adds its answers.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic.alias_generators import to_camel
from table_intake.wording import Language

from personalization.core.aws import objects
from personalization.core.environment import Environment
from personalization.core.errors import PersonalizationError
from personalization.core.messages import Part
from personalization.releases.gate import Judgement, Measured
from personalization.releases.verdicts import Verdict
from personalization.reports import pages
from personalization.shop.records import item_files
from personalization.shop.records.item_table import ShownItems, Table, fetch, name_column
from personalization.shop.settings.recipes import FROM_ITEM

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Document = Mapping[str, Any]
LOOK_UP_SECONDS = 20.0
"""How long a step may look up columns of items."""


class ReportRequest(Part):
    """Complete the report of a promoted release."""

    step: Literal["report"]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """The stored report of a run."""

    s3: "S3Client"
    bucket: str
    shop: str
    run: str

    def key(self, file: str) -> str:
        return f"reports/{self.shop}/{self.run}/{file}"

    def start(self, document: Document, before: Mapping[str, Sequence[Document]]) -> None:
        """Write the first version, with the answers of the serving campaigns by recipe alias."""
        judged = {**document, "before": before}
        judged = pages.with_codes(judged)
        objects.put_json(self.s3, self.bucket, self.key("parts/judged.json"), judged)
        self._write(judged, {})

    def add(self, alias: str, part: Document) -> None:
        """Store the result of a campaign's probe, with its answers as `lists`."""
        objects.put_json(self.s3, self.bucket, self.key(f"parts/{alias}.json"), part)

    def refresh(self, verdict: Verdict, outcome: str, reason: str) -> None:
        """Write the report again, with the answers of promoted campaigns."""
        judged = objects.get_json(self.s3, self.bucket, self.key("parts/judged.json"))
        if judged is None:
            # Reports expire, and a rollback may return to a release that is older.
            return
        promoted = {target.alias for target in verdict.targets}
        after = {}
        for alias in (recipe["alias"] for recipe in judged["recipes"] if recipe["alias"] in promoted):
            if part := objects.get_json(self.s3, self.bucket, self.key(f"parts/{alias}.json")):
                after[alias] = part["lists"]
        self._write(judged | {"outcome": outcome, "reason": reason}, after)

    def link(self, other: str) -> None:
        """Add a link to another page of the run, unless the report has it."""
        release = objects.get_json(self.s3, self.bucket, self.key("release.json"))
        if release is not None and other not in release.get("pages", ()):
            self._put({**release, "pages": sorted([*release.get("pages", ()), other])})

    def _write(self, judged: Document, after: Mapping[str, Sequence[Document]]) -> None:
        prefix = self.key("")
        keys = sorted(objects.list_keys(self.s3, self.bucket, prefix))
        names = [key.removeprefix(prefix) for key in keys]
        others = [page for page in names if page.endswith(".html") and "/" not in page and page != "release.html"]
        completed = {**with_lists(judged, after), "pages": others}
        self._name(completed)
        self._put(completed)

    def _name(self, document: Document) -> None:
        """Name items by the shop's table, as answers do; what it lacks keeps the name that the campaign gave."""
        pairs = [pair for listed in document["lists"].values() for pair in listed]
        lists = [pair[side] or () for pair in pairs for side in ("before", "after")]
        items = [item for listed in lists for item in listed]
        table = item_table(self.s3, self.bucket, self.shop) if items else None
        column = name_column(table.columns) if table else None
        if column is None:
            return
        shown = ShownItems(fetch(lambda: self.s3, lambda: self.bucket))
        of_items = [pair for alias in FROM_ITEM for pair in document["lists"].get(alias, ())]
        ids = [*(item["itemId"] for item in items), *(pair["about"] for pair in of_items)]
        items_by_id = shown.find(self.shop, ids, (column,), LOOK_UP_SECONDS)
        for item in items:
            item["name"] = items_by_id.get(item["itemId"], {}).get(column, item["name"])
        for pair in of_items:
            pair["aboutName"] = items_by_id.get(pair["about"], {}).get(column, "")

    def _put(self, document: Document) -> None:
        coded = pages.with_codes(document)
        objects.put_report(self.s3, self.bucket, self.key("release"), coded, page(coded))


def complete(s3: "S3Client", request: ReportRequest, environment: Environment) -> dict[str, object]:
    """Complete the report of a promoted release; return the key of its page."""
    verdict = request.verdict
    report = Report(s3, environment.bucket, verdict.shop, verdict.run)
    report.refresh(verdict, verdict.outcome, verdict.reason)
    return {"report": report.key("release.html")}


def item_table(s3: "S3Client", bucket: str, shop: str) -> Table | None:
    """Return the shop's table of items if it can be read; no step of a release waits for it."""
    with suppress(PersonalizationError):
        return item_files.table(s3, bucket, shop)
    return None


def document(
    verdict: Verdict,
    judged: Sequence[Judgement],
    new: Mapping[str, Measured],
    old: Mapping[str, Measured],
    now: datetime,
    language: Language = "en",
) -> dict[str, Any]:
    """Return the document of a judged run, without lists; `new` and `old` are by recipe alias."""
    recipes = []
    for judgement in judged:
        camel = {to_camel(name): value for name, value in asdict(judgement).items()}
        new_measured, old_measured = new.get(judgement.alias), old.get(judgement.alias)
        recipes.append(
            {
                **camel,
                "metrics": {
                    "new": new_measured and new_measured.metrics,
                    "serving": old_measured and old_measured.metrics,
                },
            }
        )
    return {
        "language": language,
        "shop": verdict.shop,
        "run": verdict.run,
        "judgedAt": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "rows": verdict.rows,
        "recipes": recipes,
    }


def with_lists(document: Document, after: Mapping[str, Sequence[Document]]) -> dict[str, Any]:
    """Return the document with its answers `before` the promotion and those after it, by recipe and question."""
    before: Mapping[str, Sequence[Document]] = document["before"]
    aliases = [recipe["alias"] for recipe in document["recipes"]]
    lists = {alias: _pairs(before.get(alias, ()), after.get(alias, ())) for alias in aliases}
    rest = {key: value for key, value in document.items() if key != "before"}
    return {**rest, "lists": {alias: pairs for alias, pairs in lists.items() if pairs}}


def _pairs(before: Sequence[Document], after: Sequence[Document]) -> list[dict[str, Any]]:
    old, new = ({reply["about"]: reply for reply in replies} for replies in (before, after))
    return [
        {"about": subject, "before": _items(old.get(subject)), "after": _items(new.get(subject))}
        for subject in dict.fromkeys([*new, *old])
    ]


def _items(reply: Document | None) -> list[dict[str, str]] | None:
    if reply is None:
        return None
    return [{"itemId": item, "name": reply["names"].get(item, "")} for item in reply["items"]]


def page(report: Document) -> str:
    return pages.render("release.html", report, stays=_stays)


def _stays(pairs: Sequence[Document]) -> float:
    """Return the mean share of items that stayed in the list over pairs of lists."""

    def stays(pair: Document) -> float:
        old, new = ({item["itemId"] for item in pair[side]} for side in ("before", "after"))
        return len(old & new) / len(new) if new else 0.0

    return sum(map(stays, pairs)) / len(pairs)
