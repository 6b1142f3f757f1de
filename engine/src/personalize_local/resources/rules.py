# SPDX-License-Identifier: Apache-2.0
"""Rules of faults on demand, for the engine and other local servers; `docs/testing.md` shows their use.

This module imports only the standard library, for servers in environments of their own.
"""

import random
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, get_type_hints

_GIVEN: Final = tuple(
    "action operation resource times skip probability seed seconds reason performed".split()  # noqa: SIM905
)
"""What a rule may say; the other fields are counted."""


@dataclass(slots=True)
class Rule:
    """One fault: which, where and how often. In patterns, `*` stands for any characters and `?` for any one."""

    action: str
    operation: str = "*"
    """Pattern of the operation's name; of a job: the operation that started it, such as CreateSolutionVersion."""
    resource: str = "*"
    """Pattern of an ARN or a name in the request; of a job: of the resource's own ARN or name, or its parent's ARN."""
    times: int | None = None
    """How often it happens; None: always."""
    skip: int = 0
    """How many matches pass before the first fault."""
    probability: float = 1.0
    """Probability that a match fails, drawn in the order of arrival."""
    seed: int = 0
    seconds: float = 3600.0
    """Of hang: real time until the request goes on. Of holdEvent: the longest hold."""
    reason: str = ""
    """Of createFailed: the failureReason; of an error: its message."""
    performed: bool = False
    """Whether the request is performed before it fails, so that only its answer is lost."""
    id: int = 0
    """A number that the process assigns."""
    matched: int = 0
    """Matches so far."""
    fired: int = 0
    """Faults so far."""
    draw: random.Random = field(init=False, repr=False, compare=False)
    """Random numbers for the probability."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)  # noqa: S311 — reproducible on purpose

    def matches(self, operation: str, names: Iterable[str]) -> bool:
        """Tell whether this rule is about an operation on any of these resources."""
        if not fnmatchcase(operation, self.operation):
            return False
        return self.resource == "*" or any(fnmatchcase(name, self.resource) for name in names)

    def fires(self) -> bool:
        """Count a match, and decide whether it fails."""
        self.matched += 1
        spared = self.draw.random() >= self.probability
        if spared or self.matched <= self.skip or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True

    def shown(self) -> dict[str, Any]:
        members = asdict(self)
        del members["draw"]
        return members


class Rules:
    """The rules of one process, in the order of their arrival: the first one that fires decides.

    Args:
        actions: the faults that rules may name here.
    """

    def __init__(self, actions: Collection[str]) -> None:
        self._actions = actions
        self._numbers = 0
        self.rules: list[Rule] = []

    def add(self, document: object) -> list[Rule]:
        """Add rules: `{"rules": [{…}, …]}`, or one alone. Raises ValueError, and then adds none."""
        given = document.get("rules", [document]) if isinstance(document, dict) else None
        if not isinstance(given, list) or not given:
            raise ValueError('Rules come as {"rules": [{"action": …}, …]}, or one rule alone.')
        rules = [read(document, self._actions) for document in given]
        for rule in rules:
            self._numbers += 1
            rule.id = self._numbers
        self.rules += rules
        return rules

    def remove(self, number: int | None = None) -> None:
        """Remove one rule, or all. Raises ValueError for an unknown one."""
        remaining = [] if number is None else [rule for rule in self.rules if rule.id != number]
        if number is not None and len(remaining) == len(self.rules):
            raise ValueError(f"There is no rule {number}.")
        self.rules = remaining

    def first(self, actions: Collection[str], operation: str, names: Iterable[str]) -> Rule | None:
        """Return the rule with one of these actions that fires for an operation on any of these resources."""
        if not self.rules:
            return None
        resources = list(names)
        matching = (rule for rule in self.rules if rule.action in actions and rule.matches(operation, resources))
        return next((rule for rule in matching if rule.fires()), None)


def read(members: object, actions: Collection[str]) -> Rule:
    """Read one rule with one of these actions. Raises ValueError."""
    if not isinstance(members, dict):
        raise ValueError("A rule is a JSON object.")  # noqa: TRY004 — one error for whatever is wrong with a rule
    types = get_type_hints(Rule)
    for name, value in members.items():
        if name not in _GIVEN:
            raise ValueError(f"A rule has no {name}: it has {', '.join(_GIVEN)}.")
        wanted = float | int if types[name] is float else types[name]
        if not isinstance(value, wanted) or (isinstance(value, bool) and types[name] is not bool):
            raise ValueError(f"{name} of a rule cannot be {value!r}.")
    if members.get("action") not in actions:
        raise ValueError(f"The action of a rule is one of {', '.join(sorted(actions))}.")
    rule = Rule(**members)
    if not 0 <= rule.probability <= 1 or min(rule.skip, rule.times or 0, rule.seconds) < 0:
        raise ValueError("A probability is from 0 to 1; times, skip and seconds are not negative.")
    return rule


def names_in(request: object) -> Iterator[str]:
    """Yield every text in a request that may name a resource: the values of members named …Arn, …ame or …Id."""
    return (text for name, text in texts_in(request) if name.endswith(("Arn", "ame", "Id")))


def texts_in(value: object) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of every member that is a text, at any depth."""
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, str):
                yield name, member
            else:
                yield from texts_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts_in(member)
