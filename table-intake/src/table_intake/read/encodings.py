# SPDX-License-Identifier: Apache-2.0
"""Text of any encoding as UTF-8, and which encoding it is.

Bytes that are not text become bytes that are not UTF-8, so the rows with them are refused by their lines.
"""

import codecs
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache, partial
from itertools import chain

from charset_normalizer import CharsetMatch, from_bytes

from table_intake.errors import Refused
from table_intake.wording import Text

SAMPLE = 8 << 20
"""Bytes, from the first that is not ASCII, by which an encoding is guessed: as many as the first piece has."""
_CELLS = 1 << 16
"""Bytes of different cells in the sample that are looked at."""
_HALF, _NEARLY_ALL = 0.5, 0.9
_FEW = 20
"""Cells below which a guess may well be wrong."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LABELS = {
    "cp949": Text("encoding.cp949", "cp949 (Korean)"),
    "cp932": Text("encoding.cp932", "cp932 (Shift-JIS, Japanese)"),
    "euc_jp": Text("encoding.euc_jp", "euc_jp (Japanese)"),
    "gb18030": Text("encoding.gb18030", "gb18030 (Chinese)"),
    "big5": Text("encoding.big5", "big5 (Chinese)"),
    "cp1252": Text("encoding.cp1252", "cp1252 (Latin, Western European)"),
    "cp1250": Text("encoding.cp1250", "cp1250 (Latin, Central European)"),
    "cp1251": Text("encoding.cp1251", "cp1251 (Cyrillic)"),
    "koi8_r": Text("encoding.koi8_r", "koi8_r (Cyrillic)"),
}
"""Encodings that are guessed: those that Excel and older systems write, and none that only scholars know."""
_LATIN = {"cp1252", "cp1250"}
_SIGNS = frozenset(
    "\u20ac\xa3\xa0\xb0\xa7\xa9\xae\u2122\xab\xbb\u2018\u2019\u201c\u201d\u201e\u2013\u2014\u2026\xb7\u2022\xd7\xbd\xbc\xbe\xb2\xb3\xb5\xaa\xba\xa1\xbf\xb4"
)
"""Signs that Western texts have."""
_WITHIN = re.compile(
    "(?<=[^\\W\\d_])[^\\w\\s\\x00-\\x7f\u2019\xb4\xb7\u2122\xae\xb0\u2026\xbb\u201d]|[\xb2\xb3\xb9](?=[^\\W\\d_])"
)
"""Signs inside a word, where no Western text has them."""
_BETWEEN = re.compile(rb'[,;\t\r\n"]+')
_BAD = "\udc80"
_ERRORS = "personalization.bad"


def _bad(error: UnicodeError) -> tuple[str, int]:
    """Put a mark in place of a byte that is not text; in encodings of wider units, of a unit."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _BAD, error.end if error.encoding.startswith(("utf-16", "utf-32")) else error.start + 1


codecs.register_error(_ERRORS, _bad)


def python_name(name: str) -> str | None:
    """Return Python's name of an encoding for text, or None if there is none."""
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name)
    except (LookupError, ValueError):
        return None
    return codec.name


@cache
def includes_ascii(encoding: str) -> bool:
    """Tell whether ASCII is the same in an encoding, whatever comes before it."""
    plain = bytes(range(128))
    try:
        return plain.decode(encoding) == plain.decode("ascii")
    except UnicodeDecodeError:
        return False


