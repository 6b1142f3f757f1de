# SPDX-License-Identifier: Apache-2.0
"""Exports of several files that belong together, each with a habit of its own, made of one small shop from a seed.

What must come of each is computed here from the shop itself, in plain Python, and from none of the files.
"""

import csv
import io
import json
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

Sold = tuple[str, str, int, str]
"""User, item, Unix time and event type."""
Files = Mapping[str, bytes]

OPENING = 1_764_550_800
"""2025-12-01 01:00 UTC."""
WORDS = ("Teapot", "Mug, large", 'Lamp "Best"', "Kissen", "Uhr", "Bag", "Bowl", "Vase")
CATEGORIES = ("Kitchen", "Living", "Office")
CITIES = ("Köln", "Seoul", "Lyon", "Leeds")
SURNAMES = "김이박최정강조윤장임"


@dataclass(frozen=True)
class Customer:
    number: int
    city: str

    @property
    def email(self) -> str:
        return f"c{self.number}@mail.example"


@dataclass(frozen=True)
class Product:
    number: int
    name: str
    cents: int
    category: int


@dataclass(frozen=True)
class Order:
    number: int
    customer: Customer
    time: int
    fate: str


@dataclass(frozen=True)
class Line:
    number: int
    order: Order
    product: Product
    quantity: int
    size: int


@dataclass(frozen=True)
class Shop:
    customers: Sequence[Customer]
    products: Sequence[Product]
    orders: Sequence[Order]
    lines: Sequence[Line]


@cache
def shop() -> Shop:
    chance = random.Random(25)  # noqa: S311 - not for secrets
    customers = [Customer(number, chance.choice(CITIES)) for number in range(1, 121)]
    products = [
        Product(number, f"{WORDS[number % len(WORDS)]} {number}", chance.randrange(95, 20_000), chance.randrange(3))
        for number in range(1, 41)
    ]
    orders, lines, time = list[Order](), list[Line](), OPENING
    for number in range(1_001, 1_401):
        time += chance.randrange(600, 9_000)
        fate = chance.choices(["sold", "cancelled", "returned"], [90, 6, 4])[0]
        orders.append(Order(number, chance.choice(customers), time - time % 60, fate))
        for product in chance.sample(products, chance.randrange(1, 5)):
            lines.append(Line(len(lines) + 1, orders[-1], product, chance.randrange(1, 4), chance.randrange(3)))
    return Shop(customers, products, orders, lines)


