# SPDX-License-Identifier: Apache-2.0
"""The files of a fit in shards, under `work/<shop>/<run>/likelihood/`: one step writes each, and later ones read it."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from personalization.core.aws import map_runs, objects
from personalization.likelihood import shards, store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_AT_ONCE = 8
_OUTCOME = "outcome.json.gz"


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an object: its bytes in all, its version ("" in a bucket without), and its first bytes."""

    size: int
    version: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Work:
    """The files of a run's fit."""

    s3: "S3Client"
    bucket: str
    shop: str
    run: str

    @property
    def folder(self) -> str:
        """Return the folder of these files, with its slash."""
        return f"work/{self.shop}/{self.run}/likelihood/"

    def put(self, name: str, data: bytes) -> None:
        """Write a file."""
        with objects.writing(self.s3, self.bucket, self.folder + name) as upload:
            upload.write(data)

    def put_document(self, name: str, document: object) -> None:
        """Write a JSON document, compressed."""
        self.put(name, shards.pack(document))

    def get(self, name: str, span: tuple[int, int] | None = None) -> bytes:
        """Return a file, or the bytes of a span (its end exclusive).

        Raises:
            Broken: it is missing.
        """
        if span is not None:
            return objects.get_range(self.s3, self.bucket, self.folder + name, span[0], span[1] - span[0])
        return objects.required_bytes(self.s3, self.bucket, self.folder + name)

    def get_document(self, name: str) -> Any:  # noqa: ANN401 - any document
        """Return a JSON document."""
        return shards.unpack(self.get(name))

    def get_all(self, names: Iterable[tuple[str, tuple[int, int] | None]]) -> Iterator[bytes]:
        """Yield files, or spans of them, a few ahead at a time."""
        with ThreadPoolExecutor(_AT_ONCE, "work") as pool:
            rest = iter(names)
            while few := list(islice(rest, _AT_ONCE)):
                yield from pool.map(lambda span: self.get(*span), few)

    def head(self, key: str, size: int) -> Head:
        """Return the beginning of any object of the bucket."""
        answer: Any = self.s3.get_object(Bucket=self.bucket, Key=key)
        data = answer["Body"].read(size)
        answer["Body"].close()
        return Head(answer["ContentLength"], answer.get("VersionId", ""), data)

    def chunks(self, key: str, version: str, start: int) -> Iterator[bytes]:
        """Yield the bytes of any object of the bucket, as it was, from a byte on."""
        return objects.stream_from(self.s3, self.bucket, key, version or None, start)

    def explain(self) -> None:
        """Raise Broken with the reason of a part that failed, if the map run's results have one."""
        map_runs.explain(self.s3, self.bucket, f"{self.folder}results/")

    def begin(self) -> None:
        """Forget the outcome of an earlier fit of the run."""
        objects.remove(self.s3, self.bucket, self.folder + _OUTCOME)

    def end(self, outcome: object) -> None:
        """Store the outcome, and delete all other files."""
        self.put_document(_OUTCOME, outcome)
        keys = objects.list_keys(self.s3, self.bucket, self.folder)
        store.delete(self.s3, self.bucket, [key for key in keys if key != self.folder + _OUTCOME])

    def ended(self) -> Any:  # noqa: ANN401 - any document
        """Return the outcome; None while the fit goes on."""
        data = objects.get_bytes(self.s3, self.bucket, self.folder + _OUTCOME)
        return None if data is None else shards.unpack(data)
