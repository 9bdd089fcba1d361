"""Who may call the simulated TikTok Shop: authorization codes, access tokens, refresh tokens (T 1.2, 1.3).

A code works once, within half an hour. An access token lives seven days of the world's clock, a
refresh token a year; refreshing gives the same refresh token again unless told to rotate. All of it
is kept in the world's database, so that a token outlives a restart as it would at TikTok.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from tiktok_ns_pipeline.sandbox.catalogue import APP_KEY, APP_SECRET, AUTH_CODE, SCOPES, SHOPS
from tiktok_ns_pipeline.sandbox.refusals import Refusal
from tiktok_ns_pipeline.sandbox.world import World

_SCHEMA = """
CREATE TABLE IF NOT EXISTS auth_codes (
    code TEXT PRIMARY KEY,
    expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    token TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    expires_at REAL NOT NULL,
    scopes TEXT NOT NULL
) WITHOUT ROWID;
"""

_CODE_LIVES_S = 30 * 60
_ACCESS_LIVES_S = 7 * 86_400
_REFRESH_LIVES_S = 365 * 86_400


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What varies between apps and is not documented (T 1.3, 12)."""

    rotates_refresh_token: bool = False
    refresh_ends_access_token: bool = False
    scopes: tuple[str, ...] = SCOPES
    """What the next consent grants."""


class TokenDesk:
    """Gives out and checks tokens of the sandbox's one app."""

    def __init__(self, world: World, rules: TokenRules | None = None) -> None:
        self.rules = rules or TokenRules()
        self._world = world
        self._store = world.store
        self._database = world.store.database
        self._database.executescript(_SCHEMA)
        # The standing code waits for its first use, however far the world's clock is moved before.
        self._keep_code(AUTH_CODE, _REFRESH_LIVES_S)

    def fresh_code(self) -> str:
        """A code as a seller's consent would give it."""
        code = self._random_text("code")
        self._keep_code(code)
        return code

    def exchange(self, query: dict[str, str]) -> dict[str, Any]:
        """Tokens for a code; raises Refusal 36004004 when it is unknown, used or too old."""
        self._check_app(query, "authorized_code")
        with self._store.transaction():
            row = self._database.execute(
                "DELETE FROM auth_codes WHERE code = ? RETURNING expires_at", (query.get("auth_code"),)
            ).fetchone()
            if row is None or row[0] < self._now():
                raise Refusal(36004004, "Invalid auth code")
            refresh_token = self._give("refresh", _REFRESH_LIVES_S, self.rules.scopes)
            return self._tokens(refresh_token, self.rules.scopes)

    def refresh(self, query: dict[str, str]) -> dict[str, Any]:
        """Tokens for a refresh token; raises Refusal 36004001 when it is unknown or too old."""
        self._check_app(query, "refresh_token")
        refresh_token = query.get("refresh_token", "")
        with self._store.transaction():
            row = self._found(refresh_token, "refresh")
            if row is None or row[0] < self._now():
                raise Refusal(36004001, "The refresh token has expired")
            scopes = tuple(json.loads(row[1]))
            if self.rules.refresh_ends_access_token:
                self._database.execute("DELETE FROM tokens WHERE kind = 'access'")
            if self.rules.rotates_refresh_token:
                self._database.execute("DELETE FROM tokens WHERE token = ?", (refresh_token,))
                refresh_token = self._give("refresh", _REFRESH_LIVES_S, scopes)
            return self._tokens(refresh_token, scopes)

    def scopes_of(self, access_token: str | None) -> tuple[str, ...]:
        """What an access token may do; raises Refusal when it is missing, unknown or expired (T 2.3)."""
        if not access_token:
            raise Refusal(36009004, "The x-tts-access-token header is missing.", 400)
        row = self._found(access_token, "access")
        if row is None:
            raise Refusal(36009005, "The x-tts-access-token header is not a valid token.", 401)
        if row[0] <= self._now():
            raise Refusal(105002, "The access token has expired.", 401)
        return tuple(json.loads(row[1]))

    def expire_access_tokens(self) -> None:
        """Let all access tokens run out now."""
        self._database.execute("UPDATE tokens SET expires_at = ? WHERE kind = 'access'", (self._now(),))

    def expire_refresh_tokens(self) -> None:
        """Let all refresh tokens run out now: the seller has to consent again."""
        self._database.execute("UPDATE tokens SET expires_at = 0 WHERE kind = 'refresh'")

    def _tokens(self, refresh_token: str, scopes: tuple[str, ...]) -> dict[str, Any]:
        row = self._found(refresh_token, "refresh")
        assert row is not None
        return {
            "access_token": self._give("access", _ACCESS_LIVES_S, scopes),
            "access_token_expire_in": int(self._now()) + _ACCESS_LIVES_S,
            "refresh_token": refresh_token,
            "refresh_token_expire_in": int(row[0]),
            "open_id": "sandboxOpenId0000000001",
            "seller_name": "Sandbox Seller",
            "seller_base_region": SHOPS[0].region,
            "user_type": 0,
            "granted_scopes": list(scopes),
        }

    def _give(self, kind: str, lives_s: int, scopes: tuple[str, ...]) -> str:
        token = f"TTP_{self._random_text(kind)}"
        self._database.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?)",
            (token, kind, int(self._now()) + lives_s, json.dumps(scopes)),
        )
        return token

    def _found(self, token: str, kind: str) -> tuple[float, str] | None:
        return self._database.execute(
            "SELECT expires_at, scopes FROM tokens WHERE token = ? AND kind = ?", (token, kind)
        ).fetchone()

    def _keep_code(self, code: str, lives_s: int = _CODE_LIVES_S) -> None:
        expires_at = self._now() + lives_s
        self._database.execute("INSERT OR REPLACE INTO auth_codes VALUES (?, ?)", (code, expires_at))

    def _check_app(self, query: dict[str, str], grant_type: str) -> None:
        if query.get("app_key") != APP_KEY:
            raise Refusal(36009004, "The app_key is not valid.", 400)
        if not hmac.compare_digest(query.get("app_secret", ""), APP_SECRET):
            raise Refusal(36009004, "The app_secret is not valid.", 400)
        if query.get("grant_type") != grant_type:
            raise Refusal(36009004, f"The grant_type has to be {grant_type}.", 400)

    def _random_text(self, kind: str) -> str:
        """Repeatable per seed, and never the same twice."""
        count = int(self._store.note("tokens_given") or 0) + 1
        self._store.remember("tokens_given", str(count))
        return hashlib.sha256(f"{kind} {self._world.seed} {count}".encode()).hexdigest()[:44]

    def _now(self) -> float:
        return self._world.now().timestamp()
