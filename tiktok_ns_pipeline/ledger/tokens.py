"""Tokens at rest: encrypted rows, and one refresher at a time over all processes.

The key comes from the environment (`TNS_ENCRYPTION_KEY`) and is never stored beside the data.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.ledger import schema
from tiktok_ns_pipeline.ledger.database import LedgerError, insert_or_skip, transaction
from tiktok_ns_pipeline.tokens import TokenSet


class LedgerTokenStore:
    """`TokenStore` on the ledger's database."""

    def __init__(self, engine: sa.Engine, clock: Clock, encryption_key: str) -> None:
        try:
            self._cipher = Fernet(encryption_key)
        except ValueError:
            raise LedgerError(
                "TNS_ENCRYPTION_KEY is not a key; make one with `tiktok-ns config new-key` and keep it safe"
            ) from None
        self._engine = engine
        self._clock = clock

    def load(self, account: str) -> TokenSet | None:
        """The stored tokens; raises LedgerError when the key is not the one they were stored with."""
        table = schema.oauth_tokens
        with transaction(self._engine, writes=False) as connection:
            secret = connection.execute(sa.select(table.c.secret).where(table.c.account == account)).scalar()
        if secret is None:
            return None
        try:
            fields = exact_json.loads(self._cipher.decrypt(secret))
        except InvalidToken:
            raise LedgerError(
                f"the tokens of {account} were stored with another TNS_ENCRYPTION_KEY; give that key, or "
                "authorize the account again"
            ) from None
        return TokenSet(
            access_token=fields["access_token"],
            access_expires_at=datetime.fromisoformat(fields["access_expires_at"]),
            refresh_token=fields["refresh_token"],
            refresh_expires_at=(
                datetime.fromisoformat(fields["refresh_expires_at"]) if fields["refresh_expires_at"] else None
            ),
            scopes=tuple(fields["scopes"]),
        )

    def save(self, account: str, tokens: TokenSet) -> None:
        """Replace the stored tokens."""
        fields = {
            "access_token": tokens.access_token,
            "access_expires_at": tokens.access_expires_at.isoformat(),
            "refresh_token": tokens.refresh_token,
            "refresh_expires_at": tokens.refresh_expires_at.isoformat()
            if tokens.refresh_expires_at
            else None,
            "scopes": list(tokens.scopes),
        }
        self._ensure_row(account)
        table = schema.oauth_tokens
        with transaction(self._engine) as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.account == account)
                .values(
                    secret=self._cipher.encrypt(exact_json.dumps(fields).encode()),
                    access_expires_at=tokens.access_expires_at,
                    updated_at=self._clock.now(),
                )
            )

    def try_lock(self, account: str, holder: str, until: datetime) -> bool:
        """Take the right to refresh until an instant; a lock whose time is over counts as free."""
        self._ensure_row(account)
        table = schema.oauth_tokens
        free = sa.or_(
            table.c.lock_holder.is_(None),
            table.c.lock_holder == holder,
            table.c.lock_until <= self._clock.now(),
        )
        with transaction(self._engine) as connection:
            done = connection.execute(
                sa.update(table)
                .where(table.c.account == account, free)
                .values(lock_holder=holder, lock_until=until)
            )
        return done.rowcount == 1

    def unlock(self, account: str, holder: str) -> None:
        """Give the right to refresh back."""
        table = schema.oauth_tokens
        with transaction(self._engine) as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.account == account, table.c.lock_holder == holder)
                .values(lock_holder=None, lock_until=None)
            )

    def _ensure_row(self, account: str) -> None:
        row = {"account": account, "updated_at": self._clock.now()}
        with transaction(self._engine) as connection:
            connection.execute(insert_or_skip(schema.oauth_tokens), row)
