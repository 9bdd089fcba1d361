"""The `tiktok-ns` command: everything that a person does without Dagster's pages.

Each command says in one sentence what it does, what it needs, and gives an example. Errors that have
a reader are one line on stderr; the exit code is 0, 1 or 2 as `commands.terminal` says.
"""

from __future__ import annotations

import typer

from tiktok_ns_pipeline.commands import (
    configuration,
    exceptions,
    orders,
    payouts,
    returns,
    sandbox,
    shipments,
    state,
    stock,
    webhooks,
)
from tiktok_ns_pipeline.commands.terminal import ReadableErrors

app = typer.Typer(
    cls=ReadableErrors,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    # A traceback with local variables would show secrets and buyers' data.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Moves orders between TikTok Shop and Oracle NetSuite, and proves that nothing is missing.",
    epilog="Settings come from the environment (TNS_...); the README names them all. Exit codes: 0 done; "
    "1 done, and something is wrong or a system refused; 2 command, settings or mapping cannot be used.",
)

_TRY = "Try it out"
_WORK = "Daily work"
_SET_UP = "Set up"

app.command(rich_help_panel=_TRY)(sandbox.demo)
app.command(rich_help_panel=_TRY)(sandbox.simulate)
app.command("sandbox", rich_help_panel=_TRY)(sandbox.serve)
orders.explain.command("shipment")(shipments.explain_shipment)
orders.explain.command("stock")(stock.explain_stock)
orders.explain.command("payout")(payouts.explain_payout)
orders.explain.command("return")(returns.explain_return)
orders.sync.command("shipments")(shipments.sync_shipments)
orders.sync.command("settlements")(payouts.sync_settlements)
orders.sync.command("refunds")(returns.sync_refunds)
app.add_typer(orders.explain, name="explain", rich_help_panel=_WORK)
app.add_typer(exceptions.app, name="exceptions", rich_help_panel=_WORK)
app.add_typer(orders.sync, name="sync", rich_help_panel=_WORK)
app.add_typer(configuration.app, name="config", rich_help_panel=_SET_UP)
app.command(rich_help_panel=_SET_UP)(state.authorize)
app.add_typer(webhooks.app, name="webhooks", rich_help_panel=_SET_UP)
app.add_typer(state.db, name="db", rich_help_panel=_SET_UP)


if __name__ == "__main__":
    app()
