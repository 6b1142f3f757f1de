# SPDX-License-Identifier: Apache-2.0
"""Distributed Maps: what each must have, and what its machine's role must allow."""

import re

import pytest

from tests.statemachines.machine import FILE, MACHINES, State, distributed, evaluate
from tests.template.stack import PSEUDO, STACK
from tests.template.test_permissions import statements

MAPS = {
    f"{name}: {title}": state for name, machine in MACHINES.items() for title, state in distributed(machine).items()
}
FOR_EACH_MAP = pytest.mark.parametrize("state", MAPS.values(), ids=MAPS)
MACHINES_WITH_MAPS = sorted({where.partition(":")[0] for where in MAPS})
WRITER = {"s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"}
"""What AWS asks for a ResultWriter; the first also for an ItemReader."""


@FOR_EACH_MAP
def test_a_part_is_an_execution_that_can_take_its_time_and_be_looked_at(state: State) -> None:
    assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    # AWS makes one up where there is none, of another kind in each map run.
    assert re.fullmatch("[a-zA-Z]{1,40}", state["Label"])


@FOR_EACH_MAP
def test_results_go_to_the_bucket_since_a_state_holds_256_kib(state: State) -> None:
    writer = state["ResultWriter"]
    assert writer["Resource"] == "arn:aws:states:::s3:putObject"
    assert set(writer["Arguments"]) == {"Bucket", "Prefix"}


@FOR_EACH_MAP
def test_no_part_is_left_out(state: State) -> None:
    assert not [name for name in state if name.startswith("ToleratedFailure")]
    # A map run's own error has no reason: the function that comes next fails with that of the part.
    (caught,) = state["Catch"]
    assert (caught["ErrorEquals"], caught["Next"]) == (["States.ALL"], "Say why a part failed")


@pytest.mark.parametrize("name", MACHINES_WITH_MAPS)
def test_how_many_parts_run_at_a_time_is_a_parameter(name: str) -> None:
    text = (FILE.parent / f"{name}.asl.yaml").read_text()
    # As an expression it is a number, wherever the substitution is made: in the file, or in the JSON of it.
    matches = re.findall(r'MaxConcurrency: "\{% \$\{MapConcurrency\} %\}"', text)
    assert len(matches) == len(distributed(MACHINES[name]))
    assert STACK.source["Parameters"]["MapConcurrency"]["Default"] == 5


@pytest.mark.parametrize("name", MACHINES_WITH_MAPS)
def test_a_machine_may_start_and_stop_its_own_parts(name: str) -> None:
    """AWS starts them as executions of the machine itself, under names with the map's label."""
    machine = f"{name.title()}StateMachine"
    resources: dict[str, set[str]] = {}
    for statement in statements(f"{machine}Role"):
        for action in statement["Action"]:
            resources.setdefault(action, set()).update(statement["Resource"])
    named = STACK.resources[machine]["Properties"].get("StateMachineName") or f"{machine}.Name"
    start = f"arn:aws:states:{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}"
    assert resources["states:StartExecution"] & {machine, f"{start}:stateMachine:{named}"}
    # A redrive of the machine's execution begins its failed map runs again.
    for action in ("states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"):
        assert {f"{start}:execution:{named}:*", f"{start}:execution:{named}/*:*"} <= resources[action]
    assert set(resources) >= WRITER


@pytest.mark.parametrize(
    ("plan", "wave", "most"), [({"engine": False}, 0, {3, 4}), ({"engine": False}, 1, {2}), ({"engine": True}, 0, {2})]
)
def test_the_engine_takes_few_functions_at_a_time_also_beside_amazon_personalize(
    plan: dict[str, bool], wave: int, most: set[int]
) -> None:
    maps = (MACHINES["retrain"]["States"][name] for name in ("Import each file", "Train each recipe"))
    assert {evaluate(state["MaxConcurrency"], {}, plan=plan, wave=wave) for state in maps} == most
