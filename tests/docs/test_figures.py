# SPDX-License-Identifier: Apache-2.0
"""Figures that stand in several documents come from one file."""

import pytest

from benchmarks import figures


def test_every_document_has_the_figures_of_the_file() -> None:
    wanted = figures.documents()
    assert len(wanted) >= 4
    stale = [path.name for path, text in wanted.items() if text != path.read_text()]
    assert stale == [], "run `.venv/bin/python -m benchmarks.figures`"


def test_a_figure_is_written_wherever_its_sentence_stands() -> None:
    text = "It makes 592 transitions, of 38.\nAgain: 592 transitions, of 40."
    told = figures.written(text, "{many} transitions, of {calls}.", {"many": "5,740", "calls": ".38"})
    assert told == "It makes 5,740 transitions, of .38.\nAgain: 5,740 transitions, of .38."


def test_a_sentence_that_is_gone_is_an_error() -> None:
    with pytest.raises(figures.UnknownSentenceError, match="steps"):
        figures.written("It makes 592 transitions.", "{many} steps", {"many": "1"})
