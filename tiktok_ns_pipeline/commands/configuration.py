"""`tiktok-ns config`: is everything set so that it can run?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from tiktok_ns_pipeline.commands.terminal import WRONG, console

if TYPE_CHECKING:
    from tiktok_ns_pipeline.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Settings, mapping and accounts.")

_SIGNS = {"ok": "[green]ok     [/]", "wrong": "[bold red]wrong  [/]", "unknown": "[yellow]unknown[/]"}


@app.command()
def check() -> None:
    """Check settings, mapping and both accounts against each other; changes nothing in them.

    Needs all settings. Looks at the shops that the seller opened, the custom fields in NetSuite's
    metadata, the ids that the mapping names and the account's limit. Exit code 1 when anything is wrong,
    2 when settings or mapping cannot be read.

    Example: tiktok-ns config check
    """
    from tiktok_ns_pipeline.settings import Settings

    settings = Settings.from_environment()
    if not asyncio.run(_check(settings, console())):
        raise typer.Exit(WRONG)


@app.command("new-key")
def new_key() -> None:
    """Print a new key for TNS_ENCRYPTION_KEY, with which the ledger encrypts tokens.

    Needs nothing. Keep it: without it the seller has to consent again.

    Example: tiktok-ns config new-key > /run/secrets/tns-encryption-key
    """
    from cryptography.fernet import Fernet

    typer.echo(Fernet.generate_key().decode())


async def _check(settings: Settings, out: Console) -> bool:
    from tiktok_ns_pipeline.commands.config_check import Finding, check_accounts
    from tiktok_ns_pipeline.runtime import open_runtime

    def tell(finding: Finding) -> None:
        line = f"{_SIGNS[finding.verdict]} {escape(finding.subject)}: {escape(finding.detail)}"
        out.print(line, soft_wrap=True)

    right = True
    async with open_runtime(settings) as runtime:
        tell(Finding("settings", "ok", "complete"))
        shops = ", ".join(runtime.mapping.shops)
        tell(Finding("mapping", "ok", f"{settings.mapping_path}, shops {shops}"))
        tell(Finding("ledger", "ok", f"{runtime.ledger.engine.url.render_as_string(hide_password=True)}"))
        async for finding in check_accounts(runtime):
            tell(finding)
            right = right and (
                finding.verdict == "ok" or (finding.verdict == "unknown" and not finding.needed)
            )
    return right
