# SPDX-License-Identifier: Apache-2.0
"""Numbers in sentences: 1 row is, 2 rows are."""

from string import Formatter


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return a number with its noun; `plural` is for nouns that take more than an s, or bring their verb."""
    written = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{written} {noun if number == 1 else plural or f'{noun}s'}"


def fill(text: str, **values: object) -> str:
    """Fill in a text as `str.format` does; ``{rows:row is|rows are}`` becomes the words that suit the number."""
    return _COUNTING.format(text, **values)


class _Counting(Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        singular, bar, plural = format_spec.partition("|")
        if bar:
            return singular if value == 1 else plural
        return str(super().format_field(value, format_spec))


_COUNTING = _Counting()
