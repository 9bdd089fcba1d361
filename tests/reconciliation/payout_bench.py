"""A world in which TikTok settled and paid for weeks, and books in which somebody booked it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from tests.rigging import in_world
from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.mapping import Mapping
from tiktok_ns_pipeline.reconciliation.payouts.model import BankLine, PayoutProof, Row, Verdict
from tiktok_ns_pipeline.reconciliation.payouts.proof import prove_payout_day
from tiktok_ns_pipeline.reconciliation.reading import Sources
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.sandbox.rig import Rig
from tiktok_ns_pipeline.sandbox.settling_habits import SettlementHabits
from tiktok_ns_pipeline.sandbox.shoppers import Mix
from tiktok_ns_pipeline.settlements.booking import FeeMap, Settled, StatementBook
from tiktok_ns_pipeline.settlements.journal import BookedPayout, Posting
from tiktok_ns_pipeline.settlements.records import FieldNames, journal_body
from tiktok_ns_pipeline.settlements.shapes import read_payment, read_statement, read_transaction
from tiktok_ns_pipeline.tiktok.finance_models import ListedStatement

_DAY_S = 86_400.0
_FIELDS = FieldNames("custbody_tts_shop", "custbody_tts_payload_hash")
QUIET = SettlementHabits(
    refunded=0.3, adjusted=0.4, reserved=0.4, statement_late=0.0, payment_failed=0.0, odd_adjustments=0.5
)

Raw = dict[str, Any]


@dataclass
class Paid:
    """A shop's side of the rig, opened."""

    rig: Rig
    runtime: Runtime
    sources: Sources
    cleared: dict[str, Settled] = field(default_factory=dict[str, Settled])
    """What the journals of `journals` clear, by order."""

    _customer: list[str] = field(default_factory=list[str])

    @property
    def lake(self) -> Lake:
        return self.runtime.lake

    async def days(self) -> list[date]:
        """The UTC days on which TikTok made payments of the shop."""
        return sorted({_day(raw["create_time"]) for raw in await self.payments()})

    async def payments(self) -> list[Raw]:
        pages = self.sources.tiktok.finance.payments(self.sources.access)
        return [raw async for page in pages for raw in page.rows]

    async def paid(self) -> list[Raw]:
        return [raw for raw in await self.payments() if raw["status"] == "PAID"]

    async def journals(self) -> dict[str, Raw]:
        """The journal of every payment that arrived, as the settlements flow would post it, by payment."""
        fees = FeeMap(self.sources.mapping, self.sources.shop)
        sums: dict[str, list[Any]] = defaultdict(list)
        finance = self.sources.tiktok.finance
        async for page in finance.statements(self.sources.access):
            for raw in page.rows:
                whole = await finance.statement_transactions(self.sources.access, raw["id"])
                shop = self.sources.shop
                one = read_statement(shop.code, shop.region, raw, whole.header)
                book = StatementBook(one, fees, lambda _: False)
                for row in whole.rows:
                    book.add(read_transaction(row, local=one.local))
                sums[ListedStatement.parse(raw).payment_id or ""].append(book.close())
        bodies: dict[str, Raw] = {}
        for raw in await self.paid():
            payment = read_payment(self.sources.shop.code, raw)
            posting = Posting(fees, payment.currency, lambda day: day)
            booked = posting.book(payment, sums[payment.id])
            assert isinstance(booked, BookedPayout), booked
            for order_id, settled in booked.orders.items():
                self.cleared.setdefault(order_id, Settled(order_id)).add(settled)
            bodies[payment.id] = journal_body(booked.journals[0], "hash", _FIELDS)
        return bodies

    def post(self, body: Raw) -> str:
        return self.rig.books.create("journalEntry", body).record.id

    def bill(self, order_id: str, amount: Decimal, type_name: str = "cashSale", **fields: Any) -> str:
        """A Cash Sale, or Cash Refund, over one amount into the shop's clearing account."""
        books, policy = self.rig.books, self.sources.shop.settlement
        if not self._customer:
            customer = {"companyName": "TikTok buyers", "subsidiary": {"id": "1"}, "currency": {"id": "1"}}
            self._customer.append(books.create("customer", customer).record.id)
        goods = {
            "item": {"id": "907"},
            "quantity": 1,
            "price": {"id": "-1"},
            "rate": amount,
            "amount": amount,
        }
        body = {
            "entity": {"id": self._customer[0]},
            "custbody_tts_order_id": order_id,
            "account": {"id": policy.clearing_account_id},
            "item": {"items": [goods]},
        } | fields
        return books.create(type_name, body).record.id

    async def prove(self, day: date, bank: Sequence[BankLine] | None = None) -> PayoutProof:
        proof = await prove_payout_day(self.sources, self.lake, day, "run-1", bank=bank)
        assert proof.not_run is None, proof.statement
        return proof

    async def rows(self, bank: Sequence[BankLine] | None = None) -> list[Row]:
        """The rows of every day with payments and of the days around them."""
        days = await self.days()
        span = [days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)]
        return [row for day in span for row in (await self.prove(day, bank)).rows]


def with_payouts(
    test: Callable[[Paid], Awaitable[None]],
    *,
    shop: str = "uk",
    days: int = 20,
    selling_days: int = 5,
    habits: SettlementHabits = QUIET,
    mapping: Callable[[Mapping], Mapping] = lambda given: given,
) -> None:
    """Give the test a shop that was paid for some weeks; it sells on the first days."""

    async def body(rig: Rig) -> None:
        for day in range(days):
            if day < selling_days:
                rig.world.draw_orders(2)
            await asyncio.sleep(_DAY_S)
        async with rig.runtime() as runtime:
            decisions = mapping(runtime.mapping)
            own = decisions.shops[shop]
            accesses = {one.shop_id: one for one in await runtime.tiktok.authorized_shops()}
            access = accesses[own.tiktok_shop_id]
            sources = Sources(runtime.tiktok, runtime.netsuite, access, own, decisions, runtime.clock)
            await test(Paid(rig, runtime, sources))

    in_world(body, seed=11, mix=Mix.plain(shops={shop: 1}, settles=True, settlement=habits))


def wrong(rows: Sequence[Row]) -> dict[str, Verdict]:
    """What is wrong, by subject."""
    return {row.subject: row.verdict for row in rows if row.is_wrong}


def payouts(rows: Sequence[Row]) -> dict[str, Row]:
    return {row.subject: row for row in rows if row.aspect == "payout"}


def less(body: Raw, account: str, cents: str) -> Raw:
    """The same journal with so much moved from an account's first line to account 639."""
    moved = Decimal(cents)
    lines = [dict(line) for line in body["line"]["items"]]
    line = next(one for one in lines if one["account"]["id"] == account)
    side, sign = ("debit", 1) if "debit" in line else ("credit", -1)
    line[side] -= sign * moved
    lines.append({"account": {"id": "639"}, "debit": moved, "memo": "moved"})
    return {**body, "line": {"items": lines}}


def _day(seconds: int) -> date:
    return from_epoch(int(seconds)).astimezone(UTC).date()
