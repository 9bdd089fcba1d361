"""Flash sales: for some seconds buyers come in a crowd, and all want the same few things.

Whoever watches the live show picks a listing of what is sold there: its own, a twin of it, or a pack.
Buyers come one by one as the world's time passes; like others they order or are turned away.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tiktok_ns_pipeline.sandbox.catalogue import listing_by_id, listings_alike, shop_of
from tiktok_ns_pipeline.sandbox.order_store import Event
from tiktok_ns_pipeline.sandbox.shoppers import Wanted

if TYPE_CHECKING:
    from tiktok_ns_pipeline.sandbox.world import World

FLASH = "flash"
"""The event of a buyer who comes; its number is the sale's."""

_LAST_SALE = "flash_sales"
# So many buyers pick another listing of what is sold.
_OTHERS = 0.25


@dataclass(frozen=True, slots=True)
class _Sale:
    shop: str
    first: list[str]
    """sku_ids that are shown, and below those of the same items."""
    others: list[str]
    rate: float
    until: float


class FlashSales:
    """The flash sales of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        # A sale does not outlive the world's being closed.
        world.store.forget_events(FLASH)

    def begin(self, shop: str, skus: Sequence[str], buyers_per_second: float, seconds: float) -> int:
        """Let buyers come from now on for so many seconds of the world's clock; gives the sale's number.

        `skus` are seller SKUs; every other listing of their items is wanted as well, though less often.
        Raises ValueError for a SKU that is not listed and for a rate or length that is not above zero.
        """
        if buyers_per_second <= 0 or seconds <= 0:
            raise ValueError("a flash sale needs buyers_per_second and seconds above zero")
        listings = listings_alike(skus)
        first = [listing.sku_id for listing in listings if listing.seller_sku in skus]
        begins = self._world.now().timestamp()
        with self._world.changing():
            number = int(self._world.store.note(_LAST_SALE) or 0) + 1
            self._world.store.remember(_LAST_SALE, str(number))
            sale = _Sale(
                shop_of(shop).key,
                first,
                [one.sku_id for one in listings if one.sku_id not in first],
                buyers_per_second,
                begins + seconds,
            )
            self._world.store.remember(f"{FLASH} {number}", json.dumps(asdict(sale)))
            self._next(number, sale, begins)
        return number

    def wanted(self, sale: int, buyer: int) -> Wanted:
        """What a buyer of a sale wants; `buyer` is the number that the order will have, if it is placed."""
        kept = self._of(sale)
        chance = random.Random(f"flash {self._world.seed} {sale} {buyer}")
        others = kept.others and chance.random() < _OTHERS
        listing = listing_by_id(chance.choice(kept.others if others else kept.first))
        assert listing is not None, "a sale is of what is listed"
        units = chance.choices((1, 2, 3), (80, 15, 5))[0]
        return Wanted(shop_of(kept.shop), [listing] * units)

    def schedule(self, sale: int, after: float) -> None:
        """Let the next buyer of a sale come, unless it is over."""
        self._next(sale, self._of(sale), after)

    def _next(self, number: int, sale: _Sale, after: float) -> None:
        chance = random.Random(f"crowd {self._world.seed} {number} {after}")
        due = after + chance.expovariate(sale.rate)
        if due <= sale.until:
            self._world.store.schedule(Event(due, number, "", FLASH))

    def _of(self, sale: int) -> _Sale:
        return _Sale(**json.loads(self._world.store.note(f"{FLASH} {sale}") or "{}"))
