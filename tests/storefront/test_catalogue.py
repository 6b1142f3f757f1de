# SPDX-License-Identifier: Apache-2.0
"""What the storefront knows of a shop, from the tables that the application keeps."""

import polars as pl
import pytest
from personalization.shop.settings.settings import parse

from local.storefront.catalogue import Shop, shown_columns
from tests.storefront.shop import green, shop_of, table

SHELVES = "ITEM_ID,NAME,CATEGORY_L1,CATEGORY_L2"


def ids(page: dict[str, list[list[str]]]) -> list[str]:
    return [row[0] for row in page["items"]]


@pytest.mark.parametrize(
    ("settings", "columns", "shown"),
    [
        ("", ["PRODUCT_NAME", "Price", "image_url", "CATEGORY_L1"],
         ["PRODUCT_NAME", "Price", "image_url", "CATEGORY_L1", None]),
        ("", ["PRODUCT_TITLE", "SALE_PRICE", "IMAGE_SRC", "DEPARTMENT", "SUB_CATEGORY"],
         ["PRODUCT_TITLE", "SALE_PRICE", "IMAGE_SRC", "DEPARTMENT", "SUB_CATEGORY"]),
        ("storefront: {columns: {name: BRAND, image: photo_2, categories: [CATEGORY_L3]}}",
         ["NAME", "BRAND", "PHOTO", "PHOTO_2", "CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3"],
         ["BRAND", None, "PHOTO_2", "CATEGORY_L3", None]),
        ("items: {columns: {상품명: LABEL, 사진: PIC}}\n"
         "storefront: {columns: {name: 상품명, image: 사진, categories: []}}",
         ["LABEL", "PIC", "CATEGORY_L1"], ["LABEL", None, "PIC", None, None]),
        ("storefront: {columns: {name: ABSENT}}", ["NAME"], [None, None, None, None, None]),
    ],
)  # fmt: skip
def test_columns_are_those_of_the_settings_or_of_a_usual_name(
    settings: str, columns: list[str], shown: list[str | None]
) -> None:
    chosen = shown_columns(columns, parse("settings.yaml", settings))
    assert [chosen[field] for field in ("name", "price", "image", "l1", "l2")] == shown


def test_a_search_has_every_word_and_names_that_begin_with_it_come_first() -> None:
    shop = shop_of(
        table(SHELVES, "a,Red Lamp,Light,Lamps", "b,Lamp Oil,Home,Oil", "c,Desk,Home,Tables", "d,Clamp,Tools,Hands")
    )
    assert ids(shop.page("LAMP")) == ["b", "a", "d"]
    assert ids(shop.page("\uff4c\uff41\uff4d\uff50 light")) == ["a"]
    assert ids(shop.page("home")) == ["c", "b"]
    assert shop.page("unobtainium") == {"items": [], "total": 0}
    assert ids(shop.page("[a-z].*")) == ids(shop.page("%")) == []


def test_korean_is_found_however_it_is_composed() -> None:
    shop = shop_of(table(SHELVES, "a,따뜻한 양말,의류,양말"))
    assert ids(shop.page("양말")) == ids(shop.page("\u110b\u1163\u11bc\u1106\u1161\u11af")) == ["a"]


def test_a_department_begins_with_what_sells_best_and_goes_on_in_pages() -> None:
    lines = [f"i{number:03d},Item {number:03d},{'Large' if number < 200 else 'Small'}," for number in range(210)]
    shop = shop_of(table(SHELVES, *lines), best=["i150", "absent", "i205", "i003"])
    assert [(entry["name"], entry["count"], entry["from"]) for entry in shop.document()["departments"]] == [
        ("Large", 200, 0), ("Small", 10, 200),
    ]  # fmt: skip
    pages = [shop.page(category="Large", page=number) for number in range(4)]
    assert [len(page["items"]) for page in pages] == [96, 96, 8, 0]
    assert {page["total"] for page in pages} == {200}
    assert ids(pages[0])[:3] == ["i150", "i003", "i000"]
    assert ids(shop.page())[:3] == ["i150", "i205", "i003"]
    assert len({item for page in pages for item in ids(page)}) == 200


def test_a_price_that_is_none_is_null_and_sorts_last() -> None:
    lines = ["a,A,free", "b,B,inf", "c,C,", "c,again,1", "d,D,1e2", "e,E, 7.5 "]
    shop = shop_of(table("ITEM_ID,TITLE,PRICE", *lines))
    assert [row[:3] for row in shop.page(sort="price")["items"]] == [
        ["e", "E", 7.5], ["d", "D", 100.0], ["a", "A", None], ["b", "B", None], ["c", "C", None],
    ]  # fmt: skip


