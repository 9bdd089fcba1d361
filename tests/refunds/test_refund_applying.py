"""How a refund's documents come to be in NetSuite, whatever fails: each of them once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from tests.billing.shipped import Sale, bill
from tests.refunds.refund_desk import BODY, COMPLETE, IDS, KEY, REFUND, RETURN, sandbox_mapping
from tests.rigging import exceptions, in_world
from tiktok_ns_pipeline.engine.dispatcher import DispatchReport
from tiktok_ns_pipeline.flows.turning import Troubles, dispatcher_for, shops_of_run, turn_until_idle
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.mapping.refunds import RefundsAsBilled
from tiktok_ns_pipeline.netsuite.periods import Periods, PeriodsReader
from tiktok_ns_pipeline.refunds.applying import handlers
from tiktok_ns_pipeline.refunds.books import Books, Terms
from tiktok_ns_pipeline.refunds.claims import claim_of_return
from tiktok_ns_pipeline.refunds.custody import Standing, standing_of
from tiktok_ns_pipeline.refunds.document import Claim, RefundDocument, ReturnAuthorization
from tiktok_ns_pipeline.refunds.planning import intent_of
from tiktok_ns_pipeline.refunds.reading import LANE, billed_of
from tiktok_ns_pipeline.refunds.records import FieldNames
from tiktok_ns_pipeline.refunds.staging import stage
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.world import Line
from tiktok_ns_pipeline.tiktok.identities import LinePrice
from tiktok_ns_pipeline.tiktok.return_models import Return

ID = "4040000000000000001"
TRANSFORM = "POST /services/rest/record/v1/returnAuthorization"
CREATE = "POST /services/rest/record/v1/cashRefund"


@dataclass
class Refunded:
    """A billed order of a rig, and its one return."""

    sale: Sale
    kind: str

    @classmethod
    async def of(cls, rig: Rig, kind: str = RETURN) -> Refunded:
        sale = await Sale.placed(rig, Line("SKU-001", 2, "10.00"))
        sale.ship()
        await bill(rig)
        return cls(sale, kind)

    @property
    def rig(self) -> Rig:
        return self.sale.rig

    @property
    def order(self) -> SalesOrder:
        return SalesOrder.of(self.rig.books.get("salesOrder", self.sale.sales_order.id), KEY, IDS)

    def claim(
        self, status: str, *, received: bool = False, credited: bool = False
    ) -> tuple[Claim, Standing, dict[str, LinePrice]]:
        """The return of one unit of two."""
        [line] = self.order.lines
        half = line.amount / 2
        ret = Return.parse(
            {
                "return_id": ID,
                "order_id": self.sale.order_id,
                "return_type": self.kind,
                "return_status": status,
                "return_tracking_number": "RT1",
                "update_time": int(self.rig.clock.now().timestamp()),
                "refund_amount": {"refund_total": str(half), "refund_subtotal": str(half)},
                "return_line_items": [{"order_line_item_id": line.unit_ids[0]}],
            }
        )
        prices = {line.unit_ids[0]: LinePrice(half, D(0), D(0))}
        claim = claim_of_return(ret, sandbox_mapping().shops["us"], prices)
        standing = standing_of(ret, received=received, credited=credited)
        assert isinstance(claim, Claim) and standing is not None
        return claim, standing, prices

    def documents(self, status: str = COMPLETE) -> Sequence[RefundDocument]:
        """What staging wants of it."""
        claim, standing, prices = self.claim(status)
        shop = sandbox_mapping().shops["us"]
        assert isinstance(shop.refunds, RefundsAsBilled)
        sold = [billed_of(self.rig.books.get("cashSale", one.id), "cashSale") for one in self.sale.bills]
        terms = Terms(shop, shop.refunds, sandbox_mapping().refunds, Periods.unseen(), self.rig.clock.now())
        return stage(claim, standing, Books(self.order, sold), prices, terms).documents

    async def carry_out(self, documents: Sequence[RefundDocument], *, idle_s: float = 10) -> DispatchReport:
        """One process that plans these documents and makes what is due."""
        async with self.rig.runtime() as runtime:
            troubles = Troubles(runtime)
            shops = await shops_of_run(runtime, (), troubles)
            periods = PeriodsReader(runtime.netsuite, runtime.clock, LANE)
            made = handlers(runtime.netsuite, runtime.ledger, runtime.clock, periods, FieldNames(*BODY, KEY))
            dispatcher = dispatcher_for(runtime, made, troubles, shops)
            with runtime.ledger.begin() as tx:
                tx.intents.plan([intent_of(document) for document in documents])

            async def nothing() -> int:
                return 0

            await turn_until_idle(runtime, dispatcher, nothing, budget_s=7200, idle_s=idle_s)
            return dispatcher.report

    def records(self, *types: str) -> list[dict[str, Any]]:
        return [one for type_name in types for one in self.rig.books.records(type_name)]

    @property
    def credits(self) -> list[dict[str, Any]]:
        return self.records("cashRefund", "creditMemo")

    @property
    def authorization(self) -> dict[str, Any]:
        [record] = self.records("returnAuthorization")
        return record


def told(story: Any) -> None:
    in_world(story)


def test_a_return_is_authorized_and_credited() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig)
        await sold.carry_out(sold.documents())
        [credit] = sold.credits
        assert (credit["externalId"], credit["total"]) == (f"tts-us-cr-{ID}", 10)
        assert credit["createdFrom"]["id"] == sold.authorization["id"]
        assert exceptions(rig) == []

    told(story)


@pytest.mark.parametrize(
    ("kind", "of_return"),
    [
        (FaultKind.timeout_after_commit, True),
        (FaultKind.cut_before_commit, True),
        (FaultKind.http_500_after, False),
    ],
)
def test_what_fails_twice_is_made_once(kind: FaultKind, of_return: bool) -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig, RETURN if of_return else REFUND)
        rig.faults.inject(kind, "netsuite", TRANSFORM if of_return else CREATE, times=2)
        await sold.carry_out(sold.documents())
        await asyncio.sleep(3600)
        await sold.carry_out([], idle_s=300)
        assert [credit["total"] for credit in sold.credits] == [10]
        assert len(sold.records("returnAuthorization")) == of_return
        assert exceptions(rig) == []

    told(story)


def test_a_withdrawn_return_is_closed_once_however_it_ends() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig)
        [made] = sold.documents("AWAITING_BUYER_SHIP")
        assert isinstance(made, ReturnAuthorization)
        await sold.carry_out([made])
        rig.faults.inject(FaultKind.cut_after_commit, "netsuite", "PATCH", times=1)
        await sold.carry_out([made.model_copy(update={"is_closed": True})])
        assert sold.authorization["status"]["id"] == "H"
        assert exceptions(rig) == []

    told(story)


def test_where_the_account_does_not_refund_in_advance_the_credit_waits_for_the_goods() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig)
        rig.books.refund_in_advance(False)
        await sold.carry_out(sold.documents())
        assert sold.credits == [] and exceptions(rig) == []
        rig.books.transform("returnAuthorization", sold.authorization["id"], "itemReceipt", {})
        await asyncio.sleep(timedelta(hours=2).total_seconds())
        await sold.carry_out([])
        assert [credit["total"] for credit in sold.credits] == [10]

    told(story)


def test_somebody_elses_record_under_our_id_is_left_alone() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig, REFUND)
        stranger = {
            "externalId": f"tts-us-cr-{ID}",
            "companyName": "x",
            "entity": {"id": sold.sale.sales_order.get("entity")},
            "account": {"id": "125"},
            "item": {"items": [{"item": {"id": "907"}, "quantity": 1, "rate": 1, "location": {"id": "6"}}]},
        }
        rig.books.create("cashRefund", stranger)
        await sold.carry_out(sold.documents())
        assert [one.kind for one in exceptions(rig)] == ["netsuite_differs"]
        assert len(sold.credits) == 1

    told(story)


def test_a_month_that_closes_before_the_credit_is_sent_asks_for_staging_again() -> None:
    async def story(rig: Rig) -> None:
        sold = await Refunded.of(rig, REFUND)
        documents = sold.documents()
        month = f"{rig.clock.now():%b %Y}"
        rig.books.set_period(month, "closed")
        report = await sold.carry_out(documents)
        assert sold.credits == [] and report.parked == 0
        rig.books.set_period(month, "open")
        await asyncio.sleep(600)
        await sold.carry_out([])
        assert len(sold.credits) == 1

    told(story)
