# SPDX-License-Identifier: Apache-2.0
"""What a person reads on a page, word by word."""

import re
from html.parser import HTMLParser

SHOWN = ("aria-label", "alt", "title", "placeholder")
_SILENT = {"style", "script", "code", "pre"}
"""What is not read, or is to be typed as it stands."""
NAMES = frozenset(
    re.findall(
        r"\S+",
        """
        Excel Lines deflate gzip jq -c xls xlsx zip
        AWS AUC CSV EASE GiB ID MB MRR NDCG Personalize Amazon Parquet SIMS UTC Unix ISO
        user-personalization personalized-ranking similar-items popularity-count View Purchase
        coverage mean reciprocal rank at normalized discounted cumulative gain precision hit rate trending now
        """,
    )
)
"""Names that every language writes alike."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        self.texts += [value for name, value in attrs if name in SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.texts.append(data)


def texts(page: str) -> list[str]:
    """Return the texts that a page shows or says aloud, without what is code."""
    reader = _Reader()
    reader.feed(page)
    return [" ".join(text.split()) for text in reader.texts if text.strip()]


def english(page: str, *names: str) -> dict[str, str]:
    """Return the English words of a page with the text that each is in; `names` are of the shop: ids, columns, files.

    Words in capitals are names of columns, and what has digits, dots or slashes is a key or an id.
    """
    allowed = {*NAMES, *names}
    words: dict[str, str] = {}
    for text in texts(page):
        rest = text
        for name in sorted(allowed, key=len, reverse=True):
            rest = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", " ", rest)
        for word in re.findall(r"[^\s,;:()'\"“”]*[A-Za-z][^\s,;:()'\"“”가-힣]*", rest):
            plain = word.strip(".!?{}[]<>=")
            if len(plain) > 1 and not re.search(r"[0-9/_.]", plain) and plain != plain.upper():
                words.setdefault(plain, text)
    return words
