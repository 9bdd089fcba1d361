"""Where the goods of a return are, where its money is, and which pairs of the two cannot both be right.

Two state machines that move in their own time. *Custody* follows the parcel: TikTok tells of the buyer's
part, NetSuite's Item Receipt alone says that goods are back. *Money* follows the refund: what is
*refunded* is final at TikTok (T 6.4), unless an arbitration takes it back.

Invariant: `PAIRS` has a verdict for every pair. A pair that fits asks for nothing; a contradiction names
the kind of exception, and how long it may last before a person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from tiktok_ns_pipeline.mapping.refunds import RefundRules
from tiktok_ns_pipeline.tiktok.cancellation_models import Cancellation
from tiktok_ns_pipeline.tiktok.return_models import Return

Custody = Literal["requested", "approved", "on_its_way", "received", "refused", "kept_by_buyer"]
"""requested: the buyer asks; approved: the buyer may send; on its way: the parcel is with a carrier;
received: NetSuite has the Item Receipt; refused: the seller did not take the parcel; kept by the buyer:
no goods come back."""

Money = Literal["none", "promised", "refunded", "withdrawn", "reversed"]
"""none: not decided; promised: granted, not paid yet; refunded: the buyer has it; withdrawn: there will
be none; reversed: it was credited, and TikTok does not show it as refunded any more, or decided for the
seller after all."""

CUSTODIES: tuple[Custody, ...] = get_args(Custody)
MONIES: tuple[Money, ...] = get_args(Money)

STATUS: Mapping[str, tuple[Custody, Money]] = {
    "RETURN_OR_REFUND_REQUEST_PENDING": ("requested", "none"),
    "REFUND_OR_RETURN_REQUEST_REJECT": ("kept_by_buyer", "withdrawn"),
    "AWAITING_BUYER_SHIP": ("approved", "promised"),
    "BUYER_SHIPPED_ITEM": ("on_its_way", "promised"),
    "REJECT_RECEIVE_PACKAGE": ("refused", "none"),
    "AWAITING_BUYER_RESPONSE": ("requested", "none"),
    "RETURN_OR_REFUND_REQUEST_SUCCESS": ("on_its_way", "promised"),
    "RETURN_OR_REFUND_REQUEST_COMPLETE": ("on_its_way", "refunded"),
    "RETURN_OR_REFUND_REQUEST_CANCEL": ("kept_by_buyer", "withdrawn"),
    "RETURN_OR_REFUND_REQUEST_CANCELLED": ("kept_by_buyer", "withdrawn"),
    "RETURN_OR_REFUND__REQUEST_CANCELLED": ("kept_by_buyer", "withdrawn"),
    "REPLACEMENT_REQUEST_PENDING": ("requested", "none"),
    "REPLACEMENT_REQUEST_REJECT": ("kept_by_buyer", "withdrawn"),
    "REPLACEMENT_REQUEST_CANCEL": ("kept_by_buyer", "withdrawn"),
    "REPLACEMENT_REQUEST_REFUND_SUCCESS": ("kept_by_buyer", "refunded"),
    "REPLACEMENT_REQUEST_COMPLETE": ("on_its_way", "none"),
}
"""What a return's status says by itself, of one that brings goods back (T 6.4). A status that is not here
is unknown, and nothing is concluded from it."""

OF_CANCELLATION: Mapping[str, tuple[Custody, Money]] = {
    "CANCELLATION_REQUEST_PENDING": ("requested", "none"),
    "AWAITING_SELLER_RESPONSE": ("requested", "none"),
    "CANCELLATION_REQUEST_SUCCESS": ("on_its_way", "promised"),
    "CANCELLATION_REQUEST_COMPLETE": ("on_its_way", "refunded"),
    "CANCELLATION_REQUEST_CANCELLED": ("kept_by_buyer", "withdrawn"),
    "CANCELLATION_REQUEST_CANCEL": ("kept_by_buyer", "withdrawn"),
}
"""What the status says of a cancellation whose goods had left (T 6.3): the carrier brings them back."""

FOR_SELLER = "SUPPORT_SELLER"
"""What TikTok says of an arbitration that the seller won (T 6.4)."""

MOVES_GOODS: Mapping[str, bool] = {"REFUND": False, "RETURN_AND_REFUND": True, "REPLACEMENT": True}
"""By `return_type` (T 6.4): whether goods come back."""

Patience = Literal["none", "goods_wait", "refund_wait"]
"""How long a contradiction may last: no time, or as long as the mapping's rule says."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A pair of states that cannot stay."""

    kind: str
    patience: Patience
    means: str
    """In business words."""


