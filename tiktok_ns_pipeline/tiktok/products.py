"""What is asked of TikTok Shop about products and their stock, and how stock is set (T 5.1, 5.3).

A level is what can be ordered from then on, absolute and per warehouse: pushing an old one overwrites
what was sold since, so the caller reads, decides and writes in one go. A SKU is always written with
all of its warehouses (T 5.3). One call can succeed for some SKUs and be refused for others; a write
can end in TikTokAmbiguous: read the stock before sending it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.tiktok.calling import Caller, Listing, Page, ShopAccess, time_bounds
from tiktok_ns_pipeline.tiktok.endpoints import ENDPOINTS
from tiktok_ns_pipeline.tiktok.errors import (
    TOO_MANY_HITS,
    PartialFailure,
    TikTokRefused,
    TikTokThrottled,
    TikTokTransient,
    WireError,
    rule_for,
)
from tiktok_ns_pipeline.tiktok.meanings import Meaning, meaning_of
from tiktok_ns_pipeline.tiktok.product_models import SkuStock
from tiktok_ns_pipeline.tiktok.wire import RequiredId, Wire, parse

HIGHEST_LEVEL = 99_999
"""The most that a warehouse of a SKU can show (T 5.3)."""

_PRODUCTS_PER_SEARCH = 100
_SKUS_PER_READING = 600
_FBT_SKUS_PER_SEARCH = 100
_PRODUCTS = Listing("products", "id")
_FBT_ROWS = Listing("inventory", "fbt_warehouse_id")
# Before the first shop of this interface opened (T 1.6).
_BEFORE_ALL = from_epoch(1_577_836_800)
_NARROWEST = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the stock of one SKU was not set, under an answer that was a success otherwise (T 1.6)."""

    code: int | None
    """The most telling one: of a failed check, what failed."""
    message: str
    meaning: Meaning | None

    @property
    def may_pass(self) -> bool:
        """Whether TikTok itself was at fault, so that the same levels may be taken later."""
        return rule_for(self.code, None).error in (TikTokTransient, TikTokThrottled)


