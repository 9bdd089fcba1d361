"""Reading the payouts of a UTC day from both systems, in full and in both directions.

A day's payments are those that TikTok *made* on it, paid or not: a payment's creation never changes, so a
range of days is the whole history, and each payment is in one of them. Its statements are looked for as far
back as a negative one may be carried. NetSuite is asked for the documents that name these payments and
statements, whatever their date, and for every document on the clearing account around the day; those that
name a payment which TikTok does not have are orphans of the day that they are dated on.

Only the two systems are read, never our own records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from string import Template

from tiktok_ns_pipeline.reconciliation.payouts import sides
from tiktok_ns_pipeline.reconciliation.payouts.join import BY_HAND_WINDOW
from tiktok_ns_pipeline.reconciliation.payouts.model import Accounts, PaidOut, PayoutDocument, Settlement
from tiktok_ns_pipeline.reconciliation.reading import SideUnread, Sources, asking
from tiktok_ns_pipeline.tiktok.errors import TikTokError, TikTokIncomplete
from tiktok_ns_pipeline.tiktok.finance import StatementReading
from tiktok_ns_pipeline.tiktok.finance_models import ListedStatement

LATE_STATEMENTS = timedelta(days=10)
"""So long after its day a statement may come (T 7.2)."""
CARRIED = timedelta(days=90)
"""So far back lies the oldest statement of a payment: negative ones are carried on."""
POSTED_LATE = timedelta(days=70)
"""So long after its payment a document may be dated: its month was closed."""

_IDS_PER_QUERY = 400

_HEADS = """
SELECT t.id, t.tranid, t.externalid, t.type, t.memo, t.posting,
       TO_CHAR(t.trandate, 'YYYY-MM-DD') AS tran_date, c.symbol AS currency
FROM transaction t
LEFT JOIN currency c ON c.id = t.currency
WHERE t.type IN ('Journal', 'Deposit')"""

DOCUMENTS_BY_KEY = f"""{_HEADS}
  AND t.externalid IN ($markers)
ORDER BY t.id ASC"""

DOCUMENTS_AROUND = f"""{_HEADS}
  AND t.trandate BETWEEN TO_DATE(?, 'YYYY-MM-DD') AND TO_DATE(?, 'YYYY-MM-DD')
  AND (LOWER(t.externalid) LIKE ? OR LOWER(t.externalid) LIKE ? OR t.id IN (
    SELECT a.transaction
    FROM transactionaccountingline a
    WHERE a.account = ?
  ))
  AND t.id > {{after}}
ORDER BY t.id ASC"""

# The ledger's lines name the account, the document's lines the amount in its own currency.
DOCUMENT_LINES = """
SELECT a.transaction AS id, a.transactionline AS line, a.account, tl.foreignamount AS amount
FROM transactionaccountingline a
JOIN transactionline tl
  ON tl.transaction = a.transaction
 AND tl.id = a.transactionline
WHERE a.transaction IN ($markers)
  AND a.accountingbook = 1
ORDER BY a.transaction ASC, a.transactionline ASC"""

ORDERS_SELLING_SHIPPING = """
SELECT DISTINCT $order_field AS order_id
FROM transaction t
JOIN transactionline tl ON tl.transaction = t.id
WHERE t.type IN ('SalesOrd', 'CashSale', 'CustInvc')
  AND $order_field IN ($markers)
  AND tl.item = ?
  AND tl.mainline = 'F'
  AND tl.taxline = 'F'
  AND tl.foreignamount <> 0
ORDER BY order_id ASC"""


@dataclass(frozen=True, slots=True)
class PayoutReading:
    """What both systems say of one shop's UTC day."""

    payments: tuple[PaidOut, ...]
    """Made on the day."""
    neighbours: tuple[PaidOut, ...]
    """Made on days around."""
    statements: tuple[Settlement, ...]
    """Of the payments, and those that cover the day."""
    documents: tuple[PayoutDocument, ...]
    strangers: frozenset[str]
    """Payments and statements of other days that documents name."""
    tiktok_read_at: datetime
    netsuite_read_at: datetime


