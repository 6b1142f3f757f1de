# SPDX-License-Identifier: Apache-2.0
"""Put ``storefront/`` into the bucket that CloudFront serves it from: what never changes, then what names it.

Files go below a folder named by a hash of their contents, so browsers and edges keep them for ever; ``index.html``
names the folder and is requested each time. A page is thus of one release, and nothing has to be invalidated. Items are
in files of the same kind, a thousand each, which ``catalogue.json`` names.
"""

from __future__ import annotations

import hashlib
import re
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.exceptions
from personalization.core.errors import PersonalizationError
from table_intake.wording import counted

from local.cloud.client import translating
from local.cloud.environments import LocalError
from local.storefront import records
from local.storefront.catalogue import Shop, encoded
from local.storefront.server import FOLDER
from local.terminal.output import Terminal
from local.web.server import TYPES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RELEASES, ITEMS = "releases/", "items/"
FOR_EVER = "public, max-age=31536000, immutable"
"""For a file whose address changes with its contents."""
A_MINUTE = "public, max-age=60"
"""For the catalogue, which has an ETag."""
EACH_TIME = "no-cache"
"""For the page, which browsers keep and validate."""
FIRST_HEADER = '<meta charset="utf-8">'
"""What the page's policy on pictures follows."""
RELATIVE = re.compile(r'\b(src|href)="(?=\w[\w./-]*")(?!catalogue\.json")')
"""The beginning of an address in the page's own folder."""


@dataclass(frozen=True, slots=True)
class Upload:
    key: str
    content: bytes
    cache_control: str
    """Its Cache-Control header."""

    @property
    def kind(self) -> str:
        return TYPES[Path(self.key).suffix]


def uploads(shop: Shop, folder: Path = FOLDER) -> list[Upload]:
    """Return the objects of a shop's storefront in the order in which they go up."""
    shop = shop.over_https()
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    page = files.pop("index.html").decode()
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    release = f"{RELEASES}{digest.hexdigest()[:16]}/"
    return [
        *(Upload(release + name, content, FOR_EVER) for name, content in files.items()),
        *(Upload(f"{shop.folder}{number}.json", content, FOR_EVER) for number, content in enumerate(shop.files)),
        Upload("catalogue.json", encoded(shop.document_for_strangers("")), A_MINUTE),
        Upload("index.html", with_policy(RELATIVE.sub(rf'\1="{release}', page), shop).encode(), EACH_TIME),
    ]


def with_policy(page: str, shop: Shop) -> str:
    """Let the page load pictures from the shop's hosts alone: the header of all shops allows any host over https."""
    sources = " ".join(("'self'", *shop.origins))
    policy = f'<meta http-equiv="Content-Security-Policy" content="img-src {sources}">'
    return page.replace(FIRST_HEADER, f"{FIRST_HEADER}\n    {policy}", 1)


def publish(s3: S3Client, bucket: str, wanted: Iterable[Upload]) -> list[str]:
    """Upload the objects, and remove all releases and items but these and those before; return the removed keys."""
    current: set[str] = set()
    for upload in wanted:
        current.add(version(upload.key))
        s3.put_object(
            Bucket=bucket,
            Key=upload.key,
            Body=upload.content,
            ContentType=upload.kind,
            CacheControl=upload.cache_control,
        )
    removed = []
    for prefix in (RELEASES, ITEMS):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        stored = [(content["LastModified"], content["Key"]) for page in pages for content in page.get("Contents", [])]
        others = [(at, key) for at, key in stored if version(key) not in current]
        before = version(max(others)[1]) if others else ""
        removed += sorted(key for _, key in others if version(key) != before)
    for key in removed:
        s3.delete_object(Bucket=bucket, Key=key)
    return removed


def version(key: str) -> str:
    """Return the folder that is named by its contents, of a key below one."""
    return "/".join(key.split("/")[:2])


def main(options: Namespace, terminal: Terminal) -> None:
    """Publish the storefront of a stack of the shell's account and region."""
    try:
        (description,) = boto3.client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise LocalError(f"the stack {options.stack} cannot be described: {error}") from None
    stack = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
    if "StorefrontBucketName" not in stack:
        raise LocalError(f"the stack {options.stack} has no storefront: deploy it with Browsers=true Storefront=true")
    s3, dynamodb = translating()
    try:
        with terminal.step(f"reading the items of {options.shop}"):
            shop = records.read_shop(
                s3, dynamodb, stack["BucketName"], table=stack["ShopsTableName"], shop=options.shop, users=False
            )
    except PersonalizationError as error:
        raise LocalError(f"the shop {options.shop} cannot be read: {error}") from None
    wanted = uploads(shop)
    try:
        with terminal.step(f"publishing {counted(len(wanted), 'file')}"):
            removed = publish(s3, stack["StorefrontBucketName"], wanted)
    except PersonalizationError as error:
        raise LocalError(f"the bucket of the storefront refuses: {error}") from None
    if terminal.as_json:
        terminal.json({"url": stack["StorefrontUrl"], "files": len(wanted), "removed": removed})
    else:
        terminal.note(f"the storefront: {stack['StorefrontUrl']}")