class StockReading(dict[str, SkuStock]):
    """Stock by SKU id. A SKU that TikTok does not know, or that is another shop's, is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.malformed: list[WireError] = []
        """What could not be read, one for each such SKU; it is missing, too."""


class ProductCalls:
    """Calls about products and stock; each raises TikTokError for every failure."""

    def __init__(self, calls: Caller) -> None:
        self._calls = calls

    async def search_products(
        self,
        shop: ShopAccess,
        *,
        updated_since: datetime | None = None,
        lane: Lane = "bulk",
    ) -> AsyncIterator[Page]:
        """Pages of raw products in every status, deleted ones too (T 9.4): those that changed since an
        instant (inclusive), or all (T 5.1).

        A shop with more products than one search shows is read in slices of time. Products move
        between pages and slices while they change, so the caller overlaps its windows.
        """
        slices: list[tuple[datetime | None, datetime | None]] = [(updated_since, None)]
        while slices:
            since, until = slices.pop()
            try:
                async for page in self._products(shop, since, until, lane):
                    yield page
            except TikTokRefused as refusal:
                if refusal.code != TOO_MANY_HITS:
                    raise
                earliest, latest = since or _BEFORE_ALL, until or self._calls.now()
                if latest - earliest < _NARROWEST:
                    raise
                middle = earliest + (latest - earliest) / 2
                # The last slice stays open, so that what changes meanwhile is still seen.
                slices += [(middle, until), (since, middle)]

    async def stock_of(self, shop: ShopAccess, sku_ids: Sequence[str], lane: Lane = "urgent") -> StockReading:
        """The stock of these SKUs, 600 a call (T 5.1). Raises WireError for a product without an id."""
        reading = StockReading()
        distinct = list(dict.fromkeys(sku_ids))
        for at in range(0, len(distinct), _SKUS_PER_READING):
            body = {"sku_ids": distinct[at : at + _SKUS_PER_READING]}
            answer = await self._calls.call(ENDPOINTS["search_inventory"], shop, body=body, lane=lane)
            page = self._calls.page(answer, Page, Listing("inventory", "product_id"))
            for row in page.rows:
                _read_stock(row, page.read_at, reading)
        return reading

    async def update_stock(
        self,
        shop: ShopAccess,
        product_id: str,
        levels: Mapping[str, Mapping[str, int]],
        lane: Lane = "urgent",
    ) -> dict[str, Refusal]:
        """Set what can be ordered, by SKU and warehouse of one product; returns the SKUs that TikTok
        would not take. Zero is out of stock and leaves the product's status alone (T 5.3).

        Raises ValueError before the call for a level that is no whole number from 0 to 99,999 or a
        SKU without warehouses, TikTokRefused where none was taken, TikTokAmbiguous.
        """
        if not levels:
            return {}
        body = {"skus": [_sku_body(sku_id, of_sku) for sku_id, of_sku in levels.items()]}
        answer = await self._calls.call(
            ENDPOINTS["update_inventory"], shop, path_values={"product_id": product_id}, body=body, lane=lane
        )
        return _refusals(answer.failures, list(levels))

    async def fbt_stock(
        self, shop: ShopAccess, sku_ids: Sequence[str] = (), lane: Lane = "bulk"
    ) -> AsyncIterator[Page]:
        """Pages of raw rows (`FbtStock`): the seller's goods in TikTok's own warehouses, all that are
        not zero or those matched to these SKUs (T 5.3)."""
        distinct = list(dict.fromkeys(sku_ids))
        batches = [
            distinct[at : at + _FBT_SKUS_PER_SEARCH] for at in range(0, len(distinct), _FBT_SKUS_PER_SEARCH)
        ]
        for batch in batches or [[]]:
            async for page in self._calls.pages(
                ENDPOINTS["search_fbt_inventory"],
                shop,
                Page,
                _FBT_ROWS,
                query={"page_size": str(_PRODUCTS_PER_SEARCH)},
                body={"sku_ids": batch} if batch else {},
                lane=lane,
            ):
                yield page

    def _products(
        self, shop: ShopAccess, since: datetime | None, until: datetime | None, lane: Lane
    ) -> AsyncIterator[Page]:
        return self._calls.pages(
            ENDPOINTS["search_products"],
            shop,
            Page,
            _PRODUCTS,
            query={"page_size": str(_PRODUCTS_PER_SEARCH)},
            # Both bounds are inclusive here (T 5.1).
            body=time_bounds(update_time_ge=since, update_time_le=until),
            lane=lane,
        )


class _Product(Wire):
    product_id: RequiredId


def _read_stock(row: Mapping[str, Any], read_at: datetime, reading: StockReading) -> None:
    product_id = parse(_Product, row, "stock of product", id_keys=("product_id",)).product_id
    skus: object = row.get("skus") or []
    if not isinstance(skus, list):
        reading.malformed.append(WireError(product_id, "skus", "is no list", kind="stock of product"))
        return
    for raw in cast(list[object], skus):
        try:
            stock = SkuStock.parse(cast(dict[str, Any], raw), product_id, read_at)
        except WireError as wrong:
            reading.malformed.append(wrong)
        else:
            reading[stock.sku_id] = stock


def _sku_body(sku_id: str, levels: Mapping[str, int]) -> dict[str, Any]:
    if not levels:
        raise ValueError(f"SKU {sku_id}: a level is set for all of its warehouses, and none is given")
    for warehouse_id, level in levels.items():
        # A truth value is an int to Python.
        if type(level) is not int or not 0 <= level <= HIGHEST_LEVEL:
            raise ValueError(
                f"SKU {sku_id} in warehouse {warehouse_id}: {level!r} is no level from 0 to {HIGHEST_LEVEL}"
            )
    inventory = [{"warehouse_id": name, "quantity": level} for name, level in levels.items()]
    return {"id": sku_id, "inventory": inventory}


def _refusals(failures: Sequence[PartialFailure], sku_ids: Sequence[str]) -> dict[str, Refusal]:
    """By SKU. A failure that names no SKU of ours is every SKU's: none is known to be set."""
    found: dict[str, Refusal] = {}
    unnamed: Refusal | None = None
    for failure in failures:
        sku_id, refusal = str(failure.detail.get("sku_id") or ""), _refusal(failure)
        if sku_id not in sku_ids:
            unnamed = unnamed or refusal
        elif sku_id not in found or (found[sku_id].meaning is None and refusal.meaning):
            found[sku_id] = refusal
    if unnamed is not None:
        found = {sku_id: found.get(sku_id, unnamed) for sku_id in sku_ids}
    return found


def _refusal(failure: PartialFailure) -> Refusal:
    """`detail.extra_errors[]` says what the general code keeps to itself (T 2.3, 12052990)."""
    extra: object = failure.detail.get("extra_errors")
    inner = (
        [PartialFailure.parse(each) for each in cast(list[object], extra)] if isinstance(extra, list) else []
    )
    told = [_one_refusal(each) for each in (*inner, failure)]
    return next((each for each in told if each.meaning), told[0])


def _one_refusal(failure: PartialFailure) -> Refusal:
    code = int(failure.code) if failure.code.isdecimal() else None
    return Refusal(code, failure.message, meaning_of(code))
