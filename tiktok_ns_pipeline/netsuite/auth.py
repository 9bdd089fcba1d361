"""Who we are to NetSuite: two ways to prove it, behind one `Authenticator`.

OAuth 2.0 client credentials is the default: a short assertion signed with the key of an uploaded
certificate buys an access token of an hour, without a refresh token (N 1.3). The token lives in the
`TokenStore`, so all processes share one login. Token-based authentication (OAuth 1.0a) signs every request
and is for accounts that still use it; no new ones can be set up from 2027.1 on (N 1.2).

Invariant: nothing here repeats a refused login. Five of them lock the token for 30 minutes (N 1.4).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol, cast
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from tiktok_ns_pipeline import exact_json
from tiktok_ns_pipeline.clock import Clock, to_epoch
from tiktok_ns_pipeline.netsuite.errors import (
    NetSuiteAuthenticationError,
    NetSuiteThrottled,
    NetSuiteTransient,
)
from tiktok_ns_pipeline.tokens import TokenSet, TokenStore

Algorithm = Literal["ES256", "ES384", "ES512", "PS256", "PS384", "PS512"]

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# A token is renewed this long before it ends (N 1.3).
RENEW_EARLY = timedelta(minutes=5)
# Long enough for a clock that is some minutes off; 60 minutes is the most that is accepted (N 1.3).
ASSERTION_LIFETIME = timedelta(minutes=15)
# What expires_in has always been, should the answer not carry it (N 1.3).
USUAL_LIFETIME_S = 3600
# After a refused login nothing is sent for a while: the next refusals would lock the token (N 1.4).
LOGIN_PAUSE = timedelta(seconds=60)

_LOGIN_TIMEOUT_S = 30.0
_LOGIN_POLL_S = 0.25


class Authenticator(Protocol):
    """Proves who we are, request by request."""

    async def headers(self, method: str, url: str) -> dict[str, str]:
        """The headers that sign one request; `url` is exactly what is sent, query included."""
        ...

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """After a 401: whether there is now another proof than the headers that were refused."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether a request can be signed at once, without a login before it."""
        ...


class LoginPause:
    """Keeps this process silent for `LOGIN_PAUSE` after a refused login."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused_at: datetime | None = None

    def begin(self) -> None:
        """A login has just been refused."""
        self._refused_at = self._clock.now()

    def check(self, request: str = "") -> None:
        """Raises NetSuiteAuthenticationError during the pause; nothing is sent then."""
        if self._refused_at is not None and self._clock.now() - self._refused_at < LOGIN_PAUSE:
            raise NetSuiteAuthenticationError(
                f"not sent, the login was refused at {self._refused_at:%H:%M:%S} UTC", request=request
            )


def account_base_url(account_id: str) -> str:
    """The address of an account's REST services: 1234567_SB1 lives at 1234567-sb1 (N 1.1)."""
    return f"https://{account_id.lower().replace('_', '-')}.suitetalk.api.netsuite.com"


