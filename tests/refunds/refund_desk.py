"""An order that was posted, shipped and billed in the books, and the claims that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from functools import cache
from typing import Any, Literal

from tests.orders import order_builder
from tests.orders.order_builder import Raw, order, staged, unit
from tests.sandbox.netsuite_account import account, customer
from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.billing import records as billing_records
from tiktok_ns_pipeline.billing.document import Bill, Fulfilment
from tiktok_ns_pipeline.billing.staging import stage_bill
from tiktok_ns_pipeline.goods.sales_order import SalesOrder
from tiktok_ns_pipeline.mapping import Mapping as SellerMapping
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.refunds import RefundsAsBilled
from tiktok_ns_pipeline.netsuite.periods import Period, Periods
from tiktok_ns_pipeline.orders.records import FieldNames as OrderFields
from tiktok_ns_pipeline.orders.records import sales_order_body
from tiktok_ns_pipeline.refunds.books import Books as Seen
from tiktok_ns_pipeline.refunds.books import ForeignCredit, Terms
from tiktok_ns_pipeline.refunds.claims import claim_of_return
from tiktok_ns_pipeline.refunds.custody import Custody, Money, Standing, standing_of
from tiktok_ns_pipeline.refunds.document import (
    Claim,
    Credit,
    Excess,
    ItemReceipt,
    RefundDocument,
    ReturnAuthorization,
)
from tiktok_ns_pipeline.refunds.reading import billed_of
from tiktok_ns_pipeline.refunds.records import (
    FieldNames,
    authorization_body,
    closing_body,
    credit_alone_body,
    credit_of_return_body,
    excess_body,
    receipt_body,
)
from tiktok_ns_pipeline.refunds.staging import Decision, stage
from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.books.store import Record
from tiktok_ns_pipeline.tiktok.identities import prices_of
from tiktok_ns_pipeline.tiktok.models import Order
from tiktok_ns_pipeline.tiktok.return_models import Return

KEY, IDS = "custcol_tts_line_key", "custcol_tts_line_ids"
BODY = ("custbody_tts_order_id", "custbody_tts_shop", "custbody_tts_payload_hash")
FIELDS = FieldNames(*BODY, KEY)
DAY = date(2026, 6, 1)
NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
REFUNDED_AT = datetime(2026, 6, 15, 12, tzinfo=UTC)
OPEN = Periods([Period("Jun 2026", DAY, date(2026, 6, 30), is_open=True)])

RETURN, REFUND = "RETURN_AND_REFUND", "REFUND"
COMPLETE = "RETURN_OR_REFUND_REQUEST_COMPLETE"


@cache
def sandbox_mapping() -> SellerMapping:
    return order_builder.sandbox_mapping()


def a_return(
    order: Raw,
    refunds: Mapping[int, str | None],
    *,
    return_id: str = "4040000000000000001",
    kind: str = RETURN,
    status: str = COMPLETE,
    shipping: str = "0",
    tax: str = "0",
    **more: Any,
) -> Raw:
    """TikTok's return of some units, by their place in the order: for an amount, or all that was paid."""
    units = order["line_items"]
    currency = order["payment"]["currency"]
    amounts = {at: amount or units[at]["sale_price"] for at, amount in refunds.items()}
    goods = sum(map(D, amounts.values()), D(0))
    on_top = D(tax) if currency == "USD" else D(0)
    return {
        "return_id": return_id,
        "order_id": order["id"],
        "return_type": kind,
        "return_status": status,
        "create_time": int(REFUNDED_AT.timestamp()) - 86_400,
        "update_time": int(REFUNDED_AT.timestamp()),
        "refund_amount": {
            "currency": currency,
            "refund_total": str(goods + D(shipping) + on_top),
            "refund_subtotal": str(goods),
            "refund_shipping_fee": shipping,
            "refund_tax": tax,
        },
        "return_line_items": [
            {
                "return_line_item_id": f"{return_id}{at}",
                "order_line_item_id": units[at]["id"],
                "refund_amount": {"currency": currency, "refund_subtotal": amount},
            }
            for at, amount in amounts.items()
        ],
    } | more


