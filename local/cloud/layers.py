# SPDX-License-Identifier: Apache-2.0
"""Archives of the layers, packed once for all deployments to a local AWS: `sam deploy` would pack 270 MB each time."""

import hashlib
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "local-layers"
PACKED = "packed.yaml"
"""The template that names the archives, beside the one that `sam build` made."""
_CONTENT = re.compile(r"^( +ContentUri: )(\w+)$", re.MULTILINE)
_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of all files: equal layers are equal archives."""


def pack(build: Path) -> None:
    """Archive the layers that `sam build` left in a folder, and write the template that names the archives."""
    template = (build / "template.yaml").read_text()
    names = [match[2] for match in _CONTENT.finditer(template)]
    for old in build.glob("*.zip"):
        old.unlink()
    with ThreadPoolExecutor() as pool:
        keys = dict(zip(names, pool.map(lambda name: _archive(build, name).name, names), strict=True))
    named = _CONTENT.sub(lambda match: f"{match[1]}s3://{BUCKET}/{keys[match[2]]}", template)
    (build / PACKED).write_text(named)


def put(build: Path, s3: "S3Client") -> Path:
    """Upload the archives, and return the path of the template that names them."""
    s3.create_bucket(Bucket=BUCKET)
    for archive in build.glob("*.zip"):
        s3.upload_file(str(archive), BUCKET, archive.name)
    return build / PACKED


def _archive(build: Path, name: str) -> Path:
    unnamed = build / f"{name}.part"
    with zipfile.ZipFile(unnamed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in (build / name).rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(build / name)), _TIME)
            entry.external_attr = path.stat().st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=1)
    with unnamed.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return unnamed.rename(build / f"{name}-{digest[:16]}.zip")
