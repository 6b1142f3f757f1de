# SPDX-License-Identifier: Apache-2.0
"""Write the measured figures of docs/figures.yaml into the documents that they stand in.

A sentence of the file names its figures in braces; whatever number a document has in their place is replaced.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
FILE = REPOSITORY / "docs" / "figures.yaml"
_NAME = re.compile(r"\{(\w+)\}")
_NUMBER = r"\.?\d[\d.,]*"


class UnknownSentenceError(Exception):
    """A document has no sentence like one of the file's; the message names both."""


def written(text: str, sentence: str, figures: Mapping[str, str]) -> str:
    """`text` with the figures of a sentence in it.

    Raises:
        UnknownSentenceError: the text has no such sentence.
    """
    words = _NAME.split(sentence)[::2]
    pattern = _NUMBER.join(re.escape(part) for part in words)
    replaced, count = re.subn(pattern, lambda _: sentence.format_map(figures), text)
    if not count:
        raise UnknownSentenceError(sentence)
    return replaced


def documents() -> dict[Path, str]:
    """Each document as the file wants it.

    Raises:
        UnknownSentenceError: a document lacks a sentence.
    """
    told = yaml.safe_load(FILE.read_text())
    wanted = {}
    for name, sentences in told["sentences"].items():
        path = REPOSITORY / name
        text = path.read_text()
        for sentence in sentences:
            try:
                text = written(text, sentence, told["figures"])
            except UnknownSentenceError:
                raise UnknownSentenceError(f"{name} has no sentence like: {sentence}") from None
        wanted[path] = text
    return wanted


def main() -> None:
    """Write what differs, and name it."""
    try:
        wanted = documents()
    except UnknownSentenceError as error:
        sys.exit(str(error))
    for path, text in wanted.items():
        if text != path.read_text():
            path.write_text(text)
            print(path.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
