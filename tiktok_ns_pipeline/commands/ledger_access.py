"""How commands open the ledger, and who they are in its audit trail."""

from __future__ import annotations

import getpass
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tiktok_ns_pipeline.ledger import Ledger, LedgerError
from tiktok_ns_pipeline.settings import database_url


@contextmanager
def existing_ledger() -> Generator[Ledger]:
    """The ledger of the environment. Raises LedgerError where none is: an empty new one would say that
    nothing is wrong."""
    url = database_url()
    path = sa.engine.make_url(url).database
    if url.startswith("sqlite") and not (path and Path(path).exists()):
        raise LedgerError(
            f"there is no ledger at {path}. TNS_DATABASE_URL or TNS_DATA_DIR say where it is; "
            "`tiktok-ns db upgrade` makes one."
        )
    ledger = Ledger.open(url)
    try:
        yield ledger
    finally:
        ledger.close()


def actor() -> str:
    """Who is at the keyboard, for the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        # A container's user may have no name.
        return "cli"
