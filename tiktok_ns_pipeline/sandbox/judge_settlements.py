"""The judge of settlements: payouts in the books beside what TikTok really paid, and what it still owes.

Like `judge`, it shares no code with the pipeline. Whoever calls it tells which account plays which role
(`settling_truth.Role`) and gives the lines that were posted, debit positive, in the shop's currency:
those of payouts with their `payment_id`, those of sales and refunds with their `order_id`.

- *missing*: a payment that arrived and no document posts; *doubled*: two do; *invented*: a document
  for a payment that TikTok does not know or has not made; *wrong*: a role's amount is not the true one;
  *unbalanced*: a document whose lines do not sum to zero.
- *clearing*: per shop, the balance of the clearing accounts beside what the sold orders are owed and no
  payment that arrived has cleared. Where both agree, the account is exactly the unsettled orders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

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
class WrongAmount:
    """A payout that says another amount than the truth."""

    payment_id: str
    role: Role
    posted: Decimal
    true: Decimal


@dataclass(frozen=True, slots=True)
class Clearing:
    """What TikTok owes by the books and by the truth."""

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

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        lists = (self.missing, self.doubled, self.invented, self.wrong, self.unbalanced)
        return not any(lists) and not any(one.difference or one.differing for one in self.clearing.values())


def judge_settlements(
    lines: Iterable[BookLine],
    truth: FinanceTruth,
    accounts: Mapping[str, Role],
) -> SettlementFindings:
    """Judge posted lines. `accounts` gives the role of each account; roles that none has are not judged."""
    lines = list(lines)
    findings = SettlementFindings()
    documents: dict[str, list[BookLine]] = defaultdict(list)
    for line in lines:
        documents[line.document].append(line)
    findings.unbalanced = sorted(
        name for name, own in documents.items() if sum((line.amount for line in own), ZERO)
    )
    _judge_payouts(findings, documents, truth, accounts)
    clearing = {account for account, role in accounts.items() if role == "clearing"}
    for shop in truth.shops:
        own = [line for line in lines if line.shop == shop and line.account in clearing]
        findings.clearing[shop] = _clearing(shop, own, truth)
    return findings


def _judge_payouts(
    findings: SettlementFindings,
    documents: Mapping[str, list[BookLine]],
    truth: FinanceTruth,
    accounts: Mapping[str, Role],
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
        roles = truth.payments[payment_id].roles
        wrong = [
            WrongAmount(payment_id, role, sums[role], roles[role])
            for role in judged
            if sums[role] != roles[role]
        ]
        findings.wrong += wrong
        findings.right += not wrong and len(posted[payment_id]) == 1


def _clearing(shop: str, lines: list[BookLine], truth: FinanceTruth) -> Clearing:
    """The account beside the truth, and by how much each order's sale differs from it.

    An order counts once the books have sold it, or a payment has cleared it.
    """
    sold: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        if line.order_id and not line.payment_id:
            sold[line.order_id] += line.amount
    owed, differing = ZERO, dict[str, Decimal]()
    for order_id, order in truth.orders.items():
        if order.shop != shop or not (order_id in sold or order.cleared_by_payments):
            continue
        true, posted = order.owed - order.refunded, sold.get(order_id, ZERO)
        owed += true - order.cleared_by_payments
        if posted != true:
            differing[order_id] = posted - true
    return Clearing(shop, sum((line.amount for line in lines), ZERO), owed, differing)
