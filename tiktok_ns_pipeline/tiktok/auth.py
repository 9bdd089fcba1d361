"""The right to call TikTok Shop, kept alive.

A seller consents once; the code of that consent buys an access token (7 days) and a refresh token
(T 1.2, 1.3). `TikTokLogin` refreshes ahead of expiry, and once more when TikTok says that a token
has expired. The token store's lock lets one process refresh at a time: the others wait and read
what it stored.

Invariant: a refreshed token is stored before it is used and before the lock is given back; what a
refresh does not repeat (refresh token, scopes) is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import httpx

from tiktok_ns_pipeline.clock import Clock, SystemClock, from_epoch
from tiktok_ns_pipeline.tiktok.endpoints import Effect
from tiktok_ns_pipeline.tiktok.envelope import Question, ask
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokAuthenticationError,
    TikTokError,
    TikTokTransient,
    TikTokUnknownError,
)
from tiktok_ns_pipeline.tiktok.secrecy import keep_queries_out_of_logs
from tiktok_ns_pipeline.tokens import TokenSet, TokenStore

AUTH_BASE_URL = "https://auth.tiktok-shops.com"
"""Token endpoints of all regions (T 1.1)."""

_SELLER = 0
_DOCUMENTED_LIFE = timedelta(days=7)
# Longer than one refresh can take, so that only a dead holder ever loses the lock.
_LOCK_LIFE = timedelta(seconds=45)
_LOCK_POLL_S = 0.2
_PAUSE_AFTER_FAILURE = timedelta(seconds=60)
# Numbers below are «seconds from now», above are instants (T 1.3); as an instant it is in 2001.
_SMALLEST_EPOCH = 1_000_000_000
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)

_IN_HAND_FOR = timedelta(seconds=30)
"""So long a token is used without looking whether another process replaced it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TikTokApp:
    """The app as registered in the Partner Center."""

    app_key: str
    app_secret: str = field(repr=False)


