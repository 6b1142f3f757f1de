# SPDX-License-Identifier: Apache-2.0
"""Times of schedules in EventBridge Scheduler's notation.

The ranges are those of the guide (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html). Where it
is silent, the stricter reading holds: ranges ascend, and names are in capitals.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator
from table_intake.wording import Text

RATE = re.compile(r"rate\((1 (hour|day)|([2-9]|[1-9]\d{1,3}) (hours|days))\)")
CRON = re.compile(r"cron\((.*)\)")
HINT = Text("settings.cron", "write rate(7 days), rate(1 day), rate(12 hours) or cron(0 3 ? * MON *)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """A field of a cron expression.

    Attributes:
        names: of its numbers, from the first on, in capitals. marks: a pattern of what else may stand in it.
    """

    title: str
    first: int
    last: int
    names: tuple[str, ...] = ()
    marks: str = ""

    def accepts(self, text: str) -> bool:
        # The nth of a weekday stands alone.
        return all(self._accepts_part(part) for part in text.split(",")) and not ("#" in text and "," in text)

    def _accepts_part(self, part: str) -> bool:
        if self.marks and re.fullmatch(self.marks, part):
            return True
        values, slash, step = part.partition("/")
        if slash and not (re.fullmatch(r"[1-9]\d{0,3}", step) and int(step) <= self.last):
            return False
        if values == "*":
            return True
        numbers = [self._number(value) for value in values.split("-")]
        return len(numbers) <= 2 and self.first <= numbers[0] <= numbers[-1] <= self.last

    def _number(self, text: str) -> int:
        """Return the number of a value; of anything else a number outside every range."""
        if text in self.names:
            return self.first + self.names.index(text)
        return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else -1


_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FIELDS = (
    _Field(title="minute", first=0, last=59),
    _Field(title="hour", first=0, last=23),
    _Field(title="day of the month", first=1, last=31, marks=r"L|([1-9]|[12]\d|3[01])W"),
    _Field(title="month", first=1, last=12, names=_MONTHS),
    _Field(title="day of the week", first=1, last=7, names=_DAYS, marks=rf"[1-7]?L|([1-7]|{'|'.join(_DAYS)})#[1-5]"),
    _Field(title="year", first=1970, last=2199),
)
_OPEN = "?"
"""The mark that exactly one of the two fields for days has: the other one decides."""


def _time(every: str) -> str:
    if RATE.fullmatch(every):
        return every
    cron = CRON.fullmatch(every)
    if not cron:
        raise ValueError(HINT)
    texts = cron[1].split(" ")
    if len(texts) != len(_FIELDS):
        fields = ", ".join(field.title for field in _FIELDS)
        text = "a cron expression has six fields ({fields}), and this one has {count}; {hint}"
        raise ValueError(Text("settings.cron.fields", text, fields=fields, count=len(texts), hint=HINT))
    if [texts[2], texts[4]].count(_OPEN) != 1:
        text = "either the day of the month or the day of the week must be ?, and not both; {hint}"
        raise ValueError(Text("settings.cron.days", text, hint=HINT))
    for field, text in zip(_FIELDS, texts, strict=True):
        is_open_day = text == _OPEN and field in (_FIELDS[2], _FIELDS[4])
        if not is_open_day and not field.accepts(text):
            names = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
            sentence = "the {field} goes from {first} to {last}{names}, not {value}; {hint}"
            values = {"first": field.first, "last": field.last, "names": names, "value": text, "hint": HINT}
            named = Text(f"settings.cron.{field.title.replace(' ', '-')}", field.title)
            raise ValueError(Text("settings.cron.range", sentence, field=named, **values))
    return every


Every = Annotated[str, AfterValidator(_time)]
