"""What the flow reads in NetSuite: open periods, base currencies, and the documents of orders.

An order's documents are those that carry its id, whoever made them and whenever; nothing is left out by
date. SuiteQL takes a thousand values at a time at most, so orders are asked for in portions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from string import Template

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.gate import Lane
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.follow_ups import NoBilling
from tiktok_ns_pipeline.mapping.shop import InclusiveSplitTax
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.periods import PeriodsReader
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.settlements.matching import BILLS, DocumentKind, OrderDocument

LANE: Lane = "finance"

_PORTION = 400
_ZERO = Decimal(0)

# The main line has what is open, in the subsidiary's currency; totals of credits are negative (N 3.4).
_DOCUMENTS = """
SELECT t.id, t.type, t.tranid, t.entity, t.foreigntotal, t.exchangerate, t.status,
       $order_field AS order_id, a.amountunpaid
FROM transaction t
LEFT JOIN transactionaccountingline a
  ON a.transaction = t.id
 AND a.transactionline = 0
 AND a.accountingbook = 1
WHERE t.type IN ('SalesOrd', 'CashSale', 'CustInvc', 'CustCred', 'CashRfnd')
  AND $order_field IN ($markers)
ORDER BY t.id ASC"""

_SHIPPING = """
SELECT tl.transaction AS id, SUM(tl.foreignamount) AS amount
FROM transactionline tl
WHERE tl.transaction IN ($markers)
  AND tl.item = ?
  AND tl.mainline = 'F'
  AND tl.taxline = 'F'
GROUP BY tl.transaction
ORDER BY tl.transaction ASC"""

_BASE_CURRENCY = """
SELECT s.id, c.id AS currency_id, c.symbol
FROM subsidiary s
JOIN currency c ON c.id = s.currency
WHERE s.id = ?
ORDER BY s.id ASC"""

_KINDS: Mapping[str, DocumentKind] = {
    "SalesOrd": "sales_order",
    "CashSale": "cash_sale",
    "CustInvc": "invoice",
    "CustCred": "credit_memo",
    "CashRfnd": "cash_refund",
}
_VOIDED = "V"


@dataclass(frozen=True, slots=True)
class OrdersInNetSuite:
    """The documents of orders, as they were read at one moment."""

    documents: Mapping[str, tuple[OrderDocument, ...]]
    """By order id; of orders without any there is no entry."""
    customers: Mapping[str, str]
    """Internal id of the customer by that of the document."""
    rates: Mapping[str, Decimal]
    """Exchange rate at which the bills of an order were posted; where they differ, it is left out."""
    sells_shipping: frozenset[str] = field(default=frozenset())
    """Orders whose bill has, or will have, shipping among its lines."""

    def bills_shipping(self, order_id: str) -> bool | None:
        """Whether the order's bill sells shipping; None of an order that NetSuite does not know."""
        return order_id in self.sells_shipping if order_id in self.documents else None


UNASKED = OrdersInNetSuite({}, {}, {})
"""Of a shop whose payouts are not posted."""


class SettlementReader:
    """Reads NetSuite for one run. All methods raise NetSuiteError's subclasses."""

    def __init__(self, netsuite: NetSuiteClient, clock: Clock, order_field: str) -> None:
        """`order_field` is the body field that carries TikTok's order id."""
        self._netsuite = netsuite
        self._order_field = order_field
        self._bases: dict[str, tuple[str, str]] = {}
        self.periods = PeriodsReader(netsuite, clock, LANE)

    async def base_currency(self, subsidiary_id: str) -> tuple[str, str] | None:
        """Code and internal id of a subsidiary's currency; None where there is no such subsidiary."""
        if subsidiary_id not in self._bases:
            rows = await self._netsuite.suiteql(_BASE_CURRENCY, [subsidiary_id], lane=LANE)
            if not rows:
                return None
            self._bases[subsidiary_id] = (rows[0]["symbol"], rows[0]["currency_id"])
        return self._bases[subsidiary_id]

    async def orders(self, shop: Shop, order_ids: Collection[str]) -> OrdersInNetSuite:
        """The documents of orders of a shop."""
        rows: list[dict[str, str]] = []
        shipping: dict[str, Decimal] = {}
        wanted = sorted(set(order_ids))
        for start in range(0, len(wanted), _PORTION):
            portion = wanted[start : start + _PORTION]
            query = Template(_DOCUMENTS).substitute(
                order_field=f"t.{self._order_field}", markers=_markers(portion)
            )
            found = await self._netsuite.suiteql(query, portion, lane=LANE)
            rows += [row for row in found if row.get("status") != _VOIDED]
            shipping |= await self._shipping(shop, [row["id"] for row in found])
        return _orders_of(rows, shipping, shop)

    async def _shipping(self, shop: Shop, ids: Sequence[str]) -> dict[str, Decimal]:
        """What documents sell as shipping, without tax."""
        item_id = shop.shipping.item_id
        found: dict[str, Decimal] = {}
        for start in range(0, len(ids), _PORTION):
            portion = list(ids[start : start + _PORTION])
            query = Template(_SHIPPING).substitute(markers=_markers(portion))
            for row in await self._netsuite.suiteql(query, [*portion, item_id], lane=LANE):
                found[row["id"]] = abs(to_decimal(row.get("amount")) or _ZERO)
        return found


def _orders_of(
    rows: Sequence[Mapping[str, str]], shipping: Mapping[str, Decimal], shop: Shop
) -> OrdersInNetSuite:
    documents: dict[str, list[OrderDocument]] = defaultdict(list)
    rates: dict[str, set[Decimal]] = defaultdict(set)
    for row in rows:
        kind = _KINDS[row["type"]]
        amount = abs(to_decimal(row.get("foreigntotal")) or _ZERO)
        rate = to_decimal(row.get("exchangerate")) or Decimal(1)
        open_base = abs(to_decimal(row.get("amountunpaid")) or _ZERO)
        # What is open is told in the subsidiary's currency; all of it is what the document comes to.
        open_amount = min(amount, Money(open_base / rate, shop.currency).quantized().amount)
        documents[row["order_id"]].append(
            OrderDocument(
                order_id=row["order_id"],
                kind=kind,
                internal_id=row["id"],
                amount=_ZERO if kind == "sales_order" else amount,
                shipping=_ZERO if kind == "sales_order" else _with_tax(shipping.get(row["id"], _ZERO), shop),
                open_amount=open_amount if kind in ("invoice", "credit_memo") else _ZERO,
            )
        )
        if kind in BILLS:
            rates[row["order_id"]].add(rate)
    return OrdersInNetSuite(
        {order_id: tuple(found) for order_id, found in documents.items()},
        {row["id"]: row["entity"] for row in rows if "entity" in row},
        {order_id: found.pop() for order_id, found in rates.items() if len(found) == 1},
        _selling_shipping(rows, shipping, shop),
    )


def _selling_shipping(
    rows: Sequence[Mapping[str, str]], shipping: Mapping[str, Decimal], shop: Shop
) -> frozenset[str]:
    """Orders that bill shipping: by their bills, or by the Sales Order where a bill will follow."""
    kinds = {"CashSale", "CustInvc"} if isinstance(shop.billing, NoBilling) else _KINDS.keys()
    return frozenset(row["order_id"] for row in rows if row["type"] in kinds and shipping.get(row["id"]))


def _with_tax(net: Decimal, shop: Shop) -> Decimal:
    if not isinstance(shop.tax, InclusiveSplitTax):
        return net
    return Money(net * (1 + shop.tax.rate / 100), shop.currency).quantized().amount


def _markers(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)
