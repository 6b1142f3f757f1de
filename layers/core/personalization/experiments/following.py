# SPDX-License-Identifier: Apache-2.0
"""Follow a shop's file of experiments: what starts, what goes on, what stops, and what is refused.

Nothing is trained for it. A refused file changes nothing: what runs goes on.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from table_intake.wording import Language, Text

from personalization.core.aws import objects
from personalization.core.errors import Rejected, RetryLater
from personalization.core.names import backend_of
from personalization.experiments import document
from personalization.experiments.assignment import filters_of, free
from personalization.experiments.document import ExperimentSettings, ExperimentsFile, OtherRelease, Quarter
from personalization.experiments.experiment import (
    HOLDOUT_SEED,
    NAMESPACE_SEED,
    RECORD,
    SCALE,
    Experiment,
    Experiments,
    Slice,
    Variant,
)
from personalization.reports import pages
from personalization.shop import keys
from personalization.shop.records import release_store
from personalization.shop.records.release import BASELINE, ReleaseRecord
from personalization.shop.settings.prices import MONTH_HOURS, campaign_month
from personalization.shop.settings.recipes import RecipeAlias
from personalization.shop.settings.settings import MAX_BYTES, ShopSettings
from personalization.shop.settings.settings_errors import at
from personalization.shop.settings.settings_file import shop_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

LEFT_OUT = Text("experiment.left-out", "it was left out of the file")
HELD_OUT = "held-out"
"""The variant of a holdout whose users get bestsellers."""
HOLDOUT_HYPOTHESIS = Text("experiment.holdout-hypothesis", "Personal lists bring more than bestsellers.")
MOST_ENDED = 100
"""The newest ended experiments that the record keeps; their reports stay in the bucket."""
MOST_RECORD_BYTES = 300_000
"""The largest record; the table allows 400 KB."""
_SERVED_SECONDS = 3_600
"""How long after an experiment's end a container whose clock is late may still need what its variants show."""
_MOST_NAMED = 5
"""The newest releases that a refusal names."""
_LATE = timedelta(days=1)
"""How long after its start an experiment may still be dropped: a day begins at midnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopState:
    """What an experiment must fit."""

    settings: ShopSettings
    release: ReleaseRecord | None
    has_events: bool
    """Whether an event of the shop has arrived in the last 24 hours."""
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The solution versions of earlier releases and of judged runs: by run, oldest first, and recipe."""

    def other(self, wanted: ExperimentSettings) -> OtherRelease | None:
        """Return what a second campaign shows of the release that an experiment names; None if it names none."""
        run = wanted.release
        recipe = self.settings.placements[wanted.placements[0]].recipe if run else None
        version = self.versions.get(run or "", {}).get(recipe or "")
        return None if recipe is None or version is None else OtherRelease(recipe, version)


def key(shop: str) -> str:
    """Return the key of a shop's file."""
    return f"drops/{shop}/{keys.EXPERIMENTS_FILE}"


def refusal_key(shop: str) -> str:
    """Return the key of the report on a refused file, which is there for as long as the file is refused."""
    return f"reports/{shop}/experiments/refused.json"


def refusal(s3: "S3Client", bucket: str, shop: str) -> dict[str, str] | None:
    """Return the report on a refused file: `key`, `reason`, and `at`, ISO 8601; None while none is refused."""
    report: dict[str, str] | None = objects.get_json(s3, bucket, refusal_key(shop))
    return report