@dataclass(eq=False)
class OAuth2ClientCredentials:
    """OAuth 2.0 machine to machine, with a token that all processes share (N 1.3).

    `certificate_id` is what NetSuite shows for the uploaded certificate; the key is its private half.
    Raises ValueError when the key does not fit the algorithm.
    """

    account_id: str
    base_url: str
    client_id: str
    certificate_id: str
    private_key_pem: InitVar[str]
    store: TokenStore = field(repr=False)
    http: httpx.AsyncClient = field(repr=False)
    clock: Clock = field(repr=False)
    algorithm: Algorithm = "ES256"
    scope: Sequence[str] = ("rest_webservices",)

    def __post_init__(self, private_key_pem: str) -> None:
        self._account = f"netsuite:{self.account_id}"
        self._token_url = self.base_url.rstrip("/") + TOKEN_PATH
        self._key = _signing_key(private_key_pem, self.algorithm)
        self._holder = uuid.uuid4().hex
        self._one_at_a_time = asyncio.Lock()
        self._pause = LoginPause(self.clock)
        self._tokens: TokenSet | None = None

    async def headers(self, method: str, url: str) -> dict[str, str]:
        """A bearer header with a token that is good for five more minutes."""
        return {"Authorization": f"Bearer {await self._access_token()}"}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Take the token that another request or process got meanwhile, or log in once."""
        await self._access_token(refused["Authorization"].removeprefix("Bearer "))
        return True

    @property
    def is_ready(self) -> bool:
        """Whether the shared token is good for five more minutes."""
        return self._stored(None) is not None

    def assertion(self, issued_at: datetime, token_id: str, lifetime: timedelta = ASSERTION_LIFETIME) -> str:
        """The signed statement that buys an access token (N 1.3)."""
        claims = {
            "iss": self.client_id,
            "scope": list(self.scope),
            "aud": self._token_url,
            "iat": to_epoch(issued_at),
            "exp": to_epoch(issued_at + lifetime),
            "jti": token_id,
        }
        header = {"typ": "JWT", "alg": self.algorithm, "kid": self.certificate_id}
        return jwt.encode(header, claims, self._key, algorithms=[self.algorithm])

    async def _access_token(self, refused: str | None = None) -> str:
        if self._tokens is not None and self._is_good(self._tokens, refused):
            return self._tokens.access_token
        async with self._one_at_a_time:
            # Whoever waited for a login that was refused must not try the same again.
            self._pause.check()
            self._tokens = await self._shared_or_new(refused)
        return self._tokens.access_token

    async def _shared_or_new(self, refused: str | None) -> TokenSet:
        """The stored token when it is good, else one login, made by one process while others wait."""
        for _ in range(int(_LOGIN_TIMEOUT_S / _LOGIN_POLL_S)):
            tokens = self._stored(refused)
            if tokens is not None:
                return tokens
            until = self.clock.now() + timedelta(seconds=2 * _LOGIN_TIMEOUT_S)
            if self.store.try_lock(self._account, self._holder, until):
                try:
                    return self._stored(refused) or await self._log_in()
                finally:
                    self.store.unlock(self._account, self._holder)
            await asyncio.sleep(_LOGIN_POLL_S)
        raise NetSuiteTransient(f"another process has been logging in for {_LOGIN_TIMEOUT_S:.0f} s")

    def _stored(self, refused: str | None) -> TokenSet | None:
        tokens = self.store.load(self._account)
        return tokens if tokens is not None and self._is_good(tokens, refused) else None

    def _is_good(self, tokens: TokenSet, refused: str | None) -> bool:
        lasts = tokens.access_expires_at - self.clock.now()
        return lasts > RENEW_EARLY and tokens.access_token != refused

    async def _log_in(self) -> TokenSet:
        asked_at = self.clock.now()
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(asked_at, str(uuid.uuid4())),
        }
        try:
            async with asyncio.timeout(_LOGIN_TIMEOUT_S):
                response = await self.http.post(self._token_url, data=form)
        except (httpx.RequestError, TimeoutError) as broken:
            raise NetSuiteTransient(
                f"no answer from the token endpoint ({type(broken).__name__})", request="POST " + TOKEN_PATH
            ) from broken
        try:
            tokens = _tokens_of(response, asked_at)
        except NetSuiteAuthenticationError:
            self._pause.begin()
            raise
        self.store.save(self._account, tokens)
        return tokens


def _signing_key(pem: str, algorithm: Algorithm) -> ECKey | RSAKey:
    kind = ECKey if algorithm.startswith("ES") else RSAKey
    try:
        key = kind.import_key(pem)
        # A key of the wrong curve shows only when it signs: better now than at the first login.
        jwt.encode({"alg": algorithm}, {}, key, algorithms=[algorithm])
        return key
    except (ValueError, JoseError):
        # The cause is left out: it could quote the key.
        raise ValueError(
            f"the NetSuite private key is no PEM key for {algorithm};"
            " ES256 needs an EC P-256 key, PS256 an RSA key"
        ) from None


def _tokens_of(response: httpx.Response, asked_at: datetime) -> TokenSet:
    """Read the token endpoint's answer, numbers as text or number, `bearer` in any case (N 1.3)."""
    request = "POST " + TOKEN_PATH
    status = response.status_code
    try:
        document: Any = exact_json.loads(response.content)
    except ValueError:
        document = None
    if status == 429:
        raise NetSuiteThrottled("too many logins", request=request, status=status)
    if not isinstance(document, dict) or status >= 500:
        raise NetSuiteTransient("the token endpoint answered no JSON", request=request, status=status)
    body = cast("dict[str, Any]", document)
    token = body.get("access_token")
    is_bearer = str(body.get("token_type", "Bearer")).lower() == "bearer"
    if status >= 300 or not isinstance(token, str) or not token or not is_bearer:
        code = str(body.get("error", "NO_TOKEN"))
        raise NetSuiteAuthenticationError("the login is refused", request=request, status=status, code=code)
    lifetime_s = int(Decimal(str(body.get("expires_in", USUAL_LIFETIME_S))))
    return TokenSet(access_token=token, access_expires_at=asked_at + timedelta(seconds=lifetime_s))