def test_a_picture_is_an_address_that_a_page_may_load() -> None:
    good = [
        "https://cdn.example/a.jpg?w=2&h=3",
        "http://Cdn.Example:8080/b%20c.png",
        "//img.example/d.webp",
        "https://cdn.example/한 글.png",
        "https://cdn.example/'onerror=\"x",
    ]
    bad = [
        "javascript:alert(1)", "data:image/svg+xml;base64,PHN2Zz4=", "JaVaScRiPt:alert(1)", "file:///x",
        "x.jpg",
        "https://user:secret@cdn.example/x", "https://127.0.0.1/x", "http://localhost:8080/x", "http://[::1]/x",
        "https://cdn.example; script-src */x", "https://printer.local/x", "",
        "https://",
        "http://2130706433/x", "https://cdn.example:99999/x", "blob:https://cdn.example/x", "https://a\nb.example/x",
    ]  # fmt: skip
    addresses = [*good, *bad]
    items = pl.DataFrame({"ITEM_ID": [str(at) for at in range(len(addresses))], "IMAGE_URL": addresses})
    shop = shop_of(items)
    shown = {row[0]: row[3] for row in shop.page(sort="name")["items"]}
    assert [
        address for address, row in zip(addresses, map(str, range(len(addresses))), strict=True) if shown[row]
    ] == good
    assert [shown[row] for row in ("1", "2", "3", "4")] == [
        "http://cdn.example:8080/b%20c.png", "https://img.example/d.webp",
        "https://cdn.example/%ED%95%9C%20%EA%B8%80.png", "https://cdn.example/%27onerror=%22x",
    ]  # fmt: skip
    assert shop.origins == ("https://cdn.example", "http://cdn.example:8080", "https://img.example")
    assert "img-src 'self' https://cdn.example http://cdn.example:8080 https://img.example; " in shop.content_security


def test_pictures_come_from_twenty_hosts_at_most() -> None:
    addresses = [f"https://h{number % 25}.example/{number}.jpg" for number in range(45)]
    shop = shop_of(pl.DataFrame({"ITEM_ID": [str(at) for at in range(45)], "IMAGE_URL": addresses}))
    assert len(shop.origins) == 20
    # Those with two pictures before those with one: nothing is named that the page does not load.
    assert sum(row[3] is not None for row in shop.page()["items"]) == 40


def test_sample_shoppers_differ_and_have_a_past() -> None:
    shoppers = green().document()["shoppers"]
    assert len({shopper["id"] for shopper in shoppers}) == 6
    assert len({tuple(shopper["facts"].values()) for shopper in shoppers[:3]}) == 3
    assert all(len(shopper["last"]) == 10 and len(shopper["often"]) == 3 for shopper in shoppers)


def test_without_a_file_of_users_those_of_the_interactions_log_in() -> None:
    shop = green()
    bare = Shop(name="green", items=shop.items, interactions=shop.interactions)
    shoppers = bare.document()["shoppers"]
    assert [shopper["facts"] for shopper in shoppers] == [{}] * 6
    assert all(shopper["last"] for shopper in shoppers)
    assert bare.document_for_strangers("")["shoppers"] == []


def test_profiles_are_choices_in_the_order_of_their_numbers() -> None:
    values = ["100-124K", "Under 15K", "15-24K", "Unknown"]
    users = table("USER_ID,INCOME,CITY", *(f"u{number},{values[number % 4]},c{number}" for number in range(40)))
    document = shop_of(users=users).document()
    assert document["profiles"] == {"INCOME": ["Under 15K", "15-24K", "100-124K"]}
    # Columns with a value of nearly every user may hold what nobody else should read.
    assert all(set(shopper["facts"]) == {"INCOME"} for shopper in document["shoppers"])


def test_a_shop_without_tables_is_known_by_its_name() -> None:
    document = Shop(name="bare").document()
    assert [document[name] for name in ("shop", "title", "total", "departments", "featured", "shoppers")] == [
        "bare", "bare", 0, [], [], [],
    ]  # fmt: skip


def test_its_words_are_those_of_its_settings() -> None:
    document = shop_of(settings="language: ko\nstorefront: {title: 봄날, currency: KRW}").document()
    assert [document[name] for name in ("title", "language", "currency", "drawings")] == ["봄날", "ko", "KRW", "none"]
    assert shop_of(settings="").document()["language"] is None


def test_a_large_catalogue_is_a_small_first_page() -> None:
    lines = [f"i{number},Item {number},Department {number % 70},Shelf {number % 900}" for number in range(100_000)]
    shop = shop_of(table(SHELVES, *lines))
    assert len(str(shop.document())) < 60_000
    assert (shop.document()["total"], shop.page("item 99999")["total"]) == (100_000, 1)
    assert len(shop.files) == 100
