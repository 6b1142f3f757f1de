# SPDX-License-Identifier: Apache-2.0
"""Rights that ministack does not check: those on Personalize, those of state machines, and those on topics.

The engine asks here, at :data:`local.cloud.aws.RIGHTS`, what the role behind an access key may do. Calls of a state
machine come through the local AWS, which forwards them under the key of the machine's role; what a machine needs for
its tasks on functions, machines and buses is checked before the task. A topic takes what
EventBridge publishes only on AWS's terms: its policy must allow it without a condition.
"""

import contextvars
import json
import logging
from typing import Final

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, sns, stepfunctions, sts

from local.cloud.aws import guard
from local.cloud.aws.patching import Function, Json, wrapping

PUBLISHER: Final = "events.amazonaws.com"
FAILURES: Final = {
    "lambda": "Lambda.AWSLambdaException",
    "states": "StepFunctions.AWSStepFunctionsException",
    "events": "EventBridge.AmazonEventBridgeException",
}
"""The errors of tasks whose machine lacks a right. Lambda's has been seen in public; the others follow its form."""
_machine: contextvars.ContextVar[str] = contextvars.ContextVar("ARN of the machine whose task runs", default="")
log = logging.getLogger("launcher")


def install() -> None:
    """Note whose task runs, and check what EventBridge publishes."""

    @wrapping(stepfunctions, "_execute_task")
    def run_task(stock: Function, state: object, given: object, execution: Json, context: object) -> object:
        token = _machine.set(execution["stateMachineArn"])
        try:
            return stock(state, given, execution, context)
        finally:
            _machine.reset(token)

    @wrapping(stepfunctions, "_invoke_resource")
    def invoke(stock: Function, resource: str, given: Json) -> object:
        service, needs = of_task(resource, given)
        # A child of a map run has its machine's name before a slash.
        machine = stepfunctions._state_machines.get(_machine.get().partition("/")[0])
        if machine and needs and (reason := refusal(key_of(machine), needs)):
            raise stepfunctions._ExecutionError(FAILURES[service], reason)
        return stock(resource, given)

    @wrapping(eventbridge, "_dispatch_to_sns")
    def dispatch(stock: Function, topic: str, payload: str) -> None:
        if may_publish(topic):
            stock(topic, payload)
        else:
            log.warning("EventBridge may not publish to %s: its policy must allow it, without a condition", topic)


def of_task(resource: str, given: Json) -> tuple[str, list[tuple[str, str]]]:
    """Return the service of a task, and what its machine's role needs for it: actions on ARNs."""
    here = f"{get_region()}:{get_account_id()}"
    kind = resource.partition(":::")[2].partition(".")[0]
    if kind == "lambda:invoke" or resource.startswith("arn:aws:lambda:"):
        function = str(given.get("FunctionName", "")) if kind else resource
        arn = function if function.startswith("arn:") else f"arn:aws:lambda:{here}:function:{function}"
        return "lambda", [("lambda:InvokeFunction", arn)]
    if kind == "states:startExecution":
        return "states", [("states:StartExecution", str(given.get("StateMachineArn", "")))]
    if kind == "events:putEvents":
        buses = {str(entry.get("EventBusName") or "default").rpartition("/")[2] for entry in given.get("Entries", [])}
        return "events", [("events:PutEvents", f"arn:aws:events:{here}:event-bus/{bus}") for bus in sorted(buses)]
    return "", []


async def answer(_method: str, _path: str, body: bytes) -> tuple[int, object]:
    """Answer the engine: why a caller may not do what they need to."""
    question = json.loads(body)
    return 200, {"refused": refusal(question["caller"], question["needs"])}


def refusal(caller: str, needs: list[tuple[str, str]]) -> str:
    """Return why the owner of an access key may not do all of this; "" if they may."""
    if not caller:
        return "The request is signed with no access key."
    principal = iam_evaluator.resolve_principal(caller, get_account_id())
    if isinstance(principal, iam_evaluator.AuthError):
        return str(principal.message)
    for action, arn in needs if principal.policies is not None else []:
        request = iam_evaluator.EvalContext(
            principal_arn=principal.arn,
            principal_type=principal.type,
            principal_account=principal.account,
            action=action,
            resource_arn=arn,
            region=get_region(),
            service_context={"iam:passedtoservice": "personalize.amazonaws.com"},
            principal_keys=principal.keys,
        )
        verdict = iam_evaluator.evaluate(request, principal.policies, *principal.limits).decision
        if verdict != "Allow":
            return str(iam_actions.identity_denial_message(action, principal.arn, arn, verdict == "Deny"))
    return ""


def signed_by_machine(authorization: str) -> str:
    """Return the header of a call to Personalize, with the key of the machine's role where a task makes the call."""
    # A child of a map run has its machine's name before a slash.
    machine = stepfunctions._state_machines.get(_machine.get().partition("/")[0])
    return (
        authorization
        if machine is None
        else authorization.replace("Credential=test/", f"Credential={key_of(machine)}/")
    )


def key_of(machine: Json) -> str:
    """Return an access key with the rights of a state machine's role."""
    session = f"{machine['roleArn'].rpartition('/')[2]}/{machine['name']}"
    key = f"ASIA{guard.unguessable(f'machine:{session}', 16).upper()}"
    assumed = f"arn:aws:sts::{get_account_id()}:assumed-role/{session}"
    secret = guard.unguessable(f"secret of the machine:{session}")
    sts.register_session(key, {"Arn": assumed, "UserId": session, "SecretAccessKey": secret, "SessionToken": secret})
    return key


def may_publish(topic: str) -> bool:
    """Tell whether a topic's policy lets EventBridge publish; AWS counts no statement with a condition."""
    answer = sns.topic_policy_for_arn(topic)
    policy = json.loads(answer[0] or "{}") if answer else {}
    listed = policy.get("Statement", [])
    counting = [
        statement for statement in (listed if isinstance(listed, list) else [listed]) if "Condition" not in statement
    ]
    request = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="sns:Publish",
        resource_arn=topic,
        region=get_region(),
    )
    verdict = iam_evaluator.evaluate_resource_policy({"Statement": counting}, request, service=PUBLISHER)
    return bool(verdict.decision == "Allow")