def decided(before: Experiments, file: ExperimentsFile, state: ShopState, now: datetime) -> Experiments:
    """Return a shop's experiments by its file; `before` itself where nothing changes.

    Raises:
        Rejected: the file asks for what cannot be; all of it is told at once, and nothing changes.
    """
    stamp, problems = int(now.timestamp()), list[Text]()
    live: list[Experiment] = []
    for name, wanted in file.experiments.items():
        was = before.named(name)
        # What never began leaves its name free, unless somebody stopped it: the file may still have it.
        was_begun = was is not None and not was.waits
        was_stopped = was is not None and was.stopped_at is not None and was.stopped_because != LEFT_OUT
        if was is not None and stamp >= was.last_second and (was_begun or was_stopped):
            if was.definition != wanted.definition:
                text = "this name had another experiment, whose figures it keeps: choose another name"
                problems.append(at(f"experiments.{name}", Text("experiments.ended", text)))
            continue
        runs = was is not None and was.runs(stamp)
        if was is not None and runs and was.definition != wanted.definition:
            text = "runs, so that only weights may change: leave it out to stop it, and begin one of another name"
            problems.append(at(f"experiments.{name}", Text("experiments.runs", text)))
            continue
        # What was accepted stays so, also where its start passes while it waits, and where its release is forgotten.
        waits = was is not None and was.waits != "" and was.stopped_at is None
        held = was is not None and (runs or waits) and was.definition == wanted.definition
        faults = list(_faults(name, wanted, state, held=held))
        if not faults and not held:
            faults = list(_not_startable(name, wanted, file, now, state))
        problems += faults
        if not faults:
            live.append(_made(name, wanted, file, state=state, now=now, was=was if held else None))
    problems += [*_on_one_shelf(live), *_on_one_campaign(live, before, stamp)]
    if not problems:
        live, problems = _shared_out(live, file, _ended(before, live, stamp, file.experiments), stamp)
    if file.holdout is not None:
        holdout, faults = _holdout(file.holdout, document.quarter(now, file.timezone), before, state=state, now=stamp)
        live, problems = [*live, *holdout], [*problems, *faults]
    if problems:
        raise Rejected(key(before.shop), Text.joined("; ", problems))
    live += [experiment for experiment in before.experiments if experiment.ramp and experiment.runs(stamp)]
    ended = _ended(before, live, stamp, file.experiments)
    after = before.changed([*ended, *live])
    # Reports in the bucket remember the others; what the file still has would begin again.
    others = [experiment for experiment in ended if experiment.name not in file.experiments]
    while (size := _size(after)) > MOST_RECORD_BYTES and others:
        ended.remove(others.pop(0))
        after = before.changed([*ended, *live])
    if size > MOST_RECORD_BYTES:
        text = "the variants with changes are {size:,} bytes together, and may be {most:,}: name fewer experiments"
        why = Text("experiments.large", text, size=size, most=MOST_RECORD_BYTES)
        raise Rejected(key(before.shop), why)
    return before if after.experiments == before.experiments else after


def _size(experiments: Experiments) -> int:
    return len(str(experiments.as_record()).encode(errors="replace"))


def _faults(name: str, wanted: ExperimentSettings, state: ShopState, *, held: bool) -> Iterator[Text]:
    """Return what settings and release cannot do of an experiment; `held` is one that runs or waits already."""
    path = f"experiments.{name}"
    if problems := document.find_errors(name, wanted, state.settings):
        yield from problems
        return
    release = state.release
    if release is None:
        yield at(path, Text("experiments.no-release", "the shop has no release yet: drop its files first"))
        return
    if wanted.release and not held and (faults := list(_no_release(wanted, state, release))):
        yield from (at(path, fault) for fault in faults)
        return
    made = document.variants(wanted, state.settings, release.context_columns, state.other(wanted))
    entries: list[Mapping[str, Any]] = [entry for variant in made for entry in variant.entries.values()]
    recipes = {variant.recipe for variant in wanted.variants.values() if variant.recipe} - {BASELINE}
    filters = {name for entry in entries for name in filters_of(entry)}
    unserved = sorted(
        {*wanted.placements} - release.placements.keys()
        | (recipes - release.campaigns.keys())
        | (filters - set(release.filters))
    )
    if unserved:
        text = "{names}: the settings have it, and no release yet; it can start after the next promotion"
        yield at(path, Text("experiments.unserved", text, names=", ".join(unserved)))