@dataclass(frozen=True)
class Export:
    """Files, and what must come of them."""

    files: Callable[[], Files]
    sold: Callable[[], Iterable[Sold]]
    users: Callable[[], Mapping[str, Sequence[str]]] = dict
    """The values of users by id, in the order of the columns in `user_columns`."""
    items: Callable[[], Mapping[str, Sequence[str]]] = dict
    user_columns: Sequence[str] = ()
    item_columns: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """What is counted when the files are joined."""
    answers: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns that are left out because they are personal, by file."""
    refused: int = 0
    """Rows of interactions that no import can have."""


def table(header: str, rows: Iterable[Sequence[object]], encoding: str = "utf-8", separator: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(header.split("|"))
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def moment(order: Order) -> datetime:
    return datetime.fromtimestamp(order.time, UTC)


def iso(order: Order) -> str:
    return f"{moment(order):%Y-%m-%d %H:%M:%S}"


def price(product: Product) -> str:
    return f"{product.cents / 100:.2f}"


def sold(
    user: Callable[[Customer], str], item: Callable[[Line], str], lines: Iterable[Line] | None = None
) -> Iterable[Sold]:
    """Return what must be imported of lines, by what became of their orders."""
    for line in shop().lines if lines is None else lines:
        if line.order.fate != "cancelled":
            kind = "Return" if line.order.fate == "returned" else "Purchase"
            yield user(line.order.customer), item(line), line.order.time, kind


def number_of(customer: Customer) -> str:
    return str(customer.number)


def product_of(line: Line) -> str:
    return str(line.product.number)


STATUS = {"sold": "paid", "cancelled": "cancelled", "returned": "refunded"}
PLAIN_ITEMS = ("NAME", "PRICE", "CATEGORY_L1")


def catalogue(key: Callable[[Product], str] = lambda product: str(product.number)) -> Mapping[str, Sequence[str]]:
    return {key(product): (product.name, price(product), CATEGORIES[product.category]) for product in shop().products}


def bought() -> Mapping[int, Sequence[str]]:
    """Return name and price of the products that somebody ordered, by their numbers."""
    return {line.product.number: (line.product.name, price(line.product)) for line in shop().lines}


def people(key: Callable[[Customer], str] = number_of) -> Mapping[str, Sequence[str]]:
    return {key(customer): (customer.city,) for customer in shop().customers}


# The database of a shop: ids count from 1 in every table, and three lines are of orders that are gone.


def gone(line: Line) -> bool:
    return line.order.number in {1_003, 1_250}


def database() -> Files:
    made = shop()
    orders = (
        (o.number, o.customer.number, iso(o), STATUS[o.fate]) for o in made.orders if o.number not in {1_003, 1_250}
    )
    customers = ((c.number, c.email, f"Jo Doe{c.number}", "+49 221 1234567", c.city) for c in made.customers)
    return {
        "orders.csv": table("id|customer_id|created_at|status", orders),
        "order_lines.csv": table(
            "id|order_id|product_id|quantity|price",
            (
                (line.number, line.order.number, line.product.number, line.quantity, price(line.product))
                for line in made.lines
            ),
        ),
        "customers.csv": table("id|email|full_name|phone|city", customers),
        "products.csv": table(
            "id|name|price|category",
            ((p.number, p.name, price(p), CATEGORIES[p.category]) for p in made.products),
        ),
    }


# Lines name variants; variants name products, and these name categories by a number.


def variants() -> Files:
    made = shop()
    orders = ((f"A-{o.number}", f"K{o.customer.number:05}", f"{iso(o)}+00:00", STATUS[o.fate]) for o in made.orders)
    lines = ((f"A-{line.order.number}", variant_of(line), line.quantity) for line in made.lines)
    return {
        "shop/orders.csv": table("order_no|customer_no|ordered_at|state", orders),
        "shop/positions.csv": table("order_no|variant_id|qty", lines),
        "shop/variants.csv": table(
            "id|product_id|size",
            ((f"V{p.number}-{size}", p.number, "SML"[size]) for p in made.products for size in range(3)),
        ),
        "shop/products.csv": table(
            "id|name|price|category_id", ((p.number, p.name, price(p), p.category + 1) for p in made.products)
        ),
        "shop/categories.csv": table("id|category", ((number + 1, name) for number, name in enumerate(CATEGORIES))),
        "shop/customers.csv": table("customer_no|city", ((f"K{c.number:05}", c.city) for c in made.customers)),
    }


def variant_of(line: Line) -> str:
    return f"V{line.product.number}-{line.size}"


def sizes() -> Mapping[str, Sequence[str]]:
    return {
        f"V{p.number}-{size}": (p.name, price(p), CATEGORIES[p.category], "SML"[size])
        for p in shop().products
        for size in range(3)
    }


# No numbers of customers: an e-mail address is all that there is.


def by_email() -> Files:
    made = shop()
    orders = ((o.number, o.customer.email, f"{iso(o)}Z".replace(" ", "T"), STATUS[o.fate]) for o in made.orders)
    return {
        "orders.csv": table("order_id|email|created_at|financial_status", orders),
        "items.csv": table(
            "order_id|sku|title|price|qty",
            (
                (line.order.number, f"SKU-{line.product.number}", line.product.name, price(line.product), line.quantity)
                for line in made.lines
            ),
        ),
        "subscribers.csv": table("email|city", ((c.email, c.city) for c in made.customers)),
    }


# Members have a number, guests an e-mail address alone.


def is_member(customer: Customer) -> bool:
    return customer.number % 4 != 0


def with_guests() -> Files:
    made = shop()
    orders = (
        (o.number, o.customer.number if is_member(o.customer) else "", o.customer.email, f"{iso(o)}Z", STATUS[o.fate])
        for o in made.orders
    )
    members = ((c.number, c.email, c.city) for c in made.customers if is_member(c))
    return {
        **{name: data for name, data in database().items() if name == "products.csv"},
        "orders.csv": table("id|customer_id|customer_email|created_at|status", orders),
        "order_items.csv": table(
            "order_id|product_id|quantity",
            ((line.order.number, line.product.number, line.quantity) for line in made.lines),
        ),
        "members.csv": table("customer_id|email|city", members),
    }


def of_members() -> list[Line]:
    return [line for line in shop().lines if is_member(line.order.customer)]


# A Korean shop: cp949, names and phones of people under names that say nothing, statuses in Korean, no products.

KOREAN_STATUS = {"sold": "배송완료", "cancelled": "취소완료", "returned": "반품완료"}


def korean() -> Files:
    made = shop()

    def name(customer: Customer) -> str:
        number = customer.number
        return SURNAMES[number % 10] + "가나다라마바사아자차카"[number % 11] + "하희호현훈혜한"[number % 7]

    orders = ((f"2026-{o.number}", f"m{o.customer.number}", korean_time(o), KOREAN_STATUS[o.fate]) for o in made.orders)
    members = ((f"m{c.number}", name(c), f"010-{1000 + c.number}-5678", c.city) for c in made.customers)
    return {
        "주문.csv": table("주문번호|회원아이디|주문일시|주문상태", orders, "cp949"),
        "주문상품.csv": table(
            "주문번호|상품코드|상품명|단가|수량",
            (
                (
                    f"2026-{line.order.number}",
                    f"P{line.product.number:04}",
                    line.product.name,
                    line.product.cents * 13,
                    line.quantity,
                )
                for line in made.lines
            ),
            "cp949",
        ),
        "회원.csv": table("회원아이디|받는분|비고란|지역", members, "utf-8-sig"),
    }


def korean_time(order: Order) -> str:
    """The time in Seoul, nine hours ahead."""
    return f"{datetime.fromtimestamp(order.time + 9 * 3_600, UTC):%Y-%m-%d %H:%M}"


# No file of products; names and prices change over time, and lines are not in its order.


def renamed(line: Line) -> tuple[str, str]:
    late = line.order.number >= 1_200
    cents = line.product.cents + (100 if late else 0)
    return (
        f"{line.product.name} NEW" if late and line.product.number % 5 == 0 else line.product.name
    ), f"{cents / 100:.2f}"


def only_lines() -> Files:
    rows = sorted(shop().lines, key=lambda line: line.number * 7_919 % 1_009)
    return {
        "sales.csv": table(
            "order_id|member_id|sku|product_name|unit_price|department|sold_at|qty",
            (
                (
                    line.order.number,
                    line.order.customer.number,
                    f"S{line.product.number}",
                    *renamed(line),
                    CATEGORIES[line.product.category],
                    line.order.time,
                    line.quantity,
                )
                for line in rows
            ),
        )
    }


def newest() -> Mapping[str, Sequence[str]]:
    latest: dict[int, Line] = {}
    for line in shop().lines:
        before = latest.get(line.product.number)
        if before is None or line.order.time >= before.order.time:
            latest[line.product.number] = line
    return {f"S{number}": (*renamed(line), CATEGORIES[line.product.category]) for number, line in latest.items()}


def several(what: int) -> int:
    """How many products came under several names (0) or prices (1)."""
    pairs = {(line.product.number, renamed(line)[what]) for line in shop().lines}
    return sum(count > 1 for count in Counter(number for number, _ in pairs).values())


# A frame of pandas: ids with gaps became numbers with a point, in one of two files.


def pointed() -> Files:
    made = shop()
    orders = ((o.number, f"u-{o.customer.number}", iso(o) + "Z", STATUS[o.fate]) for o in made.orders)
    lines = (
        (number, f"{line.order.number}.0", f"i-{line.product.number}", line.quantity)
        for number, line in enumerate(made.lines)
    )
    return {
        "orders.csv": table("id|user_id|created_at|status", orders),
        "lines.csv": table("|order_id|item_id|quantity", lines),
    }


# A file for each year.


def yearly() -> Files:
    made, parts = shop(), database()
    new_year = OPENING + 11 * 86_400

    def lines(*, late: bool) -> bytes:
        rows = [line for line in made.lines if (line.order.time >= new_year) is late]
        return table(
            "order_id|product_id|quantity",
            ((f"O{line.order.number}", line.product.number, line.quantity) for line in rows),
        )

    def orders(*, late: bool) -> bytes:
        rows = [order for order in made.orders if (order.time >= new_year) is late]
        cells = ((f"O{o.number}", o.customer.number, f"{iso(o)}Z", STATUS[o.fate]) for o in rows)
        return table("order_id|customer_id|created_at|status", cells)

    return {
        "orders-2025.csv": orders(late=False),
        "orders-2026.csv": orders(late=True),
        "lines-2025.csv": lines(late=False),
        "lines-2026.csv": lines(late=True),
        "products.csv": parts["products.csv"],
    }


# A German merchandise system: semicolons, decimal commas, dates with points.

GERMAN_STATUS = {"sold": "versendet", "cancelled": "storniert", "returned": "retourniert"}


def german() -> Files:
    made = shop()
    orders = (
        (f"B{o.number}", f"{o.customer.number:06}", f"{moment(o):%d.%m.%Y %H:%M}", GERMAN_STATUS[o.fate])
        for o in made.orders
    )
    lines = ((f"B{line.order.number}", f"{line.product.number:08}", line.quantity) for line in made.lines)
    products = ((f"{p.number:08}", p.name, price(p).replace(".", ","), CATEGORIES[p.category]) for p in made.products)
    customers = ((f"{c.number:06}", "Muster", "Hauptstraße 5", c.city) for c in made.customers)
    return {
        "bestellungen.csv": table("Bestellnummer|Kundennummer|Bestelldatum|Status", orders, "cp1252", ";"),
        "positionen.csv": table("Bestellnummer|Artikelnummer|Menge", lines, "cp1252", ";"),
        "artikel.csv": table("Artikelnummer|Bezeichnung|Preis|Warengruppe", products, "cp1252", ";"),
        "kunden.csv": table("Kundennummer|Nachname|Strasse|Ort", customers, "cp1252", ";"),
    }


# Sales in two currencies, of which the won is meant.


def in_won(order: Order) -> bool:
    return order.number % 3 != 0


def two_currencies() -> Files:
    made, parts = shop(), dict(database())
    orders = (
        (o.number, o.customer.number, f"{iso(o)}Z", STATUS[o.fate], "KRW" if in_won(o) else "USD") for o in made.orders
    )
    parts["orders.csv"] = table("id|customer_id|created_at|status|currency", orders)
    return parts


# Names that say nothing: values alone tell what refers to what.


def code(kind: str, number: int) -> str:
    return f"{kind}{number * 2_654_435_761 % 2**32:08x}"


def nameless() -> Files:
    made = shop()
    orders = ((code("o", o.number), code("c", o.customer.number), o.time * 1_000, STATUS[o.fate]) for o in made.orders)
    lines = ((code("o", line.order.number), code("p", line.product.number), line.quantity) for line in made.lines)
    products = ((code("p", p.number), p.name, price(p), CATEGORIES[p.category]) for p in made.products)
    return {
        "a.csv": table("uuid|customer|timestamp|status", orders),
        "b.csv": table("parent|sku|count", lines),
        "c.csv": table("uuid|name|price|category", products),
    }


# A marketplace: a new id of the customer with each order, prices in the lines alone, words for categories apart.


def marketplace() -> Files:
    made = shop()
    orders = (
        (code("o", o.number), code("x", o.number), STATUS[o.fate], iso(o) + "Z", iso(o) + "Z") for o in made.orders
    )
    lines = (
        (code("o", line.order.number), 1, code("p", line.product.number), price(line.product)) for line in made.lines
    )
    people = ((code("x", o.number), code("u", o.customer.number), "01310", o.customer.city) for o in made.orders)
    products = ((code("p", p.number), f"cat_{p.category}", 100 + p.number) for p in made.products)
    return {
        "mp_orders_dataset.csv": table(
            "order_id|customer_id|order_status|order_purchase_timestamp|order_delivered_date", orders
        ),
        "mp_order_items_dataset.csv": table("order_id|order_item_id|product_id|price", lines),
        "mp_customers_dataset.csv": table("customer_id|customer_unique_id|zip_code_prefix|city", people),
        "mp_products_dataset.csv": table("product_id|product_category_name|weight_g", products),
        "mp_category_name_translation.csv": table(
            "product_category_name|product_category",
            ((f"cat_{number}", name) for number, name in enumerate(CATEGORIES)),
        ),
        "mp_reviews_dataset.csv": table(
            "review_id|order_id|review_score|review_creation_date",
            ((code("r", o.number), code("o", o.number), 5, iso(o)) for o in made.orders[::2]),
        ),
    }


# A workbook of several sheets: a title above the header, a row of totals below, dates and numbers as such.


def workbook() -> Files:
    from openpyxl import Workbook  # noqa: PLC0415 - it takes long

    book, made = Workbook(write_only=True), shop()
    orders = book.create_sheet("Orders")
    for row in (["Sales report of our shop"], [], ["Order No", "Customer No", "Order Date", "Status"]):
        orders.append(row)
    for o in made.orders:
        at = moment(o).replace(tzinfo=None)
        orders.append([o.number, f"C{o.customer.number:04}", at, STATUS[o.fate]])
    lines = book.create_sheet("Order Lines")
    lines.append(["Order No", "SKU", "Qty", "Amount"])
    for line in made.lines:
        lines.append([line.order.number, f"{line.product.number:05}", line.quantity, line.product.cents / 100])
    lines.append(["Total", None, sum(line.quantity for line in made.lines), 1.5])
    products = book.create_sheet("Products")
    products.append(["SKU", "Product Name", "Price", "Category"])
    for p in made.products:
        products.append([f"{p.number:05}", p.name, p.cents / 100, CATEGORIES[p.category]])
    data = io.BytesIO()
    book.save(data)
    return {"shop.xlsx": data.getvalue()}


# A zip of the files of a database.


def zipped() -> Files:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in database().items():
            archive.writestr(f"dump/{name}", content)
    return {"dump.zip": data.getvalue()}


# What an API answers: a JSON object a line, with the customer and the lines of the order in it; products in another.


def json_lines() -> Files:
    made = shop()
    lines: dict[int, list[Line]] = {}
    for line in made.lines:
        lines.setdefault(line.order.number, []).append(line)
    orders = [
        {
            "id": o.number,
            "created_at": f"{moment(o):%Y-%m-%dT%H:%M:%SZ}",
            "financial_status": STATUS[o.fate],
            "customer": {"id": 70_000 + o.customer.number, "email": o.customer.email},
            "line_items": [
                {"sku": f"SKU-{line.product.number}", "quantity": line.quantity, "price": price(line.product)}
                for line in lines[o.number]
            ],
        }
        for o in made.orders
    ]
    products = [
        {"sku": f"SKU-{p.number}", "title": p.name, "price": price(p), "product_type": CATEGORIES[p.category]}
        for p in made.products
    ]
    return {
        f"{name}.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        for name, rows in (("orders", orders), ("products", products))
    }


# Far more customers than buyers.


def named_once() -> Files:
    """A report that names each order, its customer and its time above its lines, with paths as columns' names."""
    rows = list[Sequence[object]]()
    for before, line in zip((None, *shop().lines), shop().lines, strict=False):
        order, product = line.order, line.product
        is_first = before is None or before.order is not order
        state = {"sold": "Sales Order", "cancelled": "Quotation Sent", "returned": "Returned"}[order.fate]
        first = (f"S{order.number}", iso(order), f"partner_{order.customer.number}", "A. Name", state)
        name = f"[{product.number:05}] {product.name}"
        rows.append((*(first if is_first else [""] * 5), f"{product.number:05}", name, price(product), line.quantity))
    header = "Order Reference|Order Date|Customer/External ID|Customer|Status"
    header += "|Order Lines/Product/Internal Reference|Order Lines/Product|Order Lines/Unit Price|Order Lines/Quantity"
    return {"sale.order.csv": table(header, rows)}


