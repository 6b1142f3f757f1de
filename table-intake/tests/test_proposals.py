# SPDX-License-Identifier: Apache-2.0
"""Settings that are proposed for exports: they let the file in, and say what they leave open."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intake_settings import parse
from table_intake import DataKind, Proposal, Refused, Sample, TableSettings, propose_settings
from table_intake.columns.header import arrange
from table_intake.propose import values

WAYS = (
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%d.%m.%y",
    "%Y%m%d%H%M%S",
    "%d %B %Y",
    "%b %d, %Y",
    "%Y년 %m월 %d일",
    "%Y/%m/%d",
)


def sample(header: str, *rows: str, name: str = "export.csv") -> Sample:
    return Sample(name, header.split("|"), [row.split("|") for row in rows])


def proposed(taken: Sample, settings: str = "") -> Proposal:
    """Return a proposal that can be pasted, lets the file in, and asks for nothing more."""
    chosen = parse("settings.yaml", settings)
    proposal = propose_settings(taken, chosen)
    assert proposal is not None
    pasted = "\n".join([settings, *proposal.lines()])
    again = parse("settings.yaml", pasted)
    assert parse("settings.yaml", proposal.flow() if not settings else pasted) == again
    arrange(taken.name, proposal.kind, taken.header, again, None)
    more = propose_settings(taken, again, proposal.kind)
    assert more is not None
    assert (more.section, more.shared) == ({}, {})
    return proposal


@pytest.mark.parametrize(
    ("header", "row", "columns", "others"),
    [
        (
            "Name|Email|Paid at|Created at|Lineitem quantity|Lineitem name|Lineitem sku|Vendor|Id",
            "#1|a@b.c|2026-01-01 10:00:00 +0900|2026-01-01 10:00:00 +0900|1|Mug|M1|us|77",
            {"Email": "USER_ID", "Lineitem sku": "ITEM_ID", "Created at": "TIMESTAMP"},
            {"ignore": ["*"]},
        ),
        (
            "event_date|event_timestamp|event_name|user_id|user_pseudo_id|items_item_id",
            "20260101|1767229200123456|view_item||11.22|i1",
            {
                "user_pseudo_id": "USER_ID",
                "items_item_id": "ITEM_ID",
                "event_timestamp": "TIMESTAMP",
                "event_name": "EVENT_TYPE",
            },
            {"ignore": ["user_id", "*"], "unit": "us", "event_types": {"view_item": "View"}},
        ),
        (
            "InvoiceNo|StockCode|Description|Quantity|InvoiceDate|UnitPrice|CustomerID|Country",
            "C5|22752|Mug|-2|12/13/2010 8:26|7.65|17850|UK",
            {"CustomerID": "USER_ID", "StockCode": "ITEM_ID", "InvoiceDate": "TIMESTAMP"},
            {"ignore": ["*"], "dates": "%m/%d/%Y %H:%M", "returns": {"column": "Quantity", "below": 0}},
        ),
        (
            "주문번호|회원번호|상품코드|주문일시|수량|결제금액",
            "1|m1|p1|2026. 1. 31. 오후 3:05:00|1|12,000",
            {"회원번호": "USER_ID", "상품코드": "ITEM_ID", "주문일시": "TIMESTAMP"},
            {"ignore": ["*"], "dates": "%Y. %m. %d. %p %I:%M:%S"},
        ),
        (
            "Auftraggeber|Fakturadatum|Material|Fakt. Menge|Nettowert",
            "0000012|31.01.2026|00077|1.000,000-|12,50-",
            {"Auftraggeber": "USER_ID", "Material": "ITEM_ID", "Fakturadatum": "TIMESTAMP"},
            {
                "ignore": ["*"],
                "dates": "%d.%m.%Y",
                "returns": {"column": "Fakt. Menge", "below": 0},
                "decimal": ",",
                "thousands": ".",
            },
        ),
        (
            "idvisitor|server_time|product_sku|price",
            "1f|2026-01-01 10:00:00|p1|5",
            {"idvisitor": "USER_ID", "server_time": "TIMESTAMP", "product_sku": "ITEM_ID"},
            {"ignore": ["*"]},
        ),
        (
            "visitorid|itemid|ts|action",
            "1|2|1767229200123|buy",
            {"visitorid": "USER_ID", "ts": "TIMESTAMP", "action": "EVENT_TYPE"},
            {"unit": "ms", "event_types": {"buy": "Purchase"}},
        ),
    ],
    ids=["Shopify", "GA4", "UCI", "Korean", "SAP", "Matomo", "milliseconds"],
)
def test_exports_of_interactions(header: str, row: str, columns: dict[str, str], others: dict[str, object]) -> None:
    proposal = proposed(sample(header, row, row))
    assert proposal.kind == "interactions"
    assert dict(proposal.section) == {"columns": columns, **others}


def test_pictures_of_items_keep_their_addresses_whatever_their_column_is_called() -> None:
    row = "1|사과|2900|과일|https://x.kr/1.jpg|https://x.kr/s.jpg"
    items = proposed(sample("상품코드|상품명|판매가|대분류|이미지 URL|썸네일", row, name="상품.csv"))
    assert items.section["columns"]["이미지 URL"] == "IMAGE_URL"
    assert items.section["ignore"] == ["썸네일"]


def test_items_and_users_of_shops() -> None:
    items = proposed(sample("id|name|Product Type|price|url", "1|Mug|Cups|€1.234,50|/x", name="products.csv"))
    assert (items.kind, dict(items.section)) == (
        "items",
        {
            "columns": {"id": "ITEM_ID", "Product Type": "CATEGORY_L1"},
            "decimal": ",",
            "thousands": ".",
            "currency": "€",
        },
    )
    users = proposed(sample("id|first_name|E-Mail|city|회원등급|메모", "1|Jo|a@b.c|Köln|VIP|x", name="customers.csv"))
    assert (users.kind, dict(users.section)) == (
        "users",
        {"columns": {"id": "USER_ID", "회원등급": "MEMBERSHIP_STATUS"}, "ignore": ["first_name", "E-Mail", "메모"]},
    )


def test_the_ids_of_interactions_tell_the_key_of_users() -> None:
    orders = sample("Email|Lineitem sku|Created at", "a@b.c|M1|2026-01-01", "d@e.f|M2|2026-01-01")
    ids = orders.ids(proposed(orders).columns)
    assert ids == {"USER_ID": {"a@b.c", "d@e.f"}, "ITEM_ID": {"M1", "M2"}}
    proposal = propose_settings(sample("Customer ID|Email|City", "77|a@b.c|Köln"), TableSettings(), "users", ids)
    assert proposal is not None
    assert proposal.section == {"columns": {"Email": "USER_ID"}}


def test_dates_that_read_both_ways_are_a_choice_with_both_meanings() -> None:
    proposal = proposed(sample("user_id|item_id|order date", "u|i|03/04/2026", "u|i|12/11/2026"))
    assert "dates" not in proposal.section
    assert proposal.choices == (
        "dates: '%d/%m/%Y'  # if 03/04/2026 is 3 April 2026",
        "dates: '%m/%d/%Y'  # if 03/04/2026 is 4 March 2026",
    )
    assert any("can be read in 2 ways" in remark for remark in proposal.remarks)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (["1767229200", "1767229200000"], "several units: 1 in s, 1 in ms"),
        (["next week", "03/04/2026"], "no form of dates fits 'next week'"),
    ],
)
def test_times_that_no_setting_can_read_are_named(cells: list[str], problem: str) -> None:
    proposal = proposed(sample("user_id|item_id|timestamp", *[f"u|i|{cell}" for cell in cells]))
    assert any(problem in remark for remark in proposal.remarks)


def test_what_is_understood_already_needs_nothing() -> None:
    chosen = "columns: {sku: ITEM_ID}"
    proposal = proposed(sample("USER_ID|sku|Timestamp|event_type", "u|i|1700000000|View"), chosen)
    assert proposal.empty
    assert proposal.lines() == []


def test_missing_columns_are_named_with_what_can_be_done() -> None:
    proposal = propose_settings(sample("sku|title", "1|Mug"), TableSettings(), "items")
    assert proposal is not None
    assert proposal.remarks[0].startswith(
        "no column looks like PRICE or CATEGORY_L1: name the column under columns, give"
    )
    with pytest.raises(Refused, match="required columns are missing: PRICE, CATEGORY_L1"):
        arrange("x", "items", ["sku", "title"], parse("settings.yaml", "\n".join(proposal.lines())), None)


def test_nothing_is_proposed_for_a_file_that_could_be_anything() -> None:
    assert propose_settings(sample("id|name", "1|x"), TableSettings()) is None
    assert propose_settings(sample("id|name", "1|x", name="customers.csv"), TableSettings()) is not None


def test_an_id_of_rows_is_not_that_of_items_and_guests_are_let_in() -> None:
    rows = [f"{n}|sku{n % 9}|{'' if n % 5 else n % 20}|2026-01-01" for n in range(200)]
    proposal = proposed(sample("item_id|sku|customer_id|created_at", *rows))
    assert proposal.section["columns"] == {"customer_id": "USER_ID", "sku": "ITEM_ID", "created_at": "TIMESTAMP"}
    assert proposal.section["ignore"] == ["item_id"]
    assert proposal.shared == {"rejects": {"limit": 0.96}}


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6), st.data())
def test_any_file_gets_settings_that_can_be_parsed_or_none(header: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(st.text(max_size=20), min_size=len(header), max_size=len(header)), max_size=5))
    for kind in (None, *get_args(DataKind)):
        proposal = propose_settings(Sample("x.csv", header, rows), TableSettings(), kind)
        if proposal is not None:
            parse("settings.yaml", "\n".join(proposal.lines()))


@given(st.integers(1, 13_000), st.integers(0, 86_399), st.sampled_from(WAYS))
def test_the_form_of_any_date_is_among_those_proposed(day: int, second: int, form: str) -> None:
    moment = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=second)
    forms = values.times([moment.strftime(form)])
    assert form in forms.dates or form.replace("%B", "%b") in forms.dates


@given(
    st.lists(st.decimals(-9999, 99_999_999, places=2), min_size=3, max_size=20),
    st.sampled_from([(",", "."), (".", ","), (",", " "), (".", "'")]),
)
def test_the_marks_of_numbers_are_found(numbers: list[object], marks: tuple[str, str]) -> None:
    decimal, group = marks
    cells = [f"{number:,}".replace(",", "\0").replace(".", decimal).replace("\0", group) for number in numbers]
    form = values.numbers([cells])
    assert (form.decimal or ".") == decimal
    assert form.thousands == (group if any(group in cell for cell in cells) else None)


def test_columns_that_are_left_out_tell_the_marks_of_returns() -> None:
    header = "customer|material|fakturadatum|menge|nettowert"
    rows = [f"c{n}|m{n}|{20 + n}.01.2026|{n + 1},000{'-' * (n % 2)}|1.234,5{n}" for n in range(6)]
    section = proposed(sample(header, *rows)).section
    assert (section["decimal"], section["thousands"]) == (",", ".")
    without = propose_settings(
        sample(header.rpartition("|")[0], *(row.rpartition("|")[0] for row in rows)), TableSettings()
    )
    assert without is not None
    assert without.section["thousands"] == ","
    assert any("leave thousands out if it is a fraction" in remark for remark in without.remarks)


def test_a_column_is_the_time_if_it_alone_has_dates() -> None:
    rows = [f"{day}/{day}/2026|c{day}|i{day}|9.5|x" for day in (1, 2)]
    proposal = proposed(sample("t_dat|customer_id|article_id|value|note", *rows, "2/1/2026|c|i|1|x"))
    assert (proposal.kind, proposal.section["columns"]["t_dat"]) == ("interactions", "TIMESTAMP")
    assert "t_dat is taken for the time: no other column has dates" in proposal.remarks
    assert "if 2/1/2026 is 2 January 2026" in proposal.choices[0]
    two = propose_settings(
        sample("t_dat|u_dat|customer_id|article_id", "2026-01-02|2026-01-03|c|i"), TableSettings(), "interactions"
    )
    assert two is not None
    assert two.missing == ("TIMESTAMP",)


@pytest.mark.parametrize(
    ("name", "header", "row", "columns"),
    [
        (
            "bigcommerce products.csv",
            "Product ID|Product Type|Name|Retail Price|Sale Price|Category Details",
            "7|P|Shirt|9.00|0.00|Shirts",
            {"Product ID": "ITEM_ID", "Retail Price": "PRICE", "Category Details": "CATEGORY_L1"},
        ),
        (
            "prestashop_order_detail.csv",
            "id_order_detail|product_id|product_quantity|id_customer|date_add",
            "1|7|1|3|2026-01-02 10:00:00",
            {"product_id": "ITEM_ID", "id_customer": "USER_ID", "date_add": "TIMESTAMP"},
        ),
        (
            "produits.csv",
            "Référence|Nom|Catégorie|Prix (HT)|Prix (TTC)",
            "R1|Pull|Pulls|10,50|12,60",
            {"Référence": "ITEM_ID", "Nom": "NAME", "Catégorie": "CATEGORY_L1", "Prix (TTC)": "PRICE"},
        ),
        (
            "commandes.csv",
            "N° client|Code article|Désignation|Date de commande|Quantité",
            "C1|A1|Pull|13/02/2026 10:00|1",
            {"N° client": "USER_ID", "Code article": "ITEM_ID", "Date de commande": "TIMESTAMP"},
        ),
        ("clients.csv", "N° client|Nom|Prénom|Ville", "C1|X|Eve|Paris", {"N° client": "USER_ID"}),
        (
            "bestellungen.csv",
            "Bestellzeit|Kundennummer|E-Mail|Artikelnummer|Artikelbezeichnung",
            "2026-01-02 10:00:00|K1|a@b.de|A1|Hemd",
            {"Kundennummer": "USER_ID", "Artikelnummer": "ITEM_ID", "Bestellzeit": "TIMESTAMP"},
        ),
        (
            "artikel.csv",
            "Artikelnummer|Bezeichnung|Warengruppe|VK-Preis brutto",
            "A1|Hemd|Hemden|12,50",
            {
                "Artikelnummer": "ITEM_ID",
                "Bezeichnung": "NAME",
                "Warengruppe": "CATEGORY_L1",
                "VK-Preis brutto": "PRICE",
            },
        ),
        (
            "fakturalinjer.csv",
            "Fakturanummer|Fakturadato|Kundenummer|Varenummer|Varenavn|Antal|Salgspris",
            "1|2026-01-02|K1|V1|Krus|2|49",
            {"Kundenummer": "USER_ID", "Varenummer": "ITEM_ID", "Fakturadato": "TIMESTAMP"},
        ),
        (
            "varer.csv",
            "Varenummer|Navn|Varegruppe|Salgspris",
            "V1|Krus|Køkken|49",
            {"Varenummer": "ITEM_ID", "Navn": "NAME", "Varegruppe": "CATEGORY_L1", "Salgspris": "PRICE"},
        ),
        (
            "bestelregels.csv",
            "Bestelnummer|Besteldatum|Klantnummer|Artikelnummer|Aantal",
            "1|2026-01-02|K1|V1|2",
            {"Klantnummer": "USER_ID", "Artikelnummer": "ITEM_ID", "Besteldatum": "TIMESTAMP"},
        ),
        (
            "pedidos.csv",
            "Nº pedido|Fecha pedido|ID cliente|Código artículo|Descripción",
            "1|2026-01-02|C1|A1|Camisa",
            {"ID cliente": "USER_ID", "Código artículo": "ITEM_ID", "Fecha pedido": "TIMESTAMP"},
        ),
        (
            "productos.csv",
            "Referencia|Nombre|Categoría|Precio",
            "A1|Camisa|Camisas|12.50",
            {"Referencia": "ITEM_ID", "Nombre": "NAME", "Categoría": "CATEGORY_L1", "Precio": "PRICE"},
        ),
        (
            "catalog.csv",
            "ID|name|primary-category|list-price",
            "P1|Bag|bags|9.00",
            {"ID": "ITEM_ID", "primary-category": "CATEGORY_L1", "list-price": "PRICE"},
        ),
        (
            "rakuten.csv",
            "注文番号|注文日時|注文者メールアドレス|商品名|商品管理番号|個数",
            "3-1|2026-01-02 10:00:00|m@x.jp|お茶|tea1|1",
            {"注文者メールアドレス": "USER_ID", "商品管理番号": "ITEM_ID", "注文日時": "TIMESTAMP"},
        ),
        (
            "smartstore 상품.csv",
            "상품번호(스마트스토어)|판매자상품코드|상품명|판매가|대분류",
            "501|S1|셔츠|12000|의류",
            {"상품번호(스마트스토어)": "ITEM_ID", "상품명": "NAME", "판매가": "PRICE", "대분류": "CATEGORY_L1"},
        ),
    ],
)
def test_other_shops_and_languages(name: str, header: str, row: str, columns: dict[str, str]) -> None:
    proposal = proposed(sample(header, *[row] * 3, name=name))
    assert proposal.section["columns"] == columns
    assert proposal.missing == ()


def test_events_of_a_till_are_purchases_and_returns_and_a_time_of_day_apart_is_read() -> None:
    rows = [f"2026-01-02|10:0{n}:00|SKU{n}|{'Refund' if n == 3 else 'Payment'}|C{n}" for n in range(5)]
    proposal = proposed(sample("Date|Time|SKU|Event Type|Customer ID", *rows, name="items.csv"))
    assert proposal.section["event_types"] == {"Payment": "Purchase", "Refund": "Return"}
    assert proposal.section["time_of_day"] == "Time"
    assert "Date has the day alone, so time_of_day adds Time" in str(proposal.remarks)


def test_a_time_of_day_that_no_form_fits_is_lost_and_that_is_said() -> None:
    rows = [f"2026-01-0{n}|{'soon' if n == 3 else '10:00'}|SKU{n}|C{n}" for n in range(1, 6)]
    proposal = proposed(sample("Date|Time|SKU|Customer ID", *rows, name="orders.csv"))
    assert "time_of_day" not in proposal.section
    assert "Date has the day alone, and Time the time of day, which is lost" in str(proposal.remarks)


@pytest.mark.parametrize(
    ("day", "time", "dates"),
    [
        ("02.01.2026", "14:30:05", "%d.%m.%Y %H:%M:%S"),
        ("20260102", "143005", "%Y%m%d %H%M%S"),
        ("2026-01-02T00:00:00", "14:30:05", None),
        ("2026. 1. 2.", "오후 2:30", "%Y. %m. %d. %p %I:%M"),
    ],
)
def test_days_and_times_of_day_of_any_form_go_together(day: str, time: str, dates: str | None) -> None:
    proposal = proposed(sample("FKDAT|ERZET|MATNR|KUNAG", *[f"{day}|{time}|m{n}|k{n % 3}" for n in range(30)]))
    assert proposal.section["time_of_day"] == "ERZET"
    assert proposal.section.get("dates") == dates


def test_days_as_spreadsheets_count_them_and_ids_with_a_point_are_proposed_and_said() -> None:
    rows = [f"1785{n}.0|i{n}|{45678 + n}.5" for n in range(5)]
    proposal = proposed(sample("CustomerID|StockCode|InvoiceDate", *rows))
    assert (proposal.section["dates"], proposal.section["ids"]) == ("serial", "whole")
    remarks = " ".join(proposal.remarks)
    assert "InvoiceDate has days as spreadsheets count them: 45678.5 is 21 January 2025" in remarks
    assert "ids reads them as whole numbers, so that they match 17850 in other files" in remarks


def test_lines_of_configurable_products_are_skipped_and_that_is_said() -> None:
    rows = [f"C{n}|S1|2026-01-02 10:00:00|{kind}" for n in range(3) for kind in ("configurable", "simple")]
    proposal = proposed(sample("customer_id|sku|created_at|product_type", *rows))
    assert proposal.section["skip"] == {"product_type": ["configurable"]}
    assert "stand beside those of the simple products that were sold" in str(proposal.remarks)
    assert "    product_type: [configurable]" in proposal.lines()


def test_dashes_stand_for_nothing() -> None:
    rows = [f"b{n}|p{n % 3}|2|2026-01-{n + 1:02}" for n in range(9)] + ["--|p1|--|2026-01-10"] * 2
    proposal = proposed(sample("Buyer username|Item ID|Quantity|Date", *rows))
    assert dict(proposal.section)["skip"] == {"Buyer username": ["--"]}
    assert "returns" not in proposal.section


def test_a_file_of_sales_without_a_known_user_is_none_of_items() -> None:
    proposal = propose_settings(
        sample("Konto|SKU|Order date", "7|A1|2026-01-02", name="orders.csv"), parse("settings.yaml", "")
    )
    assert proposal is not None
    assert (proposal.kind, proposal.missing) == ("interactions", ("USER_ID",))


def test_what_is_told_by_names_alone_is_said() -> None:
    proposal = proposed(sample("Customer ID|SKU|Order date"))
    assert proposal.remarks[0].startswith("no row of it could be read")


def test_a_word_before_other_numbers_is_no_currency() -> None:
    rows = [f"お茶{n}|食品|tea{n}|1,{n:03}" for n in range(5)]
    proposal = proposed(sample("商品名|カテゴリ|商品番号|単価", *rows))
    assert "currency" not in proposal.section