def _no_release(wanted: ExperimentSettings, state: ShopState, release: ReleaseRecord) -> Iterator[Text]:
    """Return why the release that an experiment names cannot be shown beside the one that serves."""
    other = state.other(wanted)
    if other is None:
        recipe = str(state.settings.placements[wanted.placements[0]].recipe)
        text = "{release} is not a release of {recipe} that is remembered ({releases})"
        remembered = ", ".join([run for run, versions in state.versions.items() if recipe in versions][-_MOST_NAMED:])
        values = {
            "release": str(wanted.release),
            "recipe": recipe,
            "releases": remembered or Text("settings.filter.none", "it has none"),
        }
        yield Text("experiments.release.unknown", text, **values)
    elif release.versions.get(other.recipe) == other.version:
        text = "the version of {release} serves already: there is nothing to compare"
        yield Text("experiments.release.serves", text, release=str(wanted.release))
    elif (backend := backend_of(other.version)) not in map(backend_of, release.dataset_groups):
        text = (
            "the version of {release} is on a backend that is not told any more what the shop's users do: give one of "
            "the shop's recipes `backend: {backend}`, and start it after the next promotion"
        )
        yield Text("experiments.release.elsewhere", text, release=str(wanted.release), backend=backend)


def _not_startable(
    name: str, wanted: ExperimentSettings, file: ExperimentsFile, now: datetime, state: ShopState
) -> Iterator[Text]:
    path = f"experiments.{name}"
    starts, _ = wanted.times(now, file.timezone)
    if starts < (now - _LATE).timestamp():
        when = datetime.fromtimestamp(starts, UTC).isoformat(timespec="minutes")
        text = "starts in the past ({when}): users before now saw none of it"
        yield at(path, Text("experiments.past", text, when=when))
    if not state.has_events:
        text = "no event of the shop has arrived in the last 24 hours, and events tell what users do: send them first"
        yield at(path, Text("experiments.events", text))


def _made(
    name: str,
    wanted: ExperimentSettings,
    file: ExperimentsFile,
    *,
    state: ShopState,
    now: datetime,
    was: Experiment | None,
) -> Experiment:
    """Return an experiment, still with the times and the slices that it has if it runs.

    Args:
        name, wanted, file, state, now: what the file says of it, and when.
        was: the experiment as it runs or waits; None for one that is new.
    """
    starts, ends = wanted.times(now, file.timezone)
    context = state.release.context_columns if state.release else ()
    variants = document.variants(wanted, state.settings, context, state.other(wanted))
    if was is not None and was.release_variant is not None:
        # What its second campaign shows stays, whatever becomes of the record of that release.
        variants = was.variants
    if was is not None and was.waits:
        was = None
    if was is not None:
        starts, ends = was.starts_at, was.ends_at
    other = next((variant for variant in variants if variant.recipe), None)
    waits = _price(other, state.settings, ends - starts) if other and was is None else ""
    return Experiment(
        name=name,
        hypothesis=wanted.hypothesis,
        owner=wanted.owner,
        placements=wanted.placements,
        control=wanted.chosen_control,
        variants=variants,
        goal=wanted.goal,
        guardrails=wanted.guardrails,
        seed=f"{NAMESPACE_SEED}{wanted.namespace}" if wanted.namespace else name,
        slices=was.slices if was else (),
        starts_at=starts,
        ends_at=ends,
        definition=wanted.definition,
        waits=waits,
        interleaved=wanted.compare == "interleaved",
    )


def _price(other: Variant, settings: ShopSettings, seconds: int) -> str:
    """Return what an experiment waits for whose variant shows another release, and what that costs at least."""
    billed = settings.billed(cast("RecipeAlias", other.recipe), other.version)
    if billed.engine:
        return f"for a second campaign of {other.recipe}, on the engine: it costs nothing while nobody asks it"
    dollars = campaign_month(settings.prices, billed) * seconds / (MONTH_HOURS * 3600)
    days = round(seconds / timedelta(days=1).total_seconds())
    return f"for a second campaign of {other.recipe}: at least ${dollars:,.2f} for {days} days, without any request"


