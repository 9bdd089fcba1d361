"""The judge of settlements: payouts in the books beside what TikTok really paid, and what it still owes.

Like `judge`, it shares no code with the pipeline. Whoever calls it tells which account plays which role
(`settling_truth.Role`) and gives the lines that were posted, debit positive, in the shop's currency:
those of payouts with their `payment_id`, those of sales and refunds with their `order_id`.

- *missing*: a payment that arrived and no document posts; *doubled*: two do; *invented*: a document
  for a payment that TikTok does not know or has not made; *wrong*: a role's amount is not the true one;
  *unbalanced*: a document whose lines do not sum to zero.
- *clearing*: per shop, the balance of the clearing account beside what the sold orders are owed and no
  payment that arrived has cleared, and balances that only move (T 7.8). Where both agree, the account is
  exactly the unsettled orders. Where orders are invoiced they wait among the *receivables*, and clearing
  holds nothing but what a payout has cleared and no customer payment followed.

`judge_settlements` takes plain data; `settled_lines` collects it from the books.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.books import Books, Record
from tiktok_ns_pipeline.sandbox.facts import ZERO
from tiktok_ns_pipeline.sandbox.settling_truth import ROLES, FinanceTruth, Role
from tiktok_ns_pipeline.sandbox.statements import PAID


@dataclass(frozen=True, slots=True)
class BookLine:
    """One line of a posted document."""

    document: str
    """Whatever tells one document from another, such as its internal id."""
    shop: str
    """Key of the shop."""
    account: str
    amount: Decimal
    """Debit positive, credit negative."""
    payment_id: str = ""
    """Of a payout's line: TikTok's payment."""
    order_id: str = ""
    """Of a sale's or refund's line: TikTok's order."""


@dataclass(frozen=True, slots=True)
class OrderAccounts:
    """Where a shop's orders stand in the books until TikTok has paid them."""

    clearing: str
    receivable: str = ""
    """Where orders are invoiced: customer payments take them from here into clearing."""


@dataclass(frozen=True, slots=True)
class WrongAmount:
    """A payout that says another amount than the truth."""

    payment_id: str
    role: Role
    posted: Decimal
    true: Decimal


@dataclass(frozen=True, slots=True)
class Clearing:
    """What TikTok owes by the books, on one account, and by the truth."""

    shop: str
    balance: Decimal
    owed: Decimal
    differing: Mapping[str, Decimal]
    """Order id -> by how much the books' open amount is too high, for those that explain it."""

    @property
    def difference(self) -> Decimal:
        """By how much the account is too high."""
        return self.balance - self.owed


@dataclass(slots=True)
class SettlementFindings:
    """What the judge found."""

    right: int = 0
    """Payments that are posted once, with every amount."""
    missing: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])
    invented: list[str] = field(default_factory=list[str])
    wrong: list[WrongAmount] = field(default_factory=list[WrongAmount])
    unbalanced: list[str] = field(default_factory=list[str])
    elsewhere: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Payment id -> what its document posts to accounts without a role."""
    clearing: dict[str, Clearing] = field(default_factory=dict[str, Clearing])
    """By shop; of those whose orders are in the books."""
    receivables: dict[str, Clearing] = field(default_factory=dict[str, Clearing])
    """By shop; of those that invoice."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        lists = (self.missing, self.doubled, self.invented, self.wrong, self.unbalanced)
        accounts = (*self.clearing.values(), *self.receivables.values())
        return not any(lists) and not any(one.difference or one.differing for one in accounts)


def judge_settlements(
    lines: Iterable[BookLine],
    truth: FinanceTruth,
    accounts: Mapping[str, Role],
    orders: Mapping[str, OrderAccounts] | None = None,
    unsold: Collection[str] = (),
) -> SettlementFindings:
    """Score the books by the truth. Roles that no account has are not judged.

    `orders` tells by shop where its orders stand; without it every account of the role clearing is every
    shop's. Of a shop that is not in it payouts alone are judged, and not what they clear. `unsold`
    are orders that the books cannot carry, so that only payouts are about them.
    """
    lines = list(lines)
    findings = SettlementFindings()
    documents: dict[str, list[BookLine]] = defaultdict(list)
    for line in lines:
        documents[line.document].append(line)
    findings.unbalanced = sorted(
        name for name, own in documents.items() if sum((line.amount for line in own), ZERO)
    )
    _judge_payouts(findings, documents, truth, accounts, truth.shops if orders is None else orders)
    if orders is None:
        clearing = {account for account, role in accounts.items() if role == "clearing"}
        one_for_all = [replace(line, account="") for line in lines if line.account in clearing]
        orders = {shop: OrderAccounts("") for shop in truth.shops}
        _judge_accounts(findings, one_for_all, truth, orders, unsold)
    else:
        _judge_accounts(findings, lines, truth, orders, unsold)
    return findings


def _judge_accounts(
    findings: SettlementFindings,
    lines: Collection[BookLine],
    truth: FinanceTruth,
    orders: Mapping[str, OrderAccounts],
    unsold: Collection[str],
) -> None:
    for shop, where in orders.items():
        own = [line for line in lines if line.shop == shop]
        on_clearing = [line for line in own if line.account == where.clearing]
        money = {key: one for key, one in truth.orders.items() if one.shop == shop}
        sales = {key: ZERO if key in unsold else one.owed - one.refunded for key, one in money.items()}
        cleared = {key: one.cleared_by_payments for key, one in money.items()}
        if where.receivable:
            # Of an order that the books do not have, clearing keeps what the payout took out of it.
            entered = {key: ZERO if key in unsold else amount for key, amount in cleared.items()}
            due = {key: sales[key] - entered[key] for key in money}
            waiting = [line for line in own if line.account == where.receivable]
            findings.receivables[shop] = _account(shop, waiting, due, {}, ZERO)
        else:
            entered = sales
        paid = [
            one for one in truth.payments.values() if one.payment.shop == shop and one.payment.status == PAID
        ]
        moved = sum((one.balances for one in paid), ZERO)
        findings.clearing[shop] = _account(shop, on_clearing, entered, cleared, moved)


