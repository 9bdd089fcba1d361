"""Whatever the shops sell and however it leaves: what was done rightly is clean, in every market."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from tests.rigging import SOON, exceptions, in_world
from tiktok_ns_pipeline.reconciliation.every_shop import prove_fulfilments_of_every_shop
from tiktok_ns_pipeline.reconciliation.fulfilments.model import FulfilmentProof, Verdict
from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.facts import Status
from tiktok_ns_pipeline.sandbox.markets import MARKETS
from tiktok_ns_pipeline.sandbox.parcels import Handover
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.sandbox.warehouse import WarehouseHabits

HOURS = 3_600.0


async def prove(rig: Rig) -> list[FulfilmentProof]:
    """All days on which something was ordered, in every shop."""
    days = sorted({truth.placed_at.date() for truth in rig.world.truth()})
    proofs: list[FulfilmentProof] = []
    async with rig.runtime() as runtime:
        for day in _around(days):
            proofs += (await prove_fulfilments_of_every_shop(runtime, day, "run-1")).values()
    return proofs


def _around(days: list[date]) -> Iterator[date]:
    """The days of UTC and their neighbours, which are the business days somewhere."""
    ordinals = {day.toordinal() + near for day in days for near in (-1, 0, 1)}
    return (date.fromordinal(ordinal) for ordinal in sorted(ordinals))


class Hands:
    """People who ship what the books hold, rightly: in parts, told, and billed where the shop bills."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.chance = Random(seed)
        self.shipped = 0

    def ship_all(self) -> None:
        for record in list(self.rig.books.records("salesOrder")):
            order_id = record["custbody_tts_order_id"]
            if record["status"]["id"] == "B":
                self._ship(order_id, record)

    def _ship(self, order_id: str, record: dict[str, Any]) -> None:
        facts = self.rig.world.facts(order_id)
        bundles = list(_bundles(record))
        self.chance.shuffle(bundles)
        # Where packages exist before anything is shipped, an order leaves as its packages do.
        whole = MARKETS[shop_of(facts.shop).region].packages_at_once
        cut = len(bundles) if whole else self.chance.randint(0, len(bundles))
        for number, part in enumerate((bundles[:cut], bundles[cut:]), start=1):
            if part:
                self._leave(order_id, record, facts, number, part)

    def _leave(
        self, order_id: str, record: dict[str, Any], facts: Any, number: int, part: list[list[dict[str, Any]]]
    ) -> None:
        lines = [line for bundle in part for line in bundle]
        units = sorted({unit for line in lines for unit in _ids(line)})
        tracking = f"1Z{order_id}{number}"
        match facts.shipped_through:
            case "seller":
                self._tell(facts, order_id, tracking, units)
            case "label":
                tracking = self.rig.world.buy_label(order_id, units)
            case "schedule":
                self._hand_over(order_id)
            case _:
                self.rig.world.move_to(order_id, Status.in_transit)
        named = {line["line"]: line["quantity"] for line in lines}
        items = [
            {"orderLine": line["line"], "quantity": named[line["line"]], "itemReceive": True}
            if line["line"] in named
            else {"orderLine": line["line"], "itemReceive": False}
            for line in record["item"]["items"]
            if _ids(line)
        ]
        body: dict[str, Any] = {
            "shipStatus": {"id": "C"},
            "item": {"items": items},
            "package": {"items": [{"packageTrackingNumber": tracking}]},
        }
        self.rig.books.transform("salesOrder", record["id"], "itemFulfillment", body)
        self.shipped += len(units)
        if facts.shop == "us":
            self.rig.books.transform("salesOrder", record["id"], "cashSale", {"account": {"id": "125"}})
        elif facts.shop == "uk":
            self.rig.books.transform("salesOrder", record["id"], "invoice", {})

    def _tell(self, facts: Any, order_id: str, tracking: str, units: list[str]) -> None:
        shop = shop_of(facts.shop)
        provider = MARKETS[shop.region].providers[0].id
        parcels = self.rig.world.parcels
        if MARKETS[shop.region].marks_as_shipped:
            parcels.mark_shipped(shop, order_id, tracking, provider, units)
            return
        for package in self.rig.world.packages_of(order_id):
            if package.is_live and package.is_open:
                parcels.ship(shop, package.id, Handover(own=(tracking, provider)))

    def _hand_over(self, order_id: str) -> None:
        shop = shop_of(self.rig.world.facts(order_id).shop)
        for package in self.rig.world.packages_of(order_id):
            if package.is_live and package.is_open:
                self.rig.world.parcels.ship(shop, package.id, Handover("DROP_OFF"))


def _ids(line: dict[str, Any]) -> list[str]:
    return [unit for unit in str(line.get("custcol_tts_line_ids") or "").split(",") if unit]


def _bundles(record: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Lines of goods that share units, together."""
    groups: dict[frozenset[str], list[dict[str, Any]]] = {}
    for line in record["item"]["items"]:
        if _ids(line):
            groups.setdefault(frozenset(_ids(line)), []).append(line)
    yield from groups.values()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_was_done_rightly_is_clean_in_every_market(seed: int) -> None:
    async def body(rig: Rig) -> None:
        rig.world.draw_orders(60)
        rig.world.catch_up()
        await asyncio.sleep(2 * HOURS)
        await rig.run(SOON)
        hands = Hands(rig, seed)
        hands.ship_all()
        await asyncio.sleep(3 * HOURS)

        proofs = await prove(rig)

        rows = [row for proof in proofs for row in proof.rows if proof.not_run is None]
        assert [proof.statement for proof in proofs if proof.not_run] == []
        wrong = [row for row in rows if row.is_wrong]
        parked = {truth.order_id for truth in rig.world.truth() if not truth.should_be_posted}
        assert [
            (row.aspect, row.verdict, row.order_id, row.note, row.expected, row.billed)
            for row in wrong
            if row.order_id not in parked
        ] == []
        assert {row.verdict for row in wrong} <= {Verdict.CANNOT_BE_CHECKED}
        assert hands.shipped > 30
        assert sum(row.shipped_in_netsuite for row in rows) == hands.shipped
        billed = {currency for proof in proofs for currency in proof.amounts()}
        assert billed >= {"USD"}
        for proof in proofs:
            assert all(expected == billed for expected, billed in proof.amounts().values())
            assert all(expected != Decimal(0) for expected, _ in proof.amounts().values())

    in_world(body, seed=seed, mix=Mix(shipped_by="nobody"))


def test_whatever_the_proof_finds_wrong_after_the_whole_pipeline_is_with_a_person_already() -> None:
    async def body(rig: Rig) -> None:
        rig.world.draw_orders(25)
        for _ in range(10):
            rig.world.catch_up()
            rig.warehouse.catch_up()
            await rig.run_all(budget_s=3000, idle_s=20)
            await asyncio.sleep(12 * HOURS)

        proofs = await prove(rig)

        truth = rig.judged_follow_ups()
        assert truth.faults == {}
        rows = [row for proof in proofs for row in proof.rows]
        asked = " ".join(exception.subject for exception in exceptions(rig))
        assert [row for row in rows if row.is_wrong and row.order_id not in asked] == []
        matched = Counter(row.aspect for row in rows if row.verdict is Verdict.MATCHED)
        assert matched["shipment"] >= truth.told > 0
        assert matched["bill"] > 0

    in_world(body, seed=1, mix=Mix(shipped_by="warehouse"), warehouse=WarehouseHabits())