def _holdout(
    percent: float, quarter: Quarter, before: Experiments, *, state: ShopState, now: int
) -> tuple[list[Experiment], list[Text]]:
    """Return the holdout of a quarter, on all placements that are for a user; or why it cannot be."""
    served = state.release.placements if state.release else {}
    names = [
        name
        for name, placement in state.settings.placements.items()
        if name in served and not placement.starts_from_item
    ]
    if not names:
        text = "needs a placement that a release serves and that does not start from an item"
        return [], [at("holdout", Text("experiments.holdout.placements", text))]
    was, definition = before.named(quarter.name), f"{percent:g} %"
    if was is not None and was.definition != definition:
        text = "is {before} until the quarter ends: whoever is in it stays there"
        return [], [at("holdout", Text("experiments.holdout.changes", text, before=was.definition))]
    if was is not None and not was.runs(now):
        text = "was stopped: whoever was in it has had personal lists since; leave it out until {day}, the next quarter"
        day = datetime.fromtimestamp(quarter.ends_at, UTC).date().isoformat()
        return [], [at("holdout", Text("experiments.holdout.stopped", text, day=day))]
    share, starts = _parts(percent), was.starts_at if was else now
    slices = (Slice(HELD_OUT, 0, share, starts), Slice("personalized", share, SCALE, starts))
    holdout = Experiment(
        name=quarter.name,
        hypothesis=HOLDOUT_HYPOTHESIS,
        owner="holdout",
        placements=tuple(names),
        control=HELD_OUT,
        variants=(Variant(name=HELD_OUT, serves="bestsellers"), Variant(name="personalized")),
        goal="revenue",
        seed=f"{HOLDOUT_SEED}{quarter.name}",
        slices=slices,
        starts_at=starts,
        ends_at=quarter.ends_at,
        definition=definition,
    )
    return [holdout], []


def _on_one_shelf(live: Sequence[Experiment]) -> Iterator[Text]:
    """Return experiments of one placement at one time that do not share the users out."""
    for index, experiment in enumerate(live):
        for other in live[:index]:
            shared = sorted({*experiment.placements} & {*other.placements})
            if shared and _meet(experiment, other) and experiment.seed != other.seed:
                text = "{other} changes {placements} at the same time: give both one namespace, or other times"
                values = {"other": other.name, "placements": ", ".join(shared)}
                yield at(f"experiments.{experiment.name}", Text("experiments.shelf", text, **values))


def _on_one_campaign(live: Sequence[Experiment], before: Experiments, now: int) -> Iterator[Text]:
    """Return experiments that need a second campaign of a recipe while another one, or a ramp, has it."""
    ramps = [experiment for experiment in before.experiments if experiment.ramp and experiment.runs(now)]
    for index, experiment in enumerate(live):
        recipe = experiment.second_campaign_of
        rivals = [other for other in (*ramps, *live[:index]) if recipe and other.second_campaign_of == recipe]
        if name := next((other.name for other in rivals if _meet(experiment, other)), ""):
            text = "{other} has the second campaign of {recipe} at the same time: give other times"
            values = {"other": name, "recipe": recipe}
            yield at(f"experiments.{experiment.name}", Text("experiments.one-campaign", text, **values))


def _meet(first: Experiment, other: Experiment) -> bool:
    return first.starts_at < other.last_second and other.starts_at < first.last_second