STATES = {"sold": "Entregado", "cancelled": "Venta cancelada", "returned": "Reembolso al comprador"}


def titled() -> Files:
    """A report with a title, groups of columns, months in words, and a status that only the shop understands."""
    rows = [
        (
            f"{moment(line.order):%d de diciembre de %Y %H:%M} hs.",
            STATES[line.order.fate],
            f"A{line.product.number:04}",
            line.product.name,
            line.order.customer.number + 4_000,
            line.quantity,
        )
        for line in shop().lines
    ]
    above = b"Ventas al 30 de noviembre,,,,,\r\n,,,,,\r\nVentas,,Publicaciones,,Compradores,\r\n"
    columns = "Fecha de venta|Estado|SKU|T\u00edtulo de la publicaci\u00f3n|DNI|Unidades"
    return {"ventas.csv": above + table(columns, rows)}


def tracked() -> Files:
    """Events in a list within one object: orders have their items in a list, and a view has its item beside it."""
    events = []
    for order in shop().orders:
        items = [
            {"product_id": f"p{line.product.number}", "name": line.product.name, "price": price(line.product)}
            for line in shop().lines
            if line.order is order
        ]
        shared = {"userId": f"u{order.customer.number}", "timestamp": f"{moment(order):%Y-%m-%dT%H:%M:%SZ}"}
        events.append({"event": "Product Viewed", **shared, "properties": {**items[0], "url": "https://x.example"}})
        events.append({"event": "Order Completed", **shared, "properties": {"products": items}})
        events.append({"event": "Page", **shared, "properties": {"url": "https://x.example"}})
    return {"events.json": json.dumps({"meta": {"tags": ["a"]}, "data": events}, indent=1).encode()}


