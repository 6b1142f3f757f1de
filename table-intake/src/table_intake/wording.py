# SPDX-License-Identifier: Apache-2.0
"""Sentences with numbers and names, in any language: 1 row is, 2 rows are; 열은, 행은, 3을.

A sentence that a program makes is a `Text`: an English string that knows its code and its values. It travels as any
string does, and whoever shows it can render it in another language by a catalogue of templates by code.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from pathlib import Path
from string import Formatter
from typing import Any, Literal, Self, get_args

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
SHOWN = 8
"""Names of a list that a sentence shows."""
Catalogue = Mapping[str, str]
"""Templates of a language by the codes of their texts."""


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return a number with its noun; `plural` is for nouns that take more than an s, or bring their verb."""
    written = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{written} {noun if number == 1 else plural or f'{noun}s'}"


def fill(text: str, /, **values: object) -> str:
    """Fill in a text as `str.format` does, with words that suit a value.

    ``{rows:row is|rows are}`` becomes the words that suit the number, and ``{name:은/는}`` the value with the Korean
    particle that suits its last syllable (``{rows:,을/를}`` formats the number as well).
    """
    # Most texts need no more than str.format, which is several times as fast.
    return _FILLING.format(text, **values) if "|" in text or "/" in text else text.format(**values)


class _Filling(Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        singular, bar, plural = format_spec.partition("|")
        if bar:
            return singular if value == 1 else plural
        if particles := _PARTICLES.search(format_spec):
            return with_particle(self.format_field(value, format_spec[: particles.start()]), particles[0])
        return str(super().format_field(value, format_spec))


_FILLING = _Filling()
_PARTICLES = re.compile("(은/는|이/가|을/를|과/와|으로/로|이라/라)$")
_FIRST_SYLLABLE, _LAST_SYLLABLE, _FINALS, _RIEUL = 0xAC00, 0xD7A3, 28, 8
_FINAL_OF_DIGITS = {"0": 1, "1": _RIEUL, "3": 1, "6": 1, "7": _RIEUL, "8": _RIEUL}
"""Digits whose names end in a consonant: 영, 일, 삼, 육, 칠, 팔; ㄹ is apart, since 로 follows it."""
_FINAL_OF_LETTERS = {"l": _RIEUL, "m": 1, "n": 1, "r": _RIEUL}
"""Letters whose names end in a consonant: 엘, 엠, 엔, 알."""
_FINAL_OF_WORDS = (("ng", 1), ("ck", 1), ("ok", 1), ("ic", 1), ("l", _RIEUL), ("m", 1), ("n", 1), ("b", 1), ("p", 1))
"""Endings of Latin words that Koreans read with a final consonant."""
_LONGEST_ACRONYM = 3


def with_particle(value: str, particles: str) -> str:
    """Return a value followed by the particle that suits its last sound.

    Args:
        value: a word in Hangul or Latin letters, or a number.
        particles: the form after a consonant, a slash, and the form after a vowel, such as 은/는.
    """
    after_consonant, _, after_vowel = particles.partition("/")
    final = _final(value)
    if particles == "으로/로" and final == _RIEUL:
        return f"{value}{after_vowel}"
    return f"{value}{after_consonant if final else after_vowel}"


def _final(value: str) -> int:
    """Return the final consonant of a value as it is read: 0 for none."""
    words = re.findall(r"[^\W_]+|%", value)
    last = words[-1] if words else ""
    end = last[-1:]
    if _FIRST_SYLLABLE <= ord(end or " ") <= _LAST_SYLLABLE:
        return (ord(end) - _FIRST_SYLLABLE) % _FINALS
    if end.isdigit():
        return _FINAL_OF_DIGITS.get(end, 0)
    if last.isupper() and len(last) <= _LONGEST_ACRONYM:
        return _FINAL_OF_LETTERS.get(end.lower(), 0)
    return next((final for ending, final in _FINAL_OF_WORDS if last.lower().endswith(ending)), 0)


_BETWEEN = "; "
"""What parts sentences; languages have their own, under this code."""


class Text(str):
    """A sentence in English that can be rendered in other languages.

    Attributes:
        code: its name in the catalogues; empty where the template has no words of its own.
        template: the English template; see `fill`.
        values: what fills it in: numbers, strings and other texts.
    """

    __slots__ = ("code", "template", "values")
    code: str
    template: str
    values: Mapping[str, Any]

    def __new__(cls, code: str, template: str, /, **values: Any) -> Self:  # noqa: ANN401 - any value
        text = super().__new__(cls, fill(template, **values))
        text.code, text.template, text.values = code, template, values
        return text

    @classmethod
    def joined(cls, separator: str, parts: Iterable[str]) -> Self:
        """Return several texts as one."""
        values = {f"part{number}": part for number, part in enumerate(parts)}
        return cls("", separator.join(f"{{{name}}}" for name in values), **values)

    @classmethod
    def any_of(cls, parts: Iterable[str]) -> "Text":
        """Return alternatives as one text."""
        return cls._folded(parts, lambda text, other: cls("or", "{first} or {second}", first=text, second=other))

    @classmethod
    def all_of(cls, parts: Iterable[str]) -> "Text":
        """Return things that hold together as one text."""
        return cls._folded(parts, lambda text, other: cls("and", "{first} and {second}", first=text, second=other))

    @classmethod
    def _folded(cls, parts: Iterable[str], both: Callable[["Text", str], "Text"]) -> "Text":
        first, *others = parts
        return reduce(both, others, cls("", "{text}", text=first))

    @classmethod
    def some_of(cls, names: Sequence[str], most: int = SHOWN) -> str:
        """Return the first names of a list, and how many more there are."""
        listed, more = ", ".join(names[:most]), len(names) - most
        return cls("and-more", "{listed} and {more:,} more", listed=listed, more=more) if more > 0 else listed

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return the text that `as_json` described."""
        values = {
            name: cls.read(value) if isinstance(value, Mapping) else value for name, value in document["values"].items()
        }
        return cls(document["code"], document["template"], **values)

    def as_json(self) -> dict[str, Any]:
        values = {name: value.as_json() if isinstance(value, Text) else value for name, value in self.values.items()}
        return {"code": self.code, "template": self.template, "values": values}

    def rendered(self, templates: Catalogue, known_texts: Mapping[str, "Text"] | None = None) -> str:
        """Return the text by the templates of a language; in English where they lack it.

        Args:
            templates: of the language, by code.
            known_texts: other texts by their English, which may be among the values as plain strings.
        """
        template = templates.get(self.code, self.template) if self.code else self.template
        if not self.code:
            template = template.replace(_BETWEEN, templates.get(_BETWEEN, _BETWEEN))
        texts = known_texts or {}
        values = dict(self.values)
        for name, value in self.values.items():
            text = texts.get(value, value) if isinstance(value, str) and not isinstance(value, Text) else value
            values[name] = text.rendered(templates, texts) if isinstance(text, Text) else text
        return fill(template, **values)

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, Any]]:
        return (self.code, self.template), dict(self.values)

    def __deepcopy__(self, memo: object) -> Self:
        return self


def codes(document: object) -> dict[str, dict[str, Any]]:
    """Return what the texts in a document are, by their English, so that JSON keeps both."""
    return {str(text): text.as_json() for text in _texts(document)}


def _texts(document: object) -> Iterable[Text]:
    if isinstance(document, Text):
        yield document
    elif isinstance(document, Mapping):
        for key, value in document.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _texts(value)


def restored(document: Any, known_codes: Mapping[str, Mapping[str, Any]]) -> Any:  # noqa: ANN401 - any document
    """Return a document from JSON with its texts as they were before; see `codes`."""
    return _mapped(document, {english: Text.read(code) for english, code in known_codes.items()})


def _mapped(document: Any, texts: Mapping[str, str]) -> Any:  # noqa: ANN401 - any document
    """Return a document with some of its strings replaced, also where they are keys."""
    if isinstance(document, str):
        return texts.get(document, document)
    if isinstance(document, Mapping):
        return {_mapped(key, texts): _mapped(value, texts) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [_mapped(value, texts) for value in document]
    return document


def in_language(document: Any, templates: Catalogue, known_codes: Mapping[str, Mapping[str, Any]] | None = None) -> Any:  # noqa: ANN401
    """Return a document with its texts in another language; `known_codes` are those that JSON left as strings."""
    texts = {english: Text.read(code) for english, code in (known_codes or {}).items()}
    texts |= {str(text): text for text in _texts(document)}
    return _mapped(document, {english: text.rendered(templates, texts) for english, text in texts.items()})


@cache
def catalogue(language: Language) -> Catalogue:
    """Return the templates of this library's texts; none for English, which the texts bring."""
    if language == "en":
        return {}
    import yaml  # noqa: PLC0415 - only other languages need it

    path = Path(__file__).parent / "texts" / f"{language}.yaml"
    templates: Catalogue = yaml.safe_load(path.read_text(encoding="utf-8"))
    return templates
