# SPDX-License-Identifier: Apache-2.0
"""Drop a folder of parts: all of them, then a marker that makes them one drop."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from personalization.shop import keys

from local.cloud.environments import LocalError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on this computer, and its place in the bucket."""

    path: Path
    target: str
    """The folder in the bucket, with its slash."""
    parts: tuple[Path, ...]
    marker: Path | None
    """The folder's own marker; a folder without one gets a manifest with the parts' sizes."""

    @property
    def key(self) -> str:
        """The key of the marker."""
        return self.target + (self.marker.name if self.marker else MANIFEST)

    def name_of(self, part: Path) -> str:
        """Return a part's name in the folder; those of an export may lie in further folders."""
        return part.relative_to(self.path).as_posix()

    def upload(self, client: "S3Client", bucket: str, tell: Callable[[str, float], object]) -> None:
        """Upload the parts, remove what else is in the bucket's folder, and write the marker last.

        `tell` takes what is being uploaded, and the share of the bytes that are done.
        """
        sizes = {part: part.stat().st_size for part in self.parts}
        total, done = max(1, sum(sizes.values())), 0
        for part, size in sizes.items():
            tell(part.name, done / total)
            client.upload_file(str(part), bucket, self.target + self.name_of(part))
            done += size
        wanted = {self.key, *(self.target + self.name_of(part) for part in self.parts)}
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=self.target)
        for key in (
            content["Key"] for page in pages for content in page.get("Contents", []) if content["Key"] not in wanted
        ):
            client.delete_object(Bucket=bucket, Key=key)
        tell(self.key.rpartition("/")[2], 1.0)
        if self.marker:
            client.upload_file(str(self.marker), bucket, self.key)
        else:
            entries = [{"key": self.name_of(part), "size": size} for part, size in sizes.items()]
            client.put_object(Bucket=bucket, Key=self.key, Body=json.dumps({"entries": entries}).encode())


def read_folder(shop: str, kind: str, path: Path, *, incremental: bool = False) -> Folder:
    """Return a folder as a drop; refuse what its run would refuse by the names of the files."""
    path = path.resolve()
    is_export = kind == keys.EXPORT
    files = [path for path in sorted(path.iterdir()) if not _is_hidden(path.name)]
    markers = [file for file in files if file.name == keys.SUCCESS or keys.is_manifest(file.name)]
    parts = [file for file in files if file not in markers]
    if is_export:
        parts = [file for part in parts for file in _files_in(part) if file.name not in keys.SETTINGS_FILES]
    if kind == "settings":
        raise LocalError(f"{path.name} is a folder: settings are a file")
    if path.name == keys.INCREMENTAL:
        raise LocalError("give the folder another name than incremental: that one marks drops that add to earlier ones")
    if len(markers) > 1:
        raise LocalError(f"{path.name} has several markers ({', '.join(marker.name for marker in markers)}): leave one")
    if not is_export and (nested := [part.name for part in parts if part.is_dir()]):
        raise LocalError(f"{path.name} has further folders ({', '.join(nested[:5])}): put all parts into one")
    if not is_export and (strange := [part.name for part in parts if not keys.is_part(part.name)]):
        raise LocalError(f"{', '.join(strange[:5])}: parts end in {keys.ENDINGS}, or have no ending")
    if not parts:
        raise LocalError(f"there are no parts in {path}")
    target = f"drops/{shop}/{kind}/{f'{keys.INCREMENTAL}/' if incremental else ''}{path.name}/"
    return Folder(path, target, tuple(parts), markers[0] if markers else None)


def _files_in(path: Path) -> list[Path]:
    """Return a file, or those of a folder and its folders that are not hidden."""
    if not path.is_dir():
        return [path]
    inner = (below for below in sorted(path.iterdir()) if not _is_hidden(below.name) and below.name != keys.SUCCESS)
    return [file for below in inner for file in _files_in(below)]


def _is_hidden(name: str) -> bool:
    return name[:1] in {"_", "."} and name != keys.SUCCESS