class Utf8:
    """A text file's bytes as UTF-8, without a byte order mark.

    Where its encoding is not given, it is guessed by the first bytes that are not ASCII.

    Args:
        resource: the name in messages.
        chunks: the bytes; with a method `left`, see `read.rows.BoundedSource`.
        encoding: its name for Python, or None.

    Raises:
        Refused: the encoding is unknown.
    """

    def __init__(self, resource: str, chunks: Iterable[bytes], encoding: str | None = None) -> None:
        self._chunks = iter(chunks)
        first = next(self._chunks, b"")
        while 0 < len(first) < 4 and (more := next(self._chunks, b"")):
            first += more
        self.guessed: str | None = None
        """What was guessed, in words; None until then, and where nothing was."""
        marked = next((name for mark, name in _BOMS if first.startswith(mark)), None)
        if encoding is not None:
            name = python_name(encoding)
            if name is None:
                text = "the setting encoding names no encoding: {encoding}"
                raise Refused(resource, Text("file.encoding", text, encoding=encoding))
            # A mark decides the order of the bytes.
            marked = marked if marked is not None and marked.startswith(name.rstrip("-lbe")) else None
            self.name: str | None = marked or name
        else:
            self.name = marked or _wide(first)
            if self.name not in {None, "utf-8"}:
                self.guessed = Text("note.read-as", "the file was read as {encoding}", encoding=str(self.name))
        self._first = first.removeprefix(codecs.BOM_UTF8) if self.name in {None, "utf-8"} else first

    def __iter__(self) -> Iterator[bytes]:
        chunks = chain([self._first] if self._first else [], self._chunks)
        if self.name is None:
            for chunk in chunks:
                if chunk.isascii():
                    yield chunk
                    continue
                sample = [chunk]
                size = len(chunk)
                while size < SAMPLE and (more := next(chunks, None)) is not None:
                    sample.append(more)
                    size += len(more)
                self._guess(b"".join(sample))
                chunks = chain(sample, chunks)
                break
            else:
                return
        yield from chunks if self.name in {None, "utf-8"} else _decoded(chunks, str(self.name))

    @property
    def label(self) -> str:
        """The name of the encoding in reasons."""
        return "UTF-8" if self.name in {None, "utf-8"} else str(self.name)

    def _guess(self, sample: bytes) -> None:
        self.name, cells = guess(sample)
        if self.name != "utf-8":
            code, text = "note.not-utf-8", "the file is not UTF-8, and was read as {encoding}"
            if cells < _FEW:
                code, text = "note.not-utf-8-few", f"{text}, to judge by {{cells}} {{cells:value|values}}"
            self.guessed = Text(code, text, encoding=_LABELS[self.name], cells=cells)


def _decoded(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield text of an encoding as UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)
    ascii_too = includes_ascii(encoding)
    for chunk in chunks:
        if ascii_too and chunk.isascii() and not decoder.getstate()[0]:
            yield chunk
        else:
            yield decoder.decode(chunk).encode(errors="surrogatepass")
    yield decoder.decode(b"", final=True).encode(errors="surrogatepass")


def _wide(first: bytes) -> str | None:
    """Return UTF-16 without a mark, where every other byte is zero; else None."""
    head = first[:4096]
    if len(head) < 4 or head.count(0) < len(head) // 3:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even == 0 and odd > len(head) // 3:
        return "utf-16-le"
    return "utf-16-be" if odd == 0 and even > len(head) // 3 else None


def guess(sample: bytes) -> tuple[str, int]:
    """Return the encoding of bytes that are not ASCII, and the number of values by which it was found.

    It is UTF-8 where at least half of these values are UTF-8, where no other encoding fits, or where it is not text.
    """
    # The last line may be cut within a character. Commas, quotes and line ends are never the second byte of one.
    lines = sample[: sample.rfind(b"\n") + 1] or sample
    cells, size = dict[bytes, None](), 0
    for cell in _BETWEEN.split(lines):
        if not cell.isascii() and cell not in cells:
            cells[cell] = None
            size += len(cell)
            if size > _CELLS:
                break
    if _share(cells, "utf-8") >= _HALF or b"\0" in sample:
        return "utf-8", len(cells)
    best = _detected(cells, [*_LABELS])
    # A damaged value is not text in any encoding.
    for encoding in sorted(_LABELS, key=partial(_share, cells), reverse=True) if best is None else ():
        if _NEARLY_ALL <= _share(cells, encoding) < 1:
            best = best or _detected([cell for cell in cells if _is(cell, encoding)], [encoding])
    return best or "utf-8", len(cells)


def _detected(cells: Collection[bytes], encodings: list[str]) -> str | None:
    words = b"\n".join(cells)
    matches = sorted(from_bytes(words, cp_isolation=encodings), key=_rank)
    for match in matches:
        # Japanese is taken for rare Korean syllables, which only the extended set has.
        if match.encoding != "cp949" or _share(cells, "euc_kr") >= _HALF:
            encoding = match.encoding
            break
    else:
        encoding = None
    return "cp1252" if encoding in _LATIN | {None} and _western(words) else encoding


def _rank(match: CharsetMatch) -> tuple[float, float, int]:
    """Return the order of possible encodings: of equally good ones, the one that is known first."""
    return match.chaos, -match.coherence, [*_LABELS].index(match.encoding)


def _share(cells: Collection[bytes], encoding: str) -> float:
    """Return the share of values that are text in an encoding."""
    return sum(_is(cell, encoding) for cell in cells) / max(1, len(cells))


def _is(cell: bytes, encoding: str) -> bool:
    try:
        cell.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _western(words: bytes) -> bool:
    """Tell whether Western European words are in these bytes; the detector often takes them for Central European."""
    try:
        text = words.decode("cp1252")
    except UnicodeDecodeError:
        return False
    others = {letter for letter in text if not letter.isascii()}
    letters = {letter for letter in others if unicodedata.category(letter) in {"Lu", "Ll"}}
    return others - letters <= _SIGNS and not _WITHIN.search(text)
