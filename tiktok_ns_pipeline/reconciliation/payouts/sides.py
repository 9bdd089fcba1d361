"""What each system says of payouts, in the words of the proof.

The rows of a statement are read by their leaves alone: every amount that counts goes to the account that
the mapping has for its name, what a total has more than its leaves to the account of the residual. That is
less than the statements' own reading knows, and independent of it: a mistake there shows up here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

from tiktok_ns_pipeline.mapping.models import Mapping as Decisions
from tiktok_ns_pipeline.mapping.settlements import Booked, PostedSettlement, Undecided
from tiktok_ns_pipeline.mapping.shop import Shop
from tiktok_ns_pipeline.money import MoneyError, exact_decimal
from tiktok_ns_pipeline.netsuite.values import to_decimal
from tiktok_ns_pipeline.reconciliation.payouts.model import (
    Accounts,
    Gap,
    PaidOut,
    PayoutDocument,
    Settlement,
)
from tiktok_ns_pipeline.tiktok.errors import WireError
from tiktok_ns_pipeline.tiktok.finance import StatementReading
from tiktok_ns_pipeline.tiktok.finance_keys import (
    NEVER_ADDED,
    ORDER_TYPE,
    RESERVE_TYPE,
    SHIPPING_INCOME,
    SUPPLEMENTARY,
    counts_flat,
    group_of_amount,
)
from tiktok_ns_pipeline.tiktok.finance_models import (
    CurrencyAmount,
    ListedPayment,
    ListedStatement,
    StatementTransaction,
)

BillsShipping = Callable[[str], bool]
"""Whether a document of the order sold shipping."""

_ADJUSTMENT_OF_ORDER = "OTHER_ADJUSTMENT"
_BREAKDOWNS = (
    ("revenue_amount", "revenue_breakdown"),
    ("shipping_cost_amount", "shipping_cost_breakdown"),
    ("fee_tax_amount", "fee_tax_breakdown"),
)
_WHOLE = frozenset({"revenue_amount", "shipping_cost_amount"})
"""Totals that list all of their parts; fees may not (T 7.4 no. 8)."""
_LOCAL_REGIONS = frozenset({"GB", "US"})
_AMOUNT_NAME = re.compile(r"[a-z_0-9]+(_amount|_fee|_tax)")
_MOST_GAPS = 50
_ZERO = Decimal(0)


def paid_out(raw: Mapping[str, Any]) -> PaidOut:
    """What TikTok says of a payment. Never raises: one that cannot be read says so itself."""
    try:
        told = ListedPayment.parse(raw)
    except WireError as wrong:
        reason = f"{wrong.field} {wrong.reason}"
        name = str(raw.get("id") or "without an id")
        return PaidOut(name, str(raw.get("status") or ""), None, None, None, "", None, unreadable=reason)
    before = [told.settlement_amount, told.reserve_amount, told.payment_amount_before_exchange]
    currencies = sorted({one.currency for one in before if one is not None and one.currency})
    return PaidOut(
        id=told.id,
        status=(told.status or "").upper(),
        created_at=told.create_time,
        paid_at=told.paid_time,
        amount=_value(told.amount),
        currency=(told.amount.currency if told.amount else None) or "",
        settled_currency=currencies[0] if currencies else None,
        settlement=_value(told.settlement_amount),
        reserve=_value(told.reserve_amount),
        before_exchange=_value(told.payment_amount_before_exchange),
        exchange_rate=told.exchange_rate,
        unreadable=_why_unreadable(told, currencies),
    )


def settlement_of(
    listed: ListedStatement,
    reading: StatementReading | str,
    shop: Shop,
    mapping: Decisions,
    bills_shipping: BillsShipping,
) -> Settlement:
    """What a statement comes to; `reading` is why where its transactions could not be read whole."""
    day = day_of(listed)
    settlement = listed.settlement_amount
    currency = listed.currency or shop.currency
    name, payment = listed.id, listed.payment_id or ""
    if isinstance(reading, str) or settlement is None:
        reason = reading if isinstance(reading, str) else "it tells no settlement_amount"
        return Settlement(name, day, currency, payment, settlement or _ZERO, None, unreadable=reason)
    book = _Book(shop, mapping, bills_shipping)
    try:
        for row in reading.rows:
            book.add(row)
        book.close(settlement, reading.header)
        reserve = _told(reading.header, "total_reserve_amount")
    except (WireError, MoneyError) as wrong:
        return Settlement(name, day, currency, payment, settlement, None, unreadable=str(wrong))
    return Settlement(
        id=name,
        day=day,
        currency=currency,
        payment_id=payment,
        settlement=settlement,
        reserve=reserve if reserve is not None or reading.version == "202309" else book.reserve,
        accounts={account: amount for account, amount in book.accounts.items() if amount},
        undecided=tuple(sorted(book.undecided)),
        cleared={order: amount for order, amount in book.cleared.items() if amount},
        refunded={order: amount for order, amount in book.refunded.items() if amount},
        gaps=tuple(book.gaps),
    )


def day_of(listed: ListedStatement) -> date:
    """The UTC day that a statement covers: the one before the midnight at which it was made (T 7.2)."""
    return (listed.statement_time - timedelta(seconds=1)).date()


def orders_paying_shipping(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """The orders of a statement whose income has shipping in it: what their bills sold decides about it."""
    return {
        str(row.get("order_id"))
        for row in rows
        if row.get("order_id") and any(_names_money(value) for value in _shipping_income(row))
    }


def accounts_of(shop: Shop) -> Accounts | None:
    """The accounts of a shop's payouts; None where it posts none."""
    policy = shop.settlement
    if not isinstance(policy, PostedSettlement):
        return None
    return Accounts(policy.bank_account_id, policy.clearing_account_id, policy.reserve_account_id)