def _shared_out(
    live: Sequence[Experiment], file: ExperimentsFile, ended: Iterable[Experiment], now: int
) -> tuple[list[Experiment], list[Text]]:
    """Return the experiments with as many users as their weights say, who stay where they are; and what cannot be."""
    problems: list[Text] = []
    made: list[Experiment] = []
    for index, experiment in enumerate(live):
        rivals = [
            other
            for other in (*made, *live[index + 1 :], *ended)
            if other.seed == experiment.seed and _meet(experiment, other)
        ]
        slices = list(experiment.slices)
        if slices and not _grows_alike(experiment, file.experiments[experiment.name].weights):
            text = "grow by different factors: users who came later would stand beside earlier ones; grow all alike"
            problems.append(at(f"experiments.{experiment.name}.variants", Text("experiments.uneven", text)))
            continue
        for variant, percent in file.experiments[experiment.name].weights.items():
            path = f"experiments.{experiment.name}.variants.{variant}.weight"
            missing = _parts(percent) - experiment.weight(variant)
            if missing < 0:
                text = "is {now:g} and cannot shrink while it runs: whoever is in a variant stays there"
                problems.append(
                    at(path, Text("experiments.shrinks", text, now=experiment.weight(variant) * 100 / SCALE))
                )
                continue
            taken = [(part.start, part.end) for other in rivals for part in other.slices]
            for start, end in free([*taken, *((part.start, part.end) for part in slices)]):
                if missing <= 0:
                    break
                part = Slice(variant, start, min(end, start + missing), max(now, experiment.starts_at))
                slices.append(part)
                missing -= part.end - part.start
            if missing > 0:
                text = "its namespace has no users left for it: {percent:g} percent are missing"
                problems.append(at(path, Text("experiments.namespace", text, percent=missing * 100 / SCALE)))
        made.append(replace(experiment, slices=tuple(slices)))
    return made, problems


def _parts(percent: float) -> int:
    """Return the whole parts of SCALE in a percentage, 29 in 0.29 %: its hundredfold is 28.999 as a float."""
    return int(round(percent * SCALE / 100, 6))


def _grows_alike(experiment: Experiment, weights: Mapping[str, float]) -> bool:
    """Return whether all variants have the same factor; what shrinks is refused by itself, with more to say."""
    parts = {name: percent * SCALE / 100 for name, percent in weights.items()}
    if any(_parts(percent) < experiment.weight(name) for name, percent in weights.items()):
        return True
    factor = sum(parts.values()) / sum(map(experiment.weight, parts))
    return all(abs(part - factor * experiment.weight(name)) <= factor for name, part in parts.items())


def _ended(
    before: Experiments, live: Iterable[Experiment], now: int, names_in_file: Collection[str]
) -> list[Experiment]:
    """Return what has ended, and what the file no longer has: it stops if it ran, and goes if it never did.

    Of what the file no longer has, the newest are kept.
    """
    names = {experiment.name for experiment in live}
    ended: list[Experiment] = []
    for experiment in before.experiments:
        if experiment.name in names:
            continue
        if experiment.runs(now) or (experiment.waits and experiment.stopped_at is None):
            # What still waits may have a campaign by now, which goes when the record says so.
            ended.append(experiment.stopped(now, LEFT_OUT))
        elif now >= experiment.last_second:
            is_over = now >= experiment.last_second + _SERVED_SECONDS
            ended.append(experiment.as_ended() if is_over else experiment)
    ended.sort(key=lambda experiment: experiment.last_second)
    others = [experiment.name for experiment in ended if experiment.name not in names_in_file]
    return [experiment for experiment in ended if experiment.name not in others[:-MOST_ENDED]]


def get(client: "DynamoDBClient", table: str, shop: str, *, stale: bool = False) -> Experiments:
    """Return a shop's experiments; none if it never had any."""
    record = release_store.get(client, table, shop, RECORD, stale=stale)
    return Experiments.read(record) if record else Experiments(shop)


def put(client: "DynamoDBClient", table: str, after: Experiments) -> None:
    """Store changed experiments.

    Raises:
        RetryLater: somebody else changed them meanwhile.
    """
    condition, values = "attribute_not_exists(revision) OR revision = :before", {":before": after.revision - 1}
    if not release_store.put_if(client, table, after.as_record(), condition, values=values):
        raise RetryLater(after.shop, "its experiments were changed at the same time")


