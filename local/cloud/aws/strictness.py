# SPDX-License-Identifier: Apache-2.0
"""Refuse what AWS refuses and ministack takes: schedules, complex rules, and calls of functions when no slot is free.

A call that EventBridge made and that failed for good is kept, as on AWS.

:mod:`local.cloud.refusals` is the table of all refusals. ministack counts calls itself, by the variable
`LAMBDA_ACCOUNT_CONCURRENCY`; here they get AWS's names and AWS's patience.
"""

import contextvars
import json
import time
from typing import Final

from ministack.services import eventbridge, lambda_svc, scheduler, stepfunctions
from ministack.services.cloudformation import provisioners

from local.cloud.aws.event_patterns import LIMIT, complexity
from local.cloud.aws.patching import Function, Json, after_change, wrapping
from local.cloud.aws.schedule_expressions import refusal

TOO_MANY: Final = "TooManyRequestsException"
PATIENCE: Final = 6 * 3600
"""The seconds for which Lambda tries an asynchronous call again when no slot is free."""
LONGEST_PAUSE: Final = 5.0
_queued: contextvars.ContextVar[bool] = contextvars.ContextVar("queued", default=False)
"""Whether a call of a function is an asynchronous one."""


def install() -> None:
    _schedules()
    _rules()
    _slots()
    _events()


def _schedules() -> None:
    for name in ("_create_schedule", "_update_schedule"):

        @wrapping(scheduler, name)
        def change(stock: Function, schedule: str, body: Json) -> object:
            if reason := _of_schedule(body):
                return scheduler._error(400, "ValidationException", reason)
            return stock(schedule, body)

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]

    @wrapping(handlers, "create")
    def create(stock: Function, logical_id: str, props: Json, stack: str) -> object:
        if reason := _of_schedule(props):
            raise ValueError(reason)
        return stock(logical_id, props, stack)


def _of_schedule(body: Json) -> str:
    return refusal(str(body.get("ScheduleExpression", "")), str(body.get("ScheduleExpressionTimezone") or "UTC"))


def _rules() -> None:
    @wrapping(eventbridge, "_event_pattern_error")
    def error(stock: Function, pattern: object) -> str | None:
        problem: str | None = stock(pattern)
        if problem or not isinstance(pattern, str) or not pattern:
            return problem
        return "Rule is too complex - try using fewer wildcards" if complexity(json.loads(pattern)) > LIMIT else None

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Events::Rule"]

    @wrapping(handlers, "create")
    def create(stock: Function, logical_id: str, props: Json, stack: str) -> object:
        pattern = props.get("EventPattern", "")
        reason = eventbridge._event_pattern_error(json.dumps(pattern) if isinstance(pattern, dict) else pattern)
        if reason:
            raise ValueError(f"Event pattern is not valid. Reason: {reason}")
        return stock(logical_id, props, stack)


def _slots() -> None:
    @wrapping(stepfunctions, "_call_lambda")
    def called(stock: Function, function: str, event: object) -> object:
        try:
            return stock(function, event)
        except stepfunctions._ExecutionError as error:
            if error.error == "Lambda.Unknown" and TOO_MANY in str(error.cause):
                raise stepfunctions._ExecutionError(f"Lambda.{TOO_MANY}", "Rate Exceeded.") from None
            raise

    @wrapping(lambda_svc, "invoke_async_with_retry")
    def asynchronous(stock: Function, function: Json, event: object) -> None:
        token = _queued.set(True)
        try:
            stock(function, event)  # its thread has a copy of this context
        finally:
            _queued.reset(token)

    @wrapping(lambda_svc, "_execute_function")
    def execute(stock: Function, function: Json, event: object) -> Json:
        answer: Json = stock(function, event)
        began, pause = time.monotonic(), 0.1
        while _queued.get() and answer.get("throttle") and time.monotonic() < began + PATIENCE:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            answer = stock(function, event)
        return answer


def _events() -> None:
    """Let EventBridge call functions asynchronously: what fails is tried again, then lies in the dead-letter queue."""

    @wrapping(eventbridge, "_dispatch_to_lambda")
    def delivered(_: Function, arn: str, payload: str) -> None:
        function, config, _name = lambda_svc._get_func_record_for_ref(arn)
        if function and config:
            record = lambda_svc._execution_record_for_config(function, config)
            lambda_svc.invoke_async_with_retry(record, json.loads(payload))

    def keep_queue(name: str, props: Json) -> None:
        if queue := props.get("DeadLetterConfig"):
            lambda_svc._functions[name]["config"]["DeadLetterConfig"] = queue

    after_change("AWS::Lambda::Function", keep_queue)
