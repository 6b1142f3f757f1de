# SPDX-License-Identifier: Apache-2.0
"""Tallies of more keys than memory has room for count as a plain counter does."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_intake.check.tallies import HashTally, Tally, WordTally

PIECES = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=12), min_size=1, max_size=12)
"""Keys as they come, a list for each piece of a file."""


def series(keys: list[int]) -> pl.Series:
    return pl.Series(keys, dtype=pl.UInt64)


@pytest.mark.parametrize("most", [3, 1_000])
@given(pieces=PIECES)
def test_hashes_are_counted_whatever_fits_into_memory(most: int, pieces: list[list[int]]) -> None:
    expected = Counter(key for piece in pieces for key in piece)
    with tempfile.TemporaryDirectory() as folder:
        tallies = [HashTally(Path(folder), name, most) for name in ("counted", "distinct")]
        for piece in pieces:
            for tally in tallies:
                tally.take(series(piece))
        counted = pl.concat(tallies[0].counts())
        assert dict(counted.select("key", "rows").iter_rows()) == expected
        assert tallies[1].distinct() == len(expected)


@pytest.mark.parametrize("most", [3, 1_000])
@given(pieces=PIECES)
def test_words_keep_their_rows_whatever_fits_into_memory(most: int, pieces: list[list[int]]) -> None:
    expected = Counter(key for piece in pieces for key in piece)
    with tempfile.TemporaryDirectory() as folder:
        tally = WordTally(Path(folder), "words", most)
        for piece in pieces:
            tally.take(series(piece), pl.Series([f"w{key}" for key in piece]))
        counted = pl.concat(tally.counts())
    assert dict(counted.select("key", "rows").iter_rows()) == expected
    assert all(word == f"w{key}" for key, word in counted.select("key", "word").iter_rows())


@given(pieces=PIECES, most=st.sampled_from([3, 1_000]), partitions=st.sampled_from([1, 2, 4]))
def test_parts_of_tallies_have_their_own_keys_and_add_up(pieces: list[list[int]], most: int, partitions: int) -> None:
    expected = Counter(key for piece in pieces for key in piece)
    with tempfile.TemporaryDirectory() as folder:
        hashes = [HashTally(Path(folder), f"h{number}", most, partitions) for number in range(2)]
        words = [WordTally(Path(folder), f"w{number}", most, partitions) for number in range(2)]
        for number, piece in enumerate(pieces):
            hashes[number % 2].take(series(piece))
            words[number % 2].take(series(piece), pl.Series([f"w{key}" for key in piece]))
        both: list[tuple[Tally, Sequence[Tally]]]
        both = [(HashTally(Path(folder), "h"), hashes), (WordTally(Path(folder), "w"), words)]
        for total, tallies in both:
            for part, frames in enumerate(zip(*(tally.parts() for tally in tallies), strict=True)):
                for frame in frames:
                    assert set(frame["key"] % partitions) <= {part}
                    total.hold(frame)
            assert dict(pl.concat(total.counts()).select("key", "rows").iter_rows()) == expected
