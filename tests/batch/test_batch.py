# SPDX-License-Identifier: Apache-2.0
"""Decisions about batch jobs: their settings, their limits, their users and what they show."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.batch import plan as batch
from personalization.batch.answers import Layout, parse
from personalization.batch.plan import Facts, Job, PlanRequest
from personalization.batch.users import Distinct, column
from personalization.core.errors import Rejected
from personalization.core.names import Names
from personalization.shop.plan import Resource
from personalization.shop.records.release import Judged, ReleaseRecord, Served
from personalization.shop.settings.batch import BatchJob
from personalization.shop.settings.settings import ShopSettings
from personalization.shop.settings.settings import parse as parse_settings
from table_intake.columns.schema import Column, Schema
from table_intake.write import dialect


def job(**settings: object) -> Job:
    return Job(
        name="mail", shop="demo", run="r", release="run", kind="lists", settings=BatchJob.model_validate(settings),
        resource=Resource(name="n", arn="a"), solution_version_arn="arn:solution/x-v2-0a1b2c/1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: {recipe: aws-trending-now}", "batch.a.recipe: Trending-Now has no batch jobs"),
        ("a: {recipe: next-best-action}", "batch.a.recipe: Next-Best-Action has no batch jobs"),
        ("a: {recipe: aws-ecomm-recommended-for-you}", "batch.a.recipe: recommenders have no batch jobs"),
        ("a: {version: $LATEST}", "batch.a.version is not a setting"),
        ("a: {recipe: similar-items}", "batch.a.recipe: the shop does not train similar-items; it trains user-pers"),
        ("a: {recipe: item-affinity}", "batch.a.recipe: item-affinity makes segments: write segment: {recipe"),
        ("a: {recipe: personalized-ranking}", "batch.a.rank: personalized-ranking needs the item ids"),
        ("a: {users: some}", "batch.a.users: write all, {file: NAME} for drops/<shop>/lists/NAME, or {segment: NAME}"),
        ("a: {users: {file: ../x.csv}}", "batch.a.users: file: must be a name under lists/"),
        ("a: {users: {segment: b}}", "batch.a.users: there is no segment b; the segments are none"),
        ("a: {filter: nope}", "batch.a.filter: the shop has no filter nope; it has not-purchased"),
        ("a: {every: daily}", "batch.a.every: write rate(7 days), rate(1 day), rate(12 hours) or cron"),
        ("a: {items: 501}", "batch.a.items: must be less than or equal to 500"),
        ("a: {segment: {}}", "batch.a.segment: likelihood needs either items or attributes"),
        ("a: {segment: {items: [i]}, output: mail}", "batch.a.output: a segment has users and no items for a mail"),
        ("a: {segment: {items: [i]}, users: 5}", "batch.a.users: a segment takes none here: write segment: {users: …}"),
        ("a: {segment: {recipe: item-affinity, attributes: {A: b}}}", "batch.a.segment: item-affinity needs items"),
        ("a: {customers: {}, segment: {items: [i]}}", "batch.a.segment: a file of customers takes none here"),
        ("a: {customers: {}, items: 5}", "batch.a.items: a file of customers takes none here: write customers"),
        ("a: {customers: {}, output: mail}", "batch.a.output: a mail has lists of items"),
        ("a: {customers: {items: [i, i]}}", "batch.a.customers.items: names an item twice"),
        ("A: {}", "batch.A: must be 1 to 20 characters"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_settings("settings.yaml", f"recipes: [user-personalization, popularity-count]\nbatch: {{{text}}}\n")
    assert reason in str(refused.value)


def test_a_parameter_of_a_filter_has_no_value_in_bulk() -> None:
    text = "filters: {c: INCLUDE ItemID WHERE Items.A IN ($A)}\nbatch: {a: {filter: c}}\n"
    with pytest.raises(Rejected, match="c has parameters, for which a batch job has no values"):
        parse_settings("settings.yaml", text)


def test_batch_jobs_change_no_import_and_no_campaign_is_deployed_where_none_is_wanted() -> None:
    plain, more = (
        ShopSettings(),
        parse_settings("s.yaml", "deploy: false\nbatch: {a: {users: {segment: b}}, b: {segment: {items: [i]}}}"),
    )
    assert plain.digest == more.digest
    assert (more.deployed, more.batch["a"].model_dump()["users"]) == ((), {"file": None, "segment": "b"})
    assert Job.read(job(users={"file": "a.csv"}).as_json()) == job(users={"file": "a.csv"})


def test_limits_and_budgets_of_a_job() -> None:
    for lines, size, reason in (
        (0, 0, "there are no users to ask for"),
        (50_000_001, 9, "50,000,001 users are 0.0 GB of input"),
        (10, 1_000_000_001, "name several jobs with users: {file: …}"),
    ):
        with pytest.raises(Rejected, match=reason):
            batch.check_size(job(), lines, size)
    batch.check_size(job(), 50_000_000, 1_000_000_000)


def released(run: str, **campaigns: Served) -> ReleaseRecord:
    return ReleaseRecord(
        shop="demo",
        run=run,
        promoted_at="2026-11-25T08:30:00Z",
        promoted_by=run,
        tracking_id="t",
        dataset_group_arn="arn:group",
        campaigns=campaigns,
    )


def judged_run(run: str, at: str, refused: tuple[str, ...]) -> Judged:
    versions = {"user-personalization": run, "similar-items": run}
    key = f"candidate#{run}"
    return Judged(shop="demo", record=key, run=run, judged_at=at, plan="{}", versions=versions, refused=refused)


def test_versions_are_those_that_serve_then_the_newest_approved_ones() -> None:
    runs = (("a", "1", ()), ("b", "2", ("user-personalization",)), ("withdrawn", "3", ()))
    judged = [judged_run(run, at, refused) for run, at, refused in runs]
    earlier = [released("a")]
    similar = Served(arn="arn", solution_version_arn="serving", run="b", recipe="aws-sims")
    release = released("b", **{"similar-items": similar})
    versions = batch.trained_versions(release, earlier, judged)
    assert versions == batch.trained_versions(release, earlier, judged[::-1])
    assert versions == {"user-personalization": "a", "similar-items": "serving"}
    judged[1] = judged_run("b", "2", ("user-personalization", "similar-items"))
    by_hand = batch.trained_versions(released("b"), earlier, judged)
    assert by_hand == {"user-personalization": "b", "similar-items": "b"}
    # The rest of a partly promoted run, promoted by hand after the run itself.
    judged[1] = judged_run("b", "2", ("user-personalization",))
    for promoter, version in (("b", "a"), ("promote-b", "b")):
        rest = replace(released("b"), promoted_by=promoter)
        assert batch.trained_versions(rest, earlier, judged)["user-personalization"] == version


@pytest.mark.parametrize(
    ("segment", "items", "reason"),
    [
        ("{recipe: item-affinity, items: [i]}", True, ""),
        ("{recipe: item-affinity, items: [i]}", False, "item-affinity needs items: drop a file of items, then inter"),
        ("{items: [i], users: 500000}", False, ""),
        ("{items: [i], users: 500001}", False, "a segment by likelihood has at most 500,000 users"),
    ],
)
def test_a_segment_that_cannot_be_made_has_its_reason_and_stops_no_other(
    segment: str, items: bool, reason: str
) -> None:
    chosen = parse_settings("s.yaml", f"batch: {{fans: {{segment: {segment}}}, mail: {{users: {{segment: fans}}}}}}")
    columns = (Column("USER_ID"), Column("ITEM_ID"), Column("TIMESTAMP", "long"))
    facts = Facts(
        release=released("run-1"),
        trained={"user-personalization": "arn"},
        schema=Schema("interactions", columns),
        items=items,
        settings=chosen,
    )
    request = PlanRequest(step="plan", shop="demo", run="r")
    made = batch.plan(
        Names(prefix="retail", region="eu-west-1", account="123456789012"), "bucket", request, chosen.batch, facts
    ).jobs
    assert [(job.name, job.wave) for job in made] == [("fans", 0), ("mail", 1)]
    assert made[0].refused.startswith(reason)
    assert bool(made[0].refused) == bool(reason)
    assert not made[1].refused


def test_jobs_of_a_shop_with_the_engine_as_its_fallback_stay_on_amazon_personalize() -> None:
    text = "fallback: engine\nbatch: {mail: {}, fans: {segment: {recipe: item-affinity, items: [i]}}}\n"
    settings = parse_settings("s.yaml", text)
    group, engine = "arn:aws:personalize:eu-west-1:123456789012:dataset-group/retail-demo", "arn:aws:engine:eu-west-1:1"
    serving = Served(arn="arn:c", solution_version_arn="arn:aws:personalize:serving", run="run-1", recipe="r")
    release = replace(released("run-1", **{"user-personalization": serving}), dataset_group_arn=group)
    beside = judged_run("run-1", "1", ())
    beside = replace(beside, versions={f"engine/{alias}": f"{engine}:solution/x/1" for alias in beside.versions})
    facts = Facts(
        release=release,
        trained=batch.trained_versions(release, [], [beside]),
        schema=Schema("interactions", (Column("USER_ID"), Column("ITEM_ID"), Column("TIMESTAMP", "long"))),
        items=True,
        settings=settings,
    )
    assert facts.trained["user-personalization"] == "arn:aws:personalize:serving"
    request = PlanRequest(step="plan", shop="demo", run="r")
    made = batch.plan(
        Names(prefix="retail", region="eu-west-1", account="123456789012"), "bucket", request, settings.batch, facts
    )
    assert {job.name for job in made.jobs} == {"mail", "fans"}
    assert "arn:aws:engine" not in json.dumps(made.as_json())


def test_a_recipe_on_the_engine_needs_no_campaign_for_a_job_of_a_shop_on_both_backends() -> None:
    text = "recipes: [user-personalization, {name: similar-items, backend: engine}]\ndeploy: false\n"
    settings = parse_settings("s.yaml", f"{text}batch: {{alike: {{recipe: similar-items, filter: not-purchased}}}}\n")
    version = "arn:aws:engine:eu-west-1:123456789012:solution/retail-demo-similar-items/1"
    trained = replace(judged_run("run-1", "1", ()), versions={"similar-items": version})
    group = "arn:aws:personalize:eu-west-1:123456789012:dataset-group/retail-demo"
    release = replace(released("run-1"), dataset_group_arn=group, filters=("not-purchased",))
    facts = Facts(
        release=release,
        trained=batch.trained_versions(release, [], [trained]),
        schema=Schema("interactions", (Column("USER_ID"), Column("ITEM_ID"), Column("TIMESTAMP", "long"))),
        items=True,
        settings=settings,
    )
    names, request = (
        Names(prefix="retail", region="eu-west-1", account="123456789012"),
        PlanRequest(step="plan", shop="demo", run="r"),
    )
    (job,) = batch.plan(names, "bucket", request, settings.batch, facts).jobs
    assert not job.refused
    assert {arn.split(":")[2] for arn in (job.solution_version_arn, job.resource.arn, job.filter_arn)} == {"engine"}


@given(
    st.lists(st.text(min_size=1, max_size=3).filter(lambda text: "\n" not in text and "\r" not in text)),
    st.integers(1, 5),
)
def test_distinct_users_are_exact_however_often_they_go_to_disk(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], most: int
) -> None:
    distinct = Distinct(tmp_path_factory.mktemp("ids"), most)
    distinct.add(ids)
    ids_read = [id_ for number in range(64) for id_ in distinct.partition(number)]
    assert sorted(ids_read) == sorted(set(ids))


def test_the_second_generation_gives_reasons() -> None:
    line = '{"input": {"userId": "u"}, "output": {"recommendedItems": ["a", "b"], "reasons": ["Exploration"]}}'
    layout = Layout(job(items=2, output="mail"), ("NAME",))
    assert layout.header == ("USER_ID", "ITEM_ID_1", "NAME_1", "REASON_1", "ITEM_ID_2", "NAME_2", "REASON_2")
    assert [*layout.rows(parse(line), lambda item: [{"a": "A"}.get(item)])] == [
        ["u", "a", "A", "Exploration", "b", None, None]
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(["u1", "u,2", 'u"3', "ü4", ""]), st.sampled_from(["i", "i,\\", ""])), max_size=8
    ),
    st.integers(1, 9),
)
def test_a_column_is_the_same_in_chunks_of_any_size(rows: list[tuple[str, str]], size: int) -> None:
    text = "".join(dialect.record(row) for row in [("ITEM_ID", "USER_ID"), *((item, user) for user, item in rows)])
    data = text.encode()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    users = set(column(chunks, dialect.records, "USER_ID"))
    assert users == {user for user, _ in rows if user}
    assert [*column(chunks, dialect.records, "AGE")] == []
