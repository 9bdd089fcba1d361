"""How a payout stands: what TikTok paid, what became of it here, and what it is in NetSuite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.lake import Lake
from tiktok_ns_pipeline.lake.tables import (
    NETSUITE_PAYOUT_JOURNALS,
    RAW_TIKTOK_PAYMENTS,
    RAW_TIKTOK_STATEMENTS,
    SETTLEMENT_MATCHES,
    STAGED_PAYOUT_JOURNALS,
)
from tiktok_ns_pipeline.ledger import Ledger
from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.ledger.facts import CREDIT_PAYMENT, CUSTOMER_PAYMENT, FX_JOURNAL, PAYOUT_JOURNAL
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.money import amount_text
from tiktok_ns_pipeline.settings import Settings
from tiktok_ns_pipeline.settlements.document import CHANNEL, PayoutJournal
from tiktok_ns_pipeline.settlements.planning import PAYOUT, STATEMENT

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PayoutStanding:
    """Everything that is known of one payment."""

    payment: Row
    statements: Sequence[Row]
    staged: Sequence[Row]
    posted: Sequence[Row]
    """As they were read back in NetSuite."""
    matches: Sequence[Row]
    intents: Sequence[Intent]
    exceptions: Sequence[OpenException]


def standing_of(settings: Settings, clock: Clock, payment_id: str) -> list[PayoutStanding]:
    """The payment, in each shop that has one of this id. Raises LedgerError."""
    lake = Lake(settings.lake_url, clock)
    ledger = Ledger.open(settings.database_url, clock, durable=settings.durable)
    try:
        payments = lake.current(RAW_TIKTOK_PAYMENTS, "payment_id = ?", [payment_id])
        return [_standing(lake, ledger, payment) for payment in payments]
    finally:
        ledger.close()
        lake.close()


def _standing(lake: Lake, ledger: Ledger, payment: Row) -> PayoutStanding:
    shop, payment_id = payment["shop"], payment["payment_id"]
    statements = lake.current(RAW_TIKTOK_STATEMENTS, "payment_id = ?", [payment_id], shop=shop)
    ids = [row["statement_id"] for row in statements]
    keys = [payment_id, *ids]
    among = ", ".join("?" for _ in keys)
    staged = lake.current(
        STAGED_PAYOUT_JOURNALS, f"payment_id = ? OR key IN ({among})", [payment_id, *keys], shop=shop
    )
    posted = lake.current(
        NETSUITE_PAYOUT_JOURNALS,
        f"key IN ({among}) OR starts_with(key, ?) OR starts_with(key, ?)",
        [*keys, f"{payment_id}.", f"{payment_id}-"],
        shop=shop,
    )
    matches = (
        lake.current(SETTLEMENT_MATCHES, f"statement_id IN ({', '.join('?' for _ in ids)})", ids, shop=shop)
        if ids
        else []
    )
    subjects = {f"{PAYOUT}{payment_id}", *(f"{STATEMENT}{one}" for one in ids)}
    with ledger.read() as tx:
        intents = {
            fact: intent
            for kind in (PAYOUT_JOURNAL, FX_JOURNAL, CUSTOMER_PAYMENT, CREDIT_PAYMENT)
            for key in keys
            for fact, intent in tx.intents.newest_of(CHANNEL, shop, kind, key).items()
        }
        told = [one for one in tx.exceptions.list(shop=shop) if one.subject in subjects]
    return PayoutStanding(
        payment,
        sorted(statements, key=lambda row: (row["day"], row["statement_id"])),
        sorted(staged, key=lambda row: row["key"]),
        sorted(posted, key=lambda row: (row["kind"], row["key"])),
        sorted(matches, key=lambda row: row["order_id"]),
        list(intents.values()),
        told,
    )


def explanation(standing: PayoutStanding, most_orders: int = 20) -> list[str]:
    """The standing in lines, from TikTok's payment down to the orders."""
    payment = standing.payment
    lines = [
        f"Payment {payment['payment_id']} of shop {payment['shop']}: {payment['status']}, "
        f"{_money(payment['amount'], payment['currency'])}, paid {payment['paid_time'] or 'not yet'}"
    ]
    lines += [
        f"  statement {row['statement_id']} of {row['day']}: "
        f"{_money(row['settlement_amount'], row['currency'])}, "
        f"{'unread' if row['transactions'] is None else row['transactions']} transactions"
        for row in standing.statements
    ]
    if not standing.statements:
        lines.append("  TikTok shows no statement of it")
    for row in standing.staged:
        lines += _document(row)
    lines += [
        f"NetSuite {row['record_type']} {row['netsuite_id']} ({row['tran_id'] or 'number not read'}), "
        f"{row['external_id']}: {_money(row['posted_total'], row['currency'])} of "
        f"{_money(row['expected_total'], row['currency'])}"
        f"{'' if row['is_posting'] else ', does not post yet'}"
        for row in standing.posted
    ]
    lines += [
        f"{one.fact.kind} {one.fact.business_key}, revision {one.revision}: {one.state}, attempts "
        f"{one.attempts}{f': {one.last_error}' if one.last_error else ''}"
        for one in standing.intents
    ]
    lines += _orders(standing.matches, most_orders)
    lines += [f"exception {one.id} ({one.kind}, {one.state}): {one.message}" for one in standing.exceptions]
    return lines


def _document(row: Row) -> list[str]:
    if row["document"] is None:
        return [f"{row['key']}: {', '.join(filter(None, (row['outcome'], row['reason'])))}"]
    journal = PayoutJournal.model_validate(exact_json.loads(row["document"]))
    lines = [
        f"{journal.external_id}: {journal.record_type} on {journal.tran_date} (money of "
        f"{journal.true_date}), {journal.currency}"
    ]
    for line in journal.lines:
        side = "debit " if line.amount > 0 else "credit"
        amount = amount_text(abs(line.amount), journal.currency)
        lines.append(f"  {side} {amount:>16}  account {line.account_id:<8} {line.memo}")
        lines += [
            f"         {amount_text(amount, journal.currency):>16}    {name}"
            for name, amount in line.components
        ]
    return lines


def _orders(matches: Sequence[Row], most: int) -> list[str]:
    if not matches:
        return []
    total = Decimal(0)
    for row in matches:
        total += _cleared(row)
    orders = {row["order_id"] for row in matches}
    lines = [f"{len(orders)} orders, {_money(total, matches[0]['currency'])} cleared:"]
    # What somebody has to look at comes first.
    shown = sorted(matches, key=lambda row: (row["verdict"] == "cleared", row["order_id"]))[:most]
    lines += [
        f"  order {row['order_id']}: {amount_text(_cleared(row), row['currency'])} by statement "
        f"{row['statement_id']}, {row['verdict']}; {row['documents'] or 'no document'}"
        for row in shown
    ]
    if len(matches) > most:
        lines.append(f"  and {len(matches) - most} more")
    return lines


def _cleared(row: Row) -> Decimal:
    return row["sales"] + row["refunds"] + row["shipping"] + row["other"]


def _money(amount: Decimal | None, currency: str | None) -> str:
    return f"{amount_text(amount, currency)} {currency or ''}".strip()