def payout_document(
    head: Mapping[str, str], lines: Iterable[Mapping[str, str]], shop_code: str
) -> PayoutDocument:
    """What NetSuite says of a Journal Entry or Deposit, from rows of the proof's queries."""
    accounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        accounts[line["account"]] += to_decimal(line.get("amount")) or _ZERO
    return PayoutDocument(
        netsuite_id=head["id"],
        tran_id=head.get("tranid"),
        external_id=head.get("externalid"),
        dated=date.fromisoformat(head["tran_date"]),
        currency=head.get("currency", ""),
        accounts={account: amount for account, amount in accounts.items() if amount},
        names=frozenset(names_in(head, shop_code)),
        posts=head.get("posting") != "F",
    )


def names_in(head: Mapping[str, str], shop_code: str) -> Iterator[str]:
    """The payments and statements that a document says it books: by its external id (DESIGN 4), else by long
    numbers in its memo."""
    if own := _payout_key(head.get("externalid"), shop_code):
        yield own[1]
        return
    yield from re.findall(r"\b\d{12,25}\b", head.get("memo", ""))


def is_fx_journal(external_id: str | None, shop_code: str) -> bool:
    """Whether a document books a difference of exchange alone: it is in base currency."""
    return bool(external_id) and str(external_id).lower().startswith(f"tts-{shop_code}-fx-")


def is_payout_key(external_id: str | None, shop_code: str) -> bool:
    """Whether an external id is that of a payout's or statement's document."""
    return _payout_key(external_id, shop_code) is not None


# Within


def _payout_key(external_id: str | None, shop_code: str) -> re.Match[str] | None:
    pattern = rf"tts-{re.escape(shop_code)}-(?:je|dep)-(.+?)(?:-\d{{4}}-\d{{2}})?"
    return re.fullmatch(pattern, (external_id or "").lower())


