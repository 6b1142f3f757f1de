# SPDX-License-Identifier: Apache-2.0
"""What a drop or a PUT of items changed is shown everywhere, whatever came first, without another training."""

import csv
import io
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.storefront.server import open_shop
from tests.app import retail
from tests.app.laptop import Laptop
from tests.app.waiting import until

SETTINGS = """\
recipes: [user-personalization, similar-items, personalized-ranking]
gate: {enabled: false}
probe: {enabled: false}
likelihood: {enabled: false}
placements:
  home: {recipe: user-personalization, limit: 4}
  top: {recipe: popularity-count, limit: 3, metadata: [NAME, PRICE, COLOUR]}
batch:
  mail: {users: {file: loyal.csv}, items: 3, output: mail}
"""
ORDERS = [*itertools.permutations(("interactions", "items", "users"))]


Named = Callable[[str], dict[str, object]]
"""Returns an item's columns as they are to be shown."""


def columns(more: float, colour: str = "", changed: Mapping[str, object] | None = None) -> Named:
    """The columns after a drop of items that are dearer by `more`, and after a PUT of the first one."""

    def named(item: str) -> dict[str, object]:
        if changed and item == retail.ITEMS[0]:
            return dict(changed)
        plain: dict[str, object] = {"NAME": item.upper(), "PRICE": 5 + retail.ITEMS.index(item) + more}
        return {**plain, "COLOUR": f"{colour}-{item}"} if colour else plain

    return named


def items(named: Named) -> str:
    """The file of such items."""
    rows = [{"ITEM_ID": item, **named(item), "CATEGORY_L1": item[:6]} for item in retail.ITEMS]
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows), ""])


@dataclass
class Shown:
    """A shop's lists, and the names and prices that they show."""

    laptop: Laptop
    shop: str

    def drop(self, kind: str, content: str) -> None:
        run = self.laptop.drop(self.shop, kind, content)
        assert run.status == "SUCCEEDED", run.reason

    def lists(self) -> list[list[dict[str, Any]]]:
        ask, ranked = self.laptop.call, {"itemIds": ["garden-00", "kitchen-01"]}
        paths = ("users/u1/recommendations", "items/garden-00/similar", "popular", "users/u1/placements/home")
        answers = [ask("GET", f"/shops/{self.shop}/{path}", limit="4").body for path in paths]
        answers.append(ask("POST", f"/shops/{self.shop}/users/u1/ranking", ranked).body)
        page = {"placements": ["home", "top"]}
        answers += ask("POST", f"/shops/{self.shop}/users/u1/placements", page).body["placements"]
        return [answer["items"] for answer in answers]

    def everywhere(self, named: Named, what: str) -> None:
        """Wait until every item of every list has these columns."""

        def right(item: dict[str, Any]) -> bool:
            metadata = {**item.get("metadata", {})}
            metadata["PRICE"] = float(metadata.get("PRICE", 0))
            return named(item["itemId"]).items() <= metadata.items()

        until(lambda: all(listed and all(map(right, listed)) for listed in self.lists()), what)

    def trained(self) -> int:
        """How many versions the shop's solutions have."""
        group = f"retail-{self.shop}"
        solutions = self.laptop.listed("list_solutions")
        arns = [solution["solutionArn"] for solution in solutions if solution["name"].startswith(f"{group}-")]
        return sum(len(self.laptop.listed("list_solution_versions", solutionArn=arn)) for arn in arns)


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(order, marks=() if order == ORDERS[0] else pytest.mark.nightly, id="-".join(order))
        for order in ORDERS
    ],
)
def test_items_are_shown_everywhere_whatever_was_dropped_first(laptop: Laptop, order: tuple[str, ...]) -> None:
    shown = Shown(laptop, f"order-{ORDERS.index(order)}")
    laptop.put(f"drops/{shown.shop}/settings.yaml", SETTINGS)
    named = columns(0)
    contents = {"interactions": retail.interactions(), "items": items(named), "users": retail.users()}
    for kind in order:
        shown.drop(kind, contents[kind])
    trained = shown.trained()
    shown.everywhere(named, "every list shows what was dropped")
    storefront = open_shop(laptop.state, shown.shop).shop
    rows = {str(row[0]): row[1:3] for row in storefront.page()["items"]}
    assert rows == {item: [item.upper(), 5.0 + at] for at, item in enumerate(retail.ITEMS)}
    shoppers = storefront.document()["shoppers"]
    assert len(shoppers) == 6
    assert all(shopper["last"] and shopper["id"].startswith("u") for shopper in shoppers)

    # A column more and other prices, twice.
    for more in (100, 200):
        named = columns(more, "red" if more == 100 else "blue")
        shown.drop("items", items(named))
        shown.everywhere(named, f"every list shows the prices and colours of drop {more}")
    changed = {"NAME": "Watering can", "PRICE": 0.5, "COLOUR": "green"}
    put = {"properties": {**changed, "CATEGORY_L1": "garden"}}
    assert laptop.call("PUT", f"/shops/{shown.shop}/items/{retail.ITEMS[0]}", put).status == 202
    named = columns(200, "blue", changed)
    shown.everywhere(named, "every list shows the PUT")

    laptop.s3.put_object(Bucket=laptop.bucket, Key=f"drops/{shown.shop}/lists/loyal.csv", Body=b"USER_ID\nu1\nu2\n")
    (path,) = laptop.command_json("batch", shown.shop, "mail")["paths"]
    for row in csv.DictReader(io.StringIO(Path(path).read_text())):
        for number in (1, 2, 3):
            expected = named(row[f"ITEM_ID_{number}"])
            assert (row[f"NAME_{number}"], float(row[f"PRICE_{number}"])) == (expected["NAME"], expected["PRICE"])
    assert shown.trained() == trained
    _commands(laptop, shown)


def _commands(laptop: Laptop, shown: Shown) -> None:
    """Train by the command while items arrive, and see what the other commands say when there is nothing to do."""
    begun = laptop.command_json("retrain", shown.shop, "--recipe", "similar-items")
    assert begun["kind"] == "retrain"
    named = columns(300, "white")
    shown.drop("items", items(named))
    shown.everywhere(named, "items that arrived during a training are shown")
    run = laptop.ended(laptop.client.runs.named(begun["run"]).arn)
    assert run.output["outcome"] == "promoted", run.reason or run.output
    nothing = laptop.command("continue", shown.shop)
    assert (nothing.returncode, "has nothing to continue" in nothing.stderr) == (1, True)
    for command in ("retrain", "continue"):
        unknown = laptop.command(command, "nowhere")
        assert (unknown.returncode, "there is no shop nowhere" in unknown.stderr) == (1, True)
    other = laptop.command("continue", shown.shop, "another-run")
    assert (other.returncode, "no drops to continue" in other.stderr) == (1, True)
    swept = laptop.command_json("sweep", "--shop", shown.shop, "--minutes", "0", "--watch")
    assert (swept["claimed"], swept["refused"]) == ([], [])
    refused = laptop.command("sweep", "--shop", "No shop")
    assert (refused.returncode, "shop: must be" in refused.stderr) == (1, True)