def tracked_events() -> Iterable[Sold]:
    seen = set[int]()
    for line in shop().lines:
        what = (f"u{line.order.customer.number}", f"p{line.product.number}", line.order.time)
        if line.order.number not in seen:
            yield (*what, "View")
        seen.add(line.order.number)
        yield (*what, "Purchase")


def coded() -> Files:
    """A dump of tables: codes for what became of orders, words in two languages, and orders with references."""
    made = shop()
    codes = {"sold": 5, "cancelled": 6, "returned": 7}
    words = {
        5: ("Delivered", "Livré"),
        6: ("Canceled", "Annulé"),
        7: ("Refunded", "Remboursé"),
        8: ("Draft", "Brouillon"),
    }
    orders = ((o.number, f"XKB{o.number}", o.customer.number, codes[o.fate], iso(o), iso(o)) for o in made.orders)
    lines = ((line.number, line.order.number, line.product.number, line.quantity) for line in made.lines)
    states = ((code, language, word) for code, both in words.items() for language, word in enumerate(both, 1))
    products = ((p.number, price(p), 1) for p in made.products)
    names = ((p.number, language, p.name + end) for p in made.products for language, end in ((2, " (fr)"), (1, "")))
    tickets = ((number, o.number, "cancelled" if number % 3 else "closed") for number, o in enumerate(made.orders))
    return {
        "ps_orders.csv": table("id_order|reference|id_customer|current_state|date_add|date_upd", orders),
        "ps_order_detail.csv": table("id_order_detail|id_order|product_id|product_quantity", lines),
        "ps_order_state_lang.csv": table("id_order_state|id_lang|name", states),
        "ps_product.csv": table("id_product|price|active", products),
        "tickets.csv": table("id_ticket|id_order|status", tickets),
        "ps_product_lang.csv": table("id_product|id_lang|name", names),
    }


