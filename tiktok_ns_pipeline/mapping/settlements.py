"""The seller's decisions about payouts: into which accounts each of TikTok's amounts goes.

Nothing is posted unless a shop's `settlement` says so. The file's `settlements` and a shop's own
`settlement.booking` name accounts for single amounts, for types of transactions and for groups of
either. Who decides: the shop before the file, and in each the single name before its group.
What the buyers bought and gave back (groups `sales` and `refunds`) clears what was billed, unless
somebody decides otherwise; an amount that nobody decided goes nowhere, and its payout waits.

Terms: the *clearing* account holds what TikTok owes for what was billed (N 6); a *residual* is what a
declared total has more than its parts (T 7.4 no. 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tiktok_ns_pipeline.mapping.section import Id, Section
from tiktok_ns_pipeline.tiktok.finance_keys import (
    NEVER_ADDED,
    ORDER_TYPE,
    RESERVE_TYPE,
    AmountGroup,
    TransactionGroup,
    group_of_amount,
    group_of_type,
    type_key,
)

CLEARING = "clearing"
"""Written instead of an account's id: the clearing account of the shop whose payout it is."""
_CLEARS: frozenset[str] = frozenset({"sales", "refunds"})
"""Groups that are the other side of what was billed (N 6 no. 3)."""


class Booking(Section):
    """Where an amount goes: an account with its segments, or the shop's clearing account."""

    account_id: Id | Literal["clearing"] = Field(
        description="internal id of the account, or `clearing` for the shop's clearing account"
    )
    department_id: Id | None = Field(default=None, description="internal id of the department")
    class_id: Id | None = Field(default=None, description="internal id of the class")
    location_id: Id | None = Field(default=None, description="internal id of the location")
    memo: str | None = Field(
        default=None, min_length=1, max_length=200, description="text on the line; TikTok's name if absent"
    )

    @property
    def clears(self) -> bool:
        """Whether it goes to the shop's clearing account."""
        return self.account_id == CLEARING


def _short(value: Any) -> Any:
    """`referral_fee_amount: 620` is short for `referral_fee_amount: {account_id: 620}`."""
    return {"account_id": value} if isinstance(value, str) else value


BookingEntry = Annotated[Booking, BeforeValidator(_short)]


def _that_count(amounts: dict[str, Booking]) -> dict[str, Booking]:
    if never := sorted(set(amounts) & NEVER_ADDED):
        raise ValueError(
            f"{', '.join(never)} repeats or sums other amounts, so it is never booked; remove it"
        )
    return amounts


def _told_apart(types: dict[str, Booking]) -> dict[str, Booking]:
    seen: dict[str, str] = {}
    for name in types:
        if type_key(name) in (type_key(ORDER_TYPE), type_key(RESERVE_TYPE)):
            raise ValueError(
                f"{name} is no adjustment: orders are booked by `amounts` and `groups`, reserves into "
                "`reserve_account_id` of the shop"
            )
        other = seen.setdefault(type_key(name), name)
        if other != name:
            raise ValueError(f"{other!r} and {name!r} are the same type; keep one of them")
    return types


_AmountName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
_TypeName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]


class Bookings(Section):
    """Accounts by TikTok's names. Names that are not known yet may be written: TikTok adds some."""

    groups: dict[AmountGroup | TransactionGroup, BookingEntry] = Field(
        default_factory=dict[AmountGroup | TransactionGroup, Booking],
        description="accounts by group of amounts or transactions, such as `affiliate: 621`",
    )
    amounts: Annotated[dict[_AmountName, BookingEntry], AfterValidator(_that_count)] = Field(
        default_factory=dict[str, Booking],
        description="accounts by TikTok's name of an amount, such as `referral_fee_amount: 620`",
    )
    transactions: Annotated[dict[_TypeName, BookingEntry], AfterValidator(_told_apart)] = Field(
        default_factory=dict[str, Booking],
        description="accounts by TikTok's type of a transaction, such as `PLATFORM_PENALTY: 640`",
    )
    residual: BookingEntry | None = Field(
        default=None,
        description="account of what a total has more than its parts; without it such a payout waits",
    )


class NoSettlement(Section):
    """Payouts are read and proved, but not posted."""

    policy: Literal["none"]


class NoAccrual(Section):
    """What statements took is booked with their payout, in whichever month that is."""

    policy: Literal["none"]


class MonthlyAccrual(Section):
    """What a statement of an earlier month than its payout took is booked at the end of its own month."""

    policy: Literal["by_month"]
    account_id: Id = Field(description="internal id of the account for accrued fees")


