"""The proofs' questions as Dagster shows them, those about orders answered for each day by itself.

Checks of single days keep their own verdicts: yesterday's missing order stays red until yesterday is
proved again, however clean today is. Stock is what it is now, so its checks have no days.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from tiktok_ns_pipeline.dagster_support import check_result

if TYPE_CHECKING:
    from tiktok_ns_pipeline.reconciliation.answering import CheckOutcome, CheckState
    from tiktok_ns_pipeline.reconciliation.results import JudgedT, Proof

ASSET = "order_reconciliation"

DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01", timezone="Etc/GMT-14", end_offset=1)
"""A date is there as soon as it begins anywhere on earth; each shop proves its own business day of it."""

_QUESTIONS = {
    "no_missing_orders": "Every order at TikTok that should have a Sales Order in NetSuite has one.",
    "no_orphan_sales_orders": "Every open Sales Order is the only one of an order that should have one.",
    "order_amounts_agree": "Every Sales Order comes to what TikTok owes the seller, to the cent.",
}

FULFILMENT_ASSET = "fulfilment_reconciliation"

_FULFILMENT_QUESTIONS = {
    "no_unsynced_fulfilments": "What left, says NetSuite, is shipped at TikTok under the same number.",
    "no_shipment_without_fulfilment": "What TikTok shows as gone has its Item Fulfillment.",
    "cancelled_orders_closed": "Orders that TikTok cancelled are closed in NetSuite, and no others are.",
    "shipped_orders_billed": "What left is billed once and to the cent, where the shop bills.",
}

STOCK_ASSET = "stock_reconciliation"

_STOCK_QUESTIONS = {
    "stock_levels_agree": "Every level that we push is what NetSuite can still promise, by the mapping.",
    "no_oversold_skus": "NetSuite holds the goods of all open orders.",
}

_OFFENDERS = 200


def specs_by_day(asset: str, questions: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    """The checks of an asset that has a partition for each day."""
    with warnings.catch_warnings():
        # Checks of single partitions are a preview in Dagster 1.13; without them a check shows the
        # verdict on whichever day was proved last (D A.3).
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(name, asset=asset, description=question, partitions_def=DAYS)
            for name, question in questions.items()
        ]


CHECK_SPECS = specs_by_day(ASSET, _QUESTIONS)
FULFILMENT_CHECK_SPECS = specs_by_day(FULFILMENT_ASSET, _FULFILMENT_QUESTIONS)

STOCK_CHECK_SPECS = [
    dg.AssetCheckSpec(name, asset=STOCK_ASSET, description=question)
    for name, question in _STOCK_QUESTIONS.items()
]


def answers(
    questions: Iterable[Callable[[Any], CheckOutcome[JudgedT]]], proofs: Mapping[str, Proof[JudgedT]]
) -> Iterator[dg.AssetCheckResult]:
    """One answer to each question, over all shops; an offender in one shop is one, whatever the others say,
    and an unread shop is not a clean one."""
    unread = any(proof.not_run for proof in proofs.values())
    for question in questions:
        outcomes = {shop: question(proof) for shop, proof in proofs.items()}
        yield _result(
            next(iter(outcomes.values())).name,
            _state({outcome.state for outcome in outcomes.values()}, unread=unread),
            "; ".join(f"shop {shop}: {outcome.description}" for shop, outcome in outcomes.items()),
            [f"{shop}/{name}" for shop, outcome in outcomes.items() for name in outcome.names],
            by_shop({shop: outcome.table for shop, outcome in outcomes.items() if outcome.names}),
        )


def answer(outcome: CheckOutcome[Any]) -> dg.AssetCheckResult:
    """The answer to a question that is asked of all shops together."""
    return _result(outcome.name, outcome.state, outcome.description, outcome.names, outcome.table or "none")


def by_shop(tables: Mapping[str, str]) -> str:
    """Each shop's table under its code."""
    return "\n\n".join(f"**shop {shop}**\n\n{table}" for shop, table in tables.items()) or "none"


def _result(
    name: str, state: CheckState, description: str, offenders: Sequence[str], table: str
) -> dg.AssetCheckResult:
    return check_result(
        state,
        description,
        check_name=name,
        metadata={
            "number_of_offenders": len(offenders),
            "offenders": dg.MetadataValue.json(list(offenders[:_OFFENDERS])),
            "table": dg.MetadataValue.md(table),
        },
    )


def _state(states: set[CheckState], *, unread: bool) -> CheckState:
    if "failed" in states:
        return "failed"
    return "not_run" if unread or states == {"not_run"} else "passed"
