# SPDX-License-Identifier: Apache-2.0
"""Exports: each writes what a program exports of a shop's sales, and says what an import must have of it."""

import csv
import gzip
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import polars as pl

from tests.exports.sales import Sale, events, sales

Row = Sequence[object]
Imported = tuple[str, str, int, str]
"""User, item, Unix time and event type of an imported row."""


@dataclass(frozen=True)
class Export:
    """An export of interactions."""

    name: str
    """The file, or the folder of parts."""
    write: Callable[[Path], None]
    imported: Callable[[], Iterable[Imported]]
    left_out: Callable[[], int] = lambda: 0
    """Rows that no import can have."""

    def made(self, folder: Path) -> Path:
        """Write the export into a folder."""
        path = folder / self.name
        self.write(path)
        return path

    def expected(self) -> Counter[Imported]:
        return Counter(self.imported())


def moment(time: int) -> datetime:
    return datetime.fromtimestamp(time, UTC)


def delimited(header: str, rows: Iterable[Row], encoding: str = "utf-8", **dialect: str) -> bytes:
    """Return a text file, whose header is given with bars between the names."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=dialect.pop("lineterminator", "\r\n"), **dialect)  # type: ignore[arg-type]
    writer.writerow(header.split("|"))
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def sold() -> list[Sale]:
    return [each for each in sales() if each.type == "Purchase"]


def bought(each: Sale) -> Imported:
    return each.user, each.item, each.time, "Purchase"


def of_minute(time: int) -> int:
    return time - time % 60


def fate(each: Sale) -> str:
    """What became of an order: each program has its own word for it."""
    return {0: "cancelled", 1: "returned", 2: "partly"}.get(each.order % 11, "sold")


def after_all(each: Sale, user: str | None = None, time: int | None = None) -> Iterator[Imported]:
    """What is imported of a line whose order has a status."""
    if fate(each) != "cancelled":
        kind = "Return" if fate(each) == "returned" else "Purchase"
        yield user or each.user, each.item, each.time if time is None else time, kind


def first_of_orders(lines: Iterable[Sale]) -> Iterator[tuple[Sale, bool]]:
    """Yield lines, and whether each is the first of its order."""
    seen = set[int]()
    for each in lines:
        yield each, each.order not in seen
        seen.add(each.order)


# Shopify: "Export orders". What belongs to an order stands in its first line alone, its status too; a note may have
# line breaks.

SHOPIFY = (
    "Name|Email|Financial Status|Paid at|Fulfillment Status|Fulfilled at|Accepts Marketing|Currency|Subtotal|Shipping|"
    "Taxes|Total|Discount Code|Discount Amount|Shipping Method|Created at|Lineitem quantity|Lineitem name|"
    "Lineitem price|Lineitem compare at price|Lineitem sku|Lineitem requires shipping|Lineitem taxable|"
    "Lineitem fulfillment status|Billing Name|Billing Street|Billing City|Billing Zip|Billing Country|Shipping Name|"
    "Notes|Note Attributes|Cancelled at|Payment Method|Payment Reference|Refunded Amount|Vendor|Id|Tags|Risk Level|"
    "Source|Lineitem discount|Tax 1 Name|Tax 1 Value|Phone|Receipt Number"
)


SHOPIFY_STATUS = {"cancelled": "voided", "returned": "refunded", "partly": "partially_refunded", "sold": "paid"}


def shopify(path: Path) -> None:
    def row(each: Sale, *, first: bool) -> Row:
        at, total = f"{moment(each.time):%Y-%m-%d %H:%M:%S} +0000", f"{each.cents * each.quantity / 100:.2f}"
        status = [
            SHOPIFY_STATUS[fate(each)],
            at,
            "fulfilled",
            at,
            "no",
            "EUR",
            total,
            "4.90",
            "0.00",
            total,
            "",
            "0.00",
            "Standard",
        ]
        person = ["Jo Doe", "Hauptstr. 1,\nHinterhaus", "Köln", "'50667", "DE", "Jo Doe", "Ring the bell!\nThanks", ""]
        paid = ["", "visa", f"c{each.order}.1", "0.00", "Our shop", str(5_000_000_000 + each.order), "", "Low", "web"]
        line = [each.quantity, each.name, each.price, ""]

        def order(cells: list[str]) -> list[str]:
            return cells if first else [""] * len(cells)

        return [
            f"#{each.order}", f"user{each.user}@example.com", *order(status), at, *line, each.item, "true", "true",
            "fulfilled", *order(person), *order(paid), "0.00", *order(["VAT 19%", "1.00", "", ""]),
        ]  # fmt: skip

    path.write_bytes(
        delimited(SHOPIFY, (row(each, first=first) for each, first in first_of_orders(sold())), lineterminator="\n")
    )


# WooCommerce: Advanced Order Export. UTF-8 with a byte order mark, times to the minute.

WOO = (
    "Order Number|Order Status|Order Date|Customer Note|First Name (Billing)|Last Name (Billing)|Email (Billing)|"
    "City (Billing)|Country Code (Billing)|Payment Method Title|Cart Discount Amount|Order Subtotal Amount|"
    "Shipping Method Title|Order Shipping Amount|Order Total Amount|SKU|Item #|Item Name|Quantity (- Refund)|Item Cost|"
    "Coupon Code|Discount Amount"
)


WOO_STATUS = {"cancelled": "Cancelled", "returned": "Refunded", "partly": "On hold", "sold": "Completed"}


def woocommerce(path: Path) -> None:
    def row(place: int, each: Sale) -> Row:
        total = f"{each.cents * each.quantity / 100:.2f}"
        person = ["Jo", "Doe", f"user{each.user}@example.com", "Köln", "DE", "PayPal", "0", total, "DHL", "4.90", total]
        at = f"{moment(each.time):%Y-%m-%d %H:%M}"
        line = [each.item, place % 9 + 1, each.name, each.quantity, each.price, "", "0"]
        return [each.order, WOO_STATUS[fate(each)], at, "", *person, *line]

    path.write_bytes(delimited(WOO, (row(place, each) for place, each in enumerate(sold())), "utf-8-sig"))


# Google Analytics 4 in BigQuery: one row for each item of an event, nested columns flattened, microseconds.

GA4 = (
    "event_date|event_timestamp|event_name|event_bundle_sequence_id|user_id|user_pseudo_id|user_first_touch_timestamp|"
    "device_category|device_operating_system|geo_country|traffic_source_medium|stream_id|platform|items_item_id|"
    "items_item_name|items_item_category|items_price|items_quantity"
)
GA4_EVENTS = {"View": "view_item", "AddToCart": "add_to_cart", "Purchase": "purchase"}


def ga4(path: Path) -> None:
    def row(each: Sale) -> Row:
        micros, person = each.time * 1_000_000 + 123_456, f"{100_000 + int(each.user)}.1767229200"
        where = ["mobile", "Android", "South Korea", "organic", "2100450278", "WEB"]
        event = [f"{moment(each.time):%Y%m%d}", micros, GA4_EVENTS[each.type], -each.order, "", person, micros - 10**9]
        return [*event, *where, each.item, each.name, "(not set)", each.cents / 100, abs(each.quantity)]

    path.write_bytes(delimited(GA4, map(row, events()), lineterminator="\n"))


def seen_by_ga4(each: Sale) -> Imported:
    return f"{100_000 + int(each.user)}.1767229200", each.item, each.time, each.type


# UCI's Online Retail: a workbook with dates as dates, ids as numbers, cancelled invoices (C…) and guests without an id.

UCI = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


def is_guest(each: Sale) -> bool:
    return each.order % 5 == 0


def uci(path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 - it takes long

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Online Retail")
    sheet.append(UCI)
    for each in sales():
        item = int(each.item) if each.item.isdigit() else each.item
        invoice = f"C{each.order}" if each.quantity < 0 else each.order
        at, price = moment(of_minute(each.time)).replace(tzinfo=None), each.cents / 100
        person = None if is_guest(each) else float(each.user)
        sheet.append([invoice, item, each.name, each.quantity, at, price, person, "United Kingdom"])
    book.save(path)


def known_to_uci() -> Iterator[Imported]:
    known = (each for each in sales() if not is_guest(each))
    return ((each.user, each.item, of_minute(each.time), each.type) for each in known)


# A Korean ERP: what its Excel saves as CSV, in cp949, with the half of the day in words and thousands marks.

ERP = "전표번호|거래처코드|거래처명|품목코드|품목명|거래일시|수량|단가|공급가액|부가세|비고"


def erp(path: Path) -> None:
    def row(each: Sale) -> Row:
        at, won = moment(each.time), each.cents * 13
        half, hour = "오전" if at.hour < 12 else "오후", at.hour % 12 or 12
        amount = won * each.quantity
        line = [f"{each.quantity:,}", f"{won:,}", f"{amount:,}", f"{amount // 10:,}", ""]
        name = each.name.encode("cp949", "replace").decode("cp949")
        return [
            f"{at:%Y%m%d}-{each.order}", f"C{each.user}", "홍길동", each.item, name,
            f"{at:%Y-%m-%d} {half} {hour}:{at:%M}", *line,
        ]  # fmt: skip

    path.write_bytes(delimited(ERP, map(row, sold()), "cp949"))


# SAP: a list of billing items, as Excel in German saves it. Ids with zeros before them, decimal commas, minus behind.

SAP = "Auftraggeber|Name|Faktura|Pos.|Fakturadatum|Material|Bezeichnung|Fakt. Menge|ME|Nettowert|Währung"


def german(number: float, digits: int) -> str:
    text = f"{abs(number):,.{digits}f}".translate(str.maketrans(",.", ".,"))
    return f"{text}-" if number < 0 else text


def sap(path: Path) -> None:
    def row(place: int, each: Sale) -> Row:
        at, value = moment(each.time), each.cents * each.quantity / 100
        who, material = f"{each.user:0>10}", f"{each.item:0>18}"
        name = each.name.encode("cp1252", "replace").decode("cp1252")
        order = [who, "Müller GmbH", 90_000_000 + each.order, 10 * (place % 9 + 1), f"{at:%d.%m.%Y}"]
        return [*order, material, name, german(each.quantity, 3), "ST", german(value, 2), "EUR"]

    rows = (row(place, each) for place, each in enumerate(sales()))
    path.write_bytes(delimited(SAP, rows, "cp1252", delimiter=";"))


def billed_by_sap(each: Sale) -> Imported:
    return f"{each.user:0>10}", f"{each.item:0>18}", each.time - each.time % 86_400, each.type


# Matomo: the table of ordered items with its names, as TSV in UTF-16, which is what its "Excel" export is.

MATOMO = "idsite|idvisitor|server_time|idvisit|idorder|product_sku|product_name|product_category|price|quantity|deleted"


def visitor(each: Sale) -> str:
    return f"{int(each.user) * 2_654_435_761 % 2**64:016x}"


def matomo(path: Path) -> None:
    def row(each: Sale) -> Row:
        visit = [1, visitor(each), f"{moment(each.time):%Y-%m-%d %H:%M:%S}", each.order // 2, each.order]
        return [*visit, each.item, each.name, "Home & Garden", each.price, each.quantity, 0]

    path.write_bytes(delimited(MATOMO, map(row, sold()), "utf-16", delimiter="\t", lineterminator="\n"))


# A till system's data lake: a folder of Parquet parts by month, zstd, with types; no card means anonymous.


def has_card(each: Sale) -> bool:
    return each.order % 7 != 0


def till(path: Path) -> None:
    path.mkdir()
    lines = [(each, place + 1) for place, each in enumerate(sold())]
    frame = pl.DataFrame(
        {
            "store_id": pl.Series([each.order % 4 for each, _ in lines], dtype=pl.Int16),
            "ticket_no": [each.order for each, _ in lines],
            "position": pl.Series([place % 30 for _, place in lines], dtype=pl.Int32),
            "loyalty_card": [int(each.user) if has_card(each) else None for each, _ in lines],
            "article_no": pl.Series([each.item for each, _ in lines], dtype=pl.Categorical),
            "sold_at": pl.Series([each.time * 1_000_000 for each, _ in lines], dtype=pl.Datetime("us")),
            "qty": [float(each.quantity) for each, _ in lines],
            "amount": pl.Series([each.price for each, _ in lines]).cast(pl.Decimal(12, 2)),
        }
    )
    third = -(-frame.height // 3)
    for number in range(3):
        part = frame.slice(number * third, third)
        part.write_parquet(path / f"part-{number:05}-6f1c.zstd.parquet", compression="zstd")
    (path / "_SUCCESS").touch()


# Magento: sales_order_item, zipped. A configurable product has a second line, its simple one, which costs nothing.

MAGENTO = (
    "item_id|order_id|parent_item_id|store_id|created_at|updated_at|product_id|product_type|sku|name|qty_ordered|"
    "qty_refunded|price|row_total|customer_id|customer_email"
)


def is_configurable(each: Sale) -> bool:
    return each.item.endswith("A") or each.order % 11 == 0


def magento_lines() -> Iterator[tuple[Sale, bool]]:
    """Yield lines, and whether each is the simple product of a configurable one."""
    for each in sold():
        yield each, False
        if is_configurable(each):
            yield each, True


def magento(path: Path) -> None:
    def row(place: int, each: Sale, *, simple: bool) -> Row:
        at, total = f"{moment(each.time):%Y-%m-%d %H:%M:%S}", each.cents * each.quantity / 100
        kind = "configurable" if not simple and is_configurable(each) else "simple"
        line = ["0.0000", "0.0000"] if simple else [f"{each.cents / 100:.4f}", f"{total:.4f}"]
        known = [place, each.order, place - 1 if simple else "", 1, at, at, 100 + each.cents, kind, each.item]
        return [*known, each.name, f"{each.quantity:.4f}", "0.0000", *line, each.user, f"user{each.user}@example.com"]

    rows = (row(place, each, simple=simple) for place, (each, simple) in enumerate(magento_lines(), 1))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sales_order_item.csv", delimited(MAGENTO, rows, quoting=csv.QUOTE_ALL))  # type: ignore[arg-type]


# A warehouse: what Redshift's UNLOAD writes, parts between bars, gzipped, without an ending of their own; the manifest
# names them where they were unloaded to.

UNLOADED = "customer_sk|item_sk|sold_at|quantity|net_paid"


def warehouse(path: Path) -> None:
    path.mkdir()
    lines = sold()
    entries: list[Mapping[str, object]] = []
    for number in range(2):
        rows = (
            [each.user, each.item, f"{moment(each.time):%Y-%m-%d %H:%M:%S}.0", each.quantity, each.price]
            for each in lines[number::2]
        )
        name = f"sales_000{number}_part_00.gz"
        data = gzip.compress(delimited(UNLOADED, rows, delimiter="|", lineterminator="\n"), mtime=0)
        (path / name).write_bytes(data)
        entries.append({"url": f"s3://warehouse-unload/daily/{name}", "meta": {"content_length": len(data)}})
    (path / "sales_manifest").write_text(json.dumps({"entries": entries}, indent=2))


# Naver SmartStore: orders in cp949. A claim stands beside the status, and is empty for most.

SMART_STORE = (
    "상품주문번호|주문번호|배송방법|구매자명|구매자ID|수취인명|주문상태|클레임상태|상품번호|상품명|옵션정보|수량|"
    "상품가격|총 주문금액|주문일시|결제일|배송지|배송메세지"
)
SMART_STORE_STATUS = {
    "cancelled": ("취소", "취소완료"), "returned": ("반품", "반품완료"),
    "partly": ("배송완료", "교환요청"), "sold": ("구매확정", ""),
}  # fmt: skip


def smart_store(path: Path) -> None:
    def row(place: int, each: Sale) -> Row:
        at, name = f"{moment(each.time):%Y-%m-%d %H:%M:%S}", each.name.encode("cp949", "replace").decode("cp949")
        order = [2026010100000000 + place, 2026010000000000 + each.order, "택배", "홍길동", each.user, "홍길동"]
        amounts = [each.quantity, each.cents * 13, each.cents * 13 * each.quantity]
        status = SMART_STORE_STATUS[fate(each)]
        return [*order, *status, each.item, name, "", *amounts, at, at, "서울", ""]

    path.write_bytes(delimited(SMART_STORE, (row(place, each) for place, each in enumerate(sold())), "cp949"))


# Cafe24: orders in UTF-8 with a byte order mark; guests have no id.

CAFE24 = "주문번호|주문일시|주문상태|주문자ID|주문자명|상품코드|상품명|수량|판매가|총 결제금액|결제수단"
CAFE24_STATUS = {"cancelled": "취소완료", "returned": "반품완료", "partly": "입금전", "sold": "배송완료"}


def cafe24(path: Path) -> None:
    def row(each: Sale) -> Row:
        won = each.cents * 13
        who = [each.user if has_card(each) else "", "홍길동"]
        line = [each.item, each.name, each.quantity, won, won * each.quantity, "카드"]
        return [
            f"20260101-{each.order}",
            f"{moment(each.time):%Y-%m-%d %H:%M:%S}",
            CAFE24_STATUS[fate(each)],
            *who,
            *line,
        ]

    path.write_bytes(delimited(CAFE24, map(row, sold()), "utf-8-sig"))


# SAP: the table VBRP from its browser, with technical names. The day and the time of day stand apart.

VBRP = "VBELN|POSNR|FKDAT|ERZET|KUNAG|MATNR|ARKTX|FKIMG|VRKME|NETWR|WAERK"


def vbrp(path: Path) -> None:
    def row(place: int, each: Sale) -> Row:
        at, value = moment(each.time), each.cents * each.quantity / 100
        name = each.name.encode("cp1252", "replace").decode("cp1252")
        bill = [90_000_000 + each.order, 10 * (place % 9 + 1), f"{at:%d.%m.%Y}", f"{at:%H:%M:%S}", f"{each.user:0>10}"]
        return [*bill, f"{each.item:0>18}", name, german(each.quantity, 3), "ST", german(value, 2), "EUR"]

    rows = (row(place, each) for place, each in enumerate(sales()))
    path.write_bytes(delimited(VBRP, rows, "cp1252", delimiter=";"))


# Toast: item selections of a restaurant. A void is a flag; the guest is known by a phone number.

TOAST = (
    "Location|Order Id|Order #|Order Date|Server|Item Selection Id|Item Id|Menu Item|Net Price|Qty|Void?|Guest Phone"
)


def toast(path: Path) -> None:
    def row(place: int, each: Sale) -> Row:
        at = moment(each.time)
        when = f"{at.month}/{at.day}/{at:%y} {at.hour % 12 or 12}:{at:%M %p}"
        order = ["Main St", 7_000 + each.order, each.order % 97, when, "Jo"]
        void = str(fate(each) == "cancelled").lower()
        return [*order, 9_000_000 + place, each.item, each.name, each.price, each.quantity, void, f"+82{each.user}"]

    path.write_bytes(delimited(TOAST, (row(place, each) for place, each in enumerate(sold()))))


# Square: item sales. Refunds are events of their own, with a quantity below 0; the time of day stands apart.

SQUARE = (
    "Date|Time|Time Zone|Category|Item|Qty|Price Point Name|SKU|Gross Sales|Net Sales|Transaction ID|Event Type|"
    "Customer ID"
)


def square(path: Path) -> None:
    def row(each: Sale) -> Row:
        at, total = moment(each.time), f"${each.cents * abs(each.quantity) / 100:,.2f}"
        kind, total = ("Refund", f"-{total}") if each.quantity < 0 else ("Payment", total)
        what = ["Home", each.name, f"{each.quantity}.0", "Regular", each.item, total, total]
        return [f"{at:%m/%d/%y}", f"{at:%H:%M:%S}", "UTC", *what, f"tx{each.order}", kind, f"SQ{each.user}"]

    path.write_bytes(delimited(SQUARE, map(row, sales())))


def at_noon(each: Sale) -> Imported:
    return f"SQ{each.user}", each.item, each.time - each.time % 86_400, each.type


# A frame of pandas: its index has no name, and ids with gaps became numbers with a point.


def pandas(path: Path) -> None:
    lines = (
        [
            place,
            each.order,
            each.item,
            each.name,
            each.quantity,
            f"{moment(each.time):%Y-%m-%d %H:%M:%S}",
            f"{each.user}.0",
        ]
        for place, each in enumerate(sold())
    )
    header = "|InvoiceNo|StockCode|Description|Quantity|InvoiceDate|CustomerID"
    path.write_bytes(delimited(header, lines, lineterminator="\n"))


EXPORTS: Mapping[str, Export] = {
    "Shopify": Export(
        "orders_export_1.csv",
        shopify,
        lambda: chain.from_iterable(after_all(each, f"user{each.user}@example.com") for each in sold()),
    ),
    "WooCommerce": Export(
        "orders-2026-01-31.csv",
        woocommerce,
        lambda: chain.from_iterable(
            after_all(each, f"user{each.user}@example.com", of_minute(each.time)) for each in sold()
        ),
    ),
    "GA4": Export("ga4_events.csv", ga4, lambda: map(seen_by_ga4, events())),
    "UCI": Export("Online Retail.xlsx", uci, known_to_uci, lambda: sum(map(is_guest, sales()))),
    "Korean ERP": Export(
        "판매현황.csv",
        erp,
        lambda: ((f"C{each.user}", each.item, of_minute(each.time), "Purchase") for each in sold()),
    ),
    "SAP": Export("Fakturaliste.csv", sap, lambda: map(billed_by_sap, sales())),
    "Matomo": Export(
        "ecommerce_items.tsv",
        matomo,
        lambda: ((visitor(each), each.item, each.time, "Purchase") for each in sold()),
    ),
    "Till": Export(
        "positions",
        till,
        lambda: (bought(each) for each in sold() if has_card(each)),
        lambda: sum(not has_card(each) for each in sold()),
    ),
    "Magento": Export("sales_order_item.csv.zip", magento, lambda: map(bought, sold())),
    "Warehouse": Export("unload", warehouse, lambda: map(bought, sold())),
    "SmartStore": Export(
        "스마트스토어_주문조회.csv", smart_store, lambda: chain.from_iterable(after_all(each) for each in sold())
    ),
    "Cafe24": Export(
        "cafe24_orders.csv",
        cafe24,
        lambda: chain.from_iterable(after_all(each) for each in sold() if has_card(each)),
        lambda: sum(not has_card(each) and fate(each) != "cancelled" for each in sold()),
    ),
    "SAP VBRP": Export("VBRP.csv", vbrp, lambda: map(billed_by_sap, sales())),
    "Toast": Export(
        "ItemSelectionDetails.csv",
        toast,
        lambda: (
            (f"+82{each.user}", each.item, of_minute(each.time), "Purchase")
            for each in sold()
            if fate(each) != "cancelled"
        ),
    ),
    "Square": Export("items-2026-01.csv", square, lambda: map(at_noon, sales())),
    "pandas": Export(
        "frame.csv", pandas, lambda: ((f"{each.user}.0", each.item, each.time, "Purchase") for each in sold())
    ),
}
