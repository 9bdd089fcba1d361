"""Seeded drift between TikTok's stock and NetSuite's is found and named, against the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

from tests.rigging import SOON, in_world
from tiktok_ns_pipeline.lake.tables import ACCOUNT_WIDE, STOCK_RECONCILIATION, STOCK_RECONCILIATION_STATEMENTS
from tiktok_ns_pipeline.reconciliation.every_shop import prove_stock_of_every_shop
from tiktok_ns_pipeline.reconciliation.reading import Sources
from tiktok_ns_pipeline.reconciliation.stock.checking import no_oversold_skus, stock_levels_agree
from tiktok_ns_pipeline.reconciliation.stock.model import StockProof, Verdict
from tiktok_ns_pipeline.reconciliation.stock.proof import prove_stock
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.sandbox.catalogue import SHOPS, listing_of
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.placing import Line
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.stockroom import count_stock

ON_EVERY_SHELF = 5_000
"""What the books begin with, of every item at every Location."""
MAIN, WEST = "7000000000000000061", "7000000000000000071"
MAIN_LOCATION = "6"

MORE, LESS = Verdict.SHOWS_MORE_THAN_EXISTS, Verdict.SHOWS_LESS


def sku(seller_sku: str) -> str:
    found = listing_of(seller_sku)
    assert found is not None
    return found.sku_id


async def prove(rig: Rig) -> StockProof:
    async with rig.runtime() as runtime:
        return await prove_stock_of_every_shop(runtime, "run-1")


async def opened(runtime: Runtime) -> dict[str, Sources]:
    """Every shop, as a test may change it."""
    accesses = {access.shop_id: access for access in await runtime.tiktok.authorized_shops()}
    return {
        code: Sources(
            runtime.tiktok,
            runtime.netsuite,
            accesses[shop.tiktok_shop_id],
            shop,
            runtime.mapping,
            runtime.clock,
        )
        for code, shop in runtime.mapping.shops.items()
    }


def drifts(proof: StockProof) -> dict[tuple[str, str, str], tuple[Verdict, int]]:
    """What is wrong, by shop, seller SKU and warehouse."""
    return {
        (level.slot.shop, level.slot.seller_sku, level.slot.warehouse_id): (level.verdict, level.difference)
        for level in proof.wrong
    }


def verdict_of(proof: StockProof, seller_sku: str, warehouse_id: str = MAIN) -> Verdict:
    [level] = [
        level
        for level in proof.levels
        if (level.slot.sku_id, level.slot.warehouse_id) == (sku(seller_sku), warehouse_id)
        and level.slot.shop == "us"
    ]
    return level.verdict


def in_agreement(test: Callable[[Rig], Awaitable[None]]) -> None:
    """A world in which TikTok shows what the books have: packs of six and kits of one and two by what
    they consist of."""

    async def body(rig: Rig) -> None:
        for shop in SHOPS:
            for warehouse_id in shop.warehouses:
                rig.world.stock.edit(shop.key, sku("PACK-6-001"), warehouse_id, ON_EVERY_SHELF // 6)
                rig.world.stock.edit(shop.key, sku("KIT-001"), warehouse_id, ON_EVERY_SHELF // 2)
        await test(rig)

    in_world(body, mix=Mix(stock="kept", stock_at_start=ON_EVERY_SHELF))


def test_what_was_pushed_rightly_is_clean_and_says_so_in_one_line() -> None:
    async def body(rig: Rig) -> None:
        proof = await prove(rig)

        assert drifts(proof) == {}
        assert proof.oversold == ()
        found = {level.verdict for level in proof.levels}
        assert found == {Verdict.AGREES, Verdict.FBT, Verdict.NOT_PUSHED, Verdict.UNMAPPED}
        assert verdict_of(proof, "NEW-IN-2027") is Verdict.UNMAPPED
        assert verdict_of(proof, "BUNDLE-2") is Verdict.NOT_PUSHED
        assert "difference = none" in proof.statement
        assert stock_levels_agree(proof).state == "passed"
        assert no_oversold_skus(proof).state == "not_run"

    in_agreement(body)


def test_what_a_person_changed_in_seller_center_is_named_with_its_units() -> None:
    async def body(rig: Rig) -> None:
        stock = rig.world.stock
        stock.edit("us", sku("SKU-020"), MAIN, ON_EVERY_SHELF + 3)
        stock.edit("us", sku("SKU-021"), WEST, ON_EVERY_SHELF - 4)

        proof = await prove(rig)

        assert drifts(proof) == {("us", "SKU-020", MAIN): (MORE, 3), ("us", "SKU-021", WEST): (LESS, -4)}
        outcome = stock_levels_agree(proof)
        assert (outcome.state, outcome.names) == (
            "failed",
            (f"us/SKU-020/{MAIN}", f"us/SKU-021/{WEST}"),
        )
        assert "3 units are shown that do not exist, 4 could be sold" in outcome.description

    in_agreement(body)


def test_stock_that_vanished_from_the_books_is_missed_by_all_that_draw_on_it() -> None:
    async def body(rig: Rig) -> None:
        rig.books.set_stock("301", MAIN_LOCATION, 60)

        proof = await prove(rig)

        assert drifts(proof) == {
            ("us", "SKU-001", MAIN): (MORE, ON_EVERY_SHELF - 60),
            ("us", "PACK-6-001", MAIN): (MORE, ON_EVERY_SHELF // 6 - 10),
            ("us", "KIT-001", MAIN): (MORE, ON_EVERY_SHELF // 2 - 60),
        }

    in_agreement(body)


def test_an_order_is_taken_off_once_before_and_after_its_sales_order() -> None:
    async def body(rig: Rig) -> None:
        lines = [Line("SKU-022", 5), Line("KIT-002", 2)]
        rig.world.place_order("us", lines, warehouse_id=MAIN)
        rig.world.place_order("us", ["SKU-023"], warehouse_id=MAIN, status="ON_HOLD")
        # As pushed: the kit's members are sold on their own, too.
        for member in ("SKU-003", "SKU-004"):
            rig.world.stock.edit("us", sku(member), MAIN, ON_EVERY_SHELF - 2)

        before = await prove(rig)
        await rig.run(SOON)
        after = await prove(rig)

        assert (before.claimed, after.claimed) == (5 + 2 + 2 + 1, 1)
        assert drifts(before) == drifts(after) == {}
        assert len(list(rig.books.records("salesOrder"))) == 1

    in_agreement(body)


def test_a_sale_that_somebody_undid_at_tiktok_is_shown_and_does_not_exist() -> None:
    async def body(rig: Rig) -> None:
        rig.world.place_order("us", [Line("SKU-022", 5)], warehouse_id=MAIN, status="ON_HOLD")
        cancelled = rig.world.place_order("us", [Line("SKU-024", 5)], warehouse_id=MAIN, status="ON_HOLD")
        rig.world.cancel_order(cancelled)
        rig.world.stock.edit("us", sku("SKU-022"), MAIN, ON_EVERY_SHELF)

        assert drifts(await prove(rig)) == {("us", "SKU-022", MAIN): (MORE, 5)}

    in_agreement(body)


def test_orders_that_the_books_cannot_serve_are_oversold_and_named() -> None:
    async def body(rig: Rig) -> None:
        posted = rig.world.place_order("us", [Line("SKU-025", 7)], warehouse_id=MAIN)
        await rig.run(SOON)
        waiting = rig.world.place_order("us", [Line("SKU-026", 9)], warehouse_id=MAIN, status="ON_HOLD")
        rig.books.set_stock("325", MAIN_LOCATION, 3)
        rig.books.set_stock("326", MAIN_LOCATION, 4)

        proof = await prove(rig)

        found = {cover.stock[0]: (cover.oversold, cover.orders) for cover in proof.oversold}
        assert found == {
            "325": (Decimal(4), (f"us/{posted}",)),
            "326": (Decimal(5), (f"us/{waiting}",)),
        }
        outcome = no_oversold_skus(proof)
        assert (outcome.state, outcome.names) == ("failed", ("item 326 at 6", "item 325 at 6"))
        assert waiting in outcome.table

    in_agreement(body)


def test_what_is_put_right_while_it_is_looked_at_is_no_difference() -> None:
    async def body(rig: Rig) -> None:
        stock = rig.world.stock
        stock.edit("us", sku("SKU-020"), MAIN, ON_EVERY_SHELF + 3)
        stock.edit("us", sku("SKU-021"), MAIN, ON_EVERY_SHELF + 3)

        async def put_right() -> None:
            await asyncio.sleep(60)
            stock.edit("us", sku("SKU-020"), MAIN, ON_EVERY_SHELF)
            stock.edit("us", sku("SKU-021"), MAIN, ON_EVERY_SHELF - 1)

        righting = asyncio.create_task(put_right())
        proof = await prove(rig)
        await righting

        assert drifts(proof) == {}
        assert verdict_of(proof, "SKU-020") is Verdict.AGREES
        assert verdict_of(proof, "SKU-021") is Verdict.WAITING

    in_agreement(body)


def test_goods_that_came_just_now_may_be_kept_back_and_later_are_missed() -> None:
    async def body(rig: Rig) -> None:
        count_stock(rig.books, "320", MAIN_LOCATION, ON_EVERY_SHELF + 4)

        just_now = await prove(rig)
        await asyncio.sleep(3_600)
        later = await prove(rig)

        assert (drifts(just_now), verdict_of(just_now, "SKU-020")) == ({}, Verdict.HELD_BACK)
        assert drifts(later) == {("us", "SKU-020", MAIN): (LESS, -4)}

    in_agreement(body)


def test_a_shop_that_cannot_be_read_is_not_clean_and_makes_others_uncertain() -> None:
    async def body(rig: Rig) -> None:
        rig.world.stock.edit("us", sku("SKU-020"), MAIN, ON_EVERY_SHELF + 3)
        async with rig.runtime() as runtime:
            sources = await opened(runtime)
            unknown = replace(sources["uk"].access, cipher="no such shop")
            sources["uk"] = replace(sources["uk"], access=unknown)
            proof = await prove_stock(sources, {}, runtime.lake, runtime.mapping, runtime.clock, "run-1")

        assert set(proof.unread) == {"uk"}
        [level] = proof.wrong
        assert (level.slot.seller_sku, level.verdict) == ("SKU-020", Verdict.CANNOT_BE_CHECKED)
        assert "shop uk could not be read" in level.note
        assert {level.slot.shop for level in proof.levels} == {"us", "vn"}
        assert "shop uk not proved: tiktok could not be read" in proof.statement
        assert no_oversold_skus(proof).state == "not_run"

    in_agreement(body)


def test_shops_that_cannot_be_read_at_all_leave_the_last_verdicts() -> None:
    async def body(rig: Rig) -> None:
        rig.faults.inject(FaultKind.unauthorized, "tiktok", "/products/search", times=1000)

        proof = await prove(rig)

        assert set(proof.unread) == {"us", "uk", "vn"}
        assert proof.is_not_run
        assert stock_levels_agree(proof).state == no_oversold_skus(proof).state == "not_run"
        async with rig.runtime() as runtime:
            assert runtime.lake.current(STOCK_RECONCILIATION) == []
            [statement] = runtime.lake.current(STOCK_RECONCILIATION_STATEMENTS)
        assert statement["statement"].startswith("not run: shop us not proved: tiktok could not be read")
        assert statement["levels"] is None

    in_agreement(body)


def test_books_that_cannot_be_read_are_no_clean_proof() -> None:
    async def body(rig: Rig) -> None:
        rig.faults.inject(FaultKind.unauthorized, "netsuite", "/suiteql", times=1000)

        proof = await prove(rig)

        assert {why.side for why in proof.unread.values()} == {"netsuite"}
        assert stock_levels_agree(proof).state == "not_run"

    in_agreement(body)


def test_verdicts_and_statements_land_for_every_proof() -> None:
    async def body(rig: Rig) -> None:
        rig.world.stock.edit("us", sku("SKU-020"), MAIN, ON_EVERY_SHELF + 3)
        rig.world.place_order("us", [Line("SKU-026", 9)], warehouse_id=MAIN, status="ON_HOLD")
        first = await prove(rig)
        rig.world.stock.edit("us", sku("SKU-020"), MAIN, ON_EVERY_SHELF)
        second = await prove(rig)

        async with rig.runtime() as runtime:
            rows = runtime.lake.current(STOCK_RECONCILIATION)
            connection = runtime.lake.connect()
            statements = connection.execute(
                "SELECT statement FROM stock_reconciliation_statements_all ORDER BY proved_at"
            ).fetchall()
            history = connection.execute(
                "SELECT verdict, difference FROM stock_reconciliation_all "
                "WHERE shop = 'us' AND seller_sku = 'SKU-020' AND warehouse_id = ? ORDER BY tiktok_read_at",
                [MAIN],
            ).fetchall()
        assert [text for (text,) in statements] == [first.statement, second.statement]
        assert history == [("shows_more_than_exists", 3), ("agrees", 0)]
        assert len([row for row in rows if row["aspect"] == "level"]) == len(second.levels)
        [cover] = [row for row in rows if row["aspect"] == "cover"]
        assert (cover["shop"], cover["verdict"], cover["items"], cover["claimed"]) == (
            ACCOUNT_WIDE,
            "covered",
            "326",
            Decimal(9),
        )

    in_agreement(body)
