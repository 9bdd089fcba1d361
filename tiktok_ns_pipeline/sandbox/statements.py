"""Transactions, statements, payments and withdrawals (T 7.2, 7.9); `settling_store` keeps them.

    order, adjustment, reserve -> transaction -> statement (shop and UTC day) -> payment

A transaction waits (`settled_at` None) until its order settles, then for the statement of its UTC day. A
statement has at most one payment, a payment one or more statements.

Invariant: the amounts of a transaction stay once it is settled, those of a statement once it is made;
only the payment of a statement moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from tiktok_ns_pipeline.sandbox.catalogue import shop_of
from tiktok_ns_pipeline.sandbox.settling_rules import Amounts, step_of

_FIRST_IDS = {
    "transaction": 7_671_000_000_000_000_000,
    "statement": 7_670_000_000_000_000_000,
    "payment": 3_680_000_000_000_000_000,
    "withdrawal": 3_690_000_000_000_000_000,
    "adjustment": 7_672_000_000_000_000_000,
    "reserve": 7_673_000_000_000_000_000,
}
_ID_STEP = 1_000_003

ORDER, RESERVE = "ORDER", "RESERVE"
PART = "part"
"""Form of a transaction of an order, see `Transaction.form`."""
PAID, PROCESSING, FAILED = "PAID", "PROCESSING", "FAILED"


def new_id(kind: str, number: int) -> str:
    """Id of the n-th of a kind: 19 digits, beyond what a float can hold."""
    return str(_FIRST_IDS[kind] + number * _ID_STEP)


def smallest(amount: Decimal, currency: str) -> int:
    """An amount as a whole number of the currency's smallest; raises ValueError when it is finer."""
    units = amount / step_of(currency)
    if units != units.to_integral_value():
        raise ValueError(f"{amount} {currency} is finer than its currency")
    return int(units)


@dataclass(slots=True)
class Transaction:
    """One row of a statement, or one that is still to come. Times are Unix seconds."""

    id: str
    shop: str
    """Key of the shop."""
    type: str
    amounts: Amounts
    order_id: str = ""
    """The order that it settles, or is about."""
    order_create_time: int = 0
    settled_at: int | None = None
    statement: int | None = None
    """Number of its statement."""
    number: int = 0
    line_ids: list[str] = field(default_factory=list[str])
    """Units that were refunded by it (of an order alone)."""
    due: int | None = None
    """When it settles, once that is known."""
    delivered_at: int | None = None
    adjustment_id: str = ""
    reserve_id: str = ""
    reserve_status: str = ""
    release_time: int | None = None
    form: str = ""
    """How an adjustment shows its money: plainly, in the revenue (`revenue`), or only in the sum (`bare`),
    see T 7.5. Of an order `part`: a part of the money for units that stay with the buyer."""

    @property
    def currency(self) -> str:
        """Its currency, which is the shop's (T 7.2)."""
        return shop_of(self.shop).currency

    @property
    def is_adjustment(self) -> bool:
        """Whether it is neither an order's nor a reserve."""
        return self.type not in {ORDER, RESERVE}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of transactions, signed as these are."""

    revenue: Decimal
    shipping: Decimal
    fee_tax: Decimal
    adjustment: Decimal
    settlement: Decimal
    reserve: Decimal

    @property
    def payable(self) -> Decimal:
        """What is paid out after reserves (T 7.4 no. 3)."""
        return self.settlement + self.reserve


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `visible_from` is when the API shows it first."""

    number: int
    id: str
    shop: str
    statement_time: int
    visible_from: int
    payment: int | None
    payment_status: str
    payment_time: int
    totals: Totals

    @property
    def currency(self) -> str:
        """Its currency, which is the shop's."""
        return shop_of(self.shop).currency


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment: `settlement` and `reserve` in the shop's currency, `amount` as it arrives."""

    number: int
    id: str
    shop: str
    create_time: int
    paid_time: int
    status: str
    settlement: Decimal
    reserve: Decimal
    rate: str
    amount: Decimal
    currency: str
    """Of `amount`."""

    @property
    def before_exchange(self) -> Decimal:
        """T 7.4 no. 9."""
        return self.settlement + self.reserve


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One movement of a shop's wallet; `amount` is never negative but for a deduction."""

    number: int
    id: str
    shop: str
    type: str
    status: str
    amount: Decimal
    create_time: int
    payment: int | None
