"""The judge of exceptions: a person is called for what the pipeline cannot decide, and for nothing else.

What happened in the world decides it: an order that the books cannot carry, a parcel without a carrier,
a statement that TikTok shows wrongly, goods that never came back. An exception about anything else is
*stuck*; something that a person has to know and nobody was told of is *untold*.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from tiktok_ns_pipeline.ledger.exceptions import OpenException
from tiktok_ns_pipeline.sandbox.facts import OrderTruth
from tiktok_ns_pipeline.sandbox.returns import RefundTruth
from tiktok_ns_pipeline.sandbox.rig import BILLED_SHOPS, Rig
from tiktok_ns_pipeline.sandbox.settling_habits import StatementFault
from tiktok_ns_pipeline.sandbox.statements import FAILED

SHOWN_WRONGLY = frozenset(
    {
        StatementFault.unknown_fee,
        StatementFault.unknown_type,
        StatementFault.cent_off_transaction,
        StatementFault.cent_off_statement,
        StatementFault.missing_page,
        StatementFault.moving_pages,
        StatementFault.late_rows,
    }
)
"""Faults with which a statement cannot be booked, where they show."""

SURELY_WRONG = frozenset({StatementFault.cent_off_transaction, StatementFault.cent_off_statement})
"""Those of them that show in every statement."""


@dataclass(slots=True)
class ExceptionFindings:
    """What the judge found."""

    stuck: list[OpenException] = field(default_factory=list[OpenException])
    untold: list[str] = field(default_factory=list[str])
    """Orders, statements and payments."""


def judge_exceptions(
    rig: Rig, unresolved: Collection[OpenException], refused: Collection[str] = ()
) -> ExceptionFindings:
    """Compare the open exceptions with what happened in the world; `refused` are the payments that arrived
    and are not in the books."""
    happened = Happened(rig)
    found = ExceptionFindings()
    found.stuck = [one for one in unresolved if not one.owner or not happened.calls_for(one)]
    told = {_subject_id(one) for one in unresolved}
    kept_back = {key for key in refused if not told & {key, *happened.statements[key]}}
    found.untold = sorted((happened.must_be_told - told) | kept_back)
    return found


class Happened:
    """What happened in the world of a rig, as far as it calls for people."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._orders = {truth.order_id: truth for truth in rig.world.truth()}
        self._returns = {truth.return_id: truth for truth in rig.world.returns.truth()}
        finance = rig.world.finance
        spoils = finance.store.spoils(rig.world.epoch())
        self._spoiled = {subject for kind, subject in spoils if kind in SHOWN_WRONGLY}
        payments = finance.truth().payments
        self.statements = {key: one.statements for key, one in payments.items()}
        """Payment id -> ids of its statements."""
        self.refused = {key for key, one in payments.items() if self._spoiled & set(one.statements)}
        """Payments of which a statement is shown wrongly."""
        self._failed = {key for key, one in payments.items() if one.payment.status == FAILED}
        self.must_be_refused = {
            key
            for key, one in payments.items()
            if any((kind, each) in spoils for kind in SURELY_WRONG for each in one.statements)
        }
        self.must_be_told = {key for key, truth in self._orders.items() if truth.expected_parked}
        self.must_be_told |= {subject for kind, subject in spoils if kind in SURELY_WRONG}

    def calls_for(self, exception: OpenException) -> bool:
        """Whether what happened leaves this to a person."""
        identity = _subject_id(exception)
        match exception.subject.partition(" ")[0]:
            case "statement":
                return identity in self._spoiled
            case "payout":
                return identity in (self._failed if exception.kind == "payout_failed" else self.refused)
            case "return":
                truth = self._returns.get(identity)
                return truth is not None and self._return_calls_for(exception, truth)
            case _:
                pass
        if exception.kind == "unmapped_listing":
            # The catalogue lists what the account does not have (yet).
            return True
        truth = self._orders.get(identity)
        return truth is not None and (truth.expected_parked or self._order_calls_for(exception, truth))

    def _order_calls_for(self, exception: OpenException, truth: OrderTruth) -> bool:
        rig = self._rig
        was_called_off = truth.cancelled_at is not None or bool(truth.cancelled_lines)
        match exception.kind:
            case "cancelled_too_late":
                called_for = truth.cancelled_at is not None
            case "amendment_too_late":
                moved = rig.world.order(truth.order_id).get("has_updated_recipient_address")
                called_for = was_called_off or bool(moved)
            case "shipped_after_cancellation":
                called_for = was_called_off
            case "shipment_refused" if exception.cause != "cannot_be_split":
                called_for = False
            case "unmapped_carrier" | "shipment_refused":
                # A package that stays whole is told with its last parcel, which waits for its carrier.
                called_for = any(
                    one.order_id == truth.order_id and not one.carrier for one in rig.warehouse.shipped()
                )
            case "combined_package_incomplete":
                # An order that cannot be posted never leaves, and holds up those of its package.
                beside = {one for package in rig.world.packages_of(truth.order_id) for one in package.lines}
                called_for = any(each.expected_parked for key, each in self._orders.items() if key in beside)
            case _:
                called_for = False
        return called_for

    def _return_calls_for(self, exception: OpenException, truth: RefundTruth) -> bool:
        receiving = self._rig.receiving
        order = self._orders[truth.order_id]
        match exception.kind:
            case "refund_unbilled":
                return order.expected_parked or truth.shop not in BILLED_SHOPS
            case "refund_without_goods":
                is_back = receiving is not None and truth.return_id in receiving.received
                return truth.refunded and not is_back
            case "goods_without_refund":
                return receiving is not None and truth.return_id in receiving.received and not truth.refunded
            case _:
                return False


def _subject_id(exception: OpenException) -> str:
    """What an exception is about: subjects are `order <id>`, `shipment <id>.<...>` and the like."""
    return exception.subject.partition(" ")[2].partition(".")[0]
