# SPDX-License-Identifier: Apache-2.0
"""What is put into the bucket that CloudFront serves, and how long each object may be kept."""

import json
import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.cloud.environments import LocalError
from local.storefront.catalogue import Shop
from local.storefront.publishing import Upload, main, publish, uploads
from local.terminal.output import Terminal
from tests.storefront.shop import green, shop_of, table

FOR_EVER = "public, max-age=31536000, immutable"

BUCKET = "storefront"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", "us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def keys(s3: Any) -> list[str]:  # noqa: ANN401 - moto's client
    return [content["Key"] for content in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]


def release(number: int) -> list[Upload]:
    files = [Upload(f"{folder}/{number}/0.json", b"", FOR_EVER) for folder in ("releases", "items")]
    return [*files, Upload("index.html", b"", "no-cache")]


def test_what_never_changes_goes_first_and_the_page_last() -> None:
    made = uploads(green())
    assert [upload.key for upload in made[-2:]] == ["catalogue.json", "index.html"]
    assert {upload.cache_control for upload in made[:-2]} == {FOR_EVER}
    assert [upload.cache_control for upload in made[-2:]] == ["public, max-age=60", "no-cache"]
    assert not [upload.key for upload in made if upload.key.endswith(".d.ts")]


def test_the_page_names_its_release_and_every_file_that_it_names_is_there() -> None:
    made = uploads(green())
    named = re.findall(r'(?:src|href)="([^"]+)"', made[-1].content.decode())
    assert len(named) > 10
    assert set(named) <= {upload.key for upload in made}


def test_another_file_is_another_release_and_another_catalogue_is_not(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="app.js"></script>')
    (tmp_path / "app.js").write_text("1")
    first, catalogue = uploads(Shop(name="green"), tmp_path), uploads(green(), tmp_path)
    (tmp_path / "app.js").write_text("2")
    assert first[0].key == catalogue[0].key != uploads(green(), tmp_path)[0].key


def test_items_are_files_that_the_catalogue_names_and_no_user_is_among_them() -> None:
    made = {upload.key: upload.content for upload in uploads(green())}
    catalogue = json.loads(made["catalogue.json"])
    folder, count = catalogue["files"]["folder"], catalogue["files"]["count"]
    rows = [row for number in range(count) for row in json.loads(made[f"{folder}{number}.json"])]
    assert (count, len(rows), catalogue["total"]) == (1, 40, 40)
    assert ["milk-1", "Milk 1 8 oz (maker 1)", 1.5, None, "Dairy", "milk"] in rows
    assert (catalogue["shoppers"], catalogue["profiles"], catalogue["tokens"]) == ([], {}, True)


def test_the_page_loads_pictures_from_the_shops_own_hosts_over_https_alone() -> None:
    lines = ["a,https://cdn.example/a.jpg", "b,http://plain.example/b.jpg", "c,javascript:alert(1)"]
    made = {upload.key: upload.content.decode() for upload in uploads(shop_of(table("ITEM_ID,IMAGE_URL", *lines)))}
    policy = '<meta http-equiv="Content-Security-Policy" content="img-src \'self\' https://cdn.example">'
    assert policy in made["index.html"]
    assert "https://cdn.example/a.jpg" in "".join(made.values())
    assert not [text for text in made.values() if "plain.example" in text or "javascript:" in text]


def test_objects_say_what_they_are_and_for_how_long(s3: Any) -> None:  # noqa: ANN401 - moto's client
    publish(s3, BUCKET, uploads(green()))
    page = s3.head_object(Bucket=BUCKET, Key="index.html")
    assert (page["ContentType"], page["CacheControl"]) == ("text/html; charset=utf-8", "no-cache")
    (script,) = (key for key in keys(s3) if key.endswith("/js/app.js"))
    told = s3.head_object(Bucket=BUCKET, Key=script)
    assert (told["ContentType"], told["CacheControl"]) == ("text/javascript; charset=utf-8", FOR_EVER)


def test_a_page_that_is_open_keeps_its_release_and_older_ones_go(s3: Any) -> None:  # noqa: ANN401 - moto's client
    for number in (1, 2):
        assert publish(s3, BUCKET, release(number)) == []
    assert publish(s3, BUCKET, release(3)) == ["releases/1/0.json", "items/1/0.json"]
    assert publish(s3, BUCKET, release(3)) == []
    assert keys(s3) == [
        "index.html", "items/2/0.json", "items/3/0.json", "releases/2/0.json", "releases/3/0.json",
    ]  # fmt: skip


def test_a_stack_that_cannot_be_looked_at_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(LocalError, match="the stack absent cannot be described"):
        main(Namespace(stack="absent", shop="green"), Terminal(as_json=True))
