# SPDX-License-Identifier: Apache-2.0
"""How complex EventBridge finds a rule: with too many wildcards in one field, it refuses the rule.

EventBridge compiles patterns with event-ruler (https://github.com/aws/event-ruler), which defines the complexity: how
many prefixes of a field's wildcard patterns a worst-case value matches. A list in `anything-but` is one pattern, whose
equal prefixes count once. The limit is not published; patterns above LIMIT were refused.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

LIMIT: Final = 10
"""The highest complexity that a rule may have."""
Tokens = tuple[str | None, ...]
"""The characters of a value or of its beginning; None stands for any characters."""
Prefix = tuple[frozenset[Tokens], Tokens]
"""A pattern, which is a set of values, and a beginning of one of them."""
_OTHER: Final = ""
"""A letter that no pattern has."""


def complexity(pattern: dict[str, Any], most: int = LIMIT + 1) -> int:
    """Return the complexity of an event pattern, which is that of its worst field, or `most` where it is higher."""
    return max((_of_field(matches, most) for matches in _fields(pattern)), default=0)


def _fields(pattern: dict[str, Any]) -> Iterator[list[Any]]:
    for name, value in pattern.items():
        if name == "$or":
            for alternative in value:
                yield from _fields(alternative)
        elif isinstance(value, dict):
            yield from _fields(value)
        elif isinstance(value, list):
            yield value


def _of_field(matches: list[Any], most: int) -> int:
    """Walk the sets of prefixes that a value can match together, letter by letter."""
    patterns = {values for values in map(_wildcards, matches) if values}
    letters = {token for values in patterns for value in values for token in value if token} | {_OTHER}
    begin = _closed({(values, ()) for values in patterns})
    seen, waiting, highest = {begin}, [begin], 0
    while waiting and highest < most:
        prefixes = waiting.pop()
        for letter in letters:
            following = _closed({after for prefix in prefixes for after in _after(prefix, letter)})
            if following not in seen:
                seen.add(following)
                waiting.append(following)
                highest = max(highest, len(following))
    return min(highest, most)


def _wildcards(match: object) -> frozenset[Tokens]:
    """Return the values of a wildcard pattern; none where it is of another kind."""
    if isinstance(match, dict) and isinstance(match.get("anything-but"), dict):
        match = match["anything-but"]
    values = match.get("wildcard", []) if isinstance(match, dict) else []
    return frozenset(_tokens(value) for value in ([values] if isinstance(values, str) else values))


def _tokens(value: str) -> Tokens:
    written = re.findall(r"\\?.", value, re.DOTALL)
    return tuple(None if character == "*" else character[-1] for character in written)


def _after(prefix: Prefix, letter: str) -> Iterator[Prefix]:
    """Yield the prefixes that match a value which goes on with a letter."""
    values, tokens = prefix
    if tokens and tokens[-1] is None:
        yield prefix
    longer = (*tokens, letter)
    if any(value[: len(longer)] == longer for value in values):
        yield values, longer


def _closed(prefixes: set[Prefix]) -> frozenset[Prefix]:
    """Add the prefixes that match as well, since a wildcard may stand for nothing."""
    closed = set(prefixes)
    for values, tokens in prefixes:
        longer = (*tokens, None)
        if any(value[: len(longer)] == longer for value in values):
            closed.add((values, longer))
    return frozenset(closed)