async def read_payouts(sources: Sources, day: date) -> PayoutReading:
    """The day from both systems. Raises SideUnread."""
    began = sources.clock.now()
    listed = await _payments(sources, day - BY_HAND_WINDOW, day + BY_HAND_WINDOW)
    own = [one for one in listed if _made_on(one) == day]
    others = [one for one in listed if _made_on(one) != day]
    statements = await _statements(sources, day - CARRIED, day + LATE_STATEMENTS)
    ids = {one.id for one in own}
    wanted = [one for one in statements if one.payment_id in ids or sides.day_of(one) == day]
    settled = await read_settlements(sources, wanted)
    netsuite_read_at = sources.clock.now()
    documents = await _documents(sources, day, ids, settled)
    named = {name for one in documents for name in one.names}
    strangers = await _strangers(sources, day, named, {one.id for one in [*listed, *statements]})
    return PayoutReading(
        tuple(own), tuple(others), tuple(settled), tuple(documents), strangers, began, netsuite_read_at
    )


async def read_settlements(sources: Sources, listed: Iterable[ListedStatement]) -> list[Settlement]:
    """What statements come to, each read whole. Raises SideUnread."""
    found: list[Settlement] = []
    for one in listed:
        reading = await _transactions(sources, one.id)
        shipping: set[str] = set()
        if not isinstance(reading, str) and sides.accounts_of(sources.shop) is not None:
            shipping = await _selling_shipping(sources, sides.orders_paying_shipping(reading.rows))
        found.append(sides.settlement_of(one, reading, sources.shop, sources.mapping, shipping.__contains__))
    return found


async def list_statements(sources: Sources, since: date, until: date) -> list[ListedStatement]:
    """The statements that cover these UTC days, each once. Raises SideUnread."""
    return await _statements(sources, since, until)


async def list_payments(sources: Sources, since: date, until: date) -> list[PaidOut]:
    """The payments made on these UTC days, each once. Raises SideUnread."""
    return await _payments(sources, since, until)


