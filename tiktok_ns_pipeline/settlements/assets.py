"""The settlement flow as Dagster shows it: what TikTok paid out becomes journals that empty clearing.

All assets come from one step: what lands is footed, staged and posted side by side. They have no
partitions, since one look lands statements of many days, late and carried ones among them; a statement's
rows are filed under its UTC day, and the proofs of payouts go by day.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from tiktok_ns_pipeline.dagster_support import (
    DATA,
    FINANCE,
    RuntimeResource,
    amounts_text,
    exceptions_table,
    in_event_loop,
    markdown_table,
    table_metadata,
)
from tiktok_ns_pipeline.lake.tables import (
    NETSUITE_PAYOUT_JOURNALS,
    RAW_TIKTOK_PAYMENTS,
    RAW_TIKTOK_STATEMENT_TRANSACTIONS,
    RAW_TIKTOK_STATEMENTS,
    RAW_TIKTOK_UNSETTLED,
    RAW_TIKTOK_WITHDRAWALS,
    SETTLEMENT_MATCHES,
    STAGED_PAYOUT_JOURNALS,
    UNSETTLED_SALES,
    Table,
)
from tiktok_ns_pipeline.live_runs import (
    FRESH,
    RETRIES,
    SHOWN,
    LiveRun,
    dispatched,
    refused,
    turn_request,
)

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger.exceptions import OpenException
    from tiktok_ns_pipeline.runtime import Runtime
    from tiktok_ns_pipeline.settlements.flow import RunReport, SettlementsRequest

GROUP = "settlements"
POOL = "settlements"

TIKTOK_SHOP_FINANCE = dg.AssetSpec(
    ["tiktok_shop", "finance"],
    description="Statements, payments, wallets and estimates, as TikTok Shop keeps them. Not ours: we read "
    "them.",
    group_name=GROUP,
    kinds={"tiktok"},
)


def _raw(table: Table, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        deps=[TIKTOK_SHOP_FINANCE],
        description=description,
        group_name=GROUP,
        owners=[DATA],
        kinds={"tiktok", "parquet", "duckdb"},
        metadata=table_metadata(table),
        freshness_policy=FRESH,
    )


_STATEMENTS = _raw(
    RAW_TIKTOK_STATEMENTS,
    "Statements of all mapped shops, landed unchanged. Those of the last ten days and all that are not paid "
    "are listed once an hour: statements come late.",
)
_TRANSACTIONS = _raw(
    RAW_TIKTOK_STATEMENT_TRANSACTIONS,
    "Transactions of statements, all of a statement or none. Read once, and again when its amounts changed "
    "or do not add up.",
)
_PAYMENTS = _raw(RAW_TIKTOK_PAYMENTS, "Payments, until each has arrived or failed.")
_WITHDRAWALS = _raw(RAW_TIKTOK_WITHDRAWALS, "Movements of wallets, in markets that have them.")
_UNSETTLED = _raw(
    RAW_TIKTOK_UNSETTLED, "All that has not settled, with TikTok's estimates. It lands when it is whole."
)
_STAGED = dg.AssetSpec(
    "staged_payout_journals",
    deps=[_STATEMENTS.key, _TRANSACTIONS.key, _PAYMENTS.key],
    description="For each payout the balanced document that should exist, with the components of every line, "
    "or why none does. A statement that does not add up, or has an amount without an account, is refused "
    "whole.",
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(STAGED_PAYOUT_JOURNALS),
)
_PUBLISHED = dg.AssetSpec(
    "netsuite_payout_journals",
    deps=[_STAGED.key],
    description="Journals and deposits of payouts in NetSuite, each exactly once in effect, and what settles "
    "invoices and credit memos out of clearing. All are read back and compared by account.",
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"netsuite", "parquet"},
    metadata=table_metadata(NETSUITE_PAYOUT_JOURNALS),
    freshness_policy=FRESH,
)
_MATCHES = dg.AssetSpec(
    "settlement_matches",
    deps=[_TRANSACTIONS.key, "netsuite_sales_orders", "netsuite_bills", "netsuite_refunds"],
    description="What each statement clears of its orders, and all that was ever settled of these beside "
    "their NetSuite documents. What has none stays visible.",
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(SETTLEMENT_MATCHES),
)
_OWED = dg.AssetSpec(
    "unsettled_sales",
    deps=[_STATEMENTS.key, _TRANSACTIONS.key, _UNSETTLED.key],
    description="What TikTok owes for each order today and has not paid: on its way, delivered, settled, in "
    "statements, carried and in reserve; with the day on which it is expected.",
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"python", "parquet", "duckdb"},
    metadata=table_metadata(UNSETTLED_SALES),
    freshness_policy=FRESH,
)
SPECS = [
    _STATEMENTS,
    _TRANSACTIONS,
    _PAYMENTS,
    _WITHDRAWALS,
    _UNSETTLED,
    _STAGED,
    _PUBLISHED,
    _MATCHES,
    _OWED,
]


class SettlementsRun(LiveRun):
    """What a run shall read and how long it goes on; all defaults mean «go on from where we were»."""

    read_now: bool = Field(default=False, description="ask TikTok even if it was asked within the hour")
    since: str | None = Field(default=None, description="read from this UTC day on, such as 2026-10-01")


@dg.multi_asset(name="payouts_of_statements", specs=SPECS, pool=POOL, retry_policy=RETRIES)
def payouts_of_statements(
    context: dg.AssetExecutionContext, config: SettlementsRun, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Observe, foot, stage, intend, apply and read back, until nothing is due or the time is up."""
    turned = in_event_loop(_turn(runtime, config, context.run.run_id))
    for trouble in turned.report.trouble:
        context.log.warning(trouble)
    yield from _materializations(turned)


