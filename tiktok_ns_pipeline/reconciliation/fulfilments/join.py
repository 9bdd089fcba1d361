"""The join of all that both systems say of shipments, closures and bills.

Invariant: every unit of every order is in exactly one row of shipments, and so is every unit that
left; every order is in at most one row of closures and one of bills.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Protocol, TypeVar

from tiktok_ns_pipeline.reconciliation.fulfilments.bills import bill_row
from tiktok_ns_pipeline.reconciliation.fulfilments.closures import closure_row
from tiktok_ns_pipeline.reconciliation.fulfilments.model import (
    Bill,
    Fulfilment,
    FulfilmentProof,
    Row,
    SalesOrder,
    TikTokOrder,
)
from tiktok_ns_pipeline.reconciliation.fulfilments.shipments import Patience, orphan_row, shipment_rows
from tiktok_ns_pipeline.reconciliation.fulfilments.units import lay_over


class _Numbered(Protocol):
    @property
    def netsuite_id(self) -> str: ...


_Record = TypeVar("_Record", bound=_Numbered)


def prove_fulfilments(
    orders: Sequence[TikTokOrder],
    sales: Sequence[SalesOrder],
    fulfilments: Sequence[Fulfilment],
    bills: Sequence[Bill],
    *,
    patience: Patience,
    shop_bills: bool,
    billed_since: date | None = None,
    netsuite_read_at: datetime | None = None,
) -> FulfilmentProof:
    """Join everything and judge it.

    Follow-up documents belong to their Sales Order's order; a bill without one to the order that it
    names. Fulfilments whose Sales Order is not among `sales` are orphans. Where the shop bills, it
    bills what left from the day `billed_since` on. Raises ValueError when one
    order or record is given twice.
    """
    _refuse_repeated("order", [order.order_id for order in orders])
    for what, records in (("Sales Order", sales), ("Item Fulfillment", fulfilments), ("bill", bills)):
        _refuse_repeated(what, [record.netsuite_id for record in records])
    order_of = {sale.netsuite_id: sale.order_id for sale in sales}
    known = {order.order_id for order in orders}
    sales_of = _grouped(sales, {sale.netsuite_id: sale.order_id for sale in sales})
    fulfilments_of = _grouped(
        fulfilments, {one.netsuite_id: order_of.get(one.sales_order_id, "") for one in fulfilments}
    )
    bills_of = _grouped(
        bills,
        {bill.netsuite_id: order_of.get(bill.sales_order_id or "", bill.order_id or "") for bill in bills},
    )
    rows: list[Row] = []
    for order in orders:
        name = order.order_id
        own = (sales_of[name], fulfilments_of[name])
        rows += _judged(order, *own, patience)
        if shop_bills and (bill := bill_row(order, *own, bills_of[name], patience, billed_since)):
            rows.append(bill)
    for name, strays in fulfilments_of.items():
        if name not in known:
            rows += [orphan_row(replace(one, order_id=one.order_id or name)) for one in strays]
    return FulfilmentProof(tuple(rows), patience.now, netsuite_read_at or patience.now)


def _judged(
    order: TikTokOrder,
    sales: Sequence[SalesOrder],
    fulfilments: Sequence[Fulfilment],
    patience: Patience,
) -> Iterable[Row]:
    laid = lay_over(order.units, sales, fulfilments)
    yield from shipment_rows(order, sales, fulfilments, laid, patience)
    closure = closure_row(order, sales, fulfilments, laid.by_unit.keys(), patience)
    if closure is not None:
        yield closure


def _grouped(records: Iterable[_Record], key_of: dict[str, str]) -> defaultdict[str, list[_Record]]:
    groups: defaultdict[str, list[_Record]] = defaultdict(list)
    for record in records:
        groups[key_of[record.netsuite_id]].append(record)
    return groups


def _refuse_repeated(what: str, ids: Sequence[str]) -> None:
    repeated = sorted(name for name, count in Counter(ids).items() if count > 1)
    if repeated:
        raise ValueError(f"{what} {', '.join(repeated)} is given more than once")
