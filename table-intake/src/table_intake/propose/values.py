# SPDX-License-Identifier: Apache-2.0
"""In which form some values write times and numbers: every reading that fits them all."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from table_intake.check.cell_rules import ISO_DATE
from table_intake.columns.months import in_english, is_foreign
from table_intake.settings.files import SERIAL, Unit
from table_intake.wording import Text

ENOUGH = 0.98
"""The share of values that a form must fit: a file may have bad rows."""
_LONGEST = 40
"""Characters of a date."""
_ISO = re.compile(ISO_DATE.replace("(?<", "(?P<"))
_TOKENS = re.compile(r"\d+|[^\W\d_]+|[\s\S]")
_NOON = {"am": "AM", "pm": "PM", "오전": "AM", "오후": "PM", "上午": "AM", "下午": "PM", "午前": "AM", "午後": "PM"}
_PACKED_CLOCKS = {4: "%H%M", 6: "%H%M%S"}
_UNITS: tuple[tuple[Unit, int], ...] = (("s", 10**9), ("ms", 10**12), ("us", 10**15))
_ZONED = re.compile(r"([Zz]|UTC|GMT|[+-]\d\d(:?\d\d)?)$")
_NUMBER = re.compile(
    r"(?P<before>[^\d.,'+\s-][^\d.,'+-]{0,6}?)?\s*(?P<sign>[+-]?)(?P<digits>\d[\d.,'\s_]*)(?P<minus>-?)\s*(?P<after>[^\d.,'+\s-][^\d.,'+-]{0,6})?"
)


@dataclass(frozen=True, slots=True)
class Times:
    """The forms of some times."""

    dates: tuple[str, ...] = ()
    """Forms of dates, of which settings must name one; none where they need none."""
    unit: Unit | None = None
    """The unit of numbers other than seconds."""
    zoned: bool = True
    """Whether they are moments, whatever the time zone."""
    problem: str = ""
    """Why no form fits."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The form of some numbers."""

    decimal: str | None = None
    thousands: str | None = None
    currency: str | None = None
    example: str = ""
    """A number that can be read in another way as well."""


def times(values: Sequence[str]) -> Times:
    """Return the forms in which all but a few values are times."""
    cells = [value.strip() for value in values if value.strip()]
    if not cells:
        return Times()
    numbers = [cell for cell in cells if re.fullmatch(r"\d{9,17}(\.\d*)?", cell)]
    if len(numbers) >= ENOUGH * len(cells) and not _packed(numbers):
        return _of_numbers(numbers)
    if sum(bool(_ISO.match(cell)) for cell in cells) >= ENOUGH * len(cells):
        return Times(zoned=all(_ZONED.search(cell) for cell in cells if len(cell) > 10))
    if sum(bool(re.fullmatch(r"[34]\d{4}([.,]\d+)?", cell)) for cell in cells) >= ENOUGH * len(cells):
        return Times((SERIAL,), zoned=False)
    fitting = {form: sum(_is_of(cell, form) for cell in cells) for form in dict.fromkeys(_forms(cells))}
    best = max(fitting.values(), default=0)
    if best < ENOUGH * len(cells):
        problem = Text("times.no-form", "no form of dates fits {value} and the others", value=repr(cells[0]))
        return Times(problem=problem)
    forms = tuple(form for form, fits in fitting.items() if fits == best)
    return Times(forms, zoned="%z" in forms[0])


def _packed(cells: Sequence[str]) -> bool:
    """Tell whether digits are dates without anything between their parts."""
    return all(
        re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])([01]\d|2[0-3])([0-5]\d){1,2}", cell) for cell in cells
    )


