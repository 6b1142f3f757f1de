# SPDX-License-Identifier: Apache-2.0
"""Faults on demand: rules that make chosen requests and jobs go wrong, the same way every time for the same seed.

Rules belong to one process and are not kept: a restarted engine has none. `docs/local.md` shows how they are used.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Final, get_type_hints

from local.personalize.errors import InvalidInput, ServiceError
from local.personalize.wire import Json

JOB_ACTIONS: Final = frozenset({"createFailed", "neverEnd"})
"""What happens to work that goes on after its request was answered."""


class Throttled(ServiceError):
    """Too many requests, on demand."""

    code = "ThrottlingException"
    status = 400


class QuotaUsedUp(ServiceError):
    """A quota is used up, on demand."""

    code = "LimitExceededException"
    status = 400


class Failing(ServiceError):
    """The service fails, on demand."""

    code = "InternalFailure"
    status = 500


class Unavailable(ServiceError):
    """The service is not there, on demand."""

    code = "ServiceUnavailable"
    status = 503


_ERRORS: Final[dict[str, ServiceError]] = {
    "throttle": Throttled("Rate exceeded"),
    "limitExceeded": QuotaUsedUp("More than 5 resources with PENDING or IN_PROGRESS status."),
    "internalFailure": Failing("An internal failure, on demand."),
    "serviceUnavailable": Unavailable("The service is unavailable, on demand."),
}
ACTIONS: Final = frozenset(_ERRORS) | JOB_ACTIONS | {"hang", "dropConnection"}
"""Everything that a rule may do."""


_GIVEN: Final = tuple(
    "action operation resource times skip probability seed seconds reason performed".split()  # noqa: SIM905
)
"""What a rule may say; the rest the engine counts."""


class DropConnection(Exception):
    """The connection ends without an answer."""


class FailedOnDemand(Exception):
    """A job ends in CREATE FAILED, or FAILED; the text is its failureReason."""


@dataclass(slots=True)
class Rule:
    """What goes wrong, for whom and how often. `*` and `?` in patterns stand for any characters, and any one."""

    action: str
    operation: str = "*"
    """Pattern of the operation's name; of a job: the operation that started it, such as CreateSolutionVersion."""
    resource: str = "*"
    """Pattern of an ARN or a name in the request; of a job: of the resource's own ARN or name, or its parent's ARN."""
    times: int | None = None
    """How often it happens; None: always."""
    skip: int = 0
    """How many that match go well before."""
    probability: float = 1.0
    """Chance that one that matches goes wrong, drawn in the order of arrival."""
    seed: int = 0
    seconds: float = 3600.0
    """Of hang: how long, in real time, before the request goes on."""
    reason: str = "Failed on demand."
    """Of createFailed: the failureReason."""
    performed: bool = False
    """Whether the request is performed before it goes wrong: its answer is what gets lost."""
    id: int = 0
    """A number that the engine gives."""
    matched: int = 0
    """How many matched so far."""
    fired: int = 0
    """How many went wrong so far."""
    draw: random.Random = field(init=False, repr=False, compare=False)
    """Numbers for the chance."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)  # noqa: S311 — reproducible on purpose

    def matches(self, operation: str, names: Iterable[str]) -> bool:
        """Whether this rule is about an operation on any of these resources."""
        if not fnmatchcase(operation, self.operation):
            return False
        return self.resource == "*" or any(fnmatchcase(name, self.resource) for name in names)

    def fires(self) -> bool:
        """Count one that matches, and decide whether it goes wrong."""
        self.matched += 1
        lucky = self.draw.random() >= self.probability
        if lucky or self.matched <= self.skip or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True

    def shown(self) -> Json:
        """The rule as JSON."""
        members: Json = asdict(self)
        del members["draw"]
        return members


class Faults:
    """The rules of one engine, in the order in which they were given: the first one that fires decides."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._numbers = 0
        self._changed = asyncio.Event()

    def add(self, document: object) -> list[Rule]:
        """Take rules: `{"rules": [{…}, …]}`, or one alone. Raises InvalidInput, and then takes none."""
        given = document.get("rules", [document]) if isinstance(document, dict) else None
        if not isinstance(given, list) or not given:
            raise InvalidInput('Rules come as {"rules": [{"action": …}, …]}, or one rule alone.')
        rules = [_rule(each) for each in given]
        for rule in rules:
            self._numbers += 1
            rule.id = self._numbers
        self.rules += rules
        return rules

    def remove(self, number: int | None = None) -> None:
        """Forget one rule, or all; a job that a forgotten rule held goes on. Raises InvalidInput for an unknown one."""
        kept = [] if number is None else [rule for rule in self.rules if rule.id != number]
        if number is not None and len(kept) == len(self.rules):
            raise InvalidInput(f"There is no rule {number}.")
        self.rules = kept
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def request(self, operation: str, request: Json) -> Rule | None:
        """The rule by which this request goes wrong, if there is one."""
        names = list(_names(request)) if self.rules else []
        return self._first(operation, names, jobs=False)

    async def job(self, operation: str, names: Iterable[str]) -> None:
        """Let a job go wrong if a rule says so: never end until the rule is forgotten, or raise FailedOnDemand."""
        rule = self._first(operation, list(names), jobs=True)
        while rule and rule.action == "neverEnd" and rule in self.rules:
            await self._changed.wait()
        if rule and rule.action == "createFailed":
            raise FailedOnDemand(rule.reason)

    def _first(self, operation: str, names: list[str], *, jobs: bool) -> Rule | None:
        about = (r for r in self.rules if (r.action in JOB_ACTIONS) is jobs and r.matches(operation, names))
        return next((rule for rule in about if rule.fires()), None)


def strike(rule: Rule) -> None:
    """Let a request go wrong at once. Raises ServiceError or DropConnection; a hang is the server's to wait for."""
    if rule.action == "dropConnection":
        raise DropConnection
    if rule.action in _ERRORS:
        raise _ERRORS[rule.action]


def _rule(members: object) -> Rule:
    """Read one rule. Raises InvalidInput."""
    if not isinstance(members, dict):
        raise InvalidInput("A rule is a JSON object.")
    types = get_type_hints(Rule)
    for name, value in members.items():
        if name not in _GIVEN:
            raise InvalidInput(f"A rule has no {name}: it has {', '.join(_GIVEN)}.")
        wanted = float | int if types[name] is float else types[name]
        if not isinstance(value, wanted) or (isinstance(value, bool) and types[name] is not bool):
            raise InvalidInput(f"{name} of a rule cannot be {value!r}.")
    if members.get("action") not in ACTIONS:
        raise InvalidInput(f"The action of a rule is one of {', '.join(sorted(ACTIONS))}.")
    rule = Rule(**members)
    if not 0 <= rule.probability <= 1 or min(rule.skip, rule.times or 0, rule.seconds) < 0:
        raise InvalidInput("A probability is from 0 to 1; times, skip and seconds are not negative.")
    return rule


def _names(value: object) -> Iterator[str]:
    """Every text in a request that may name a resource."""
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, str) and name.endswith(("Arn", "ame", "Id")):
                yield member
            elif isinstance(member, dict | list):
                yield from _names(member)
    elif isinstance(value, list):
        for member in value:
            yield from _names(member)