def settlements_request(config: SettlementsRun, runtime: "Runtime") -> "SettlementsRequest":
    """The run that a person or the sensor asked for. Raises dg.Failure naming the field that is wrong."""
    from tiktok_ns_pipeline.settlements.flow import SettlementsRequest

    turn = turn_request(config, runtime)
    try:
        since = date.fromisoformat(config.since) if config.since else None
    except ValueError:
        raise refused("since", f"{config.since!r} is no day such as 2026-10-01") from None
    return SettlementsRequest(turn.shops, turn.budget_s, turn.idle_s, read_now=config.read_now, since=since)


@dataclass(frozen=True, slots=True)
class _Turned:
    """What a run did and how things stand after it."""

    report: "RunReport"
    posted: int
    """Documents of payouts in NetSuite that we know of."""
    oldest_pending_s: float
    owed: Mapping[str, Decimal]
    """By currency and state, such as `USD delivered`."""
    forecast: list[tuple[str, str, str, Decimal]]
    """Shop, day, currency and what is expected to settle."""
    worst: "list[OpenException]"
    open_exceptions: int


async def _turn(resource: RuntimeResource, config: SettlementsRun, run_id: str) -> _Turned:
    from tiktok_ns_pipeline.ledger.facts import PAYOUT_JOURNAL
    from tiktok_ns_pipeline.settlements.flow import SettlementsFlow
    from tiktok_ns_pipeline.settlements.planning import REPLAYABLE, is_ours
    from tiktok_ns_pipeline.settlements.unsettled import forecast, newest_owed

    async with resource.opened() as runtime:
        report = await SettlementsFlow(runtime, run_id).run(settlements_request(config, runtime))
        owed: dict[str, Decimal] = {}
        days: list[tuple[str, str, str, Decimal]] = []
        for code, shop in sorted(runtime.mapping.shops.items()):
            rows = newest_owed(runtime.lake, code)
            for row in rows:
                name = f"{row['currency']} {row['state']}"
                owed[name] = owed.get(name, Decimal(0)) + row["amount"]
            for day, amount in sorted(forecast(rows).items(), key=lambda item: str(item[0])):
                days.append((code, str(day or "not known"), shop.currency, amount))
        with runtime.ledger.read() as tx:
            oldest = tx.intents.oldest_open(PAYOUT_JOURNAL)
            ours = [one for one in tx.exceptions.list(kinds=REPLAYABLE) if is_ours(one)]
            return _Turned(
                report=report,
                posted=tx.links.count(PAYOUT_JOURNAL),
                oldest_pending_s=(runtime.clock.now() - oldest).total_seconds() if oldest else 0.0,
                owed=owed,
                forecast=days,
                worst=ours[:SHOWN],
                open_exceptions=len(ours),
            )


