"""Refused logins: stop the whole system at once, tell the owner, and notice when it works again.

Five refused logins lock a NetSuite token for half an hour (N 1.4), so the first refusal that a fresh
token does not cure opens the breaker of that system in every process (DESIGN 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.governor import BreakerOpen, Governor
from tiktok_ns_pipeline.engine.reporting import Reporter
from tiktok_ns_pipeline.ledger import Ledger, Transaction

System = Literal["tiktok", "netsuite"]

HOLD = timedelta(minutes=31)
"""A locked NetSuite token is free again after 30 minutes (N 1.4)."""

KIND = "login_refused"


class LoginWatch:
    """Watches the logins of both systems in one process."""

    def __init__(
        self,
        ledger: Ledger,
        governors: Mapping[str, Governor],
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        self._governors = governors
        self._clock = clock
        self._reporter = reporter
        self._ledger = ledger
        with ledger.read() as tx:
            self._troubled = {exception.subject for exception in tx.exceptions.list(kinds=[KIND])}

    def refused(self, tx: Transaction, system: System, error: Exception) -> BreakerOpen:
        """A login was refused: open the breaker and an exception. Gives the breaker that holds."""
        if isinstance(error, BreakerOpen):
            return error
        self._open(tx, "*", _subject(system), f"{system} refuses our login: {error}", error)
        self._troubled.add(_subject(system))
        return self._governors[system].trip(tx, BreakerOpen(system, self._clock.now() + HOLD, str(error)))

    def worked(self, tx: Transaction, system: System) -> None:
        """The system answered as it should: whatever was wrong with the login is gone."""
        subject = _subject(system)
        if subject in self._troubled:
            self._troubled.discard(subject)
            reason = f"{system} accepts our login again"
            tx.exceptions.clear(channel="tiktok", shop="*", subject=subject, reason=reason, kinds=[KIND])

    def answered(self, system: System) -> None:
        """Like `worked`, where no transaction is open."""
        if _subject(system) in self._troubled:
            with self._ledger.begin() as tx:
                self.worked(tx, system)

    def shut_out(self, shop: str, error: Exception) -> None:
        """One shop may not be read any more: its authorization, a scope, or the shop itself ended (T 2.3)."""
        with self._ledger.begin() as tx:
            self._open(tx, shop, f"shop {shop}", f"TikTok does not let us read shop {shop}: {error}", error)
        self._troubled.add(f"shop {shop}")

    def let_in(self, shop: str) -> None:
        """The shop could be read, so TikTok accepts our login."""
        self.answered("tiktok")
        subject = f"shop {shop}"
        if subject in self._troubled:
            self._troubled.discard(subject)
            with self._ledger.begin() as tx:
                reason = "the shop can be read again"
                tx.exceptions.clear(channel="tiktok", shop=shop, subject=subject, reason=reason, kinds=[KIND])

    def _open(self, tx: Transaction, shop: str, subject: str, message: str, error: Exception) -> None:
        cause = type(error).__name__
        tx.exceptions.open(
            self._reporter.exception(
                KIND, channel="tiktok", shop=shop, subject=subject, cause=cause, message=message
            )
        )


def _subject(system: System) -> str:
    return f"system {system}"
