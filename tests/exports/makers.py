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
from itertools import chain, groupby
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
    return [sale for sale in sales() if sale.type == "Purchase"]


def bought(sale: Sale) -> Imported:
    return sale.user, sale.item, sale.time, "Purchase"


def of_minute(time: int) -> int:
    return time - time % 60


def fate(sale: Sale) -> str:
    """What became of an order: each program has its own word for it."""
    return {0: "cancelled", 1: "returned", 2: "partly"}.get(sale.order % 11, "sold")


def after_all(sale: Sale, user: str | None = None, time: int | None = None) -> Iterator[Imported]:
    """What is imported of a line whose order has a status."""
    if fate(sale) != "cancelled":
        kind = "Return" if fate(sale) == "returned" else "Purchase"
        yield user or sale.user, sale.item, sale.time if time is None else time, kind


def first_of_orders(lines: Iterable[Sale]) -> Iterator[tuple[Sale, bool]]:
    """Yield lines, and whether each is the first of its order."""
    seen = set[int]()
    for line in lines:
        yield line, line.order not in seen
        seen.add(line.order)


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
    def row(sale: Sale, *, first: bool) -> Row:
        at, total = f"{moment(sale.time):%Y-%m-%d %H:%M:%S} +0000", f"{sale.cents * sale.quantity / 100:.2f}"
        status = [
            SHOPIFY_STATUS[fate(sale)],
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
        paid = ["", "visa", f"c{sale.order}.1", "0.00", "Our shop", str(5_000_000_000 + sale.order), "", "Low", "web"]
        line = [sale.quantity, sale.name, sale.price, ""]

        def order(cells: list[str]) -> list[str]:
            return cells if first else [""] * len(cells)

        return [
            f"#{sale.order}", f"user{sale.user}@example.com", *order(status), at, *line, sale.item, "true", "true",
            "fulfilled", *order(person), *order(paid), "0.00", *order(["VAT 19%", "1.00", "", ""]),
        ]  # fmt: skip

    path.write_bytes(
        delimited(SHOPIFY, (row(sale, first=first) for sale, first in first_of_orders(sold())), lineterminator="\n")
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
    def row(number: int, sale: Sale) -> Row:
        total = f"{sale.cents * sale.quantity / 100:.2f}"
        person = ["Jo", "Doe", f"user{sale.user}@example.com", "Köln", "DE", "PayPal", "0", total, "DHL", "4.90", total]
        at = f"{moment(sale.time):%Y-%m-%d %H:%M}"
        line = [sale.item, number % 9 + 1, sale.name, sale.quantity, sale.price, "", "0"]
        return [sale.order, WOO_STATUS[fate(sale)], at, "", *person, *line]

    path.write_bytes(delimited(WOO, (row(number, sale) for number, sale in enumerate(sold())), "utf-8-sig"))


# Google Analytics 4 in BigQuery: one row for each item of an event, nested columns flattened, microseconds.

GA4 = (
    "event_date|event_timestamp|event_name|event_bundle_sequence_id|user_id|user_pseudo_id|user_first_touch_timestamp|"
    "device_category|device_operating_system|geo_country|traffic_source_medium|stream_id|platform|items_item_id|"
    "items_item_name|items_item_category|items_price|items_quantity"
)
GA4_EVENTS = {"View": "view_item", "AddToCart": "add_to_cart", "Purchase": "purchase"}


def ga4(path: Path) -> None:
    def row(sale: Sale) -> Row:
        micros, person = sale.time * 1_000_000 + 123_456, f"{100_000 + int(sale.user)}.1767229200"
        where = ["mobile", "Android", "South Korea", "organic", "2100450278", "WEB"]
        event = [f"{moment(sale.time):%Y%m%d}", micros, GA4_EVENTS[sale.type], -sale.order, "", person, micros - 10**9]
        return [*event, *where, sale.item, sale.name, "(not set)", sale.cents / 100, abs(sale.quantity)]

    path.write_bytes(delimited(GA4, map(row, events()), lineterminator="\n"))


def seen_by_ga4(sale: Sale) -> Imported:
    return f"{100_000 + int(sale.user)}.1767229200", sale.item, sale.time, sale.type


# The same as BigQuery exports it, without SQL: an event for each list of items, which is empty for other events.


def ga4_documents() -> Iterator[dict[str, object]]:
    for (user, time, kind), sales_of_event in groupby(events(), key=lambda sale: (sale.user, sale.time, sale.type)):
        lines = [*sales_of_event]
        document: dict[str, object] = {
            "event_date": f"{moment(time):%Y%m%d}",
            "event_timestamp": time * 1_000_000 + 123_456,
            "event_name": GA4_EVENTS[kind],
            "event_params": [
                {"key": "page_location", "value": {"string_value": "https://shop.example/", "int_value": None}},
                {"key": "ga_session_id", "value": {"string_value": None, "int_value": time}},
            ],
            "user_id": None,
            "user_pseudo_id": f"{100_000 + int(user)}.1767229200",
            "device": {"category": "mobile", "language": "ko-kr"},
            "items": [
                {"item_id": sale.item, "item_name": sale.name, "price": sale.cents / 100, "quantity": 1}
                for sale in lines
            ],
        }
        yield document
        yield document | {"event_name": "page_view", "items": []}


def ga4_parquet(path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - it takes long
    from pyarrow import parquet  # noqa: PLC0415

    parquet.write_table(pa.Table.from_pylist([*ga4_documents()]), path, row_group_size=300)


def ga4_json(path: Path) -> None:
    # BigQuery writes whole numbers as texts.
    documents = (document | {"event_timestamp": str(document["event_timestamp"])} for document in ga4_documents())
    path.write_bytes(gzip.compress("".join(f"{json.dumps(document)}\n" for document in documents).encode()))


# A shop's own interface: a JSON array of orders, with their customer and lines within.


def orders_json(path: Path) -> None:
    orders = [
        {
            "id": order,
            "created_at": f"{moment(time):%Y-%m-%dT%H:%M:%SZ}",
            "customer": {"id": int(user), "email": f"user{user}@example.com"},
            "line_items": [{"sku": sale.item, "name": sale.name, "quantity": sale.quantity} for sale in lines],
            "discounts": [{"code": "SPRING"}],
        }
        for (order, user, time), lines in groupby(sold(), key=lambda sale: (sale.order, sale.user, sale.time))
    ]
    path.write_text(json.dumps(orders, indent=1), encoding="utf-8")


# UCI's Online Retail: a workbook with dates as dates, ids as numbers, cancelled invoices (C…) and guests without an id.

UCI = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


def is_guest(sale: Sale) -> bool:
    return sale.order % 5 == 0


def uci(path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 - it takes long

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Online Retail")
    sheet.append(UCI)
    for sale in sales():
        item = int(sale.item) if sale.item.isdigit() else sale.item
        invoice = f"C{sale.order}" if sale.quantity < 0 else sale.order
        at, price = moment(of_minute(sale.time)).replace(tzinfo=None), sale.cents / 100
        person = None if is_guest(sale) else float(sale.user)
        sheet.append([invoice, item, sale.name, sale.quantity, at, price, person, "United Kingdom"])
    book.save(path)


def known_to_uci() -> Iterator[Imported]:
    sales_with_user = (sale for sale in sales() if not is_guest(sale))
    return ((sale.user, sale.item, of_minute(sale.time), sale.type) for sale in sales_with_user)


# A Korean ERP: what its Excel saves as CSV, in cp949, with the half of the day in words and thousands marks.

ERP = "전표번호|거래처코드|거래처명|품목코드|품목명|거래일시|수량|단가|공급가액|부가세|비고"


def erp(path: Path) -> None:
    def row(sale: Sale) -> Row:
        at, won = moment(sale.time), sale.cents * 13
        half, hour = "오전" if at.hour < 12 else "오후", at.hour % 12 or 12
        amount = won * sale.quantity
        line = [f"{sale.quantity:,}", f"{won:,}", f"{amount:,}", f"{amount // 10:,}", ""]
        name = sale.name.encode("cp949", "replace").decode("cp949")
        return [
            f"{at:%Y%m%d}-{sale.order}", f"C{sale.user}", "홍길동", sale.item, name,
            f"{at:%Y-%m-%d} {half} {hour}:{at:%M}", *line,
        ]  # fmt: skip

    path.write_bytes(delimited(ERP, map(row, sold()), "cp949"))


# SAP: a list of billing items, as Excel in German saves it. Ids with zeros before them, decimal commas, minus behind.

SAP = "Auftraggeber|Name|Faktura|Pos.|Fakturadatum|Material|Bezeichnung|Fakt. Menge|ME|Nettowert|Währung"


def german(number: float, digits: int) -> str:
    text = f"{abs(number):,.{digits}f}".translate(str.maketrans(",.", ".,"))
    return f"{text}-" if number < 0 else text


def sap(path: Path) -> None:
    def row(number: int, sale: Sale) -> Row:
        at, value = moment(sale.time), sale.cents * sale.quantity / 100
        who, material = f"{sale.user:0>10}", f"{sale.item:0>18}"
        name = sale.name.encode("cp1252", "replace").decode("cp1252")
        order = [who, "Müller GmbH", 90_000_000 + sale.order, 10 * (number % 9 + 1), f"{at:%d.%m.%Y}"]
        return [*order, material, name, german(sale.quantity, 3), "ST", german(value, 2), "EUR"]

    rows = (row(number, sale) for number, sale in enumerate(sales()))
    path.write_bytes(delimited(SAP, rows, "cp1252", delimiter=";"))


def billed_by_sap(sale: Sale) -> Imported:
    return f"{sale.user:0>10}", f"{sale.item:0>18}", sale.time - sale.time % 86_400, sale.type


# Matomo: the table of ordered items with its names, as TSV in UTF-16, which is what its "Excel" export is.

MATOMO = "idsite|idvisitor|server_time|idvisit|idorder|product_sku|product_name|product_category|price|quantity|deleted"


def visitor(sale: Sale) -> str:
    return f"{int(sale.user) * 2_654_435_761 % 2**64:016x}"


def matomo(path: Path) -> None:
    def row(sale: Sale) -> Row:
        visit = [1, visitor(sale), f"{moment(sale.time):%Y-%m-%d %H:%M:%S}", sale.order // 2, sale.order]
        return [*visit, sale.item, sale.name, "Home & Garden", sale.price, sale.quantity, 0]

    path.write_bytes(delimited(MATOMO, map(row, sold()), "utf-16", delimiter="\t", lineterminator="\n"))


# A till system's data lake: a folder of Parquet parts by month, zstd, with types; no card means anonymous.


def has_card(sale: Sale) -> bool:
    return sale.order % 7 != 0


def till(path: Path) -> None:
    path.mkdir()
    lines = [(sale, number + 1) for number, sale in enumerate(sold())]
    frame = pl.DataFrame(
        {
            "store_id": pl.Series([sale.order % 4 for sale, _ in lines], dtype=pl.Int16),
            "ticket_no": [sale.order for sale, _ in lines],
            "position": pl.Series([number % 30 for _, number in lines], dtype=pl.Int32),
            "loyalty_card": [int(sale.user) if has_card(sale) else None for sale, _ in lines],
            "article_no": pl.Series([sale.item for sale, _ in lines], dtype=pl.Categorical),
            "sold_at": pl.Series([sale.time * 1_000_000 for sale, _ in lines], dtype=pl.Datetime("us")),
            "qty": [float(sale.quantity) for sale, _ in lines],
            "amount": pl.Series([sale.price for sale, _ in lines]).cast(pl.Decimal(12, 2)),
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


def is_configurable(sale: Sale) -> bool:
    return sale.item.endswith("A") or sale.order % 11 == 0


def magento_lines() -> Iterator[tuple[Sale, bool]]:
    """Yield lines, and whether each is the simple product of a configurable one."""
    for sale in sold():
        yield sale, False
        if is_configurable(sale):
            yield sale, True


def magento(path: Path) -> None:
    def row(number: int, sale: Sale, *, simple: bool) -> Row:
        at, total = f"{moment(sale.time):%Y-%m-%d %H:%M:%S}", sale.cents * sale.quantity / 100
        kind = "configurable" if not simple and is_configurable(sale) else "simple"
        line = ["0.0000", "0.0000"] if simple else [f"{sale.cents / 100:.4f}", f"{total:.4f}"]
        order = [number, sale.order, number - 1 if simple else "", 1, at, at, 100 + sale.cents, kind, sale.item]
        return [*order, sale.name, f"{sale.quantity:.4f}", "0.0000", *line, sale.user, f"user{sale.user}@example.com"]

    rows = (row(number, sale, simple=simple) for number, (sale, simple) in enumerate(magento_lines(), 1))
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
            [line.user, line.item, f"{moment(line.time):%Y-%m-%d %H:%M:%S}.0", line.quantity, line.price]
            for line in lines[number::2]
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
    def row(number: int, sale: Sale) -> Row:
        at, name = f"{moment(sale.time):%Y-%m-%d %H:%M:%S}", sale.name.encode("cp949", "replace").decode("cp949")
        order = [2026010100000000 + number, 2026010000000000 + sale.order, "택배", "홍길동", sale.user, "홍길동"]
        amounts = [sale.quantity, sale.cents * 13, sale.cents * 13 * sale.quantity]
        status = SMART_STORE_STATUS[fate(sale)]
        return [*order, *status, sale.item, name, "", *amounts, at, at, "서울", ""]

    path.write_bytes(delimited(SMART_STORE, (row(number, sale) for number, sale in enumerate(sold())), "cp949"))


# Cafe24: orders in UTF-8 with a byte order mark; guests have no id.

CAFE24 = "주문번호|주문일시|주문상태|주문자ID|주문자명|상품코드|상품명|수량|판매가|총 결제금액|결제수단"
CAFE24_STATUS = {"cancelled": "취소완료", "returned": "반품완료", "partly": "입금전", "sold": "배송완료"}


def cafe24(path: Path) -> None:
    def row(sale: Sale) -> Row:
        won = sale.cents * 13
        who = [sale.user if has_card(sale) else "", "홍길동"]
        line = [sale.item, sale.name, sale.quantity, won, won * sale.quantity, "카드"]
        return [
            f"20260101-{sale.order}",
            f"{moment(sale.time):%Y-%m-%d %H:%M:%S}",
            CAFE24_STATUS[fate(sale)],
            *who,
            *line,
        ]

    path.write_bytes(delimited(CAFE24, map(row, sold()), "utf-8-sig"))


# SAP: the table VBRP from its browser, with technical names. The day and the time of day stand apart.

VBRP = "VBELN|POSNR|FKDAT|ERZET|KUNAG|MATNR|ARKTX|FKIMG|VRKME|NETWR|WAERK"


def vbrp(path: Path) -> None:
    def row(number: int, sale: Sale) -> Row:
        at, value = moment(sale.time), sale.cents * sale.quantity / 100
        name = sale.name.encode("cp1252", "replace").decode("cp1252")
        bill = [90_000_000 + sale.order, 10 * (number % 9 + 1), f"{at:%d.%m.%Y}", f"{at:%H:%M:%S}", f"{sale.user:0>10}"]
        return [*bill, f"{sale.item:0>18}", name, german(sale.quantity, 3), "ST", german(value, 2), "EUR"]

    rows = (row(number, sale) for number, sale in enumerate(sales()))
    path.write_bytes(delimited(VBRP, rows, "cp1252", delimiter=";"))


# Toast: item selections of a restaurant. A void is a flag; the guest is known by a phone number.

TOAST = (
    "Location|Order Id|Order #|Order Date|Server|Item Selection Id|Item Id|Menu Item|Net Price|Qty|Void?|Guest Phone"
)


def toast(path: Path) -> None:
    def row(number: int, sale: Sale) -> Row:
        at = moment(sale.time)
        when = f"{at.month}/{at.day}/{at:%y} {at.hour % 12 or 12}:{at:%M %p}"
        order = ["Main St", 7_000 + sale.order, sale.order % 97, when, "Jo"]
        void = str(fate(sale) == "cancelled").lower()
        return [*order, 9_000_000 + number, sale.item, sale.name, sale.price, sale.quantity, void, f"+82{sale.user}"]

    path.write_bytes(delimited(TOAST, (row(number, sale) for number, sale in enumerate(sold()))))


# Square: item sales. Refunds are events of their own, with a quantity below 0; the time of day stands apart.

SQUARE = (
    "Date|Time|Time Zone|Category|Item|Qty|Price Point Name|SKU|Gross Sales|Net Sales|Transaction ID|Event Type|"
    "Customer ID"
)


def square(path: Path) -> None:
    def row(sale: Sale) -> Row:
        at, total = moment(sale.time), f"${sale.cents * abs(sale.quantity) / 100:,.2f}"
        kind, total = ("Refund", f"-{total}") if sale.quantity < 0 else ("Payment", total)
        what = ["Home", sale.name, f"{sale.quantity}.0", "Regular", sale.item, total, total]
        return [f"{at:%m/%d/%y}", f"{at:%H:%M:%S}", "UTC", *what, f"tx{sale.order}", kind, f"SQ{sale.user}"]

    path.write_bytes(delimited(SQUARE, map(row, sales())))


# A till's workbook: a title above the names, sums below the rows, days as numbers, ids with zeros in front.


def cash_book(path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 - it takes long

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["판매 상세 내역", "2026-01"])
    sheet.merge_cells("B1:F1")
    sheet.append([])
    sheet.append(["판매일시", "회원번호", "바코드", "상품명", "수량", "금액"])
    for sale in sold():
        when = sale.time / 86_400 + 25_569
        sheet.append([when, f"010{sale.user}", f"00{sale.item}", sale.name, sale.quantity, sale.cents * sale.quantity])
    sheet.append(["합계", None, None, None, 1_234, 98_765_432])
    book.save(path)


# A frame of pandas: its index has no name, and ids with gaps became numbers with a point.


def pandas(path: Path) -> None:
    lines = (
        [
            number,
            sale.order,
            sale.item,
            sale.name,
            sale.quantity,
            f"{moment(sale.time):%Y-%m-%d %H:%M:%S}",
            f"{sale.user}.0",
        ]
        for number, sale in enumerate(sold())
    )
    header = "|InvoiceNo|StockCode|Description|Quantity|InvoiceDate|CustomerID"
    path.write_bytes(delimited(header, lines, lineterminator="\n"))


EXPORTS: Mapping[str, Export] = {
    "Shopify": Export(
        "orders_export_1.csv",
        shopify,
        lambda: chain.from_iterable(after_all(sale, f"user{sale.user}@example.com") for sale in sold()),
    ),
    "WooCommerce": Export(
        "orders-2026-01-31.csv",
        woocommerce,
        lambda: chain.from_iterable(
            after_all(sale, f"user{sale.user}@example.com", of_minute(sale.time)) for sale in sold()
        ),
    ),
    "GA4": Export("ga4_events.csv", ga4, lambda: map(seen_by_ga4, events())),
    "UCI": Export("Online Retail.xlsx", uci, known_to_uci, lambda: sum(map(is_guest, sales()))),
    "Korean ERP": Export(
        "판매현황.csv",
        erp,
        lambda: ((f"C{sale.user}", sale.item, of_minute(sale.time), "Purchase") for sale in sold()),
    ),
    "SAP": Export("Fakturaliste.csv", sap, lambda: map(billed_by_sap, sales())),
    "Matomo": Export(
        "ecommerce_items.tsv",
        matomo,
        lambda: ((visitor(sale), sale.item, sale.time, "Purchase") for sale in sold()),
    ),
    "Till": Export(
        "positions",
        till,
        lambda: (bought(sale) for sale in sold() if has_card(sale)),
        lambda: sum(not has_card(sale) for sale in sold()),
    ),
    "Magento": Export("sales_order_item.csv.zip", magento, lambda: map(bought, sold())),
    "Warehouse": Export("unload", warehouse, lambda: map(bought, sold())),
    "SmartStore": Export(
        "스마트스토어_주문조회.csv", smart_store, lambda: chain.from_iterable(after_all(sale) for sale in sold())
    ),
    "Cafe24": Export(
        "cafe24_orders.csv",
        cafe24,
        lambda: chain.from_iterable(after_all(sale) for sale in sold() if has_card(sale)),
        lambda: sum(not has_card(sale) and fate(sale) != "cancelled" for sale in sold()),
    ),
    "SAP VBRP": Export(
        "VBRP.csv", vbrp, lambda: ((f"{sale.user:0>10}", f"{sale.item:0>18}", sale.time, sale.type) for sale in sales())
    ),
    "Toast": Export(
        "ItemSelectionDetails.csv",
        toast,
        lambda: (
            (f"+82{sale.user}", sale.item, of_minute(sale.time), "Purchase")
            for sale in sold()
            if fate(sale) != "cancelled"
        ),
    ),
    "Square": Export(
        "items-2026-01.csv", square, lambda: ((f"SQ{sale.user}", sale.item, sale.time, sale.type) for sale in sales())
    ),
    "pandas": Export("frame.csv", pandas, lambda: map(bought, sold())),
    "GA4 Parquet": Export("events.parquet", ga4_parquet, lambda: map(seen_by_ga4, events())),
    "GA4 JSON lines": Export("events-000.json.gz", ga4_json, lambda: map(seen_by_ga4, events())),
    "Orders as JSON": Export("orders.json", orders_json, lambda: map(bought, sold())),
    "Till workbook": Export(
        "판매내역.xlsx",
        cash_book,
        lambda: ((f"010{sale.user}", f"00{sale.item}", sale.time, "Purchase") for sale in sold()),
    ),
}