class _Book:
    """Takes the rows of one statement."""

    def __init__(self, shop: Shop, mapping: Decisions, bills_shipping: BillsShipping) -> None:
        self._shop = shop
        self._mapping = mapping
        self._bills_shipping = bills_shipping
        policy = shop.settlement
        self._clearing = policy.clearing_account_id if isinstance(policy, PostedSettlement) else None
        self._decided: dict[tuple[str, str], str | None] = {}
        self.accounts: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.cleared: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.refunded: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.undecided: set[str] = set()
        self.gaps: list[Gap] = []
        self.settlement = _ZERO
        self.reserve = _ZERO

    def add(self, raw: Mapping[str, Any]) -> None:
        """Take one row. Raises WireError, MoneyError."""
        row = StatementTransaction.parse(raw)
        kind = (row.type or "").strip()
        self.reserve += row.reserve_amount or _ZERO
        self.settlement += row.settlement_amount or _ZERO
        about = row.order_id or row.adjustment_order_id or row.associated_order_id or ""
        if kind.upper() == ORDER_TYPE:
            if row.settlement_amount is None:
                raise MoneyError(f"transaction {row.id} tells no settlement_amount")
            self._add_order(raw, row, about)
        elif kind.upper() != RESERVE_TYPE:
            self._post("transaction", kind, row.settlement_amount or _ZERO, about)
        elif row.settlement_amount:
            self._gap(f"settlement of reserve {row.id}", row.settlement_amount, _ZERO)

    def close(self, listed: Decimal, header: Mapping[str, Any]) -> None:
        """Compare the sums of all rows with what TikTok tells of the statement."""
        told = {
            "settlement in the list": listed,
            "settlement above its transactions": _told(
                header, "total_settlement_amount", "settlement_amount"
            ),
        }
        for place, amount in told.items():
            if amount is not None and amount != self.settlement:
                self._gap(place, amount, self.settlement)
        reserve = _told(header, "total_reserve_amount")
        if reserve is not None and reserve != self.reserve:
            self._gap("total_reserve_amount", reserve, self.reserve)

    def _add_order(self, raw: Mapping[str, Any], row: StatementTransaction, order_id: str) -> None:
        nested = any(isinstance(raw.get(name), dict) for _, name in _BREAKDOWNS)
        leaves = dict(_nested_leaves(raw) if nested else _flat_leaves(raw, row, self._shop.region))
        settlement = row.settlement_amount or _ZERO
        if nested:
            self._foot(raw, row)
        adjustment = row.adjustment_amount or _ZERO
        for (_, name), amount in leaves.items():
            self._post("amount", name, amount, order_id)
        if adjustment:
            self._post("transaction", _ADJUSTMENT_OF_ORDER, adjustment, order_id)
        residual = settlement - adjustment - sum(leaves.values(), _ZERO)
        if residual:
            self._post("residual", "what TikTok does not itemise", residual, order_id)

    def _foot(self, raw: Mapping[str, Any], row: StatementTransaction) -> None:
        """Groups make the transaction, and the parts of those that list all make the group."""
        groups = row.adjustment_amount or _ZERO
        for total, breakdown in _BREAKDOWNS:
            told = _told(raw, total)
            parts = _leaves_of(raw.get(breakdown), breakdown)
            listed = sum((amount for _, amount in parts), _ZERO)
            groups += listed if told is None else told
            if told is not None and told != listed and total in _WHOLE:
                self._gap(f"{total} of transaction {row.id}", told, listed)
        if row.settlement_amount is not None and groups != row.settlement_amount:
            self._gap(f"settlement_amount of transaction {row.id}", row.settlement_amount, groups)

    def _post(self, part: str, name: str, amount: Decimal, order_id: str) -> None:
        if not amount:
            return
        account = self._account(part, name)
        if part == "amount" and name in SHIPPING_INCOME and self._clears_shipping(name, order_id):
            account = self._clearing
        if account is None:
            self.undecided.add(name)
            return
        self.accounts[account] -= amount
        if account == self._clearing:
            self.cleared[order_id] += amount
            if part == "amount" and (group_of_amount(name) == "refunds" or "refund" in name):
                self.refunded[order_id] += amount

    def _clears_shipping(self, name: str, order_id: str) -> bool:
        # Income from shipping clears by the order's bill; what is a sale or refund clears by itself.
        return group_of_amount(name) not in ("sales", "refunds") and self._bills_shipping(order_id)

    def _account(self, part: str, name: str) -> str | None:
        if (part, name) not in self._decided:
            self._decided[part, name] = self._decide(part, name)
        return self._decided[part, name]

    def _decide(self, part: str, name: str) -> str | None:
        mapping, shop = self._mapping, self._shop
        found: Booked | Undecided
        if part == "amount":
            found = mapping.booking_of_amount(shop, name)
        elif part == "transaction":
            found = mapping.booking_of_transaction(shop, name)
        else:
            found = mapping.booking_of_residual(shop)
        if isinstance(found, Undecided):
            return None
        return self._clearing if found.booking.clears else found.booking.account_id

    def _gap(self, place: str, told: Decimal, summed: Decimal) -> None:
        if len(self.gaps) < _MOST_GAPS:
            self.gaps.append(Gap(place, told, summed))


