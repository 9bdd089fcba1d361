"""`tiktok-ns explain order` and `tiktok-ns sync orders`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tiktok_ns_pipeline.commands.flow_runs import opened_for_run
from tiktok_ns_pipeline.commands.terminal import WRONG, console, fail, instant, shown

if TYPE_CHECKING:
    from tiktok_ns_pipeline.orders.flow import RunReport, RunRequest
    from tiktok_ns_pipeline.orders.standing import Standing
    from tiktok_ns_pipeline.settings import Settings

_FACTS = {"so": "Sales Order", "ref": "number at TikTok", "cust": "customer"}
"""What people call the kinds of facts that the flow makes true."""

explain = typer.Typer(no_args_is_help=True, help="Why something is as it is: each decision and its rule.")
sync = typer.Typer(no_args_is_help=True, help="Run a flow once, now, from here.")


@explain.command("order")
def explain_order(order_id: Annotated[str, typer.Argument(help="TikTok's order id")]) -> None:
    """Print each decision about an order with the rule that made it, and how far its Sales Order is.

    Needs all settings. Stages the newest version in the lake with the mapping as it is now; writes
    nothing. Try a correction of the mapping here before it goes live.

    Example: TNS_MAPPING=draft.yaml tiktok-ns explain order 576461413038785752
    """
    from tiktok_ns_pipeline.clock import SystemClock
    from tiktok_ns_pipeline.mapping import load_mapping
    from tiktok_ns_pipeline.orders.standing import standing_of
    from tiktok_ns_pipeline.settings import Settings

    settings = Settings.from_environment()
    mapping = load_mapping(settings.mapping_path)
    found = asyncio.run(standing_of(settings, mapping, SystemClock(), order_id))
    if not found:
        fail(f"no run has read order {order_id}; `tiktok-ns sync orders --ids {order_id}` reads it now")
    for standing in found:
        _print_standing(console(), standing)


@sync.command("orders")
def sync_orders(
    ids: Annotated[list[str] | None, typer.Option(help="TikTok order ids, repeated or with commas")] = None,
    since: Annotated[str | None, typer.Option(help="changed at or after: 2026-11-01, or 3d ago")] = None,
    until: Annotated[str | None, typer.Option(help="changed before: 2026-11-02, or 1h ago")] = None,
    shop: Annotated[list[str] | None, typer.Option(help="only this shop, by its code; repeatable")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="stop after so long")] = None,
) -> None:
    """Run the orders flow once: read orders, post Sales Orders, tell TikTok their numbers.

    Needs all settings. Without options it goes on from where the last run ended; what is posted already
    is found and left alone, so any range may be repeated. Exit code 1 when something could not be read.

    Example: tiktok-ns sync orders --since 2026-11-01 --until 2026-11-03 --shop us
    """
    from tiktok_ns_pipeline.orders.flow import RunRequest
    from tiktok_ns_pipeline.settings import Settings

    begin, end = instant(since) if since else None, instant(until) if until else None
    settings = Settings.from_environment()
    request = RunRequest(
        shops=tuple(shop or ()),
        since=begin,
        until=end,
        order_ids=tuple(one for part in ids or () for one in part.replace(",", " ").split()),
        budget_s=seconds or settings.run_budget_s,
        idle_s=settings.idle_s,
    )
    report = asyncio.run(_run(settings, request))
    _print_report(console(), report)
    if report.trouble or report.not_found:
        raise typer.Exit(WRONG)


async def _run(settings: Settings, request: RunRequest) -> RunReport:
    from tiktok_ns_pipeline.orders.flow import OrdersFlow

    async with opened_for_run(settings, request.shops) as (runtime, run_id):
        return await OrdersFlow(runtime, run_id).run(request)


def _print_report(out: Console, report: RunReport) -> None:
    rows: list[tuple[str, Any]] = [
        ("orders listed", report.listed),
        ("new or changed", report.observed),
        ("Sales Orders planned", report.plan.planned),
        ("amendments planned", report.plan.revised),
        ("tried again", report.plan.replayed),
        ("waiting", report.plan.waiting),
        ("skipped by rule", report.plan.skipped),
        ("parked", report.plan.parked),
        *((f"  {kind}", count) for kind, count in sorted(report.plan.parked_by_kind.items())),
        *(
            (f"done: {_FACTS.get(kind, kind)}", count)
            for kind, count in sorted(report.dispatch.applied.items())
        ),
        ("read back in NetSuite", report.acknowledged),
        ("retried", report.dispatch.retried),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, str(value))
    out.print(table)
    for order_id in report.not_found:
        out.print(f"TikTok shows no order {order_id}", markup=False)
    for trouble in dict.fromkeys(report.trouble):
        out.print(f"not read: {trouble}", markup=False, soft_wrap=True)


def _print_standing(out: Console, standing: Standing) -> None:
    from tiktok_ns_pipeline.orders.explain import explanation

    out.print(f"Changed {shown(standing.outcome.update_time)}, read {shown(standing.read_at)}.")
    for note in standing.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    out.print(explanation(standing.outcome))
    _print_progress(out, standing)


def _print_progress(out: Console, standing: Standing) -> None:
    """What the ledger knows: what was sent, what exists, what is wrong."""
    for intent in standing.intents:
        error = f": {intent.last_error}" if intent.last_error else ""
        out.print(
            f"{_FACTS.get(intent.fact.kind, intent.fact.kind)}, revision {intent.revision}: {intent.state}, "
            f"attempts {intent.attempts}, {shown(intent.updated_at)}{error}",
            markup=False,
            soft_wrap=True,
        )
    if link := standing.link:
        number = link.document_number or "number not read yet"
        out.print(
            f"NetSuite {link.record_type} {link.internal_id} ({number}), {link.external_id}", markup=False
        )
    elif not standing.intents:
        out.print("Nothing was planned for it.")
    for exception in standing.exceptions:
        out.print(
            f"exception {exception.id} ({exception.kind}, {exception.state}): {exception.message}",
            markup=False,
            soft_wrap=True,
        )
