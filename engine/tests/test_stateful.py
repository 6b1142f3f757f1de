# SPDX-License-Identifier: Apache-2.0
"""Resources against a simple model: whatever is made and deleted, lists and errors are what the model says.

At night the engine is killed on the way, too: everything acknowledged is there afterwards.
"""

import itertools
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from engine.tests.bare import Bare
from engine.tests.calls import BUCKET, WORLD, Json, prepare, write_files
from engine.tests.harness import EngineProcess, until
from engine.tests.names import RECIPE, arn_member, member
from engine.tests.shop_data import avro

NAMES: Final = st.sampled_from(["a", "b", "c"])
GROUPS: Final = st.sampled_from(["g1", "g2", "g3", "g4", "g5"])
DEPLOYED: Final = st.sampled_from(["c1", "c2", "c3", "c4", "c5", "c6"])
KINDS: Final = st.sampled_from(["Interactions", "Items", "Users"])
CAMPAIGNS: Final = "campaigns"
"""The region of the version that all runs deploy."""
REGIONS: Final = itertools.count(1)
EXISTS, NOT_FOUND, IN_USE = (f"Resource{word}Exception" for word in ("AlreadyExists", "NotFound", "InUse"))
LIMIT, INVALID = "LimitExceededException", "InvalidInputException"
_TRAINED = {
    "group",
    "schema-interactions",
    "interactions",
    "import-interactions",
    "solution-popular",
    "version-popular",
}
TRAINED: Final = tuple(call for call in WORLD if _TRAINED & set(call.keeps.values()))
"""The calls that make a version to deploy."""


class Deployable:
    """An engine with a trained version."""

    def __init__(self, engine: EngineProcess) -> None:
        self.engine = engine
        write_files(engine.s3_root / BUCKET)
        with Bare(engine, CAMPAIGNS) as bare:
            self.version = prepare(bare.perform, TRAINED)["version-popular"]

    def restart(self) -> None:
        self.engine.end(signal.SIGKILL)
        self.engine = EngineProcess(self.engine.data_dir.parent)


