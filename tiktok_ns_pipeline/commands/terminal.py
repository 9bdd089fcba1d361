"""How every command speaks to a person: results to stdout, one readable line to stderr, an exit code.

Exit codes: 0 done; 1 done and something is wrong, or a system refused; 2 not begun, since the command,
the settings or the mapping cannot be used.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

WRONG = 1
"""Exit code: the command ran, and something is wrong."""
UNUSABLE = 2
"""Exit code: command, settings or mapping cannot be used; nothing was begun."""

_DURATION = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def console() -> Console:
    """Where results go. Piped output is as wide as its lines, so that nothing is cut off."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _piped_width())


def _piped_width() -> int:
    return int(os.environ.get("COLUMNS", "160"))


def fail(message: str, code: int = WRONG) -> NoReturn:
    """Say what is wrong in one line and end."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {message}", markup=False)
    raise typer.Exit(code)


def instant(text: str) -> datetime:
    """An instant from `2026-11-01`, `2026-11-01T08:00` (UTC unless it says otherwise) or `2h`, `3d` ago."""
    if ago := _DURATION.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no instant; write 2026-11-01, 2026-11-01T08:00, or 2h or 3d for so long ago"
        ) from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def shown(moment: datetime | None) -> str:
    """An instant as people read it."""
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class ReadableErrors(TyperGroup):
    """Turns errors that have a reader into one line and an exit code; all others keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            known = _readable(error)
            if known is None:
                raise
            fail(*known)


def _readable(error: Exception) -> tuple[str, int] | None:
    """What to tell of an error, and the exit code; None for one that nobody foresaw."""
    import httpx
    from sqlalchemy.exc import DBAPIError

    from tiktok_ns_pipeline.engine.governor import BreakerOpen
    from tiktok_ns_pipeline.ledger import LedgerError
    from tiktok_ns_pipeline.mapping import MappingError
    from tiktok_ns_pipeline.netsuite.errors import NetSuiteError
    from tiktok_ns_pipeline.settings import SettingsError
    from tiktok_ns_pipeline.tiktok.errors import TikTokError

    if isinstance(error, (SettingsError, MappingError)):
        return str(error), UNUSABLE
    if isinstance(error, (LedgerError, BreakerOpen, NetSuiteError, TikTokError)):
        return str(error), WRONG
    if isinstance(error, DBAPIError):
        # The statement may quote a document; the driver's first line says what happened.
        return f"the ledger's database: {str(error.orig).splitlines()[0]}", WRONG
    if isinstance(error, httpx.HTTPError):
        return f"no answer ({type(error).__name__})", WRONG
    return None
