"""Orders, Sales Orders, Item Fulfillments and bills for the proof of shipments, all in agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.reconciliation.fulfilments.join import prove_fulfilments
from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Bill,
    BilledLine,
    Fulfilment,
    FulfilmentProof,
    OrderLine,
    Row,
    SalesOrder,
    TikTokOrder,
    Unit,
    Verdict,
)
from tiktok_ns_pipeline.reconciliation.fulfilments.shipments import Patience

NOW = datetime(2026, 3, 3, 6, tzinfo=UTC)
LONG = timedelta(hours=40)
LONG_AGO = NOW - LONG
GRACE = timedelta(minutes=30)
PATIENCE = Patience(NOW, GRACE, timedelta(hours=24))


def unit(line_id: str, **changes: Any) -> Unit:
    """A unit that TikTok shows on its way."""
    shown = Unit(line_id, "IN_TRANSIT", "collected", f"TRACK{line_id}", told=True, moved_at=LONG_AGO)
    return replace(shown, **changes)


def still_open(line_id: str) -> Unit:
    """A unit that TikTok has heard nothing of."""
    return Unit(line_id, "AWAITING_SHIPMENT", "open")


@dataclass
class Case:
    """One order of n units at 10.00 and a shipping line of 4.00, shipped and billed as a whole."""

    order: TikTokOrder
    sales: list[SalesOrder]
    fulfilments: list[Fulfilment]
    bills: list[Bill]

    @property
    def order_id(self) -> str:
        return self.order.order_id

    def with_order(self, **changes: Any) -> Case:
        return replace(self, order=replace(self.order, **changes))

    def with_units(self, **changes: Any) -> Case:
        """All units changed alike."""
        return self.with_order(units=tuple(replace(one, **changes) for one in self.order.units))

    def with_sale(self, **changes: Any) -> Case:
        return replace(self, sales=[replace(self.sales[0], **changes), *self.sales[1:]])

    def with_fulfilment(self, **changes: Any) -> Case:
        return replace(self, fulfilments=[replace(self.fulfilments[0], **changes), *self.fulfilments[1:]])

    def with_bill(self, **changes: Any) -> Case:
        return replace(self, bills=[replace(self.bills[0], **changes), *self.bills[1:]])


def case(number: int = 1, units: int = 2, **changes: Any) -> Case:
    """An order in full agreement. `units` are all of one SKU, on one line."""
    order_id = f"5764{number:06}"
    ids = tuple(f"{order_id}{index:02}" for index in range(1, units + 1))
    sale_id, fulfilment_id, bill_id = f"1{number:03}", f"2{number:03}", f"3{number:03}"
    goods = OrderLine("1", "301", ids, Decimal(units), Decimal(10) * units)
    shipping = OrderLine("2", "901", (), Decimal(1), Decimal(4))
    total = Money(Decimal(10) * units + 4, "USD")
    parts: dict[str, Any] = {
        "order": TikTokOrder(
            order_id,
            "IN_TRANSIT",
            "alive",
            tuple(unit(line_id) for line_id in ids),
            changed_at=LONG_AGO,
        ),
        "sales": [SalesOrder(sale_id, order_id, f"SO{number}", "G", total, (goods, shipping), LONG)],
        "fulfilments": [
            Fulfilment(
                fulfilment_id,
                sale_id,
                f"IF{number}",
                "C",
                {"1": Decimal(units)},
                tuple(f"TRACK{line_id}" for line_id in ids),
                LONG,
                order_id,
            )
        ],
        "bills": [
            Bill(
                bill_id,
                f"CS{number}",
                total,
                sale_id,
                order_id,
                {"1": BilledLine(goods.ordered, goods.amount), "2": BilledLine(Decimal(1), Decimal(4))},  # type: ignore[arg-type]
            )
        ],
    }
    return Case(**(parts | changes))


def prove(*cases: Case, shop_bills: bool = True, since: date | None = None) -> FulfilmentProof:
    return prove_fulfilments(
        [one.order for one in cases],
        [sale for one in cases for sale in one.sales],
        [fulfilment for one in cases for fulfilment in one.fulfilments],
        [bill for one in cases for bill in one.bills],
        patience=PATIENCE,
        shop_bills=shop_bills,
        billed_since=since,
    )


def rows_of(proof: FulfilmentProof, aspect: str) -> list[Row]:
    return [row for row in proof.rows if row.aspect == aspect]


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    return [row.verdict for row in rows]


def shipments(*cases: Case) -> list[Verdict]:
    return verdicts(rows_of(prove(*cases), "shipment"))


def closure(one: Case) -> Verdict | None:
    found = verdicts(rows_of(prove(one), "closure"))
    return found[0] if found else None


def bill(one: Case, since: date | None = None) -> Verdict | None:
    found = verdicts(rows_of(prove(one, since=since), "bill"))
    return found[0] if found else None
