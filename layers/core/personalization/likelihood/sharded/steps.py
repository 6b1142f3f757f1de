# SPDX-License-Identifier: Apache-2.0
"""The steps of a fit in shards: plan, partition (each byte range), gather, count (each shard), combine, serve (each
shard), publish.

Each step reads what earlier ones wrote and writes its own files, so that a repetition does the same again. Nothing
serves before `publish`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any, Literal

from personalization.core.messages import Part, of_this_version
from personalization.likelihood import limits, report, serving_files, shards, store, training
from personalization.likelihood.answering import iso
from personalization.likelihood.features import DAY, ITEM
from personalization.likelihood.fit import Fitted, Job, Run
from personalization.likelihood.histories import Codes, History, Reader, levels, prices
from personalization.likelihood.limits import LeftOut, Sizes
from personalization.likelihood.sharded import arrays, partition, shard
from personalization.likelihood.sharded.counts import Counts, intervals
from personalization.likelihood.sharded.partition import Index
from personalization.likelihood.sharded.plan import Plan, Range, ranges, rows_in
from personalization.likelihood.sharded.scope import Scope, scope
from personalization.likelihood.sharded.shard import Catalogue, catalogue_of
from personalization.likelihood.sharded.work import Work
from personalization.likelihood.tables import Counted, Tables, tables
from personalization.reports import pages
from personalization.shop.settings.settings_file import shop_settings

_HEAD = 1 << 16
_VECTORS, _EVENTS = "vectors", "events"


class PlanRequest(Run):
    """Choose the files, their byte ranges and the number of shards."""

    step: Literal["plan"]


class PartitionRequest(Run):
    """Cut a byte range into shards."""

    step: Literal["partition"]
    number: int


class GatherRequest(Run):
    """Agree on what all shards need."""

    step: Literal["gather"]


class CountRequest(Run):
    """Count a shard."""

    step: Literal["count"]
    number: int


class CombineRequest(Run):
    """Fit on the sample of all shards."""

    step: Literal["combine"]


class ServeRequest(Run):
    """Write the counters of a shard's users."""

    step: Literal["serve"]
    number: int


class PublishRequest(Run):
    """Let the fit serve."""

    step: Literal["publish"]


class ExplainRequest(Run):
    """Fail with the reason of a part that failed."""

    step: Literal["explain"]


class DiscardRequest(Run):
    """Delete what a failed fit has written."""

    step: Literal["discard"]


class Planned(Part):
    """Whether the fit goes on, and over how many byte ranges and shards."""

    outcome: Literal["planned"] = "planned"
    ranges: int
    shards: int


class Done(Part):
    """A step is done, and what it made is in the bucket."""

    outcome: Literal["done"] = "done"


