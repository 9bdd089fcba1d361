"""Whatever is sold, cancelled, posted, shipped, counted and pushed, in whatever order: the books balance,
and nobody is shown more than can be promised.

The whole pipeline turns in virtual time, over one world for each example.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cancellations.closing_desk import close
from tests.inventory.stock_desk import (
    count,
    item_of,
    left_to_write,
    out_of_balance,
    post,
    push,
    shown,
    told,
)
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.tiktok_stock import TurnedAway

ACTS = st.one_of(
    st.tuples(st.just("sell"), st.integers(1, 3)),
    st.tuples(st.just("hold"), st.integers(1, 3)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("count"), st.integers(4, 30)),
    st.tuples(st.sampled_from(["post", "close", "ship", "push"]), st.just(0)),
)


class Day:
    """What people and processes do to SKU-020 at one location."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._orders: list[str] = []

    async def act(self, what: str, number: int) -> None:
        if what in ("sell", "hold"):
            status = "AWAITING_SHIPMENT" if what == "sell" else "ON_HOLD"
            try:
                self._orders.append(self._rig.world.place_order("us", ["SKU-020"] * number, status=status))
            except TurnedAway:
                return
        elif what == "cancel" and self._orders:
            self._rig.world.cancel_order(self._orders.pop(number % len(self._orders)))
        elif what == "count":
            count(self._rig, "SKU-020", "6", number)
        elif what == "ship":
            self._ship()
        elif what in ("post", "close", "push"):
            await {"post": post, "close": close, "push": push}[what](self._rig)

    def _ship(self) -> None:
        for order in self._rig.books.records("salesOrder"):
            if order["status"]["id"] == "B":
                body = {"shipStatus": {"id": "C"}}
                self._rig.books.transform("salesOrder", order["id"], "itemFulfillment", body)
                return

    async def end(self) -> None:
        for what in ("post", "close", "push"):
            await self.act(what, 0)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTS, min_size=3, max_size=7))
def test_no_order_of_things_breaks_the_books_or_shows_too_much(acts: list[tuple[str, int]]) -> None:
    async def story(rig: Rig) -> None:
        count(rig, "SKU-020", "6", 12)
        await push(rig)
        day = Day(rig)
        for what, number in acts:
            await day.act(what, number)
            assert out_of_balance(rig) == []
            # What rests would be decided as it was.
            assert what != "push" or left_to_write(rig) == {}
        await day.end()
        item_id = item_of(rig, "SKU-020")
        ledger = rig.ledger()
        with ledger.read() as tx:
            waiting = sum(tx.stock.holders(item_id).values())
        ledger.close()
        can_promise = max(0, int(rig.books.stock(item_id, "6").available - waiting))
        assert shown(rig, "SKU-020") <= can_promise

    told(story)
