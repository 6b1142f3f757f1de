# SPDX-License-Identifier: Apache-2.0
"""Names of months in the languages of shops, and the English ones that forms of dates read."""

import re
from collections.abc import Mapping

import polars as pl

_NAMES: Mapping[str, str] = {
    "January": """
        jänner januar januari janvier janv enero ene gennaio gen janeiro stycznia styczeń sty ocak oca января январь янв
        leden ledna
    """,
    "February": """
        februar februari février févr fév febrero febbraio fevereiro fev lutego luty lut şubat şub февраля февраль фев
        únor února
    """,
    "March": "märz mär mrz mars marts maart mrt marzo março marca marzec mart марта март мар březen března",
    "April": "avril avr abril abr aprile kwietnia kwiecień kwi nisan nis апреля апрель апр duben dubna",
    "May": "mai mayo maggio mag maio mei maj maja mayıs мая май květen května",  # noqa: RUF001
    "June": "juni juin junio giugno giu junho czerwca czerwiec cze haziran haz июня июнь июн červen června",
    "July": "juli juillet juil julio luglio lug julho lipca lipiec lip temmuz tem июля июль июл červenec července",
    "August": "août agosto ago augustus sierpnia sierpień sie ağustos ağu августа август авг srpen srpna",
    "September": """
        septembre septiembre setiembre settembre set sett setembro września wrzesień wrz eylül eyl сентября сентябрь
        сен сент září
    """,
    "October": """
        oktober okt octobre octubre ottobre ott outubro out października październik paź ekim eki октября октябрь окт
        říjen října
    """,
    "November": "novembre noviembre novembro listopada listopad lis kasım kas ноября ноябрь ноя",  # noqa: RUF001
    "December": """
        dezember dez décembre déc diciembre dic dicembre dezembro desember grudnia grudzień gru aralık ara декабря
        декабрь дек
    """,  # noqa: RUF001 - Turkish has this letter
}
_ENGLISH: Mapping[str, str] = {name: month for month, text in _NAMES.items() for name in text.split()}
_PATTERN = rf"(?i)\b({'|'.join(sorted(_ENGLISH, key=len, reverse=True))})\b"
_WORDS = re.compile(_PATTERN)


def is_foreign(word: str) -> bool:
    """Tell whether a word is a month in another language than English."""
    return word.casefold() in _ENGLISH


def in_english(cell: str) -> str:
    """Return a date with its month in English."""
    return _WORDS.sub(lambda match: _ENGLISH[match[0].casefold()], cell, count=1)


def all_in_english(cell: pl.Expr) -> pl.Expr:
    """Return dates with their months in English."""
    month = cell.str.extract(_PATTERN, 1).str.to_lowercase().replace(_ENGLISH)
    return pl.when(month.is_not_null()).then(cell.str.replace(_PATTERN, month)).otherwise(cell)