def till() -> Files:
    """Sales of a till that writes 0 for whoever has no card, false for a sale that was not completed, and orders whose
    numbers look like those of phones."""
    return {
        "sales.csv": table(
            "saleID|completed|voided|customerID|createTime|unitQuantity|sl_sku|sl_name|sl_price",
            (
                (
                    f"010-{line.order.number}-0000",
                    "false" if line.order.fate == "cancelled" else "true",
                    "false",
                    line.order.customer.number if is_member(line.order.customer) else 0,
                    iso(line.order) + "Z",
                    -line.quantity if line.order.fate == "returned" else line.quantity,
                    line.product.number,
                    line.product.name,
                    price(line.product),
                )
                for line in shop().lines
            ),
        )
    }


def many_customers() -> Files:
    parts = dict(database())
    rows = [(c.number, c.city) for c in shop().customers] + [(1_000 + n, CITIES[n % 4]) for n in range(30_000)]
    parts["customers.csv"] = table("id|city", rows)
    return parts


def crowd() -> Mapping[str, Sequence[str]]:
    return {**people(), **{str(1_000 + n): (CITIES[n % 4],) for n in range(30_000)}}


def there() -> list[Line]:
    return [line for line in shop().lines if not gone(line)]


EXPORTS: Mapping[str, Export] = {
    "database": Export(
        database,
        lambda: sold(number_of, product_of, there()),
        users=people,
        user_columns=("CITY",),
        items=catalogue,
        item_columns=PLAIN_ITEMS,
        counts={"rows of order_lines.csv without a partner in orders.csv, left out": sum(map(gone, shop().lines))},
        answers={"interactions.timezone": "UTC"},
        left_out={"customers.csv": ["email", "full_name", "phone"]},
    ),
    "variants": Export(
        variants,
        lambda: sold(lambda customer: f"K{customer.number:05}", variant_of),
        users=lambda: people(lambda customer: f"K{customer.number:05}"),
        user_columns=("CITY",),
        items=sizes,
        item_columns=(*PLAIN_ITEMS, "SIZE"),
    ),
    "e-mail alone": Export(
        by_email,
        lambda: sold(lambda customer: customer.email, lambda line: f"SKU-{line.product.number}"),
        users=lambda: people(lambda customer: customer.email),
        user_columns=("CITY",),
        items=lambda: {
            f"SKU-{p.number}": (p.name, price(p), "other")
            for p in shop().products
            if any(line.product is p for line in shop().lines)
        },
        item_columns=PLAIN_ITEMS,
        answers={"personal": "keep"},
    ),
    "guests": Export(
        with_guests,
        lambda: sold(number_of, product_of, of_members()),
        users=lambda: {key: value for key, value in people().items() if int(key) % 4},
        user_columns=("CITY",),
        items=catalogue,
        item_columns=PLAIN_ITEMS,
        left_out={"members.csv": ["email"], "orders.csv": ["customer_email"]},
        refused=sum(not is_member(line.order.customer) and line.order.fate != "cancelled" for line in shop().lines),
    ),
    "Korean": Export(
        korean,
        lambda: sold(lambda customer: f"m{customer.number}", lambda line: f"P{line.product.number:04}"),
        users=lambda: people(lambda customer: f"m{customer.number}"),
        user_columns=("REGION",),
        items=lambda: {
            f"P{p.number:04}": (p.name, str(p.cents * 13), "other")
            for p in shop().products
            if any(line.product is p for line in shop().lines)
        },
        item_columns=PLAIN_ITEMS,
        left_out={"회원.csv": ["받는분", "비고란"]},
    ),
    "only lines": Export(
        only_lines,
        lambda: sold_all(number_of, lambda line: f"S{line.product.number}"),
        items=newest,
        item_columns=PLAIN_ITEMS,
        counts={
            "values of sku with several values of product_name, of which the newest counts": several(0),
            "values of sku with several values of unit_price, of which the newest counts": several(1),
        },
    ),
    "pointed ids": Export(
        pointed, lambda: sold(lambda customer: f"u-{customer.number}", lambda line: f"i-{line.product.number}")
    ),
    "yearly files": Export(yearly, lambda: sold(number_of, product_of), items=catalogue, item_columns=PLAIN_ITEMS),
    "German": Export(
        german,
        lambda: sold(lambda customer: f"{customer.number:06}", lambda line: f"{line.product.number:08}"),
        users=lambda: people(lambda customer: f"{customer.number:06}"),
        user_columns=("ORT",),
        items=lambda: catalogue(lambda product: f"{product.number:08}"),
        item_columns=PLAIN_ITEMS,
        answers={"interactions.timezone": "UTC"},
        left_out={"kunden.csv": ["Nachname", "Strasse"]},
    ),
    "two currencies": Export(
        two_currencies,
        lambda: sold(number_of, product_of, [line for line in shop().lines if in_won(line.order)]),
        users=people,
        user_columns=("CITY",),
        items=catalogue,
        item_columns=PLAIN_ITEMS,
        answers={"currency": "KRW"},
        left_out={"customers.csv": ["email", "full_name", "phone"]},
    ),
    "values alone": Export(
        nameless,
        lambda: sold(lambda customer: code("c", customer.number), lambda line: code("p", line.product.number)),
        items=lambda: catalogue(lambda product: code("p", product.number)),
        item_columns=PLAIN_ITEMS,
    ),
    "marketplace": Export(
        marketplace,
        lambda: sold(lambda customer: code("u", customer.number), lambda line: code("p", line.product.number)),
        users=lambda: {
            code("u", customer.number): (customer.city,)
            for customer in shop().customers
            if any(order.customer is customer for order in shop().orders)
        },
        user_columns=("CITY",),
        items=lambda: {
            code("p", p.number): (price(p), CATEGORIES[p.category], str(100 + p.number)) for p in shop().products
        },
        item_columns=("PRICE", "CATEGORY_L1", "WEIGHT_G"),
        left_out={"mp_customers_dataset.csv": ["zip_code_prefix"]},
    ),
    "workbook": Export(
        workbook,
        lambda: sold(lambda customer: f"C{customer.number:04}", lambda line: f"{line.product.number:05}"),
        items=lambda: catalogue(lambda product: f"{product.number:05}"),
        item_columns=("PRODUCT_NAME", "PRICE", "CATEGORY_L1"),
        answers={"interactions.timezone": "UTC"},
    ),
    "zip": Export(
        zipped,
        lambda: sold(number_of, product_of, there()),
        users=people,
        user_columns=("CITY",),
        items=catalogue,
        item_columns=PLAIN_ITEMS,
        answers={"interactions.timezone": "UTC"},
        left_out={"dump.zip/dump/customers.csv": ["email", "full_name", "phone"]},
    ),
    "JSON lines": Export(
        json_lines,
        lambda: sold(lambda customer: str(70_000 + customer.number), lambda line: f"SKU-{line.product.number}"),
        items=lambda: catalogue(lambda product: f"SKU-{product.number}"),
        item_columns=("TITLE", "PRICE", "CATEGORY_L1"),
        left_out={"orders.jsonl": ["customer.email"]},
    ),
    "orders named once": Export(
        named_once,
        lambda: sold(lambda customer: f"partner_{customer.number}", lambda line: f"{line.product.number:05}"),
        items=lambda: {f"{number:05}": values[1:2] for number, values in bought().items()},
        item_columns=("PRICE",),
    ),
    "months in words": Export(
        titled,
        lambda: sold(lambda customer: f"{customer.number + 4_000}", lambda line: f"A{line.product.number:04}"),
        items=lambda: {f"A{number:04}": values[:1] for number, values in bought().items()},
        item_columns=("NAME",),
        answers={"status.Estado": "returned"},
    ),
    "events of two forms": Export(
        tracked,
        tracked_events,
        items=lambda: {f"p{number}": values for number, values in bought().items()},
        item_columns=PLAIN_ITEMS[:2],
    ),
    "codes": Export(
        coded,
        lambda: sold(number_of, product_of),
        items=lambda: {str(p.number): (p.name, price(p)) for p in shop().products},
        item_columns=PLAIN_ITEMS[:2],
    ),
    "till": Export(
        till,
        lambda: sold(number_of, product_of, of_members()),
        items=lambda: {str(number): values for number, values in bought().items()},
        item_columns=PLAIN_ITEMS[:2],
    ),
    "many customers": Export(
        many_customers,
        lambda: sold(number_of, product_of, there()),
        users=crowd,
        user_columns=("CITY",),
        items=catalogue,
        item_columns=PLAIN_ITEMS,
        answers={"interactions.timezone": "UTC"},
    ),
}


def sold_all(user: Callable[[Customer], str], item: Callable[[Line], str]) -> Iterable[Sold]:
    """Return all lines as purchases: the file has no statuses."""
    return ((user(line.order.customer), item(line), line.order.time, "Purchase") for line in shop().lines)
