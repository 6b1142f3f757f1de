# SPDX-License-Identifier: Apache-2.0
"""What deployments to a local AWS have in common, made once: archives of layers, and templates that are read fast.

`sam deploy` would pack 270 MB each time, and parse the YAML of the templates eighteen times.
"""

import hashlib
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "local-layers"
PACKED = "packed.json"
"""The template that names the archives, beside the one that `sam build` made."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of all files: equal layers are equal archives."""


def pack(build: Path) -> None:
    """Archive the layers that `sam build` left in a folder, and write the template that names them, and all as JSON."""
    template = _read(build / "template.yaml")
    resources = [
        resource
        for resource in template["Resources"].values()
        if isinstance(resource, dict) and "Properties" in resource
    ]
    contents = [resource["Properties"] for resource in resources if "ContentUri" in resource["Properties"]]
    nested = [resource["Properties"]["Location"] for resource in resources if "Location" in resource["Properties"]]
    for old in build.glob("*.zip"):
        old.unlink()
    with ThreadPoolExecutor() as pool:
        archives = pool.map(lambda content: _archive(build, content["ContentUri"]).name, contents)
        for content, archive in zip(contents, archives, strict=True):
            content["ContentUri"] = f"s3://{BUCKET}/{archive}"
    # The name of a nested template stays, and JSON is YAML.
    for location in nested:
        (build / location).write_text(json.dumps(_read(build / location)))
    (build / PACKED).write_text(json.dumps(template))


def _read(template: Path) -> Any:  # noqa: ANN401 - a template
    """Return a template as `sam build` writes them, without the short forms of YAML."""
    return yaml.load(template.read_bytes(), _LOADER)  # noqa: S506 - a safe one


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
