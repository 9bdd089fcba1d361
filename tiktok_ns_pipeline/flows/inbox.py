"""Which webhook event wakes which flow, and what a flow takes from its events.

An event only says what to read again: a flow *takes* its events, reads the documents that they name,
and marks them handled in the transaction that plans what it saw. A flow that does not exist yet has
its events kept for it; what no flow will ever want is handled at once.

Conversations carry what a buyer wrote, and a type that is not known yet may carry anything: of those
only the fact is kept, not the body (`keeps_body`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.webhook_events import EVENT_NAMES, INVENTORY_CHANGED, WebhookEvent

ORDERS = "orders"
CLOSURES = "closures"
SHIPMENTS = "shipments"
REFUNDS = "refunds"
STOCK = "stock"
"""Orders change stock too, but their events are the orders' and the closures' alone: the stock flow
follows what those two land, which costs no second reading."""

ANY_SHOP = ""
"""The shop id of events that name the seller only, so any of its shops may be meant (T 8.1)."""

FLOW_OF_TYPE: Mapping[int, str] = {
    1: ORDERS,
    3: ORDERS,
    4: SHIPMENTS,
    5: STOCK,
    11: CLOSURES,
    12: REFUNDS,
    15: STOCK,
    16: STOCK,
    24: STOCK,
    37: STOCK,
    64: REFUNDS,
    65: REFUNDS,
    67: REFUNDS,
    INVENTORY_CHANGED: STOCK,
    71: STOCK,
}
"""By type (T 8.3). The others are nobody's: 2 says again what 11 and 12 say. The published client
library knows 71: a change of stock as 68, with the usual envelope and the shop."""

_OF_THE_SELLER = frozenset({24, INVENTORY_CHANGED})

_ORDER_STATUS_CHANGE = 1
# TikTok's name of the state in this event; everywhere else it is CANCELLED (T 3.2, 8.3).
_CANCELLED = frozenset({"CANCEL", "CANCELLED"})

_TALKATIVE = frozenset({13, 14, 33})
_THIN = frozenset({*EVENT_NAMES, *FLOW_OF_TYPE, 21, 22}) - _TALKATIVE


def flow_of(number: int, order_status: object = None) -> str:
    """The flow that an event is for; empty for one that no flow takes.

    `order_status` is what an event of type 1 says: a cancelled order is the closures'.
    """
    if number == _ORDER_STATUS_CHANGE and order_status in _CANCELLED:
        return CLOSURES
    return FLOW_OF_TYPE.get(number, "")


def names_no_shop(number: int) -> bool:
    """Whether events of this type belong to the seller and not to one shop (T 8.1, 8.3)."""
    return number in _OF_THE_SELLER


def keeps_body(number: int) -> bool:
    """Whether events of this type are known to carry ids and states only."""
    return number in _THIN


@dataclass(frozen=True, slots=True)
class ShopHints:
    """What the events of one shop say to read again; each id once, oldest event first."""

    order_ids: tuple[str, ...]
    cancel_ids: tuple[str, ...]
    return_ids: tuple[str, ...]
    package_ids: tuple[str, ...]
    product_ids: tuple[str, ...]
    sku_ids: tuple[str, ...]
    told_at: Mapping[str, datetime]
    """When the newest event about an order happened; what was read of it since then needs no reading."""
    skus_told_at: Mapping[str, datetime]
    """The same about a SKU: our own write tells, too, and is read back before its event comes."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a flow took from the inbox: by TikTok's shop id, and the rows to mark handled."""

    by_shop: Mapping[str, ShopHints]
    inbox_ids: tuple[int, ...]

    @property
    def order_ids(self) -> tuple[str, ...]:
        """Orders of all shops."""
        return tuple(one for hints in self.by_shop.values() for one in hints.order_ids)

    @property
    def cancel_ids(self) -> tuple[str, ...]:
        """Cancellations of all shops."""
        return tuple(one for hints in self.by_shop.values() for one in hints.cancel_ids)


def taken(tx: Transaction, flow: str, limit: int, shop_ids: Sequence[str] = ()) -> Hints:
    """The oldest events that wait for a flow (of these of TikTok's shop ids, with `ANY_SHOP` for those
    that name none; or of all).

    They wait on until `tx.inbox.handled(hints.inbox_ids)`, which belongs into the transaction that
    plans what was read because of them.
    """
    stored = tx.inbox.take(flow, limit, shop_ids)
    events: dict[str, list[WebhookEvent]] = defaultdict(list)
    for each in stored:
        try:
            events[each.shop_id].append(WebhookEvent.parse(each.body.encode()))
        except WireError:
            # It was readable to the version that stored it. Polling finds what it was about.
            continue
    by_shop = {
        shop_id: ShopHints(
            _once(one for event in of_shop for one in event.order_ids),
            _once(one for event in of_shop for one in event.cancel_ids),
            _once(one for event in of_shop for one in event.return_ids),
            _once(one for event in of_shop for one in event.package_ids),
            _once(one for event in of_shop for one in event.product_ids),
            _once(one for event in of_shop for one in event.sku_ids),
            _newest(of_shop, lambda event: event.order_ids),
            _newest(of_shop, lambda event: event.sku_ids),
        )
        for shop_id, of_shop in events.items()
    }
    return Hints(by_shop, tuple(each.id for each in stored))


def _once(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


def _newest(
    events: Sequence[WebhookEvent], ids: Callable[[WebhookEvent], tuple[str, ...]]
) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for event in events:
        if event.happened_at is not None:
            for each in ids(event):
                newest[each] = max(event.happened_at, newest.get(each, event.happened_at))
    return newest