class TikTokLogin:
    """Access tokens of one authorization, by default the app's only one."""

    def __init__(
        self,
        app: TikTokApp,
        store: TokenStore,
        http: httpx.AsyncClient,
        auth_base_url: str = AUTH_BASE_URL,
        clock: Clock | None = None,
        *,
        account: str | None = None,
        refresh_ahead: timedelta = timedelta(days=1),
        timeout_s: float = 10.0,
    ) -> None:
        if timedelta(seconds=2 * timeout_s) > _LOCK_LIFE:
            raise ValueError(f"a refresh may take at most {_LOCK_LIFE.total_seconds() / 2:g} s")
        self._app = app
        self._store = store
        self._http = http
        self._base_url = auth_base_url.rstrip("/")
        self._clock = clock or SystemClock()
        self._account = account or f"tiktok:{app.app_key}"
        self._ahead = refresh_ahead
        self._timeout_s = timeout_s
        self._no_refresh_before: datetime | None = None
        self._in_hand: tuple[TokenSet, datetime] | None = None
        keep_queries_out_of_logs()

    async def exchange(self, auth_code: str) -> TokenSet:
        """Buy tokens with the code of a consent and store them (T 1.3). A code works once, for 30
        minutes; TikTokAmbiguous means that it may be spent."""
        query = {"auth_code": auth_code, "grant_type": "authorized_code"}
        tokens = await self._tokens_from("token/get", query, effect="write", known=None)
        self._store.save(self._account, tokens)
        self._in_hand = None
        return tokens

    async def access_token(self) -> str:
        """A token that is valid now, refreshed a while ahead of its expiry.

        A failed early refresh is no failure as long as the old token lives. Raises
        TikTokAuthenticationError before the first login and when the seller has to consent again.
        """
        now = self._clock.now()
        if (
            self._in_hand
            and now - self._in_hand[1] < _IN_HAND_FOR
            and not self._is_due(self._in_hand[0], now)
        ):
            return self._in_hand[0].access_token
        tokens = self._stored()
        self._in_hand = (tokens, now)
        alive = tokens.access_expires_at > now
        if alive and not self._is_due(tokens, now):
            return tokens.access_token
        try:
            return await self._renewed(lambda stored: stored == tokens)
        except TikTokError as failure:
            if not alive:
                raise
            self._no_refresh_before = now + _PAUSE_AFTER_FAILURE
            _log.error(
                "refresh ahead of expiry failed, the old token ends %s: %s", tokens.access_expires_at, failure
            )
            return tokens.access_token

    async def refresh(self, stale_token: str) -> str:
        """A token other than the one that TikTok called expired (105002): the stored one if it is
        newer, else a fresh one."""
        self._in_hand = None
        return await self._renewed(lambda stored: stored.access_token == stale_token)

    def stored_token(self) -> str:
        """The stored access token as it is; another process may have replaced the one in hand."""
        return self._stored().access_token

    def _is_due(self, tokens: TokenSet, now: datetime) -> bool:
        if self._no_refresh_before is not None and now < self._no_refresh_before:
            return False
        return tokens.access_expires_at - now <= self._ahead

    def _stored(self) -> TokenSet:
        tokens = self._store.load(self._account)
        if tokens is None:
            raise self._question("token/refresh").failed(
                TikTokAuthenticationError,
                f"no tokens are stored for {self._account}",
                advice="let the seller authorize the app and exchange the code",
            )
        return tokens

    async def _renewed(self, is_stale: Callable[[TokenSet], bool]) -> str:
        """Refresh under the lock, or wait until whoever holds it has done so."""
        give_up_at = self._clock.now() + 2 * _LOCK_LIFE
        while self._clock.now() < give_up_at:
            tokens = self._stored()
            if not is_stale(tokens):
                return tokens.access_token
            holder = uuid4().hex
            if self._store.try_lock(self._account, holder, self._clock.now() + _LOCK_LIFE):
                try:
                    return await self._refreshed_under_lock(is_stale)
                finally:
                    self._store.unlock(self._account, holder)
            await asyncio.sleep(_LOCK_POLL_S)
        raise self._question("token/refresh").failed(
            TikTokTransient, "another process holds the right to refresh and does not finish"
        )

    async def _refreshed_under_lock(self, is_stale: Callable[[TokenSet], bool]) -> str:
        known = self._stored()
        if not is_stale(known):  # whoever held the lock before us refreshed between our look and our lock
            return known.access_token
        if known.refresh_token is None:
            raise self._question("token/refresh").failed(
                TikTokAuthenticationError,
                "the stored login has no refresh token",
                advice="the seller must authorize the app again",
            )
        query = {"refresh_token": known.refresh_token, "grant_type": "refresh_token"}
        tokens = await self._tokens_from("token/refresh", query, effect="read", known=known)
        self._store.save(self._account, tokens)
        # A token that lives shorter than we refresh ahead would otherwise be refreshed at every call.
        self._ahead = min(self._ahead, (tokens.access_expires_at - self._clock.now()) / 2)
        return tokens.access_token

    async def _tokens_from(
        self, call: str, query: Mapping[str, str], effect: Effect, known: TokenSet | None
    ) -> TokenSet:
        secrets = (self._app.app_secret, query.get("auth_code", ""), query.get("refresh_token", ""))
        question = self._question(call, effect, secrets)
        credentials = {"app_key": self._app.app_key, "app_secret": self._app.app_secret}
        request = self._http.build_request(
            "GET", f"{self._base_url}/api/v2/{call}", params={**credentials, **query}, timeout=self._timeout_s
        )
        envelope = await ask(self._http, request, question, self._timeout_s)
        return _read_tokens(envelope.data, question, self._clock.now(), known)

    def _question(self, call: str, effect: Effect = "read", secrets: tuple[str, ...] = ()) -> Question:
        return Question(call, effect, secrets=secrets)


def _read_tokens(
    data: Mapping[str, Any], question: Question, now: datetime, known: TokenSet | None
) -> TokenSet:
    """Tokens from an answer; what it leaves out is kept from `known` (T 1.3)."""
    access_token = data.get("access_token")
    if not isinstance(access_token, str) or not access_token:
        raise question.failed(TikTokUnknownError, "the answer has no access_token", code=0)
    if known is None and data.get("user_type") not in (None, "", _SELLER, str(_SELLER)):
        raise question.failed(
            TikTokAuthenticationError,
            "the consent was given by a creator or partner account",
            code=0,
            advice="authorize as the seller",
        )
    refresh_token = data.get("refresh_token")
    scopes = data.get("granted_scopes")
    return TokenSet(
        access_token=access_token,
        # Never refused for want of an expiry: that would lose a token that TikTok will not give twice.
        access_expires_at=_expiry(data.get("access_token_expire_in"), now) or now + _DOCUMENTED_LIFE,
        refresh_token=(refresh_token if isinstance(refresh_token, str) and refresh_token else None)
        or (known.refresh_token if known else None),
        refresh_expires_at=_expiry(data.get("refresh_token_expire_in"), now)
        or (known.refresh_expires_at if known else None),
        scopes=tuple(str(scope) for scope in cast(list[object], scopes))
        if isinstance(scopes, list)
        else (known.scopes if known else ()),
    )


def _expiry(value: object, now: datetime) -> datetime | None:
    """An instant from an absolute epoch second, or from a small number of seconds from now (T 1.3)."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return None
    if value < _SMALLEST_EPOCH:
        return now + timedelta(seconds=value)
    return from_epoch(value) if value < _END_OF_TIME.timestamp() else _END_OF_TIME