class TokenBasedAuthentication:
    """OAuth 1.0a with HMAC-SHA256: every request signed by itself (N 1.4)."""

    def __init__(
        self,
        account_id: str,
        consumer_key: str,
        consumer_secret: str,
        token_id: str,
        token_secret: str,
        *,
        clock: Clock,
    ) -> None:
        """`account_id` in its own form, such as 1234567_SB1: it is the realm (N 1.1)."""
        self._realm = account_id
        self._consumer_key = consumer_key
        self._token_id = token_id
        self._signing_key = f"{_encoded(consumer_secret)}&{_encoded(token_secret)}".encode()
        self._clock = clock

    async def headers(self, method: str, url: str) -> dict[str, str]:
        """An OAuth header with a nonce and timestamp of its own."""
        return {"Authorization": self.authorization(method, url, secrets.token_hex(10), self._clock.now())}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Nothing to renew: a refused signature stays refused, and every try counts towards the lock."""
        return False

    @property
    def is_ready(self) -> bool:
        """Always: there is no login."""
        return True

    def authorization(self, method: str, url: str, nonce: str, at: datetime) -> str:
        """The Authorization header of one request (N 1.4)."""
        oauth = {
            "oauth_consumer_key": self._consumer_key,
            "oauth_token": self._token_id,
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_timestamp": str(to_epoch(at)),
            "oauth_nonce": nonce,
            "oauth_version": "1.0",
        }
        text = base_string(method, url, oauth)
        digest = hmac.new(self._signing_key, text.encode(), hashlib.sha256).digest()
        signed = oauth | {"oauth_signature": base64.b64encode(digest).decode()}
        fields = [f'realm="{_encoded(self._realm)}"']
        fields += [f'{name}="{_encoded(value)}"' for name, value in signed.items()]
        return "OAuth " + ", ".join(fields)


def base_string(method: str, url: str, oauth: Mapping[str, str]) -> str:
    """What OAuth 1.0a signs: method, address as sent, and all parameters sorted (N 1.4, RFC 5849 3.4.1).

    The path is taken as it goes over the wire, so `eid:X` and `eid%3AX` differ; the body takes no part.
    """
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, default_port) else f":{parts.port}"
    address = f"{parts.scheme}://{parts.hostname}{port}{parts.path or '/'}"
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *oauth.items()]
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in pairs)
    parameters = "&".join(f"{name}={value}" for name, value in encoded)
    return "&".join(_encoded(part) for part in (method.upper(), address, parameters))


def _encoded(text: str) -> str:
    """Percent-encoding of RFC 3986: all but letters, digits and `-._~`."""
    return quote(text, safe="-._~")
