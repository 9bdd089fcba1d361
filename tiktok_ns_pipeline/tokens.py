"""What an adapter needs to keep a login alive, without knowing where it is kept.

The ledger implements `TokenStore` (encrypted, with a lock over processes); tests may use
`MemoryTokenStore`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TokenSet:
    """Tokens of one account. `repr` shows no secret."""

    access_token: str = field(repr=False)
    access_expires_at: datetime
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()


class TokenStore(Protocol):
    """Keeps tokens by account name, such as `tiktok:<app key>` or `netsuite:<account id>`."""

    def load(self, account: str) -> TokenSet | None:
        """The stored tokens, or None before the first login."""
        ...

    def save(self, account: str, tokens: TokenSet) -> None:
        """Replace the stored tokens."""
        ...

    def try_lock(self, account: str, holder: str, until: datetime) -> bool:
        """Take the right to refresh until an instant; False while another holder has it."""
        ...

    def unlock(self, account: str, holder: str) -> None:
        """Give the right to refresh back."""
        ...


class MemoryTokenStore:
    """Tokens in this process only."""

    def __init__(self) -> None:
        self._tokens: dict[str, TokenSet] = {}
        self._locks: dict[str, str] = {}

    def load(self, account: str) -> TokenSet | None:
        """The stored tokens, or None before the first login."""
        return self._tokens.get(account)

    def save(self, account: str, tokens: TokenSet) -> None:
        """Replace the stored tokens."""
        self._tokens[account] = tokens

    def try_lock(self, account: str, holder: str, until: datetime) -> bool:
        """Take the right to refresh; False while another holder has it."""
        return self._locks.setdefault(account, holder) == holder

    def unlock(self, account: str, holder: str) -> None:
        """Give the right to refresh back."""
        if self._locks.get(account) == holder:
            del self._locks[account]
