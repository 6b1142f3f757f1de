# SPDX-License-Identifier: Apache-2.0
"""Folders of tables and models in the bucket: written whole or not at all, and fetched to the function's disk.

The last object of a folder tells its files with their sizes and digests; a folder without it does not exist.
"""

import hashlib
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from personalization.core.aws import objects
from personalization.core.errors import Broken

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UNREAD = ("rows.parquet",)
"""What a table has for later imports and erasures alone."""
CONTENTS = "contents.json"
"""The object that makes a folder whole: `{name: [bytes, SHA-256]}`."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Store:
    """The bucket of a deployment; the client and the name come on first use."""

    client: "Callable[[], S3Client]"
    bucket: Callable[[], str]


def located(location: str) -> tuple[str, str]:
    """Return the bucket and the key of a location, `s3://<bucket>/<key>`."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def upload(store: Store, folder: str, source: Path) -> None:
    """Store the files of a folder of the disk; `folder` is the key, with its slash. It can be repeated."""
    contents: dict[str, tuple[int, str]] = {}
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        name, digest, size = path.relative_to(source).as_posix(), hashlib.sha256(), 0
        with path.open("rb") as file, objects.writing(store.client(), store.bucket(), folder + name) as target:
            while data := file.read(_CHUNK):
                digest.update(data)
                size += len(data)
                target.write(data)
        contents[name] = (size, digest.hexdigest())
    objects.put_json(store.client(), store.bucket(), folder + CONTENTS, contents)


def delete(store: Store, folder: str) -> None:
    """Delete a folder, its list of contents first: what is left of it after a kill does not exist."""
    client, bucket = store.client(), store.bucket()
    objects.remove(client, bucket, folder + CONTENTS)
    for key in objects.list_keys(client, bucket, folder):
        objects.remove(client, bucket, key)


def delete_others(store: Store, parent: str, names: Collection[str]) -> None:
    """Delete the folders of a folder, all of them by their keys, but for some."""
    keys = objects.list_keys(store.client(), store.bucket(), parent)
    folders = {f"{parent}{key.removeprefix(parent).partition('/')[0]}/" for key in keys}
    for folder in sorted(folders.difference(names)):
        delete(store, folder)


@dataclass(frozen=True, slots=True)
class Disk:
    """Folders on a function's disk, by their keys in the bucket. Threads may share it, processes may not."""

    root: Path
    store: Store
    _lock: Lock = field(default_factory=Lock)

    def fetched(self, folder: str, but: Collection[str] = ()) -> Path:
        """Return a folder of the bucket on the disk, and fetch it first where it is not there.

        Args:
            folder: its key, with its slash. A folder never changes under its key.
            but: names of files that are not needed.

        Raises:
            Broken: the folder does not exist, or is damaged.
        """
        with self._lock:
            target = self.root / folder
            return target if target.is_dir() else self._fetched(folder, target, but)

    def holds(self, folders: Mapping[str, Collection[str]]) -> bool:
        """Return whether folders would have room on the disk if it were empty.

        `folders`: their keys, with the names of files that are not needed.

        Raises:
            Broken: a folder does not exist.
        """
        wanted = sum(
            size
            for folder, but in folders.items()
            for name, (size, _) in self._contents(folder).items()
            if name not in but
        )
        disk = shutil.disk_usage(self.root)
        # The total has blocks that are kept from us.
        return wanted <= disk.used + disk.free

    def _contents(self, folder: str) -> Mapping[str, tuple[int, str]]:
        contents: Mapping[str, tuple[int, str]] | None = objects.get_json(
            self.store.client(), self.store.bucket(), folder + CONTENTS
        )
        if contents is None:
            raise Broken(folder, "the folder is not in the bucket, or not as a whole")
        return contents

    def _fetched(self, folder: str, target: Path, but: Collection[str]) -> Path:
        fresh = target.with_name(f"{target.name}.new")
        for name, (size, digest) in self._contents(folder).items():
            if name not in but:
                self._fetch(folder + name, fresh / name, size, digest)
        fresh.replace(target)
        return target

    def _fetch(self, key: str, path: Path, size: int, digest: str) -> None:
        """Fetch an object, from where an earlier attempt ended: connections break while Lambda freezes a container."""
        path.parent.mkdir(parents=True, exist_ok=True)
        seen = hashlib.sha256()
        with path.open("a+b") as file:
            file.seek(0)
            while data := file.read(_CHUNK):
                seen.update(data)
            begin = file.tell()
            left = objects.stream_from(self.store.client(), self.store.bucket(), key, None, begin)
            for data in left if begin < size else ():
                seen.update(data)
                file.write(data)
        if path.stat().st_size != size or seen.hexdigest() != digest:
            path.unlink()
            raise Broken(key, "the object is not what was stored")

    def keep_only(self, folders: Callable[[], Collection[str]]) -> None:
        """Remove all other folders from the disk; none is fetched while `folders` says which are in use."""
        with self._lock:
            in_use = {self.root / folder for folder in folders()}
            for path in sorted(self.root.rglob("*"), reverse=True):
                inside = any(folder == path or folder in path.parents or path in folder.parents for folder in in_use)
                if path.is_dir() and not inside:
                    shutil.rmtree(path, ignore_errors=True)
