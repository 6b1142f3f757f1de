# SPDX-License-Identifier: Apache-2.0
"""The setting `storefront`: how the shop that comes with the application shows its items."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Column = Annotated[str, StringConstraints(min_length=1, max_length=150, strip_whitespace=True)]
"""A column by its name in the shop's files or by Personalize's name, in any spelling: image_url, imageUrl."""


class ShownColumns(BaseModel):
    """The columns that cards and pages of items show; each is recognised by its name if it is not set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Column | None = None
    """The item's name."""
    price: Column | None = None
    """The price, a number."""
    image: Column | None = None
    """The address of the picture, which begins with https:// or http://."""
    categories: Annotated[tuple[Column, ...], Field(max_length=2)] | None = None
    """The department, and the shelf in it."""


class Storefront(BaseModel):
    """The storefront's words and columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)] | None = None
    """The shop's name on its pages; the name of the drops' folder by default."""
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    """The currency of prices by its ISO 4217 code, such as KRW; without it prices are plain numbers."""
    columns: ShownColumns = ShownColumns()
    """Where names, prices, pictures and categories stand."""
    drawings: Literal["none", "groceries"] = "none"
    """What items without a picture show: a plain tile, or drawings of groceries."""


USUAL_STOREFRONT = Storefront()
"""The storefront of a shop that sets none."""