_NO_GOODS = Contradiction(
    "refund_without_goods", "goods_wait", "the buyer has the money, and the goods have not come back"
)
_REFUSED_AND_PAID = Contradiction(
    "refund_without_goods", "none", "the parcel was refused, and the buyer has the money all the same"
)
_NO_REFUND = Contradiction(
    "goods_without_refund", "refund_wait", "the goods came back, and TikTok has not refunded them"
)
_BACK_IN_VAIN = Contradiction(
    "goods_without_refund", "none", "the goods came back, and TikTok shows the request as ended"
)
_REVERSED = Contradiction(
    "refund_reversed",
    "none",
    "it was credited, and TikTok took the refund back since, or decided for the seller after all",
)

PAIRS: Mapping[tuple[Custody, Money], Contradiction | None] = {
    ("requested", "none"): None,
    ("requested", "promised"): None,
    ("requested", "refunded"): _NO_GOODS,
    ("requested", "withdrawn"): None,
    ("requested", "reversed"): _REVERSED,
    ("approved", "none"): None,
    ("approved", "promised"): None,
    ("approved", "refunded"): _NO_GOODS,
    ("approved", "withdrawn"): None,
    ("approved", "reversed"): _REVERSED,
    ("on_its_way", "none"): None,
    ("on_its_way", "promised"): None,
    ("on_its_way", "refunded"): _NO_GOODS,
    ("on_its_way", "withdrawn"): None,
    ("on_its_way", "reversed"): _REVERSED,
    ("received", "none"): _NO_REFUND,
    ("received", "promised"): _NO_REFUND,
    ("received", "refunded"): None,
    ("received", "withdrawn"): _BACK_IN_VAIN,
    ("received", "reversed"): _REVERSED,
    ("refused", "none"): None,
    ("refused", "promised"): None,
    ("refused", "refunded"): _REFUSED_AND_PAID,
    ("refused", "withdrawn"): None,
    ("refused", "reversed"): _REVERSED,
    ("kept_by_buyer", "none"): None,
    ("kept_by_buyer", "promised"): None,
    ("kept_by_buyer", "refunded"): None,
    ("kept_by_buyer", "withdrawn"): None,
    ("kept_by_buyer", "reversed"): _REVERSED,
}
"""Every pair of states: None where the two fit."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the goods and the money of one return are."""

    custody: Custody
    money: Money
    is_replacement: bool = False
    """Goods against goods: that they are back without a refund is as it should be."""

    @property
    def contradiction(self) -> Contradiction | None:
        """What of it cannot stay; None where all fits."""
        if self.is_replacement and self.custody == "received" and self.money in ("none", "promised"):
            return None
        return PAIRS[self.custody, self.money]


def standing_of(ret: Return, *, received: bool, credited: bool) -> Standing | None:
    """Where a return's goods and money are; None for a status or type that nobody documented.

    `received` says whether NetSuite has its Item Receipt, `credited` whether it has its credit.
    """
    moves_goods = MOVES_GOODS.get(ret.return_type or "")
    told = STATUS.get(ret.status)
    if moves_goods is None or told is None:
        return None
    custody, money = ("kept_by_buyer", "withdrawn") if ret.is_replaced else told
    is_replacement = ret.return_type == "REPLACEMENT" and money != "refunded"
    if received:
        custody = "received"
    elif not moves_goods or ret.buyer_keeps_item:
        custody = "kept_by_buyer"
    elif custody == "on_its_way" and ret.tracking_number is None:
        # Granted or refunded before a parcel was handed in: a quick refund, or an exchange.
        custody = "approved"
    if credited and (money != "refunded" or ret.arbitration_status == FOR_SELLER):
        money = "reversed"
    return Standing(custody, money, is_replacement)


def standing_of_cancellation(
    cancellation: Cancellation, *, received: bool, credited: bool
) -> Standing | None:
    """The same of a cancellation whose goods had left; None for a status that nobody documented."""
    told = OF_CANCELLATION.get(cancellation.status)
    if told is None:
        return None
    custody, money = told
    return Standing(
        "received" if received else custody, "reversed" if credited and money != "refunded" else money
    )


def due_at(contradiction: Contradiction, since: datetime, rules: RefundRules) -> datetime:
    """When a contradiction that began at an instant becomes an exception."""
    days = {
        "none": 0,
        "goods_wait": rules.goods_wait_days,
        "refund_wait": rules.refund_wait_days,
    }[contradiction.patience]
    return since + timedelta(days=days)