def _of_numbers(cells: Sequence[str]) -> Times:
    sizes = Counter(next(unit for unit, least in reversed(_UNITS) if int(float(cell)) >= least // 10) for cell in cells)
    if len(sizes) > 1:
        units = Text.joined(
            ", ",
            (Text("times.in-unit", "{count:,} in {unit}", count=count, unit=unit) for unit, count in sizes.items()),
        )
        return Times(problem=Text("times.units", "the times are in several units: {units}", units=units))
    (unit,) = sizes
    return Times(unit=None if unit == "s" else unit)


def _forms(cells: Sequence[str]) -> Iterator[str]:
    """Yield the forms that dates like the first ones may have."""
    for cell in [cell_seen for cell_seen in cells[:20] if len(cell_seen) <= _LONGEST][:3]:
        body, zone = _without_zone(cell)
        yield from (form + zone for form in _of_tokens(_TOKENS.findall(body)))


def _without_zone(cell: str) -> tuple[str, str]:
    clock = re.search(r"(\d\d:\d\d(?::\d\d)?(?:\.\d+)?)(\s?)[+-]\d\d:?\d\d$", cell)
    return (cell[: clock.end(1)], f"{clock[2]}%z") if clock else (cell, "")


def _of_tokens(tokens: Sequence[str]) -> Iterator[str]:
    """Yield the forms of a date in tokens: all orders of its day, month and year."""
    numbers = [index for index, token in enumerate(tokens) if token.isdecimal()]
    months = [index for index, token in enumerate(tokens) if token.isalpha() and _is_month(token)]
    if not numbers:
        return
    first = tokens[numbers[0]]
    if len(first) in {8, 12, 14} and first[:2] in {"19", "20"}:
        packed = "%Y%m%d" + {8: "", 12: "%H%M", 14: "%H%M%S"}[len(first)]
        yield _written(tokens, {numbers[0]: packed, **_clock(tokens, numbers[1:])})
        return
    if months:
        month = months[0]
        name = "%b" if len(tokens[month]) == 3 and not is_foreign(tokens[month]) else "%B"
        orders = [("%d", "%Y"), ("%Y", "%d"), ("%d", "%y")] if len(numbers) > 1 else []
        for pair in orders:
            day = dict(zip(numbers[:2], pair, strict=True))
            yield _written(tokens, {month: name, **day, **_clock(tokens, numbers[2:])})
        return
    if len(numbers) < 3:
        return
    for order in ("dmY", "mdY", "Ymd", "dmy", "mdy", "ymd"):
        if order[0] == "m" and tokens[numbers[0] + 1] == ".":
            continue  # nobody writes a month before its day with points
        parts = {index: f"%{part}" for index, part in zip(numbers[:3], order, strict=True)}
        if all((len(tokens[index]) == 4) == (part == "%Y") for index, part in parts.items()):
            yield _written(tokens, {**parts, **_clock(tokens, numbers[3:])})


def _clock(tokens: Sequence[str], places: Sequence[int]) -> dict[int, str]:
    """Return the parts of a time of day, which stands in tokens behind the day."""
    noon = {index: "%p" for index, token in enumerate(tokens) if token.casefold() in _NOON}
    if len(places) == 1 and len(tokens[places[0]]) in _PACKED_CLOCKS:
        return {places[0]: _PACKED_CLOCKS[len(tokens[places[0]])]}
    names = ["%I" if noon else "%H", "%M", "%S"]
    parts = dict(zip(places, names, strict=False))
    for index in places[3:4]:
        if tokens[index - 1] == ".":
            parts[index] = "%f"
    return {**parts, **noon}


def _written(tokens: Sequence[str], parts: dict[int, str]) -> str:
    return "".join(parts.get(index, token.replace("%", "%%")) for index, token in enumerate(tokens))


def _is_month(token: str) -> bool:
    return is_foreign(token) or any(_is_of(token, form) for form in ("%b", "%B"))


def _is_of(cell: str, form: str) -> bool:
    return read(cell, form) is not None


def read(cell: str, form: str) -> datetime | None:
    """Return the moment that a cell names in a form; None if it has another one."""
    for word, noon in _NOON.items() if "%p" in form else ():
        cell = cell.replace(word, noon)
    if "%B" in form:
        cell = in_english(cell)
    try:
        return datetime.strptime(cell, form)  # noqa: DTZ007 - only a day and a time of day
    except ValueError:
        return None


def ambiguous(cells: Sequence[str], forms: Sequence[str]) -> str:
    """Return a cell that is another day in each of several forms; "" without any, as where a day's number is that of
    its month."""
    if len(forms) < 2:
        return ""
    return next((cell for cell in cells if len({read(cell.strip(), form) for form in forms}) > 1), "")


def day(cell: str, form: str) -> Text:
    """Return the day that a cell names in a form, in words."""
    moment = read(cell.strip(), form)
    return written(moment) if moment else Text("no-day", "no date of that form")


def written(moment: datetime) -> Text:
    """Return a day in words."""
    names = {"day": moment.day, "month": f"{moment:%B}", "number": moment.month, "year": moment.year}
    return Text("day", "{day} {month} {year}", **names)


def of_serial(cell: str) -> datetime:
    """Return the moment that a number is as spreadsheets count days."""
    return datetime(1899, 12, 30) + timedelta(days=float(cell.replace(",", ".")))  # noqa: DTZ001 - as above


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number in any form."""
    return _NUMBER.fullmatch(cell.strip()) is not None


def is_value(heading: str) -> bool:
    """Tell whether what should name a column is a number or a date."""
    return re.fullmatch(r"[-+]?\d[\d.,]*", heading.strip()) is not None or _ISO.match(heading.strip()) is not None


def numbers(columns: Sequence[Sequence[str]]) -> Numbers:
    """Return the form of numbers in some columns; the default form where nothing tells another."""
    signs, kinds = Counter[str](), Counter[tuple[str, str]]()
    examples = dict[tuple[str, str], str]()
    for value in (cell.strip() for column in columns for cell in column):
        match = _NUMBER.fullmatch(value)
        if not match or (match["before"] and match["after"]):
            continue
        if sign := match["before"] or match["after"]:
            signs[sign.strip()] += 1
        digits = match["digits"].strip().replace("\u00a0", " ").replace("\u202f", " ").replace("\u2009", " ")
        for mark in _marks(digits):
            kinds[mark] += 1
            examples.setdefault(mark, value)

    def most(meaning: str, but: str | None = None) -> str | None:
        counts = {mark: count for (kind, mark), count in kinds.items() if kind == meaning and mark != but}
        return max(counts, key=lambda mark: counts[mark], default=None)

    decimal, example = most("decimal"), ""
    thousands = most("thousands", decimal)
    if thousands is None:
        # A mark before three digits is that of thousands, unless it is the one before decimals.
        thousands = most("either", decimal or ".")
        if thousands is not None and decimal is None:
            example = examples["either", thousands]
    if thousands == "." and decimal is None:
        decimal = ","
    currency = signs.most_common(1)[0][0] if signs else None
    return Numbers(decimal if decimal == "," else None, thousands, currency, example)


def _marks(digits: str) -> Iterator[tuple[str, str]]:
    """Yield what the marks of a number are: of thousands, before decimals, or either."""
    marks = [mark for mark in digits if not mark.isdecimal()]
    kinds = list(dict.fromkeys(marks))
    if len(kinds) > 1:
        yield from (("thousands", mark) for mark in kinds[:-1])
        yield ("decimal", kinds[-1]) if marks.count(kinds[-1]) == 1 else ("thousands", kinds[-1])
    elif len(marks) > 1 or kinds in (["'"], [" "], ["_"]):
        yield "thousands", kinds[0]
    elif marks:
        whole, decimals = digits.split(marks[0])
        either = len(decimals) == 3 and 1 <= len(whole) <= 3 and whole != "0"
        yield "either" if either else "decimal", marks[0]
