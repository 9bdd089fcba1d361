"""The ledger: operational state in SQL. What is intended, what is known to exist, who must act.

`Ledger.begin()` opens one short write transaction with all tables at hand, `Ledger.read()` one for
reading. None is held over an HTTP call.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from tiktok_ns_pipeline.clock import Clock, SystemClock
from tiktok_ns_pipeline.ledger.audit import Audit
from tiktok_ns_pipeline.ledger.claims import Claims
from tiktok_ns_pipeline.ledger.cursors import Cursors
from tiktok_ns_pipeline.ledger.database import LedgerError, migrate, open_engine, transaction
from tiktok_ns_pipeline.ledger.exceptions import Exceptions
from tiktok_ns_pipeline.ledger.expected_returns import ExpectedReturns
from tiktok_ns_pipeline.ledger.inbox import Inbox
from tiktok_ns_pipeline.ledger.intents import Intents
from tiktok_ns_pipeline.ledger.leases import Leases
from tiktok_ns_pipeline.ledger.links import Links
from tiktok_ns_pipeline.ledger.stock import Stock
from tiktok_ns_pipeline.ledger.tokens import LedgerTokenStore

__all__ = ["Ledger", "LedgerError", "Transaction"]


@dataclass(frozen=True, slots=True)
class Transaction:
    """The ledger's tables within one transaction."""

    intents: Intents
    links: Links
    cursors: Cursors
    exceptions: Exceptions
    leases: Leases
    audit: Audit
    inbox: Inbox
    expected_returns: ExpectedReturns
    claims: Claims
    stock: Stock


class Ledger:
    """Access to the ledger's database."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock

    @classmethod
    def open(cls, url: str, clock: Clock | None = None, *, durable: bool = True) -> Ledger:
        """Open and migrate. Raises LedgerError when the database is newer than the code."""
        engine = open_engine(url, durable=durable)
        migrate(engine)
        return cls(engine, clock or SystemClock())

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def token_store(self, encryption_key: str) -> LedgerTokenStore:
        """Tokens, encrypted with the given key."""
        return LedgerTokenStore(self.engine, self.clock, encryption_key)

    @contextmanager
    def begin(self) -> Generator[Transaction]:
        """One write transaction: all of it or nothing."""
        with transaction(self.engine) as connection:
            yield self._tables(connection)

    @contextmanager
    def read(self) -> Generator[Transaction]:
        """One transaction for reading."""
        with transaction(self.engine, writes=False) as connection:
            yield self._tables(connection)

    def _tables(self, connection: sa.Connection) -> Transaction:
        now = self.clock.now()
        return Transaction(
            intents=Intents(connection, now),
            links=Links(connection, now),
            cursors=Cursors(connection, now),
            exceptions=Exceptions(connection, now),
            leases=Leases(connection, now),
            audit=Audit(connection, now),
            inbox=Inbox(connection, now),
            expected_returns=ExpectedReturns(connection, now),
            claims=Claims(connection, now),
            stock=Stock(connection, now),
        )
