# SPDX-License-Identifier: Apache-2.0
import pytest
from personalization.core.errors import Broken, LimitReached, PersonalizationError, Rejected, RetryLater
from personalization.core.problems import Problem, of_error
from personalization.shop.records.release import Release
from personalization.shop.records.release_store import REMEMBER_NONE_SECONDS, REMEMBER_SECONDS, Releases


class Table:
    """A table of shops in memory; its answer can be an outage."""

    def __init__(self) -> None:
        self.calls = 0
        self.down = False
        self.shops: dict[str, Release] = {}

    def fetch(self, shop: str) -> Release | None:
        self.calls += 1
        if self.down:
            raise RetryLater("shops", "no answer")
        return self.shops.get(shop)


def release(run: str) -> Release:
    return Release(shop="demo", tracking_id=run, dataset_group_arn="arn", campaigns={})


def test_a_release_is_remembered_for_a_minute() -> None:
    table = Table()
    releases, table.shops["demo"] = Releases(table.fetch), release("one")
    assert releases.get("demo", 0.0).tracking_id == "one"
    table.shops["demo"] = release("two")
    assert releases.get("demo", REMEMBER_SECONDS - 1).tracking_id == "one"
    assert releases.get("demo", REMEMBER_SECONDS).tracking_id == "two"
    assert table.calls == 2


def test_an_old_release_serves_on_while_the_table_does_not_answer() -> None:
    table = Table()
    releases, table.shops["demo"] = Releases(table.fetch), release("one")
    releases.get("demo", 0.0)
    table.down = True
    assert releases.get("demo", REMEMBER_SECONDS + 1).tracking_id == "one"
    with pytest.raises(RetryLater):
        releases.get("other", 0.0)


def test_an_unknown_shop_is_asked_for_again_soon() -> None:
    table = Table()
    releases = Releases(table.fetch)
    for now in (0.0, REMEMBER_NONE_SECONDS - 1):
        with pytest.raises(Problem, match="This shop does not exist"):
            releases.get("demo", now)
    table.shops["demo"] = release("one")
    assert releases.get("demo", REMEMBER_NONE_SECONDS).tracking_id == "one"
    assert table.calls == 2


def test_a_flood_of_unknown_shops_takes_no_memory() -> None:
    table = Table()
    releases, table.shops["demo"] = Releases(table.fetch), release("one")
    for number in range(3000):
        with pytest.raises(Problem):
            releases.get(f"shop-{number}", 0.0)
    assert releases.get("demo", 0.0).tracking_id == "one"


@pytest.mark.parametrize(("error", "status"), [(Rejected, 400), (RetryLater, 503), (LimitReached, 503), (Broken, 503)])
def test_a_front_end_is_told_nothing_about_our_resources(error: type[PersonalizationError], status: int) -> None:
    problem = of_error(error("arn:aws:personalize:::campaign/x", "because"))
    assert problem.status == status
    assert "arn:" not in str(problem.body("r"))


def test_an_error_reads_as_resource_and_reason() -> None:
    error = Rejected("drops/demo/items/a.csv", "row 2: PRICE is empty")
    assert str(error) == "drops/demo/items/a.csv: row 2: PRICE is empty"
    assert (error.resource, error.reason) == ("drops/demo/items/a.csv", "row 2: PRICE is empty")
