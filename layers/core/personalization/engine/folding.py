# SPDX-License-Identifier: Apache-2.0
"""Take over the events of the engine's shops, before the copies of them expire."""

from collections.abc import Callable

from personalization.core.errors import PersonalizationError
from personalization.engine.archive import Archive
from personalization.engine.backend import Account
from personalization.engine.files import Store
from personalization.engine.making import shop_of
from personalization.engine.records import Members


def archive_of(store: Store, account: Account, group: Members) -> Archive:
    """Return the events of a dataset group; those of an earlier shop of its name are not among them."""
    shop = shop_of(account, group["name"])
    return Archive(store.client(), store.bucket(), shop, int(group["creationDateTime"]))


def fold_all(store: Store, account: Account, late: Callable[[], bool]) -> dict[str, PersonalizationError | None]:
    """Take over the events of all dataset groups; return their names, with what went wrong.

    So a shop that trains less often than copies are kept loses no event. `late` says when no time is left: the next
    call goes on.
    """
    outcomes: dict[str, PersonalizationError | None] = {}
    for group in account.records.listed("datasetGroup"):
        try:
            archive_of(store, account, group).fold(late)
            outcomes[group["name"]] = None
        except PersonalizationError as error:
            outcomes[group["name"]] = error
    return outcomes
