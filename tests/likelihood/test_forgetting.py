# SPDX-License-Identifier: Apache-2.0
"""Users are removed from files, and all other rows stay byte by byte."""

import random

import pytest
from personalization.likelihood import forgetting, shards
from table_intake.write import dialect

ODD = ("u1", "u,2", 'u"3"', "u\\4", "사용자", " u1", "")


def table(chance: random.Random, header: list[str]) -> list[list[str]]:
    """Return rows with unusual user ids in the column of that name."""
    rows = chance.randrange(40)
    return [
        [chance.choice(ODD) if name == "USER_ID" else chance.choice(("x", "", "a,b", 'q"')) for name in header]
        for _ in range(rows)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_cut_as_they_were_written_wherever_chunks_end(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - data of a test
    header = chance.choice((["USER_ID", "A"], ["A", "USER_ID"], ["A", "B", "USER_ID", "C"]))
    written = table(chance, header)
    data = "".join(map(dialect.record, [header, *written])).encode()
    size = chance.randrange(1, 30)
    rows = list(dialect.rows(data[start : start + size] for start in range(0, len(data), size)))
    assert b"".join(rows) == data
    column = forgetting.user_column(rows[0])
    assert column == header.index("USER_ID")
    assert [forgetting.user_of(row, column) for row in rows[1:]] == [row[column] for row in written]


def test_a_file_without_users_and_a_row_that_is_too_short_name_nobody() -> None:
    assert forgetting.user_column(b"ITEM_ID,USER\n") is None
    assert forgetting.user_column(b"") is None
    assert forgetting.user_of(b"a\n", 1) == ""


def test_the_file_of_a_shopper_s_counters_is_the_one_that_answers_read() -> None:
    keys = [
        shards.key("demo", run, kind, number)
        for run, count in (("r1", 4), ("r2", 1))
        for kind in ("items", "shoppers")
        for number in range(count)
    ]
    users = [f"u{number}" for number in range(50)]
    files = forgetting.files_with(keys, users)
    assert files[shards.key("demo", "r2", "shoppers", 0)] == set(users)
    for user in users:
        assert user in files[shards.key("demo", "r1", "shoppers", shards.shard_of(user, 4))]
    assert sum(map(len, files.values())) == 100
    assert forgetting.files_with([], users) == {}
