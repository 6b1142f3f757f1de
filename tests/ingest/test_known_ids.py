# SPDX-License-Identifier: Apache-2.0
"""The known ids of a dataset, in one file or in partitions of their hashes."""

from typing import TYPE_CHECKING

import polars as pl
import pytest
from personalization.ingest import known_ids
from personalization.ingest.known_ids import Store
from table_intake.check import counts

from tests.handlers.samples import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("aws")

FILES = 4
IDS = [f"i{number}" for number in range(64)]
HASHES = counts.hash_ids(pl.Series(IDS))


@pytest.fixture
def store(bucket: "S3Client") -> Store:
    """More ids than one file holds, of the run that imported last; the run before had another one."""
    store = Store(bucket, BUCKET, "demo", {"items": ("last", "before")})
    store.put("items", "before", counts.ids_file(HASHES[:1]))
    store.put("items", "last", b"")
    store.put_all("items", "last", (HASHES.filter((HASHES % FILES).eq(number)) for number in range(FILES)))
    return store


def loaded(store: Store, partition: int, partitions: int) -> set[int]:
    ids = counts.unpack_ids(store.load("items", partition, partitions))
    assert ids is not None
    return set(ids)


@pytest.mark.parametrize("partitions", [2, FILES, 16])
def test_a_partition_of_any_size_is_compared_with_all_its_ids(store: Store, partitions: int) -> None:
    for partition in range(partitions):
        ids = loaded(store, partition, partitions)
        assert ids >= {hash_ for hash_ in HASHES if hash_ % partitions == partition}
        assert ids == {hash_ for hash_ in HASHES if hash_ % min(partitions, FILES) == partition % FILES}, "too much"


def test_one_function_compares_with_nothing_rather_than_with_other_ids(store: Store) -> None:
    assert not store.load("items")


def test_a_partition_that_cannot_be_read_makes_none_known(store: Store, bucket: "S3Client") -> None:
    bucket.put_object(Bucket=BUCKET, Key="reports/demo/known/items/last/003.ipc", Body=b"of another build")
    assert store.load("items", 1, 2) is None
    assert loaded(store, 0, 2)


def test_ids_are_deleted_in_all_files(store: Store, bucket: "S3Client") -> None:
    known_ids.forget(bucket, BUCKET, "demo", "items", IDS[:9])
    assert set.union(*(loaded(store, partition, FILES) for partition in range(FILES))) == set(HASHES[9:])
    before = Store(bucket, BUCKET, "demo", {"items": ("before",)})
    assert loaded(before, 0, 1) == set()
