"""What the flow reads in NetSuite: open periods, base currencies, and the documents of orders.

An order's documents are those that carry its id, whoever made them and whenever; nothing is left out by
date. SuiteQL takes a thousand values at a time at most, so orders are asked for in portions.
"""

from __future__ import annotations

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
        found = _Documents(shop)
        wanted = sorted(set(order_ids))
        for start in range(0, len(wanted), _PORTION):
            portion = wanted[start : start + _PORTION]
            query = Template(_DOCUMENTS).substitute(
                order_field=f"t.{self._order_field}", markers=_markers(portion)
            )
            rows = await self._netsuite.suiteql(query, portion, lane=LANE)
            found.add(rows, await self._shipping(shop, [row["id"] for row in rows]))
        return found.whole()

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


class _Documents:
    """Takes the documents of orders portion by portion.

    There may be very many: what is equal in most of them, such as customers and rates, is kept once.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._by_order: dict[str, tuple[OrderDocument, ...]] = {}
        self._customers: dict[str, str] = {}
        self._rates: dict[str, Decimal | None] = {}
        """None where the bills of an order were posted at several."""
        self._selling_shipping: set[str] = set()
        self._texts: dict[str, str] = {}
        self._rate_of: dict[str, Decimal] = {}
        # A Sales Order tells what will be billed, where anything will.
        bills = {"CashSale", "CustInvc"}
        self._sellers = bills if isinstance(shop.billing, NoBilling) else _KINDS.keys()

    def add(self, rows: Sequence[Mapping[str, str]], shipping: Mapping[str, Decimal]) -> None:
        """Take all documents of some orders; `shipping` is what each sells of it, without tax."""
        for row in rows:
            if row.get("status") == _VOIDED:
                continue
            order_id = self._text(row["order_id"])
            document, rate = self._document(row, order_id, shipping.get(row["id"], _ZERO))
            self._by_order[order_id] = (*self._by_order.get(order_id, ()), document)
            if "entity" in row:
                self._customers[document.internal_id] = self._text(row["entity"])
            if document.kind in BILLS:
                self._rates[order_id] = rate if self._rates.get(order_id, rate) == rate else None
            if row["type"] in self._sellers and shipping.get(row["id"]):
                self._selling_shipping.add(order_id)

    def whole(self) -> OrdersInNetSuite:
        """All that was taken."""
        return OrdersInNetSuite(
            self._by_order,
            self._customers,
            {order_id: rate for order_id, rate in self._rates.items() if rate is not None},
            frozenset(self._selling_shipping),
        )

    def _document(
        self, row: Mapping[str, str], order_id: str, shipping: Decimal
    ) -> tuple[OrderDocument, Decimal]:
        shop, kind = self._shop, _KINDS[row["type"]]
        amount = abs(to_decimal(row.get("foreigntotal")) or _ZERO)
        told = row.get("exchangerate") or ""
        rate = self._rate_of.setdefault(told, to_decimal(told) or Decimal(1))
        open_amount = _ZERO
        if kind in ("invoice", "credit_memo"):
            # What is open is told in the subsidiary's currency; all of it is what the document comes to.
            open_base = abs(to_decimal(row.get("amountunpaid")) or _ZERO)
            open_amount = min(amount, Money(open_base / rate, shop.currency).quantized().amount)
        is_order = kind == "sales_order"
        document = OrderDocument(
            order_id=order_id,
            kind=kind,
            internal_id=row["id"],
            amount=_ZERO if is_order else amount,
            shipping=_with_tax(shipping, shop) if shipping and not is_order else _ZERO,
            open_amount=open_amount,
        )
        return document, rate

    def _text(self, text: str) -> str:
        return self._texts.setdefault(text, text)


def _with_tax(net: Decimal, shop: Shop) -> Decimal:
    if not isinstance(shop.tax, InclusiveSplitTax):
        return net
    return Money(net * (1 + shop.tax.rate / 100), shop.currency).quantized().amount


def _markers(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)
