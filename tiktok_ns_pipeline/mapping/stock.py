"""The seller's decisions about stock: what of NetSuite's available quantity TikTok may show.

Nothing is published unless a shop's `stock` says `policy: publish`. A TikTok warehouse shows the stock
of one or several Locations (its *pool*); two warehouses have the same pool or share no Location, so
that each unit is counted in one pool. Warehouses that TikTok counts itself (FBT) have none.

Terms: *share* is a percentage of each pool; *buffer* and *cap* are TikTok units of one listing in one
warehouse. What `items` says of a SKU comes before what its shop says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field

from tiktok_ns_pipeline.mapping.section import Section

_A_DAY_IN_MINUTES = 24 * 60
_MOST_SHOWN = 99_999
"""The most that TikTok documents for a stock level (T 5.3)."""

_Minutes = Annotated[int, Field(ge=5, le=15)]
_Percent = Annotated[Decimal, Field(gt=0, le=100, decimal_places=4)]
_Units = Annotated[int, Field(ge=0, le=_MOST_SHOWN)]
_Cap = Annotated[int, Field(ge=1, le=_MOST_SHOWN)]


class UnknownStock(Section):
    """What becomes of a level whose item NetSuite does not return any more: unknown is not zero."""

    keep_minutes: int = Field(
        default=60,
        ge=0,
        le=7 * _A_DAY_IN_MINUTES,
        description="minutes that the last level stays while NetSuite does not return the item",
    )
    then: Literal["hold", "zero"] = Field(
        default="hold",
        description="after that: hold (the last level stays until a person decides), or zero",
    )


class StockRules(Section):
    """How often stock is read, and what is not believed of it."""

    snapshot_minutes: _Minutes = Field(
        default=5, description="minutes between two readings of all stock in NetSuite, 5 to 15"
    )
    read_back_minutes: int = Field(
        default=60,
        ge=5,
        le=_A_DAY_IN_MINUTES,
        description="minutes between two readings of all stock that TikTok shows, 5 to 1440",
    )
    unknown: UnknownStock = UnknownStock()
    shrink_percent: _Percent = Field(
        default=Decimal(20),
        description="percent of the items with stock; when more than that fall to zero in one reading, "
        "nothing is published before a person has looked",
    )


class NoStock(Section):
    """Nothing is pushed: the seller keeps TikTok's stock by other means."""

    policy: Literal["none"]

    @property
    def publishes(self) -> bool:
        """Whether levels of this shop are pushed: never."""
        return False


class PublishedStock(Section):
    """The shop's levels follow NetSuite's available quantity."""

    policy: Literal["publish"]
    share: _Percent = Field(
        default=Decimal(100),
        description="percent of each pool that this shop may show, above 0 and at most 100",
    )
    buffer: _Units = Field(
        default=0, description="TikTok units kept back for each listing and warehouse, such as 2"
    )
    cap: _Cap | None = Field(
        default=None, description="most units that a listing shows in one warehouse, such as 50"
    )
    fbt: Literal["report", "propose"] = Field(
        default="report",
        description="where the stock of TikTok's own warehouse (FBT) differs from its Location's: report "
        "it, or propose an inventory adjustment too",
    )

    @property
    def publishes(self) -> bool:
        """Whether levels of this shop are pushed: always."""
        return True


StockPublishing = Annotated[NoStock | PublishedStock, Field(discriminator="policy")]


class ItemStock(Section):
    """What holds for one SKU in every shop, before what the shop says."""

    buffer: _Units | None = Field(
        default=None, description="TikTok units kept back for this SKU, instead of the shop's buffer"
    )
    cap: _Cap | None = Field(
        default=None, description="most units that this SKU shows, instead of the shop's cap"
    )
    publish: bool = Field(default=True, description="false leaves this SKU's stock at TikTok alone")


@dataclass(frozen=True, slots=True)
class StockDecision:
    """What the mapping decides about the levels of one SKU in one shop, and the rule behind each value.

    Without `publishes` the other values mean nothing and nothing is pushed.
    """

    publishes: bool
    share: Decimal
    """Percent of each pool, above 0 and at most 100."""
    buffer: int
    """TikTok units kept back in each warehouse."""
    cap: int | None
    """Most TikTok units that one warehouse shows; None for no limit."""
    rules: Mapping[str, str]
    """The place in the mapping that decided `publishes`, `share`, `buffer` and `cap`."""


def decide_stock(
    shop_code: str, shop: NoStock | PublishedStock, item_key: str, item: ItemStock | None
) -> StockDecision:
    """The decision about one SKU; `item` is the `stock` of its entry `item_key` under `items`, if any."""
    of_shop, of_item = f"shops.{shop_code}.stock", f"items.{item_key}.stock"
    if isinstance(shop, NoStock):
        return StockDecision(False, Decimal(100), 0, None, {"publishes": f"{of_shop}.policy"})
    item = item or ItemStock()
    rules = {
        name: f"{of_shop}.{name}" if name in shop.model_fields_set else f"{of_shop}, by default"
        for name in ("share", "buffer", "cap")
    }
    for name in ("buffer", "cap"):
        if getattr(item, name) is not None:
            rules[name] = f"{of_item}.{name}"
    return StockDecision(
        publishes=item.publish,
        share=shop.share,
        buffer=shop.buffer if item.buffer is None else item.buffer,
        cap=shop.cap if item.cap is None else item.cap,
        rules={"publishes": f"{of_shop}.policy" if item.publish else f"{of_item}.publish", **rules},
    )


def refuse_overlaps(pools: Mapping[str, Sequence[str]]) -> None:
    """Refuse pools (Locations by TikTok warehouse id) that share some Locations but not all.

    Raises ValueError that names both warehouses and the Locations.
    """
    for (one, first), (other, second) in combinations(sorted(pools.items()), 2):
        shared = set(first) & set(second)
        if shared and set(first) != set(second):
            raise ValueError(
                f"warehouses {one} and {other} both show the stock of location {', '.join(sorted(shared))}, "
                "but not of the same locations; give both the same `stock_location_ids`, or none in common"
            )