def _judge_payouts(
    findings: SettlementFindings,
    documents: Mapping[str, list[BookLine]],
    truth: FinanceTruth,
    accounts: Mapping[str, Role],
    clearing: Collection[str],
) -> None:
    posted: dict[str, list[list[BookLine]]] = defaultdict(list)
    for own in documents.values():
        for payment_id in {line.payment_id for line in own if line.payment_id}:
            posted[payment_id].append([line for line in own if line.payment_id == payment_id])
    made = {key for key, one in truth.payments.items() if one.payment.status == PAID}
    findings.missing = sorted(made - posted.keys())
    findings.invented = sorted(posted.keys() - made)
    findings.doubled = sorted(key for key, own in posted.items() if len(own) > 1)
    judged: list[Role] = [role for role in ROLES if role in accounts.values()]
    for payment_id in sorted(made & posted.keys()):
        own = [line for document in posted[payment_id] for line in document]
        sums: dict[Role, Decimal] = dict.fromkeys(judged, ZERO)
        elsewhere = ZERO
        for line in own:
            role = accounts.get(line.account)
            if role is None:
                elsewhere += line.amount
            else:
                sums[role] += line.amount
        if elsewhere:
            findings.elsewhere[payment_id] = elsewhere
        true = truth.payments[payment_id]
        wrong = [
            WrongAmount(payment_id, role, sums[role], true.roles[role])
            for role in judged
            if sums[role] != true.roles[role] and (role != "clearing" or true.payment.shop in clearing)
        ]
        findings.wrong += wrong
        findings.right += not wrong and len(posted[payment_id]) == 1


def _account(
    shop: str,
    lines: Iterable[BookLine],
    entered: Mapping[str, Decimal],
    cleared: Mapping[str, Decimal],
    moved: Decimal,
) -> Clearing:
    """An account beside the truth, and by how much each order's documents differ from it.

    `entered` is what an order's documents should have put there, `cleared` what payouts have taken out
    again. An order counts once the books have it there, or a payout has cleared it.
    """
    balance, posted = ZERO, dict[str, Decimal]()
    for line in lines:
        balance += line.amount
        if line.order_id and not line.payment_id:
            posted[line.order_id] = posted.get(line.order_id, ZERO) + line.amount
    owed, differing = moved, dict[str, Decimal]()
    for order_id, true in entered.items():
        if order_id not in posted and not cleared.get(order_id):
            continue
        owed += true - cleared.get(order_id, ZERO)
        if posted.get(order_id, ZERO) != true:
            differing[order_id] = posted.get(order_id, ZERO) - true
    return Clearing(shop, balance, owed, differing)


_PAYOUTS = ("je", "dep")
"""Kinds in the external ids of payouts, which end with TikTok's payment id."""
_OF_PAYOUTS = ("journalEntry", "deposit")
_OF_ORDERS = ("cashSale", "invoice", "creditMemo", "cashRefund")
_APPLIED = ("customerPayment", "customerRefund")


def settled_lines(books: Books) -> Iterator[BookLine]:
    """What the seller's TikTok shops have in the ledger, in each transaction's own currency."""
    for name in (*_OF_PAYOUTS, *_OF_ORDERS, *_APPLIED):
        for record in books.listed(books.kind(name), None):
            _, shop, kind, *rest = [*str(record.get("externalId") or "").split("-"), "", "", ""][:4]
            if not shop:
                continue
            lines = [
                BookLine(record.id, shop, one.account, one.foreign)
                for one in books.postings(record)
                if one.foreign
            ]
            if name in _APPLIED:
                yield from _applied(books, record, lines)
            elif name in _OF_PAYOUTS:
                payment = rest[0] if kind in _PAYOUTS else ""
                yield from (replace(line, payment_id=payment) for line in lines)
            else:
                order_id = order_of(books, record)
                yield from (replace(line, order_id=order_id) for line in lines)


def order_of(books: Books, record: Record) -> str:
    """TikTok's order that a document is about, by itself or by what it was made from."""
    found: Record | None = record
    while found is not None:
        if order_id := str(found.get("custbody_tts_order_id") or ""):
            return order_id
        found = books.find("transaction", str(found.get("createdFrom") or ""))
    return ""


def _applied(books: Books, record: Record, lines: Iterable[BookLine]) -> Iterator[BookLine]:
    """Lines of a customer payment or refund, divided among the orders that it is applied to."""
    parts: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in record.lines("apply"):
        document = books.find("transaction", str(line["doc"]))
        if document is not None:
            parts[order_of(books, document)] += line["amount"]
    total = record.get("total")
    for line in lines:
        sign = 1 if line.amount > 0 else -1
        for order_id, amount in parts.items():
            yield replace(line, amount=sign * amount, order_id=order_id)
        if rest := total - sum(parts.values(), ZERO):
            yield replace(line, amount=sign * rest)
