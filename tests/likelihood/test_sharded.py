# SPDX-License-Identifier: Apache-2.0
"""How a history is cut into shards: by lines, by users, and into groups that all shards agree on."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from personalization.likelihood import shards
from personalization.likelihood.sharded import partition, shard
from personalization.likelihood.sharded.plan import Range, ranges
from personalization.likelihood.sharded.scope import is_sampled

MOST_VALUES = 60

SHARDS = 4


def _attributes(data: bytes) -> Mapping[str, Mapping[str, str]]:
    entries: Mapping[str, Mapping[str, str]] = shards.unpack(data) if data else {}
    return entries


@given(st.lists(st.text("aé,\r x", max_size=5), max_size=8), st.integers(1, 9), st.integers(1, 7))
def test_every_line_is_in_one_byte_range_wherever_it_is_cut(texts: list[str], most: int, chunk: int) -> None:
    data = "".join(f"{text}\n" for text in ["h", *texts]).encode()
    every = Range(kind="users", key="k", version="", header="h\n", start=0, end=len(data))
    lines: list[str] = []
    for part in ranges(every, 2, most):
        begin = max(part.start - 1, 0)
        chunks = (data[number : number + chunk] for number in range(begin, len(data), chunk))
        lines += partition.lines_of(chunks, part.start, part.end)
    assert lines == [f"{text}\n" for text in texts]


def test_a_last_line_without_its_end_is_a_line() -> None:
    assert list(partition.lines_of([b"h\nab"], 0, 4)) == ["h\n", "ab"]
    assert list(partition.lines_of([b"\nab"], 2, 4)) == ["ab"]


def test_samples_are_of_the_share_that_is_asked_for_and_grow_with_it() -> None:
    users = [f"u{number}" for number in range(4_000)]
    few, some = ({user for user in users if is_sampled(user, rate)} for rate in (0.1, 0.3))
    assert few < some
    assert len(few) / len(users) == pytest.approx(0.1, abs=0.02)
    by_shard = [sum(shards.shard_of(user, SHARDS) == number for user in few) for number in range(SHARDS)]
    assert min(by_shard) > 0.15 * len(few)
    assert all(is_sampled(user, 1.0) for user in users)


def test_a_column_with_many_values_in_one_shard_is_no_group_in_any() -> None:
    values = [str(number) for number in range(MOST_VALUES + 1)]
    agreed = shard.agreed([{"AGE": ["a"], "CITY": values}, {"AGE": ["b"], "CITY": ["x"], "ONE": ["1"]}])
    assert agreed == {"AGE": ["a", "b"]}


@pytest.mark.parametrize(("values", "wide"), [(MOST_VALUES, []), (MOST_VALUES + 1, ["CITY"])])
def test_a_column_of_users_is_split_unless_it_has_too_many_values(values: int, wide: list[str]) -> None:
    attributes = {f"u{number}": {"CITY": f"c{number}", "AGE": "a"} for number in range(values)}
    split, facts = partition.of_users(attributes, SHARDS)
    assert facts == {"wide": wide}
    split_attributes = {
        user: attributes_of_user for data in split for user, attributes_of_user in _attributes(data).items()
    }
    assert split_attributes == {
        user: {name: attributes_of_user[name] for name in attributes_of_user if name not in wide}
        for user, attributes_of_user in attributes.items()
    }
    groups = [{"CITY": [attributes_of_user["CITY"] for attributes_of_user in attributes.values()]}]
    assert [*shard.agreed(groups)] == ([] if wide else ["CITY"])
