# SPDX-License-Identifier: Apache-2.0
"""What EventBridge Scheduler refuses of a schedule's expression and time zone, by its documentation.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html has the table of fields. Where it is silent,
the stricter reading holds: ranges ascend, names are in capitals, and a step is not longer than its field.
"""

import re
import zoneinfo
from dataclasses import dataclass
from datetime import datetime
from typing import Final

NOTHING: Final = r"(?!)"
"""A pattern that no text matches."""
RATE: Final = re.compile(r"rate\((\d+) (?:minute|hour|day)s?\)")
AT: Final = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
CRON: Final = re.compile(r"cron\((.*)\)")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a cron expression."""

    first: int
    last: int
    names: str = ""
    """Names of its numbers, from the first on."""
    part: str = NOTHING
    """A pattern of what may stand in a list beside numbers and ranges."""
    alone: str = NOTHING
    """A pattern of what stands without a list."""

    def takes(self, text: str) -> bool:
        if re.fullmatch(self.alone, text):
            return True
        return all(re.fullmatch(self.part, part) or self._is_range(part) for part in text.split(","))

    def _is_range(self, part: str) -> bool:
        values, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and 1 <= int(step) <= self.last):
            return False
        begin, dash, end = values.partition("-")
        numbers = [self._number(begin), self._number(end if dash else begin)]
        return values == "*" or (self.first <= numbers[0] <= numbers[1] <= self.last)

    def _number(self, text: str) -> int:
        if text in self.names.split():
            return self.first + self.names.split().index(text)
        return int(text) if re.fullmatch(r"\d{1,4}", text) else -1


FIELDS: Final = (
    Field(0, 59),
    Field(0, 23),
    Field(1, 31, part=r"L|(?:[1-9]|[12]\d|3[01])W", alone=r"\?"),
    Field(1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
    Field(1, 7, "SUN MON TUE WED THU FRI SAT", part="[1-7]?L", alone=r"\?|(?:[1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)#[1-5]"),
    Field(1970, 2199),
)
"""Minutes, hours, day of month, month, day of week, year."""


def refusal(expression: str, zone: str) -> str:
    """Return why Scheduler refuses a schedule; "" where it takes it."""
    if not _valid(expression):
        return f"Invalid Schedule Expression {expression}."
    # A machine may have no database of zones.
    if zone not in (zoneinfo.available_timezones() or {zone}):
        return f"Invalid ScheduleExpressionTimezone {zone}."
    return ""


def _valid(expression: str) -> bool:
    if match := RATE.fullmatch(expression):
        return int(match[1]) > 0
    if match := AT.fullmatch(expression):
        try:
            return bool(datetime.fromisoformat(match[1]))
        except ValueError:
            return False
    match = CRON.fullmatch(expression)
    return match is not None and _is_cron(match[1].split())


def _is_cron(texts: list[str]) -> bool:
    """Whether these are six fields, of which just one of the two days is left open."""
    one_day = len(texts) == len(FIELDS) and [texts[2], texts[4]].count("?") == 1
    return one_day and all(field.takes(text) for field, text in zip(FIELDS, texts, strict=True))