class PostedSettlement(Section):
    """Payouts become journals or bank deposits that empty the clearing account (N 5.8, 5.9, 6)."""

    policy: Literal["post"]
    document: Literal["journal_per_payout", "journal_per_statement", "deposit_per_payout"] = Field(
        default="journal_per_payout",
        description="what is posted: journal_per_payout, journal_per_statement or deposit_per_payout",
    )
    since: date | None = Field(
        default=None,
        description="first UTC day of the statements that are posted, such as 2026-12-01; else the day on "
        "which a run first finds this policy",
    )
    clearing_account_id: Id = Field(
        description="internal id of the account that holds what TikTok owes, in the shop's currency"
    )
    bank_account_id: Id = Field(description="internal id of the bank account that payouts arrive on")
    reserve_account_id: Id | None = Field(
        default=None,
        description="internal id of the receivable account for what TikTok withholds; without it a payout "
        "with a reserve waits",
    )
    refund_payment_option_id: Id | None = Field(
        default=None,
        description="internal id of the payment option that customer refunds name, where Credit Memos are "
        "paid back out of the clearing account",
    )
    exchange_difference_account_id: Id | None = Field(
        default=None,
        description="internal id of the account for differences of exchange rates; without it a payout with "
        "one waits",
    )
    exchange_rate: Literal["shop", "payout"] = Field(
        default="shop",
        description="shop (as its `exchange_rate` says for orders), or payout (TikTok's own rate where it "
        "converted the payout)",
    )
    subsidiary_id: Id | None = Field(
        default=None, description="internal id of the subsidiary, where it is not the shop's"
    )
    department_id: Id | None = Field(
        default=None, description="internal id of the department of lines without one; else the shop's"
    )
    class_id: Id | None = Field(
        default=None, description="internal id of the class of lines without one; else the shop's"
    )
    entity_id: Id | None = Field(
        default=None,
        description="internal id of the customer on lines of receivable accounts, where NetSuite wants one",
    )
    approval: Literal["account", "approved", "pending"] = Field(
        default="account",
        description="account (NetSuite's own approval routing decides), approved or pending",
    )
    accrual: Annotated[NoAccrual | MonthlyAccrual, Field(discriminator="policy")] = Field(
        default=NoAccrual(policy="none"), description="`policy: none` or by_month (with `account_id`)"
    )
    booking: Bookings = Field(
        default=Bookings(), description="accounts of this shop, before those of `settlements`"
    )

    @model_validator(mode="after")
    def _keeps_accounts_apart(self) -> PostedSettlement:
        if self.clearing_account_id in (self.bank_account_id, self.reserve_account_id):
            raise ValueError(
                "`clearing_account_id` is the bank's or the reserve's too; each needs an account of its own"
            )
        if self.document == "deposit_per_payout" and self.approval != "account":
            raise ValueError("a bank deposit is never approved; remove `approval` or post journals")
        return self


SettlementPolicy = Annotated[NoSettlement | PostedSettlement, Field(discriminator="policy")]


@dataclass(frozen=True, slots=True)
class Booked:
    """The decision about an amount, and the place in the mapping that made it."""

    booking: Booking
    rule: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """An amount that nobody decided: what it is, and the line that would decide it."""

    name: str
    group: str | None
    """The group that would decide it too; None for a name that is not known."""
    section: str
    """The part of the mapping that the line belongs to, such as `settlements.groups`."""
    proposal: str
    """A line to put there, with the account's id to be filled in."""


def book_amount(name: str, shop_code: str, of_shop: Bookings | None, of_file: Bookings) -> Booked | Undecided:
    """Where an amount of an order goes, by TikTok's name of it."""
    return _decide("amounts", name, name, group_of_amount(name), shop_code, of_shop, of_file)


def book_transaction(
    name: str, shop_code: str, of_shop: Bookings | None, of_file: Bookings
) -> Booked | Undecided:
    """Where the settlement of an adjustment goes, by TikTok's type of it; case and brackets do not count."""
    return _decide("transactions", name, type_key(name), group_of_type(name), shop_code, of_shop, of_file)


def book_residual(shop_code: str, of_shop: Bookings | None, of_file: Bookings) -> Booked | Undecided:
    """Where goes what a total has more than its parts."""
    for place, bookings in _in_order(shop_code, of_shop, of_file):
        if bookings.residual is not None:
            return Booked(bookings.residual, f"{place}.residual")
    return Undecided("residual", None, "settlements", 'residual: "<account id>"')


def _decide(
    part: Literal["amounts", "transactions"],
    name: str,
    key: str,
    group: AmountGroup | TransactionGroup | None,
    shop_code: str,
    of_shop: Bookings | None,
    of_file: Bookings,
) -> Booked | Undecided:
    for place, bookings in _in_order(shop_code, of_shop, of_file):
        for entry, booking in cast("dict[str, Booking]", getattr(bookings, part)).items():
            if (type_key(entry) if part == "transactions" else entry) == key:
                return Booked(booking, f"{place}.{part}.{entry}")
        if group is not None and (booking := bookings.groups.get(group)) is not None:
            return Booked(booking, f"{place}.groups.{group}")
    if group in _CLEARS:
        return Booked(Booking(account_id=CLEARING), f"group {group} clears what was billed, by default")
    if group is not None:
        return Undecided(name, group, "settlements.groups", f'{group}: "<account id>"')
    return Undecided(name, None, f"settlements.{part}", f'"{name}": "<account id>"')


def _in_order(
    shop_code: str, of_shop: Bookings | None, of_file: Bookings
) -> tuple[tuple[str, Bookings], ...]:
    """The places that decide, the first first."""
    file = (("settlements", of_file),)
    return file if of_shop is None else ((f"shops.{shop_code}.settlement.booking", of_shop), *file)