async def lines_of(sources: Sources, ids: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """The ledger's lines of documents, by internal id. Raises SideUnread."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in await in_portions(sources, DOCUMENT_LINES, ids):
        found.setdefault(row["id"], []).append(row)
    return found


async def in_portions(
    sources: Sources, query: str, values: Collection[str], *more: str, **names: str
) -> list[dict[str, str]]:
    """The rows of a query that takes `values` as a list, in portions that it can take. Raises SideUnread."""
    ordered = sorted(values)
    rows: list[dict[str, str]] = []
    for start in range(0, len(ordered), _IDS_PER_QUERY):
        batch = ordered[start : start + _IDS_PER_QUERY]
        text = Template(query).substitute(markers=", ".join("?" * len(batch)), **names)
        with asking("netsuite"):
            rows += await sources.netsuite.suiteql(text, [*batch, *more], lane="bulk")
    return rows


# Within


async def _payments(sources: Sources, since: date, until: date) -> list[PaidOut]:
    found: dict[str, PaidOut] = {}
    with asking("tiktok"):
        pages = sources.tiktok.finance.payments(
            sources.access, since=_midnight(since), until=_midnight(until + timedelta(days=1)), lane="bulk"
        )
        async for page in pages:
            for raw in page.rows:
                one = sides.paid_out(raw)
                found[one.id] = one
    return list(found.values())


async def _statements(sources: Sources, since: date, until: date) -> list[ListedStatement]:
    """By the midnight that ended their day; one that is listed twice counts once (T 11)."""
    found: dict[str, ListedStatement] = {}
    with asking("tiktok"):
        pages = sources.tiktok.finance.statements(
            sources.access,
            since=_midnight(since + timedelta(days=1)),
            until=_midnight(until + timedelta(days=2)),
            lane="bulk",
        )
        async for page in pages:
            for raw in page.rows:
                one = ListedStatement.parse(raw)
                found[one.id] = one
    return list(found.values())


async def _transactions(sources: Sources, statement_id: str) -> StatementReading | str:
    """A statement's transactions, or why they did not come whole."""
    try:
        return await sources.tiktok.finance.statement_transactions(sources.access, statement_id, lane="bulk")
    except TikTokIncomplete as incomplete:
        return str(incomplete)
    except TikTokError as failure:
        raise SideUnread("tiktok", str(failure)) from failure


async def _selling_shipping(sources: Sources, orders: Collection[str]) -> set[str]:
    field = sources.mapping.custom_fields.body.order_id
    if not field:
        return set()
    rows = await in_portions(
        sources,
        ORDERS_SELLING_SHIPPING,
        orders,
        sources.shop.shipping.item_id,
        order_field=f"t.{field}",
    )
    return {row["order_id"] for row in rows}


async def _documents(
    sources: Sources, day: date, payments: Collection[str], statements: Iterable[Settlement]
) -> list[PayoutDocument]:
    accounts = sides.accounts_of(sources.shop)
    if accounts is None:
        return []
    heads = {
        row["id"]: row
        for row in await in_portions(sources, DOCUMENTS_BY_KEY, _keys(sources, payments, statements))
    }
    code = sources.shop.code
    around = [
        (day - BY_HAND_WINDOW).isoformat(),
        (day + BY_HAND_WINDOW).isoformat(),
        f"tts-{code}-je-%",
        f"tts-{code}-dep-%",
        accounts.clearing,
    ]
    with asking("netsuite"):
        async for row in sources.netsuite.suiteql_keyset(DOCUMENTS_AROUND, "id", around, lane="bulk"):
            heads.setdefault(row["id"], row)
    wanted = {key: row for key, row in heads.items() if not sides.is_fx_journal(row.get("externalid"), code)}
    lines = await lines_of(sources, list(wanted))
    found = [sides.payout_document(row, lines.get(key, ()), code) for key, row in wanted.items()]
    own = {*payments, *(one.id for one in statements)}
    return [one for one in found if _is_about(one, own, day, accounts, code)]


def _is_about(
    document: PayoutDocument, own: Collection[str], day: date, accounts: Accounts, shop_code: str
) -> bool:
    """Whether a document is about the day: it names something of it, or is a payout's and dated on it, or may
    by its amount alone be one of its payments. What else is on the clearing account is not about payouts."""
    if not document.names.isdisjoint(own):
        return True
    is_payout = bool(document.accounts.get(accounts.bank)) or sides.is_payout_key(
        document.external_id, shop_code
    )
    return is_payout and (document.dated == day or not document.names)


def _keys(sources: Sources, payments: Iterable[str], statements: Iterable[Settlement]) -> list[str]:
    """The external ids that documents of these payments and statements may have (DESIGN 4)."""
    months = {f"{one.day:%Y-%m}" for one in statements}
    names = [*payments, *(one.id for one in statements)]
    keys = [f"tts-{sources.shop.code}-{kind}-{name.lower()}" for name in names for kind in ("je", "dep")]
    accrued = [f"{key}-{month}" for key in keys if "-je-" in key for month in sorted(months)]
    return [*keys, *accrued]


async def _strangers(
    sources: Sources, day: date, named: Collection[str], known: Collection[str]
) -> frozenset[str]:
    """What of `named` TikTok knows from other days, as far as a document may be dated late."""
    unknown = {name for name in named if name not in known}
    found = {name for name in named if name in known}
    if unknown:
        until = min(day + POSTED_LATE, sources.clock.now().date())
        earlier = await _payments(sources, day - POSTED_LATE, until)
        found |= unknown & {one.id for one in earlier}
    if unknown - found:
        statements = await _statements(sources, day - CARRIED - POSTED_LATE, day + POSTED_LATE)
        found |= unknown & {one.id for one in statements}
    return frozenset(found)


def _made_on(payment: PaidOut) -> date | None:
    at = payment.created_at or payment.paid_at
    return at.astimezone(UTC).date() if at is not None else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
