# SPDX-License-Identifier: Apache-2.0
"""Rights that ministack does not check: those on Personalize, of functions and of state machines, and on topics.

Functions ask the engine directly, which asks here, at :data:`DOOR`, what the role behind an access key may do. Calls
of a state machine come by way of the local AWS, which sends them on under the key of the machine's role. A topic
takes what EventBridge publishes only as AWS has it: its policy must allow it without a condition.
"""

import contextvars
import json
import logging
from typing import Any, Final

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, sns, stepfunctions, sts

from local.cloud.aws import guard

DOOR: Final = "/_local/rights"
PUBLISHER: Final = "events.amazonaws.com"
_machine: contextvars.ContextVar[str] = contextvars.ContextVar("ARN of the machine whose task runs", default="")
log = logging.getLogger("launcher")
Answer = tuple[int, dict[str, str], bytes | str]


def install() -> None:
    """Open the door, note whose task runs, and check what EventBridge publishes."""
    shortcuts, task, publish = (
        app._handle_post_body_shortcuts,
        stepfunctions._execute_task,
        eventbridge._dispatch_to_sns,
    )

    async def handle(method: str, path: str, headers: object, body: bytes, *more: object) -> Answer | None:
        if (method, path) == ("POST", DOOR):
            asked = json.loads(body)
            told = {"refused": refusal(asked["caller"], asked["needs"])}
            return 200, {"Content-Type": "application/json"}, json.dumps(told)
        answer: Answer | None = await shortcuts(method, path, headers, body, *more)
        return answer

    def run_task(state: object, given: object, execution: dict[str, Any], context: object) -> object:
        token = _machine.set(execution["stateMachineArn"])
        try:
            return task(state, given, execution, context)
        finally:
            _machine.reset(token)

    def dispatch(topic: str, payload: str) -> None:
        if may_publish(topic):
            publish(topic, payload)
        else:
            log.warning("EventBridge may not publish to %s: its policy must allow it, without a condition", topic)

    app._handle_post_body_shortcuts = handle
    stepfunctions._execute_task = run_task
    eventbridge._dispatch_to_sns = dispatch


def refusal(caller: str, needs: list[tuple[str, str]]) -> str:
    """Why whoever has this access key may not do all of this; empty if they may."""
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
    """The header of a call to Personalize, with the key of the machine's role where a task of it makes the call."""
    machine = stepfunctions._state_machines.get(_machine.get())
    if machine is None:
        return authorization
    session = f"{machine['roleArn'].rpartition('/')[2]}/{machine['name']}"
    key = f"ASIA{guard.unguessable(f'machine:{session}', 16).upper()}"
    assumed = f"arn:aws:sts::{get_account_id()}:assumed-role/{session}"
    secret = guard.unguessable(f"secret of the machine:{session}")
    sts.register_session(key, {"Arn": assumed, "UserId": session, "SecretAccessKey": secret, "SessionToken": secret})
    return authorization.replace("Credential=test/", f"Credential={key}/")


def may_publish(topic: str) -> bool:
    """Whether a topic's policy lets EventBridge publish; AWS lets no statement with a condition count for it."""
    found = sns.topic_policy_for_arn(topic)
    policy = json.loads(found[0] or "{}") if found else {}
    listed = policy.get("Statement", [])
    counting = [each for each in (listed if isinstance(listed, list) else [listed]) if "Condition" not in each]
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