def _unless_ended(step: Callable[["Steps"], Done | Fitted]) -> Callable[["Steps"], Done | Fitted]:
    """Return a step that a fit with an outcome answers with it."""

    def taken(steps: "Steps") -> Done | Fitted:
        ended = steps.work.ended()
        return step(steps) if ended is None else Fitted.read(ended)

    return taken


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a run's fit; `job` is what they have in common with a fit in one function.

    Each raises RetryLater, LimitReached, Rejected and Broken as in `aws.errors.Translating`; the previous fit goes on
    serving. A step of the whole fit returns `Planned` or `Done` where it goes on, and otherwise its outcome.
    """

    job: Job

    @property
    def work(self) -> Work:
        job = self.job
        return Work(job.aws.s3, job.bucket, job.request.shop, job.request.run)

    @property
    def _sizes(self) -> Sizes:
        return Sizes(self.job.environment.megabytes, self.job.environment.fit_rows)

    def _stored_plan(self) -> Plan:
        return Plan.read(of_this_version(self.work.get_document("plan.json.gz")))

    def _scope(self) -> Scope:
        return Scope.read(self.work.get_document("scope.json.gz"))

    def _catalogue(self) -> Catalogue:
        return catalogue_of(self.work.get("catalogue.npz"))

    # ── plan ──

    def plan(self) -> Planned | Fitted:
        chosen = shop_settings(self.job.aws.s3, self.job.bucket, self.job.request.shop).likelihood
        if not chosen.enabled:
            return Fitted(outcome="off", reason="the shop's settings switch it off")
        read, work = self.job.inputs(chosen), self.work
        store.delete(read.s3, read.bucket, read.files.replaced)
        days = training.reach(chosen.horizon_days) // DAY
        planned: list[Range] = []
        heads: list[tuple[int, bytes]] = []
        for kind in ("users", "interactions"):
            for key in read.files.read[kind]:
                head = work.head(key, _HEAD)
                header, line_feed, _ = head.data.partition(b"\n")
                names = (header + line_feed).decode()
                every = Range(kind=kind, key=key, version=head.version, header=names, start=0, end=head.size)
                planned += ranges(every, len(header) + 1, self._sizes.range_bytes)
                if kind == "interactions":
                    heads.append((head.size, head.data))
        rows = rows_in(heads)
        if rows > self._sizes.most:
            return self.job.left_out(limits.too_many_rows(rows, self._sizes, days))
        plan = Plan(
            now=read.now,
            began=self.job.now.timestamp(),
            event_type=chosen.event_type,
            horizon_days=chosen.horizon_days,
            shards=self._sizes.shards(rows),
            ranges=tuple(planned),
            items=tuple(read.files.read["items"]),
            watched=tuple(sorted(self.job.waiting_users())),
        )
        work.begin()
        work.put_document("plan.json.gz", plan.as_json())
        return Planned(ranges=len(plan.ranges), shards=plan.shards)

    # ── partition ──

    def partition(self, number: int) -> Done:
        plan, work = self._stored_plan(), self.work
        part = plan.ranges[number]
        reader = Reader(plan.event_type, plan.now)
        lines = partition.lines_of(work.chunks(part.key, part.version, max(part.start - 1, 0)), part.start, part.end)
        rows = chain([part.header], lines)
        if part.kind == "users":
            reader.users(rows)
            segments, facts = partition.of_users(reader.about_users(), plan.shards)
        else:
            reader.interactions(rows)
            segments, facts = partition.of_interactions(reader.events(), plan.shards)
        work.put(f"range-{number}", b"".join(segments))
        ends = list(accumulate(len(segment) for segment in segments))
        work.put_document(f"range-{number}.json.gz", {**facts, "ends": ends})
        return Done()

    # ── gather ──

    @_unless_ended
    def gather(self) -> Done | Fitted:
        plan, work, sizes = self._stored_plan(), self.work, self._sizes
        facts: list[Mapping[str, Any]] = []
        items, ends = Codes(), []
        for data in work.get_all((f"range-{number}.json.gz", None) for number in range(len(plan.ranges))):
            range_facts = shards.unpack(data)
            ends.append(range_facts.pop("ends"))
            for name in range_facts.pop("items", ()):
                items[name]
            facts.append(range_facts)
        reader = Reader(plan.event_type, plan.now)
        for key in plan.items:
            with store.lines(work.s3, work.bucket, key) as lines:
                reader.items(lines)
        attributes = reader.about_items()
        for name in attributes:
            items.setdefault(name, len(items))
        days = training.reach(plan.horizon_days) // DAY
        if len(items) > sizes.items:
            return self._left_out(limits.too_many_items(len(items), sizes, days))
        largest = max(
            (sum(rows) for rows in zip(*(fact["rows"] for fact in facts if "rows" in fact), strict=True)), default=0
        )
        if largest > 2 * sizes.shard:
            return self._left_out(limits.uneven(largest, sizes, days))
        try:
            agreed = scope(facts, plan.horizon_days, sizes.sample)
        except training.TooLittle as missing:
            return self._refused(missing)
        work.put("catalogue.npz", Catalogue(list(items), *levels(items, attributes), prices(items, attributes)).pack())
        work.put_document("ends.json.gz", ends)
        work.put_document("scope.json.gz", agreed.as_json())
        return Done()

    # ── count ──

    def count(self, number: int) -> Done:
        plan, work, agreed = self._stored_plan(), self.work, self._scope()
        attributes: dict[str, dict[str, str]] = {}
        for data in self._segments(plan, "users", number):
            attributes |= shards.unpack(data)
        segments = (partition.events_of(data) for data in self._segments(plan, "interactions", number))
        past, values = shard.history(segments, attributes, self._catalogue(), agreed)
        del attributes
        work.put(f"shard-{number}/history.npz", shard.pack(past))
        work.put(f"shard-{number}/sample.npz", shard.pack(shard.sample(past, agreed.rate)))
        work.put(f"shard-{number}/watched.npz", shard.pack(shard.watched(past, plan.watched)))
        seen: list[int] = []
        for interval, (cells, users) in enumerate(intervals(past, agreed.boundaries)):
            work.put(f"shard-{number}/counts-{interval}.npz", arrays.pack(cells))
            seen.append(users)
        facts = {
            "seen": seen,
            "values": values,
            "shoppers": len(past.users),
            "events": len(past.time),
            "purchases": int(past.bought.sum()),
            "from": int(past.time.min()) if len(past.time) else None,
        }
        work.put_document(f"shard-{number}/facts.json.gz", facts)
        return Done()

    def _segments(self, plan: Plan, kind: str, number: int) -> Iterator[bytes]:
        """Yield a shard's segments of a kind, in the order of the files."""
        ends = self.work.get_document("ends.json.gz")
        spans = (
            (f"range-{index}", Index(ends[index]).span(number))
            for index, part in enumerate(plan.ranges)
            if part.kind == kind
        )
        return self.work.get_all((name, span) for name, span in spans if span[1] > span[0])

    # ── combine ──

    @_unless_ended
    def combine(self) -> Done | Fitted:
        plan, work, agreed, catalogue = self._stored_plan(), self.work, self._scope(), self._catalogue()
        facts = [shards.unpack(data) for data in work.get_all(self._of_shards(plan, "facts.json.gz"))]
        groups = shard.agreed(fact["values"] for fact in facts)

        def joined(name: str, scale: float = 1.0) -> History:
            stored = work.get_all(self._of_shards(plan, name))
            return shard.joined(
                [shard.in_groups(shard.unpack(data, catalogue, agreed), groups) for data in stored], scale
            )

        def cells(interval: int) -> Iterator[Mapping[str, arrays.Array]]:
            stored = work.get_all(self._of_shards(plan, f"counts-{interval}.npz"))
            return (arrays.unpack(data)[0] for data in stored)

        past = joined("sample.npz", 1.0 / agreed.rate)
        seen = [sum(users) for users in zip(*(fact["seen"] for fact in facts), strict=True)]
        counts = Counts(agreed.boundaries, len(catalogue.items), seen, cells)
        try:
            fitted = training.fit(past, plan.horizon_days, agreed.now, counts.at)
        except training.TooLittle as missing:
            return self._refused(missing)
        counted = counts.at(agreed.now)
        table = tables(past, agreed.now, counted=counted)
        job = self.job
        model = serving_files.model(
            table, fitted, job.request.run, fitted_at=job.at, horizon_days=plan.horizon_days, event_type=plan.event_type
        )
        model = replace(model, shopper_shards=max(model.shopper_shards, plan.shards))
        model, scores = job.with_scores(table, model, joined("watched.npz"))
        job.store_items(table, model)
        job.store_model(model)
        work.put("serving.npz", arrays.pack({**counted.item, _EVENTS: counted.events, _VECTORS: table.vectors}))
        scores = {**scores, **job.take_snapshot(table, fitted, model)}
        history = self._figures(facts, past, agreed)
        document = report.document(job.request.shop, model, fitted, history, scores)
        reported = pages.with_codes(document)
        work.put_document("combined.json.gz", {"groups": groups, "users": counted.users, "report": reported})
        return Done()

    def _of_shards(self, plan: Plan, name: str) -> Iterator[tuple[str, None]]:
        return ((f"shard-{number}/{name}", None) for number in range(plan.shards))

    def _figures(self, facts: list[Mapping[str, Any]], past: History, agreed: Scope) -> dict[str, Any]:
        """Return the figures of the whole history, and what of it is in the sample."""
        return {
            **{name: sum(fact[name] for fact in facts) for name in ("shoppers", "events", "purchases")},
            "items": len(past.items),
            "from": iso(min(fact["from"] for fact in facts if fact["from"] is not None)),
            "to": iso(agreed.end),
            "shards": len(facts),
            "sampledShoppers": len(past.users),
            "sampledEvents": len(past.time),
        }

    # ── serve ──

    def serve(self, number: int) -> Done:
        plan, work, agreed = self._stored_plan(), self.work, self._scope()
        combined = work.get_document("combined.json.gz")
        past = shard.unpack(work.get(f"shard-{number}/history.npz"), self._catalogue(), agreed)
        past = shard.in_groups(past, combined["groups"])
        stored, _ = arrays.unpack(work.get("serving.npz"))
        counted = Counted({name: stored[name] for name in ITEM}, stored[_EVENTS], combined["users"])
        table: Tables = tables(past, agreed.now, stored[_VECTORS], counted=counted)
        model = self.job.stored_model()
        self.job.store_users(table, model, range(number, model.shopper_shards, plan.shards))
        return Done()

    # ── publish ──

    @_unless_ended
    def publish(self) -> Fitted:
        document = self.work.get_document("combined.json.gz")["report"]
        return self._ended(self.job.done(document, serves=self.job.record(self._stored_plan().began)))

    def discard(self) -> Done:
        """Delete the counters of a fit that failed; its files under `work/` expire."""
        self.job.discard()
        return Done()

    def _refused(self, missing: training.TooLittle) -> Fitted:
        return self._ended(self.job.refused(str(missing)))

    def _left_out(self, left: LeftOut) -> Fitted:
        return self._ended(self.job.left_out(left))

    def _ended(self, fitted: Fitted) -> Fitted:
        """Delete all files but the outcome, which a repetition of the step returns."""
        self.work.end(fitted.as_json())
        return fitted
