"""Matches: what each statement clears of its orders, and how those orders stand as a whole.

An order settles in several statements (T 7.2), so every look compares all that was ever settled of it
with all of its documents. An order without a bill, or a refund without a credit, stays visible, and is
looked for again each time TikTok is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.lake.tables import SETTLEMENT_MATCHES
from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.mapping import Shop
from tiktok_ns_pipeline.mapping.follow_ups import NoBilling
from tiktok_ns_pipeline.mapping.refunds import NoRefunds
from tiktok_ns_pipeline.money import Money
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.settlements.booking import Settled
from tiktok_ns_pipeline.settlements.document import CHANNEL
from tiktok_ns_pipeline.settlements.landed import LandedStatement
from tiktok_ns_pipeline.settlements.matching import BILLS, CREDITS, OrderMatch, match_order
from tiktok_ns_pipeline.settlements.planning import ABOUT_ORDERS, UNBILLED, UNCREDITED
from tiktok_ns_pipeline.settlements.reading import OrdersInNetSuite, SettlementReader

ORDER = "order "

_NOT_BILLED = ("unbilled", "no_document")
_MOST = 5_000
"""So many orders are looked for again at once."""
_PORTION = 5_000
"""So many orders of a statement are matched at once."""
_ZERO = Decimal(0)
_PARTS = ("sales", "refunds", "shipping", "other")
_OF_SETTLED = ("statement_id", "order_id", "placed_at", *_PARTS)

Row = dict[str, Any]


class MatchDesk:
    """Matches the orders of one run."""

    def __init__(self, runtime: Runtime, reader: SettlementReader) -> None:
        self._runtime = runtime
        self._reader = reader

    def match(
        self,
        shop: Shop,
        landed: LandedStatement,
        orders: Mapping[str, Settled],
        known: OrdersInNetSuite,
        begun_on: date,
    ) -> Iterator[list[Row]]:
        """Rows of `settlement_matches` of a statement, in portions; opens and clears exceptions.

        `orders` is what the statement clears of each, `known` are their documents.
        """
        names = iter(orders)
        while portion := list(islice(names, _PORTION)):
            everything = self._ever_settled(shop, portion, landed.id)
            rows: list[Row] = []
            matches: list[OrderMatch] = []
            for order_id in portion:
                whole = everything.setdefault(order_id, Settled(order_id))
                whole.add(orders[order_id])
                match = match_order(
                    whole, known.documents.get(order_id, ()), not_ours=_is_older(whole, shop, begun_on)
                )
                matches.append(match)
                rows.append(self._row(landed.id, landed.day, landed.currency, orders[order_id], match))
            self._tell(shop, matches)
            yield rows

    async def again(self, shop: Shop, begun_on: date) -> list[Row]:
        """Rows of orders that were not cleared and stand otherwise by now.

        Raises NetSuiteError's subclasses.
        """
        not_cleared = self._runtime.lake.current(
            SETTLEMENT_MATCHES, "verdict NOT IN ('cleared', 'not_ours')", shop=shop.code
        )
        open_rows = sorted(not_cleared, key=lambda row: row["matched_at"])[-_MOST:]
        if not open_rows:
            return []
        order_ids = {row["order_id"] for row in open_rows}
        known = await self._reader.orders(shop, order_ids)
        everything = self._ever_settled(shop, order_ids, "")
        matches = {
            order_id: match_order(
                settled, known.documents.get(order_id, ()), not_ours=_is_older(settled, shop, begun_on)
            )
            for order_id, settled in everything.items()
        }
        self._tell(shop, matches.values())
        return [
            self._row(
                row["statement_id"], row["day"], row["currency"], settled_of(row), matches[row["order_id"]]
            )
            for row in open_rows
            if _told(matches[row["order_id"]]) != (row["verdict"], row["documents"])
        ]

    def _ever_settled(self, shop: Shop, order_ids: Collection[str], without: str) -> dict[str, Settled]:
        """What all statements settled of orders, but for one that is looked at anew."""
        everything: dict[str, Settled] = {}
        where = f"order_id IN ({', '.join('?' for _ in order_ids)})"
        rows = self._runtime.lake.current(
            SETTLEMENT_MATCHES, where, sorted(order_ids), shop=shop.code, columns=_OF_SETTLED
        )
        for row in rows:
            if row["statement_id"] != without:
                everything.setdefault(row["order_id"], Settled(row["order_id"])).add(settled_of(row))
        return everything

    def _row(self, statement_id: str, day: date, currency: str, settled: Settled, match: OrderMatch) -> Row:
        verdict, documents = _told(match)
        return {
            "channel": CHANNEL,
            "statement_id": statement_id,
            "order_id": settled.order_id,
            "currency": currency,
            "placed_at": settled.placed_at,
            **{part: getattr(settled, part) for part in _PARTS},
            "verdict": verdict,
            "settled": match.settled,
            "documented": match.documented,
            "documents": documents,
            "reasons": exact_json.dumps({one.name: one.amount for one in match.reasons}),
            "matched_at": self._runtime.clock.now(),
            "day": day,
        }

    def _tell(self, shop: Shop, matches: Iterable[OrderMatch]) -> None:
        """Orders that TikTok settled and nobody billed, and refunds that nobody credited; where nobody
        bills, or credits, that is no trouble."""
        if isinstance(shop.billing, NoBilling):
            return
        subjects = {f"{ORDER}{one.order_id}": one for one in matches}
        with self._runtime.ledger.begin() as tx:
            troubled = tx.exceptions.unresolved_among(CHANNEL, shop.code, list(subjects))
            for subject, match in subjects.items():
                problem = _problem(shop, match)
                if problem is not None:
                    self._open(tx, shop, subject, problem)
                if subject in troubled:
                    tx.exceptions.clear(
                        channel=CHANNEL,
                        shop=shop.code,
                        subject=subject,
                        reason="the order's documents are there now",
                        kinds=ABOUT_ORDERS,
                        keep=[(problem.kind, problem.cause)] if problem else (),
                    )

    def _open(self, tx: Transaction, shop: Shop, subject: str, problem: Problem) -> None:
        """Tell it, once: whoever resolved it knows."""
        states = ("open", "acknowledged", "resolved")
        if not tx.exceptions.list(states=states, kinds=(problem.kind,), shop=shop.code, subject=subject):
            tx.exceptions.open(
                self._runtime.reporter.exception(
                    problem.kind,
                    channel=CHANNEL,
                    shop=shop.code,
                    subject=subject,
                    cause=problem.cause,
                    message=problem.message,
                )
            )


def settled_of(row: Mapping[str, Any]) -> Settled:
    """What a row says that its statement clears of its order."""
    placed_at: datetime | None = row["placed_at"]
    return Settled(
        row["order_id"], row["sales"], row["refunds"], row["shipping"], row["other"], placed_at=placed_at
    )


def _told(match: OrderMatch) -> tuple[str, str | None]:
    documents = ",".join(f"{one.kind} {one.internal_id}" for one in match.documents)
    return match.verdict, documents or None


def _is_older(settled: Settled, shop: Shop, begun_on: date) -> bool:
    """Whether the order is from before the shop's books here."""
    first = shop.orders_since or begun_on
    return settled.placed_at is not None and settled.placed_at.astimezone(shop.zone).date() < first


def _problem(shop: Shop, match: OrderMatch) -> Problem | None:
    """What is missing in NetSuite of what was settled."""
    about = f"of order {match.order_id} of shop {shop.code}"
    if match.verdict in _NOT_BILLED:
        is_known = match.verdict == "unbilled"
        what = "its Sales Order was never billed" if is_known else "NetSuite does not have it"
        text = f"TikTok settled {match.settled} {shop.currency} {about}, and {what}."
        return Problem.of(UNBILLED, match.verdict, text)
    refund = next((one.amount for one in match.reasons if one.name == "refund_not_credited"), None)
    kinds = {one.kind for one in match.documents}
    if refund is None or not kinds & BILLS or kinds & CREDITS or isinstance(shop.refunds, NoRefunds):
        return None
    text = (
        f"TikTok settled a refund of {Money(-refund, shop.currency).quantized()} {about}, and NetSuite has "
        "neither a Credit Memo nor a Cash Refund of the order. Until then the amount stays open on the "
        "clearing account."
    )
    return Problem.of(UNCREDITED, UNCREDITED, text)
