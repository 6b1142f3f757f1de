# SPDX-License-Identifier: Apache-2.0
"""Readable names from a till's abbreviations: `REFRIG DIPS`, `24 OZ` → Refrigerated Dips 24 oz.

The source cuts product types at thirty characters and has no brand names; a maker is a number.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

_SPELLED: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
CUT = 30
"""Length at which the source cuts a product type."""
_ACRONYMS = {"BBQ", "DXM", "TV", "TN", "IQF"}
_SMALL = {"AND", "OR", "OF", "IN", "ON", "THE", "WITH", "FOR", "ALL", "TO", "THAN"}
_USELESS = {"PREP FOOD", "PREP FD", "SW GDS", "SV BEV", "QSR FD", "MISC", "DELI TRAY"}
_LARGEST = {"LB": 10.0, "CT": 6.0}
_SIZE = re.compile(r"(?:\([0-9]+\) ?)?(?:([0-9]*\.?[0-9]+) )?(OZ|LB|CT|GA|GAL|ML|L|LTR|DZ|PT|QT|PK|SQ FT|FT|YD|GM)")


def department_name(department: str) -> str:
    return _SPELLED["departments"].get(department) or tidy(department)


def complete_words(types: Iterable[str]) -> frozenset[str]:
    """Return the words of types that are not cut: what a cut type may end with."""
    return frozenset(word for text in types if len(text) < CUT for word in re.split(r"[\s/&]+", text))


def type_name(product_type: str, category: str, words: frozenset[str]) -> str:
    """Name a kind of product, with the category's noun where the type says too little: `LEAN`, `BEEF` → Lean Beef."""
    if product_type in _SPELLED["types"]:
        return _SPELLED["types"][product_type]
    name = tidy(_uncut(product_type, words))
    noun = _SPELLED["nouns"].get(category)
    said = any(word.rstrip("s").lower() in name.lower() for word in (noun or "").split() if word.isalpha())
    return f"{name} {noun}" if noun and not said else name


def size_name(package_size: str | None, department: str) -> str:
    """Name a package size; "" where there is none, and for produce, which often has the size of the crate."""
    match = _SIZE.fullmatch(" ".join((package_size or "").split()))
    if not match:
        return ""
    amount, unit = float(match[1] or 1), match[2].split()
    if department == "PRODUCE" and amount > _LARGEST.get(unit[0], float("inf")):
        return ""
    return " ".join([f"{amount:g}", *(_SPELLED["units"].get(word, word) for word in unit)])


def tidy(text: str) -> str:
    """Write a till's text in words: abbreviations spelled out, `Bread: Rye` turned round, capitals only at starts."""
    text = re.sub(r"SEAFOOD-FRE-", "FRESH ", text)
    text = re.sub(r"SEAFOOD-FRZ-", "FROZEN ", text)
    text = re.sub(r"\((?!HOT\)|COLD\))[^)]*\)?", " ", text)
    text = re.sub(r"^MEAT:\s*", "DELI ", re.sub(r"\bBULK\b", "", text))
    head, separator, tail = text.partition(" - ") if " - " in text else text.partition(":")
    if separator and tail.strip():
        text = tail if head.strip() in _USELESS else f"{tail} {head}"
    text = re.sub(r"\bW/", "with ", text).replace("&", " & ").replace("-MAGAZINE", " MAGAZINE")
    words = [_word(word, first=index == 0) for index, word in enumerate(text.strip(" -:").split())]
    return " ".join(words)


def _word(word: str, *, first: bool) -> str:
    if word.upper() in _SMALL and not first:
        return word.lower()
    parts = re.split(r"([/()-])", word)
    return "".join(_SPELLED["words"].get(p) or (p if p in _ACRONYMS else p[:1].upper() + p[1:].lower()) for p in parts)


def _uncut(product_type: str, words: frozenset[str]) -> str:
    """Drop the half word with which a cut type ends."""
    if len(product_type) < CUT or "(" in product_type:
        return product_type
    last = re.split(r"[\s/&]+", product_type)[-1]
    if last in words:
        return product_type
    head = product_type[: CUT - len(last)].rstrip(" /&")
    return re.sub(r"[ /&]+(?:W|AND|OR)$", "", head) or product_type
