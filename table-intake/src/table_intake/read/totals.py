# SPDX-License-Identifier: Apache-2.0
"""Rows at the end of a table that are sums of those above, as spreadsheets and reports write them."""

import re
from collections.abc import Sequence

import polars as pl

from table_intake.columns.usual_names import bare
from table_intake.read.irregular import LINE
from table_intake.table import Rows
from table_intake.wording import Text

_WORDS = """
    total totals grandtotal subtotal totalamount sum overall summe gesamt gesamtsumme gesamtbetrag
    zwischensumme insgesamt endsumme 합계 총계 총합계 총합 소계 누계 계 합 총액 総計 合計 小計 累計 总计 合计
    小计 總計 合計金額 totalgeneral totalgénéral soustotal soustotaux totaux somme suma sumatotal sumas
    totale totali totalegenerale totais somatotal soma razem łącznie sumaogólna итого всего сумма totaal
    eindtotaal subtotaal toplam geneltoplam aratoplam summa totalt delsumma yhteensä összesen celkem spolu
    σύνολο tổng tổngcộng รวม รวมทั้งสิ้น المجموع الإجمالي סהכ jumlah कुल
"""
MOST = 3
"""Rows of sums: of a part, of the tax, of all."""
_LOOKED_AT = 100
"""Rows above them by which they are judged."""
_USUALLY = 0.9
_SIGN = (
    r"(?:[^\w\s]{1,3}|EUR|USD|KRW|JPY|GBP|CHF|CNY|TWD|INR|PLN|kr\.?|zł|Kč|Ft|R\$|원|円|元|개|건|点|個|件|EA|ea|pcs|St\.?"
    r"|Stk\.?)"
)
_NUMBER = re.compile(rf"(?:{_SIGN}\s*){{0,2}}\d[\d.,'_\s]*(?:{_SIGN}\s*){{0,2}}")
_NOTE = "the last row is a sum of those above ({word}), and was left out: the setting totals (keep) overrules this"


def find(frame: pl.DataFrame, names: Sequence[str]) -> list[tuple[int, str]]:
    """Return the lines of sums at the end of the last rows of a table, the last first, and the word of each for it.

    Such a row has a word for a sum, numbers, and nothing where other rows have an id or a date.
    """
    last = frame.tail(_LOOKED_AT + MOST)
    rows = last.select(names).rows()
    lines, sums = last[LINE].to_list(), list[tuple[int, str]]()
    while rows and len(sums) < MOST and (word := _is_sum(rows[-1], rows[:-1])):
        rows.pop()
        sums.append((lines[len(rows)], word))
    return sums


def of_text(piece: Rows, separator: str) -> list[tuple[int, str]]:
    """Return the sums at the end of a text, as `find` does; one may have another number of values than other rows."""
    sums = find(piece.frame, [name for name in piece.frame.columns if name != LINE])
    last = piece.ragged.tail(1).rows()
    if sums or not last or (piece.frame[LINE] > last[0][0]).any():
        return sums
    line = last[0][0]
    (text,) = piece.originals([line])
    word = word_of(text.replace('"', "").split(separator))
    return [(line, word)] if word else []


def word_of(cells: Sequence[str]) -> str:
    """Return the word for a sum in a row that has nothing else but numbers; "" in other rows."""
    words = [cell.strip() for cell in cells if bare(cell) in _SUMS]
    others = [cell for cell in cells if cell.strip() and bare(cell) not in _SUMS]
    return words[0] if words and all(_NUMBER.fullmatch(cell.strip()) for cell in others) else ""


def _is_sum(row: Sequence[str], above: Sequence[Sequence[str]]) -> str:
    word = word_of(row)
    if not word:
        return ""
    empty = [index for index, cell in enumerate(row) if not cell.strip()]
    usually = [index for index in empty if _filled(index, above) >= _USUALLY]
    return word if len(usually) > 1 or 2 * len(empty) >= len(row) else ""


def _filled(index: int, rows: Sequence[Sequence[str]]) -> float:
    return sum(bool(row[index].strip()) for row in rows) / len(rows) if rows else 0.0


def note(word: str) -> str:
    return Text("note.totals", _NOTE, word=word)


_SUMS = frozenset(map(bare, _WORDS.split()))