def stop(client: "DynamoDBClient", table: str, shop: str, name: str, *, why: str, now: datetime) -> Experiment:
    """Stop an experiment that runs; what ended already is returned as it is.

    Raises:
        Rejected: there is none of this name, or it has not begun.
        RetryLater: the table does not answer, or somebody else changed the experiments meanwhile.
    """
    before, stamp = get(client, table, shop), int(now.timestamp())
    experiment = before.named(name)
    if experiment is None:
        names = ", ".join(other.name for other in before.experiments) or "none"
        raise Rejected(name, f"the shop has no such experiment; it has {names}")
    if stamp >= experiment.last_second:
        return experiment
    if stamp < experiment.starts_at:
        raise Rejected(name, "it has not begun: leave it out of the file")
    stopped = experiment.stopped(stamp, why)
    put(client, table, before.changed([stopped if other.name == name else other for other in before.experiments]))
    return stopped


def change(client: "DynamoDBClient", table: str, shop: str, *, before: Experiment | None, after: Experiment) -> None:
    """Store a changed experiment, or one that is new.

    Raises:
        RetryLater: somebody else changed it, or the others, meanwhile.
    """
    stored = get(client, table, shop)
    if stored.named(after.name) != before:
        raise RetryLater(after.name, "it was changed at the same time")
    put(client, table, stored.changed([*(other for other in stored.experiments if other != before), after]))


def known_versions(client: "DynamoDBClient", table: str, shop: str) -> dict[str, dict[str, str]]:
    """Return the solution versions of a shop's earlier releases and of its judged runs, as `ShopState` has them."""
    judged = sorted(release_store.judged_runs(client, table, shop), key=lambda run: run.judged_at)
    versions = {run.run: dict(run.versions) for run in judged}
    for release in release_store.history(client, table, shop):
        for alias, served in release.campaigns.items():
            versions.setdefault(served.run, {}).setdefault(alias, served.solution_version_arn)
    return versions


def follow(
    dynamodb: "DynamoDBClient", s3: "S3Client", table: str, bucket: str, *, shop: str, now: datetime
) -> Experiments:
    """Bring a shop's experiments to what its current file says, and tell in the bucket if that is refused.

    Raises:
        Rejected: the file or the settings are refused; nothing has changed.
        RetryLater: the experiments were changed meanwhile; the next call follows the file as it is then.
    """
    language: Language = "en"
    try:
        # Before the files: who read older ones is refused by the record's revision.
        before = get(dynamodb, table, shop)
        settings = shop_settings(s3, bucket, shop)
        language = settings.language
        stored = objects.read_small(s3, bucket, key(shop), MAX_BYTES)
        file = document.read(key(shop), stored[1]) if stored else ExperimentsFile()
        if not file.experiments and file.holdout is None and not before.experiments:
            objects.remove(s3, bucket, refusal_key(shop))
            return before
        release = release_store.release_record(dynamodb, table, shop)
        names_releases = any(experiment.release for experiment in file.experiments.values())
        state = ShopState(
            settings=settings,
            release=release,
            has_events=has_events(s3, bucket, shop, now),
            versions=known_versions(dynamodb, table, shop) if names_releases else {},
        )
        after = decided(before, file, state, now)
    except Rejected as refused:
        report = {"key": refused.resource, "reason": pages.said(refused.reason, language), "at": now.isoformat()}
        objects.put_json(s3, bucket, refusal_key(shop), report)
        raise
    if after is not before:
        put(dynamodb, table, after)
    objects.remove(s3, bucket, refusal_key(shop))
    return after


def has_events(s3: "S3Client", bucket: str, shop: str, now: datetime) -> bool:
    """Return whether an event of the shop was copied today or yesterday."""
    days = [f"events/{shop}/{day:%Y/%m/%d}/" for day in (now, now - timedelta(days=1))]
    return any(next(objects.list_keys(s3, bucket, folder), None) is not None for folder in days)
