"""What a story about stock needs: the flows, people's hands on both sides, and a look at the numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.rigging import SOON, in_world
from tiktok_ns_pipeline.flows.turning import TurnRequest
from tiktok_ns_pipeline.inventory.deciding import Decider
from tiktok_ns_pipeline.inventory.flow import StockFlow
from tiktok_ns_pipeline.inventory.mismatches import offers_as_landed
from tiktok_ns_pipeline.inventory.report import RunReport
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import RAW_NETSUITE_ITEMS
from tiktok_ns_pipeline.ledger.stock import Position
from tiktok_ns_pipeline.mapping import load_mapping
from tiktok_ns_pipeline.sandbox.catalogue import listing_of
from tiktok_ns_pipeline.sandbox.rig import MAPPING, Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.stockroom import count_stock
from tiktok_ns_pipeline.tiktok.slot import Slot

PUSH_SOON = TurnRequest(budget_s=3600, idle_s=10)
"""A run that ends when nothing was due for ten seconds."""
AT_ONCE = TurnRequest(budget_s=15, idle_s=10)
"""A run that does not stay for what is found out later."""

MAIN, WEST, UK = "7000000000000000061", "7000000000000000071", "7000000000000000091"
"""TikTok warehouses: of locations 6 and 7 in the US, and 9 in the UK."""

Rules = Callable[[Rig], None]

_PUBLISHED, _LEFT_ALONE = "    stock: {policy: publish}\n", "    stock: {policy: none}\n"


async def push(rig: Rig, request: TurnRequest = PUSH_SOON) -> RunReport:
    """One process of the stock flow."""
    async with rig.runtime() as runtime:
        return await StockFlow(runtime, runtime.settings.holder).run(request)


async def post(rig: Rig) -> None:
    """One process of the orders flow, until nothing is to be posted."""
    await rig.run(SOON)


def sku_of(name: str) -> str:
    """TikTok's id of a seller SKU."""
    return listing_of(name).sku_id


def item_of(rig: Rig, name: str) -> str:
    """The NetSuite item of that name."""
    [item] = rig.books.query("SELECT i.id FROM item i WHERE i.itemid = ?", [name]).as_dicts()
    return item["id"]


def shown(rig: Rig, name: str = "SKU-001", warehouse: str = MAIN, shop: str = "us") -> int:
    """What TikTok shows."""
    return rig.world.stock.available(shop, sku_of(name), warehouse)


def count(rig: Rig, name: str, location: str, found: int) -> None:
    """Somebody counts an item in NetSuite: an Inventory Adjustment makes it so many."""
    count_stock(rig.books, item_of(rig, name), location, Decimal(found))


def movements(rig: Rig, account: Any, sku: str, **where: Any) -> list[Position]:
    ledger = rig.ledger()
    with ledger.read() as tx:
        found = tx.stock.positions(account, sku, **where)
    ledger.close()
    return found


def out_of_balance(rig: Rig) -> list[Any]:
    ledger = rig.ledger()
    with ledger.read() as tx:
        found = tx.stock.verify()
    ledger.close()
    return found


def left_to_write(rig: Rig) -> dict[Slot, int]:
    """What would have to be written if everything were decided anew: nothing, after a run."""
    mapping = load_mapping(rig.settings.mapping_path)
    lake, ledger = Lake(rig.settings.lake_url, rig.clock), rig.ledger()
    with ledger.read() as tx:
        offers = offers_as_landed(lake, tx, mapping, lake.current(RAW_NETSUITE_ITEMS))
        decider = Decider(mapping, offers, rig.settings.poll_s)
        decider.load(tx)
        decider.learn_demand(tx, rig.clock.now())
        decision = decider.decide(tx, offers.all(), rig.clock.now())
    lake.close()
    ledger.close()
    return decision.due


def with_mapping(*changes: tuple[str, str], shops: Sequence[str] = ("us",)) -> Rules:
    """Puts other rules into the mapping of a rig, which publishes the stock of these shops only."""

    def change(rig: Rig) -> None:
        text = MAPPING.read_text()
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        parts = text.split(_PUBLISHED)
        assert len(parts) == 3
        for at, shop in ((1, "uk"), (2, "vn")):
            parts[at] = (_PUBLISHED if shop in shops else _LEFT_ALONE) + parts[at]
        changed = rig.settings.data_dir / "mapping.yaml"
        changed.write_text("".join(parts))
        rig.settings = replace(rig.settings, mapping_path=changed)

    return change


def told(story: Callable[[Rig], Awaitable[None]], rules: Rules | None = None, **options: Any) -> None:
    """Tell a story in virtual time, in a world that keeps stock; the books balance at its end.

    Systems are looked at every five seconds, which is as good for a story as more often.
    """

    async def begin(rig: Rig) -> None:
        (rules or with_mapping())(rig)
        await story(rig)
        assert out_of_balance(rig) == []

    in_world(begin, mix=Mix(stock="kept"), **{"poll_s": 5.0, **options})