def _materializations(turned: _Turned) -> Iterator[dg.MaterializeResult[Any]]:
    from tiktok_ns_pipeline.ledger.facts import (
        CREDIT_PAYMENT,
        CUSTOMER_PAYMENT,
        FX_JOURNAL,
        PAYOUT_JOURNAL,
    )

    report = turned.report
    plan, dispatch, seen = report.plan, report.dispatch, list(report.observed.values())
    yield dg.MaterializeResult(
        asset_key=_STATEMENTS.key,
        metadata={
            "statements_landed": sum(one.statements for one in seen),
            "statements_incomplete": sum(len(one.incomplete) for one in seen),
            "shops_asked": len(seen),
            "trouble": dg.MetadataValue.json(report.trouble[:20]),
        },
    )
    for spec, name in (
        (_TRANSACTIONS, "transactions"),
        (_PAYMENTS, "payments"),
        (_WITHDRAWALS, "withdrawals"),
        (_UNSETTLED, "unsettled"),
    ):
        landed = sum(getattr(one, name) or 0 for one in seen)
        yield dg.MaterializeResult(asset_key=spec.key, metadata={f"{name}_landed": landed})
    by_kind = {f"parked_{kind}": count for kind, count in sorted(plan.parked_by_kind.items())}
    yield dg.MaterializeResult(
        asset_key=_STAGED.key,
        metadata={
            "statements_footed": plan.footed,
            "documents_planned": plan.planned,
            "documents_revised": plan.revised,
            "documents_replayed": plan.replayed,
            "documents_withdrawn": plan.withdrawn,
            "payouts_waiting": plan.waiting,
            "skipped": plan.skipped,
            "parked": plan.parked,
            **by_kind,
            "amounts_planned": amounts_text(plan.planned_amounts),
            "looks": report.turns,
        },
    )
    yield dg.MaterializeResult(
        asset_key=_PUBLISHED.key,
        metadata={
            "dagster/row_count": turned.posted,
            "documents_written": dispatch.applied.get(PAYOUT_JOURNAL, 0),
            "differences_of_exchange_written": dispatch.applied.get(FX_JOURNAL, 0),
            "payments_of_invoices_written": dispatch.applied.get(CUSTOMER_PAYMENT, 0),
            "refunds_of_credit_memos_written": dispatch.applied.get(CREDIT_PAYMENT, 0),
            "read_back": report.read_back,
            "amounts_posted": amounts_text(report.posted_amounts),
            **dispatched(dispatch),
            "oldest_pending_s": turned.oldest_pending_s,
            "open_exceptions": turned.open_exceptions,
            "worst_exceptions": dg.MetadataValue.md(exceptions_table(turned.worst, turned.open_exceptions)),
            "help": "`tiktok-ns explain payout <payment id>` shows a payout from TikTok to NetSuite.",
        },
    )
    yield dg.MaterializeResult(asset_key=_MATCHES.key, metadata={"orders_matched": report.matched})
    table = markdown_table(("shop", "expected on", "currency", "amount"), turned.forecast[:SHOWN])
    yield dg.MaterializeResult(
        asset_key=_OWED.key,
        metadata={"amounts_owed": amounts_text(turned.owed), "forecast": dg.MetadataValue.md(table)},
    )