class Resources(RuleBasedStateMachine):
    """The model: names by kind, and what belongs to what. Each run has a region of its own."""

    deployable: ClassVar[Deployable]

    def __init__(self) -> None:
        super().__init__()
        self.region = f"stateful-{next(REGIONS)}"
        self.bare = Bare(self.deployable.engine, self.region)
        self.groups: list[str] = []
        self.schemas: dict[str, str] = {}
        self.datasets: dict[tuple[str, str], str] = {}
        self.trackers: dict[str, str] = {}
        self.filters: dict[str, str] = {}
        self.solutions: dict[str, str] = {}
        self.campaigns: list[str] = []

    def teardown(self) -> None:
        with self.where_campaigns_are():
            for name in self.campaigns:
                self.delete("Campaign", self.campaign(name), "")
        self.bare.close()

    @contextmanager
    def where_campaigns_are(self) -> Iterator[None]:
        with Bare(self.deployable.engine, CAMPAIGNS) as bare:
            former, self.bare = self.bare, bare
            try:
                yield
            finally:
                self.bare = former

    def campaign(self, name: str) -> str:
        return self.deployable.version.partition("solution/")[0] + f"campaign/{name}"

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:personalize:{self.region}:123456789012:{kind}/{name}"

    def group(self, name: str) -> str:
        return self.arn("dataset-group", name)

    def make(self, noun: str, expected: str, **request: object) -> str:
        """Make something, or be refused with the expected code; returns its ARN once it is ACTIVE."""
        arn = self.change(f"Create{noun}", expected, **request)
        if arn and noun != "Schema":
            until(lambda: self.status(noun, arn) == "ACTIVE", arn)
        return arn

    def change(self, operation: str, expected: str, **request: object) -> str:
        status, answer = self.bare.ask(operation, request)
        code = "" if status == 200 else str(answer["__type"])
        assert code == expected, (operation, request, answer)
        return str(next((value for name, value in answer.items() if name.endswith("Arn")), ""))

    def delete(self, noun: str, arn: str, expected: str) -> None:
        self.change(f"Delete{noun}", expected, **{arn_member(noun): arn})
        if not expected and noun != "Schema":
            until(lambda: self.status(noun, arn) == "", f"end of {arn}")

    def status(self, noun: str, arn: str) -> str:
        status, answer = self.bare.ask(f"Describe{noun}", {arn_member(noun): arn})
        assert status == 200 or answer["__type"] == NOT_FOUND
        return str(answer[member(noun)].get("status", "ACTIVE")) if status == 200 else ""

    @rule(name=GROUPS, domain=st.sampled_from([None, "ECOMMERCE"]))
    def create_group(self, name: str, domain: str | None) -> None:
        expected = LIMIT if len(self.groups) == 5 else EXISTS if name in self.groups else ""
        self.make("DatasetGroup", expected, name=name, **({"domain": domain} if domain and name == "g5" else {}))
        if not expected:
            self.groups.append(name)

    @rule(name=GROUPS)
    def delete_group(self, name: str) -> None:
        owned = {group for group, _ in self.datasets} | set(self.trackers) | set(self.solutions.values())
        expected = NOT_FOUND if name not in self.groups else IN_USE if name in owned else ""
        self.delete("DatasetGroup", self.group(name), expected)
        if not expected:
            self.groups.remove(name)
            self.filters = {filter_name: group for filter_name, group in self.filters.items() if group != name}

    @rule(name=NAMES, kind=KINDS)
    def create_schema(self, name: str, kind: str) -> None:
        expected = EXISTS if name in self.schemas else ""
        self.make("Schema", expected, name=name, schema=avro(kind))
        self.schemas.setdefault(name, kind)

    @rule(name=NAMES)
    def delete_schema(self, name: str) -> None:
        expected = NOT_FOUND if name not in self.schemas else IN_USE if name in self.datasets.values() else ""
        self.delete("Schema", self.arn("schema", name), expected)
        if not expected:
            del self.schemas[name]

    @rule(group=GROUPS, kind=KINDS, schema=NAMES)
    def create_dataset(self, group: str, kind: str, schema: str) -> None:
        exists = group in self.groups and schema in self.schemas
        fits = exists and self.schemas[schema] == kind and not self.of_domain(group)
        expected = (
            NOT_FOUND if not exists else INVALID if not fits else EXISTS if (group, kind) in self.datasets else ""
        )
        common = {"datasetGroupArn": self.group(group), "schemaArn": self.arn("schema", schema), "datasetType": kind}
        self.make("Dataset", expected, name="d", **common)
        if not expected:
            self.datasets[group, kind] = schema

    def of_domain(self, group: str) -> bool:
        _, answer = self.bare.ask("DescribeDatasetGroup", {"datasetGroupArn": self.group(group)})
        return "domain" in answer["datasetGroup"]

    @rule(group=GROUPS, kind=KINDS)
    def delete_dataset(self, group: str, kind: str) -> None:
        needed = group in self.filters.values() or (kind == "Interactions" and group in self.trackers)
        expected = NOT_FOUND if (group, kind) not in self.datasets else IN_USE if needed else ""
        self.delete("Dataset", self.arn("dataset", f"{group}/{kind.upper()}"), expected)
        if not expected:
            del self.datasets[group, kind]

    @rule(group=GROUPS)
    def create_tracker(self, group: str) -> None:
        expected = NOT_FOUND if group not in self.groups else EXISTS if group in self.trackers else ""
        arn = self.make("EventTracker", expected, name="t", datasetGroupArn=self.group(group))
        if arn:
            self.trackers[group] = arn

    @rule(group=GROUPS)
    def delete_tracker(self, group: str) -> None:
        arn = self.trackers.pop(group, "")
        self.delete("EventTracker", arn or self.arn("event-tracker", "0"), "" if arn else NOT_FOUND)

    @rule(group=GROUPS, name=NAMES)
    def create_filter(self, group: str, name: str) -> None:
        expression = 'INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("x")'
        has_items = (group, "Items") in self.datasets
        exists = group in self.groups
        expected = NOT_FOUND if not exists else INVALID if not has_items else EXISTS if name in self.filters else ""
        self.make("Filter", expected, name=name, datasetGroupArn=self.group(group), filterExpression=expression)
        if not expected:
            self.filters[name] = group

    @rule(name=NAMES)
    def delete_filter(self, name: str) -> None:
        self.delete("Filter", self.arn("filter", name), "" if self.filters.pop(name, "") else NOT_FOUND)

    @rule(group=GROUPS, name=NAMES)
    def create_solution(self, group: str, name: str) -> None:
        expected = NOT_FOUND if group not in self.groups else EXISTS if name in self.solutions else ""
        recipe = f"{RECIPE}aws-popularity-count"
        common = {"datasetGroupArn": self.group(group), "recipeArn": recipe, "performAutoTraining": False}
        self.make("Solution", expected, name=name, **common)
        if not expected:
            self.solutions[name] = group

    @rule(name=NAMES)
    def delete_solution(self, name: str) -> None:
        self.delete("Solution", self.arn("solution", name), "" if self.solutions.pop(name, "") else NOT_FOUND)

    @rule(name=DEPLOYED)
    def create_campaign(self, name: str) -> None:
        expected = LIMIT if len(self.campaigns) == 5 else EXISTS if name in self.campaigns else ""
        with self.where_campaigns_are():
            self.make("Campaign", expected, name=name, solutionVersionArn=self.deployable.version)
        if not expected:
            self.campaigns.append(name)

    @rule(name=DEPLOYED)
    def delete_campaign(self, name: str) -> None:
        present = name in self.campaigns
        with self.where_campaigns_are():
            self.delete("Campaign", self.campaign(name), "" if present else NOT_FOUND)
        if present:
            self.campaigns.remove(name)

    @precondition(lambda self: self.solutions)
    @rule(data=st.data())
    def train_without_data(self, data: st.DataObject) -> None:
        """A version needs interactions, which no dataset here has: it fails, and a failed one is in nobody's way."""
        name = data.draw(st.sampled_from(sorted(self.solutions)))
        empty = (self.solutions[name], "Interactions") in self.datasets
        arn = self.change("CreateSolutionVersion", "" if empty else INVALID, solutionArn=self.arn("solution", name))
        if arn:
            until(lambda: self.status("SolutionVersion", arn) == "CREATE FAILED", arn)
            self.change("CreateCampaign", INVALID, name="none", solutionVersionArn=arn)

    @invariant()
    def lists_are_the_model(self) -> None:
        assert self.listed("DatasetGroups", "datasetGroups") == self.groups
        assert self.listed("Schemas", "schemas") == list(self.schemas)
        assert self.listed("Filters", "Filters") == list(self.filters)
        assert self.listed("Solutions", "solutions") == list(self.solutions)
        with self.where_campaigns_are():
            assert self.listed("Campaigns", "campaigns", solutionArn=self.deployable.version) == self.campaigns
        assert len(self.listed("EventTrackers", "eventTrackers")) == len(self.trackers)
        assert len(self.listed("Datasets", "datasets")) == len(self.datasets)
        for group in self.groups:
            of_group = self.listed("Datasets", "datasets", "datasetType", datasetGroupArn=self.group(group))
            assert of_group == [kind.upper() for owner, kind in self.datasets if owner == group]

    def listed(self, what: str, member: str, shown: str = "name", **request: object) -> list[str]:
        answer: Json = self.bare.perform(f"List{what}", request)
        return [str(member_body[shown]) for member_body in answer[member]]


class KilledResources(Resources):
    """The same while the engine is killed now and then."""

    @rule()
    def kill(self) -> None:
        self.bare.close()
        self.deployable.restart()
        self.bare = Bare(self.deployable.engine, self.region)


def test_resources_are_what_a_simple_model_says(engine: EngineProcess) -> None:
    Resources.deployable = Deployable(engine)
    most = max(10, settings.default.max_examples // 3) if settings.default else 10
    run_state_machine_as_test(Resources, settings=settings(max_examples=most, stateful_step_count=30))


@pytest.mark.nightly
def test_resources_outlive_kills(tmp_path: Path) -> None:
    KilledResources.deployable = Deployable(EngineProcess(tmp_path))
    try:
        run_state_machine_as_test(KilledResources, settings=settings(max_examples=20, stateful_step_count=30))
    finally:
        KilledResources.deployable.engine.end()