def _nested_leaves(raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Decimal]]:
    for _, breakdown in _BREAKDOWNS:
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for name, amount in _leaves_of(raw.get(breakdown), breakdown):
            sums[name] += amount
        yield from (((breakdown, name), amount) for name, amount in sums.items())


def _leaves_of(part: Any, place: str) -> list[tuple[str, Decimal]]:
    """Every amount of a breakdown that counts, however deep; names that nobody knows count (T 7.5)."""
    if part is None or part == "":
        return []
    if not isinstance(part, dict):
        raise MoneyError(f"{place} is no object")
    found: list[tuple[str, Decimal]] = []
    for name, value in cast("dict[str, Any]", part).items():
        if name in NEVER_ADDED or name == SUPPLEMENTARY or value is None:
            continue
        if isinstance(value, dict):
            found += _leaves_of(value, name)
        else:
            found.append((name, _exact(value)))
    return found


def _flat_leaves(
    raw: Mapping[str, Any], row: StatementTransaction, region: str
) -> Iterator[tuple[tuple[str, str], Decimal]]:
    """The amounts of a row of 202309 that count in this market (T 7.7); those that nobody knows count
    where nothing adds up without them."""
    local = region in _LOCAL_REGIONS
    known = {name: _exact(value) for name, value in raw.items() if counts_flat(name, local=local)}
    unknown = {
        name: amount
        for name, value in raw.items()
        if name not in known and _AMOUNT_NAME.fullmatch(name) and _is_unknown(name)
        for amount in (_exact(value),)
        if amount
    }
    listed = sum(known.values(), _ZERO) + (row.adjustment_amount or _ZERO)
    leaves = known | unknown if unknown and listed != row.settlement_amount else known
    yield from ((("", name), amount) for name, amount in leaves.items())


def _is_unknown(name: str) -> bool:
    return name not in NEVER_ADDED and group_of_amount(name) is None and name != "adjustment_amount"


def _shipping_income(row: Mapping[str, Any]) -> Iterator[Any]:
    for name, value in row.items():
        if isinstance(value, dict) and name != SUPPLEMENTARY:
            yield from _shipping_income(cast("dict[str, Any]", value))
        elif name in SHIPPING_INCOME:
            yield value


def _names_money(value: Any) -> bool:
    try:
        return bool(_exact(value))
    except MoneyError:
        return True


def _exact(value: Any) -> Decimal:
    if value is None or (isinstance(value, str) and not value.strip()):
        return _ZERO
    return exact_decimal(value.strip() if isinstance(value, str) else value)


def _told(head: Mapping[str, Any], *names: str) -> Decimal | None:
    """The first of these amounts that is told; None where none is."""
    for name in names:
        value = head.get(name)
        if value is not None and value != "":
            return _exact(value)
    return None


def _value(amount: CurrencyAmount | None) -> Decimal | None:
    return amount.value if amount is not None else None


def _why_unreadable(told: ListedPayment, currencies: Sequence[str]) -> str:
    if told.amount is None or told.amount.value is None or not told.amount.currency:
        return "it tells no amount or no currency"
    if len(currencies) > 1:
        return f"it settles in several currencies: {', '.join(currencies)}"
    if (told.status or "").upper() == "PAID" and told.paid_time is None:
        return "it is paid and does not tell when"
    return ""