@dataclass
class Sold:
    """One order in the books, with what the refunds flow has made of it so far."""

    raw: Raw
    shop: Shop
    books: Books
    order_id: str
    documents: dict[str, RefundDocument] = field(default_factory=dict[str, RefundDocument])
    made: set[str] = field(default_factory=set[str])
    received: dict[str, datetime] = field(default_factory=dict[str, datetime])
    closed: set[str] = field(default_factory=set[str])
    foreign: list[ForeignCredit] = field(default_factory=list[ForeignCredit])

    @classmethod
    def of(
        cls,
        lines: Iterable[Raw],
        *,
        shop: str = "us",
        mapping: SellerMapping | None = None,
        tax_engine: Literal["suitetax", "legacy"] = "suitetax",
        shipped: bool = True,
        billed: bool = True,
        refunds: Mapping[str, Any] | None = None,
        **how: Any,
    ) -> Sold:
        """Posted by the orders room, shipped by the warehouse, billed by the billing room."""
        mapping = mapping or sandbox_mapping()
        # The warehouse of the builder's orders is in the US.
        how |= {} if shop == "us" else {"warehouse_id": ""}
        here = mapping.shops[shop]
        policy = {"policy": "as_billed", "item_id": "907"} | dict(refunds or {})
        here = here.model_copy(update={"refunds": RefundsAsBilled.model_validate(policy)})
        raw = order(lines, currency=here.currency, **how)
        document = staged(raw, mapping, shop).document
        books = account()
        books.set_tax_engine(tax_engine)
        names = OrderFields(*BODY, "custbody_tts_fulfillment", IDS, KEY)
        body = sales_order_body(document, customer(books, here.subsidiary_id), "hash", names)
        made = books.create("salesOrder", body).id
        sold = cls(raw, here, books, made)
        if shipped:
            sold.ship(billed=billed)
        return sold

    def ship(self, parts: Mapping[int, int] | None = None, *, billed: bool = True) -> None:
        """All that is left, or so many of some lines; and its bill."""
        left = {
            line.number: (parts or {}).get(line.number, 0) if parts else line.ordered - line.fulfilled
            for line in self.order.lines
            if line.is_goods
        }
        parcel = {number: D(many) for number, many in left.items() if many}
        items = [
            {"orderLine": number, "quantity": many, "itemReceive": bool(many)}
            for number, many in left.items()
        ]
        body = {"shipStatus": {"id": "C"}, "item": {"items": items}}
        made = self.books.transform("salesOrder", self.order_id, "itemFulfillment", body).id
        if billed:
            self._bill(made, parcel)

    def _bill(self, fulfilment_id: str, parcel: Mapping[int, D]) -> None:
        lines = [{"orderLine": number, "quantity": many} for number, many in parcel.items()]
        fulfilment = Fulfilment.of(
            {
                "shop": self.shop.code,
                "day": DAY,
                "order_id": self.raw["id"],
                "fulfilment_id": fulfilment_id,
                "tran_id": "IF1",
                "sales_order_id": self.order_id,
                "status": "C",
                "gone": False,
                "tran_date": DAY,
                "modified_at": None,
                "lines": exact_json.dumps(lines),
            }
        )
        bill = stage_bill(fulfilment, self.order, fulfilment.lines, self.shop, OPEN)
        assert isinstance(bill, Bill), bill
        body = billing_records.bill_body(bill, "hash", billing_records.FieldNames(*BODY))
        self.books.transform("salesOrder", self.order_id, bill.record_type, body)

    @property
    def order(self) -> SalesOrder:
        return SalesOrder.of(self.books.get("salesOrder", self.order_id), KEY, IDS)

    @property
    def billed(self) -> D:
        """What all bills come to."""
        return sum((record["total"] for record in self.bills()), D(0))

    def bills(self) -> list[dict[str, Any]]:
        return [*self.books.records("cashSale"), *self.books.records("invoice")]

    def credits(self) -> list[dict[str, Any]]:
        return [*self.books.records("cashRefund"), *self.books.records("creditMemo")]

    @property
    def credited(self) -> D:
        """What all credits come to."""
        return sum((record["total"] for record in self.credits()), D(0))

    def credited_documents(self) -> list[Credit]:
        return [one for one in self.documents.values() if isinstance(one, Credit)]

    def seen(self) -> Seen:
        return Seen(
            order=self.order,
            bills=[
                *(billed_of(one, "cashSale") for one in self.books.records("cashSale")),
                *(billed_of(one, "invoice") for one in self.books.records("invoice")),
            ],
            documents=list(self.documents.values()),
            made=frozenset(self.made),
            foreign=self.foreign,
            received_at=self.received,
            closed_by_hand=frozenset(self.closed),
        )

    def claim(self, raw: Raw) -> tuple[Claim, Standing]:
        ret = Return.parse(raw)
        claim = claim_of_return(ret, self.shop, prices_of(Order.parse(self.raw)))
        assert isinstance(claim, Claim), claim
        credited = any(
            isinstance(one, Credit) and one.claim_id == claim.id for one in self.documents.values()
        )
        standing = standing_of(ret, received=claim.id in self.received, credited=credited)
        assert standing is not None
        return claim, standing

    def decide(self, raw: Raw, **how: Any) -> Decision:
        """What should be for a return now."""
        claim, standing = self.claim(raw)
        return self.decide_claim(claim, standing.custody, standing.money, standing=standing, **how)

    def decide_claim(
        self,
        claim: Claim,
        custody: Custody,
        money: Money,
        *,
        standing: Standing | None = None,
        now: datetime = NOW,
        periods: Periods = OPEN,
        **how: Any,
    ) -> Decision:
        policy = self.shop.refunds
        assert isinstance(policy, RefundsAsBilled)
        terms = Terms(self.shop, policy, sandbox_mapping().refunds, periods, now)
        prices = prices_of(Order.parse(self.raw))
        standing = standing or Standing(custody, money)
        return stage(claim, standing, self.seen(), prices, terms, **how)

    def do(self, raw: Raw, **how: Any) -> Decision:
        """Decide, and make what should be, in the order in which it depends on each other."""
        decision = self.decide(raw, **how)
        for document in decision.documents:
            self._make(document)
        return decision

    def _make(self, document: RefundDocument) -> None:
        known = self.documents.get(document.external_id)
        if known == document:
            return
        if isinstance(document, ReturnAuthorization) and document.is_closed:
            self._close(document)
        elif document.external_id not in self.made:
            saved = self._saved(document)
            if isinstance(document, Credit):
                assert saved.get("total") == document.expected_total, document
        self.documents[document.external_id] = document
        self.made.add(document.external_id)

    def _saved(self, document: RefundDocument) -> Record:
        if isinstance(document, ReturnAuthorization):
            body = authorization_body(document, "hash", FIELDS)
            source = ("salesOrder", document.sales_order_id, "returnAuthorization")
        elif isinstance(document, Excess):
            return self.books.create("journalEntry", excess_body(document, "hash", FIELDS)).record
        elif isinstance(document, Credit) and not document.of_return:
            body = credit_alone_body(document, "hash", FIELDS)
            return self.books.create(document.record_type, body).record
        else:
            source = self._of_authorization(document)
            shown = self.books.get("returnAuthorization", source[1])
            if isinstance(document, ItemReceipt):
                body = receipt_body(document, shown, "hash", FIELDS)
            else:
                assert isinstance(document, Credit)
                body = credit_of_return_body(document, shown, "hash", FIELDS)
        return self.books.transform(*source, body).record

    def _of_authorization(self, document: RefundDocument) -> tuple[str, str, str]:
        name = f"tts-{document.shop}-ra-{document.claim_id}"
        found = self.books.record("returnAuthorization", f"eid:{name}").id
        target = "itemReceipt" if isinstance(document, ItemReceipt) else ""
        return "returnAuthorization", found, target or getattr(document, "record_type", "")

    def _close(self, document: ReturnAuthorization) -> None:
        record = self.books.record("returnAuthorization", f"eid:{document.external_id}")
        body = closing_body(self.books.get("returnAuthorization", record.id))
        if body is not None:
            self.books.patch("returnAuthorization", record.id, body)

    def receive(self, return_id: str, at: datetime = REFUNDED_AT) -> None:
        """The warehouse has the goods back."""
        name = f"eid:tts-{self.shop.code}-ra-{return_id}"
        made = self.books.record("returnAuthorization", name)
        self.books.transform("returnAuthorization", made.id, "itemReceipt", {})
        self.received[return_id] = at

    def authorization(self, return_id: str) -> dict[str, Any]:
        name = f"eid:tts-{self.shop.code}-ra-{return_id}"
        return self.books.get("returnAuthorization", self.books.record("returnAuthorization", name).id)


def credit_in(decision: Decision) -> Credit:
    [credit] = [one for one in decision.documents if isinstance(one, Credit)]
    return credit


def units(*prices: str, **more: Any) -> list[Raw]:
    """Units of different SKUs."""
    return [unit(f"SKU-{at + 1:03d}", price, **more) for at, price in enumerate(prices)]


def same(count: int, price: str, **more: Any) -> list[Raw]:
    """Units of one SKU."""
    return [unit("SKU-001", price, **more) for _ in range(count)]


def later(days: float) -> datetime:
    return REFUNDED_AT + timedelta(days=days)


def amounts_of(lines: Sequence[Any]) -> dict[str, D]:
    return {line.key.partition(":")[0]: line.amount + line.tax for line in lines}


def with_shop(code: str, **changes: Any) -> SellerMapping:
    """The sandbox's mapping with changes of one shop, written as in the file."""
    mapping = sandbox_mapping()
    plain = mapping.shops[code].model_dump() | changes
    shops = {**mapping.shops, code: Shop.model_validate(plain)}
    return mapping.model_copy(update={"shops": shops})
