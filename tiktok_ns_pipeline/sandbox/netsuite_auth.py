"""Who may call the simulated NetSuite: OAuth 2.0 client credentials and token-based authentication.

A *client assertion* is a JWT that a caller signs with the private key of an uploaded certificate and
trades for a *bearer token*, good for an hour (N 1.3). *TBA* signs each request with OAuth 1.0a over
the path as it was sent (N 1.4). The caller learns only that a login failed; why stands in `audit`.

Invariant: five failures in a row lock a credential for half an hour, and nothing but time unlocks it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import sqlite3
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, quote, unquote

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from tiktok_ns_pipeline.clock import Clock

CLIENT_ID = "sandbox-client-id"
CERTIFICATES: dict[str, Algorithm] = {"sandbox-cert-es256": "ES256", "sandbox-cert-ps256": "PS256"}
# Fixed and public: they open nothing but this sandbox.
CONSUMER_KEY, CONSUMER_SECRET = "ck_sandbox", "cs_sandbox"
TOKEN_ID, TOKEN_SECRET = "tk_sandbox", "ts_sandbox"

TOKEN_LIFE_S = 3_600
_LONGEST_ASSERTION_S = 3_600
_CLOCK_DRIFT_S = 300
_SHORTEST_NONCE, _LONGEST_NONCE = 6, 64
_FAILURES_TO_LOCK = 5
_LOCK_S = 1_800
_GRANT = "client_credentials"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SCOPES = {"rest_webservices", "restlets", "suite_analytics"}
_PARAMETER = re.compile(r'\s*([A-Za-z_]+)="([^"]*)"\s*')
# Bits of an RSA key; NetSuite wants 3072 or 4096 (N 1.3).
_RSA_BITS = 3_072

Algorithm = Literal["ES256", "PS256"]


class TokenRefused(Exception):
    """The token endpoint's refusal: an OAuth error code, 401 for an unknown client (N 1.3)."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(f"{error}: {reason}")
        self.error = error
        self.status = 401 if error == "invalid_client" else 400


class LoginRefused(Exception):
    """An API call that is not let in. `challenge` is what `WWW-Authenticate` says."""

    def __init__(self, status: int, challenge: str) -> None:
        super().__init__(challenge)
        self.status = status
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class Audited:
    """One line of the login audit trail: whose login failed when, and why."""

    at: datetime
    who: str
    reason: str


@dataclass(slots=True)
class _Failures:
    count: int = 0
    locked_until: float = 0.0


class Logins:
    """Credentials of the account and what became of them. Keys and tokens live as long as the file."""

    def __init__(self, account: str, clock: Clock, file: sqlite3.Connection | None) -> None:
        self.account = account
        self.audit: deque[Audited] = deque(maxlen=1_000)
        self._clock = clock
        self._file = file
        self._keys: dict[str, ECKey | RSAKey] = {}
        self._tokens: dict[str, float] = {}
        self._nonces: dict[str, float] = {}
        self._failures: dict[str, _Failures] = {}
        if file is not None:
            self._tokens = dict(file.execute("SELECT token, expires_at FROM bearer_tokens"))

    def client_private_key_pem(self, algorithm: Algorithm = "ES256") -> str:
        """The private key that the sandbox's client signs with; made when first asked for."""
        return self._key(algorithm).as_pem(private=True).decode()

    def certificate_id(self, algorithm: Algorithm = "ES256") -> str:
        """The `kid` of the certificate for that algorithm."""
        return next(kid for kid, used in CERTIFICATES.items() if used == algorithm)

    def issue_token(self, form: Mapping[str, str], url: str) -> dict[str, str]:
        """Trade a client assertion for a bearer token; `url` is the token endpoint as it was called.

        Raises TokenRefused.
        """
        if form.get("grant_type") != _GRANT:
            raise TokenRefused("unsupported_grant_type", "grant_type is not client_credentials")
        if form.get("client_assertion_type") != _ASSERTION_TYPE or not form.get("client_assertion"):
            raise TokenRefused("invalid_request", "a JWT client assertion is missing")
        self._check_assertion(form["client_assertion"], url)
        self._failures.pop(CLIENT_ID, None)
        token = secrets.token_urlsafe(48)
        self._remember(token, self._now() + TOKEN_LIFE_S)
        return {"access_token": token, "expires_in": str(TOKEN_LIFE_S), "token_type": "Bearer"}

    def admit(self, method: str, url: str, query: str, authorization: str | None) -> None:
        """Let a call in or raise LoginRefused. `url` is scheme, host and path as sent."""
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            self._check_bearer(credentials)
        elif scheme.lower() == "oauth":
            self._check_signature(method, url, query, credentials)
        else:
            raise LoginRefused(401, self._bearer_challenge("invalid_token", "Invalid login attempt."))

    def revoke(self, authorization: str | None) -> None:
        """Make the bearer token of this header worthless at once."""
        token = (authorization or "").partition(" ")[2]
        if self._tokens.pop(token, None) is not None:
            self._forget(token)

    def bearer_challenge(self) -> str:
        """What a refused bearer call is told."""
        return self._bearer_challenge("invalid_token", "Invalid login attempt.")

    def _bearer_challenge(self, error: str, description: str) -> str:
        return f'Bearer realm="{self.account}", error="{error}", error_description="{description}"'

    def _check_bearer(self, token: str) -> None:
        if not token or " " in token:
            raise LoginRefused(400, self._bearer_challenge("invalid_request", "Malformed header."))
        expires_at = self._tokens.get(token)
        if expires_at is None or expires_at <= self._now():
            self._note("bearer token", "token_rejected")
            raise LoginRefused(401, self.bearer_challenge())

    def _check_assertion(self, assertion: str, url: str) -> None:
        if self._is_locked(CLIENT_ID):
            raise TokenRefused("invalid_grant", self._note(CLIENT_ID, "temporary_locked"))
        try:
            claims = self._claims(assertion)
        except TokenRefused:
            self._count_failure(CLIENT_ID)
            raise
        except (JoseError, ValueError, TypeError, KeyError) as error:
            self._count_failure(CLIENT_ID)
            raise TokenRefused("invalid_request", self._note(CLIENT_ID, type(error).__name__)) from None
        reason = self._why_not(claims, url)
        if reason is not None:
            self._count_failure(CLIENT_ID)
            error = "invalid_scope" if reason == "scope" else "invalid_request"
            raise TokenRefused(error, self._note(CLIENT_ID, reason))

    def _claims(self, assertion: str) -> dict[str, Any]:
        """The verified claims; the certificate says who signed, the claims say for whom."""
        header = _json_part(assertion, 0)
        if _json_part(assertion, 1).get("iss") != CLIENT_ID:
            raise TokenRefused("invalid_client", self._note("unknown client", "consumer_key_unknown"))
        algorithm = CERTIFICATES.get(str(header.get("kid")))
        if algorithm is None or header.get("alg") != algorithm:
            raise TokenRefused("invalid_grant", self._note(CLIENT_ID, "certificate unknown"))
        return jwt.decode(assertion, self._key(algorithm), algorithms=[algorithm]).claims

    def _why_not(self, claims: Mapping[str, Any], url: str) -> str | None:
        issued, expires = claims.get("iat"), claims.get("exp")
        now = self._now()
        if claims.get("aud") not in (url, [url]):
            return "aud"
        if not isinstance(issued, (int, float)) or not isinstance(expires, (int, float)):
            return "iat or exp missing"
        if (
            expires <= now
            or issued > now + _CLOCK_DRIFT_S
            or not 0 < expires - issued <= _LONGEST_ASSERTION_S
        ):
            return "iat or exp out of range"
        scopes = _scopes(claims.get("scope"))
        return None if "rest_webservices" in scopes and scopes <= _SCOPES else "scope"

    def _check_signature(self, method: str, url: str, query: str, credentials: str) -> None:
        parts = [_PARAMETER.fullmatch(part) for part in credentials.split(",")]
        given = {part[1]: unquote(part[2]) for part in parts if part}
        token = given.get("oauth_token", "")
        who = TOKEN_ID if token == TOKEN_ID else "unknown token"
        if self._is_locked(who):
            reason = "temporary_locked"
        elif len(given) != len(parts):
            reason = "MissingTokenPassportRequiredFields"
        else:
            reason = self._why_no_signature(method, url, query, given)
        if reason is None:
            self._failures.pop(who, None)
            return
        if reason != "temporary_locked":
            self._count_failure(who)
        self._note(who, reason)
        description = 'error="token_rejected", error_description="Invalid login attempt."'
        raise LoginRefused(401, f'OAuth realm="{self.account}", {description}')

    def _why_no_signature(self, method: str, url: str, query: str, given: Mapping[str, str]) -> str | None:
        needed = ("consumer_key", "token", "nonce", "timestamp", "signature_method", "signature")
        if given.get("realm") != self.account or any(not given.get(f"oauth_{name}") for name in needed):
            return "MissingTokenPassportRequiredFields"
        now = self._now()
        stamp, nonce = given["oauth_timestamp"], given["oauth_nonce"]
        expected = tba_signature(method, url, query, given, CONSUMER_SECRET, TOKEN_SECRET)
        demands = (
            ("VersionRejected", given.get("oauth_version", "1.0") == "1.0"),
            ("UnknownAlgorithm", given["oauth_signature_method"] == "HMAC-SHA256"),
            ("consumer_key_unknown", given["oauth_consumer_key"] == CONSUMER_KEY),
            ("token_rejected", given["oauth_token"] == TOKEN_ID),
            ("InvalidTimestamp", stamp.isdecimal() and abs(int(stamp) - now) <= _CLOCK_DRIFT_S),
            ("InvalidNonce", _SHORTEST_NONCE <= len(nonce) <= _LONGEST_NONCE),
            ("InvalidSignature", hmac.compare_digest(expected.encode(), given["oauth_signature"].encode())),
        )
        reason = next((reason for reason, is_met in demands if not is_met), None)
        return reason or self._used_before(f"{stamp} {nonce}", now)

    def _used_before(self, nonce: str, now: float) -> str | None:
        while self._nonces and next(iter(self._nonces.values())) < now - 2 * _CLOCK_DRIFT_S:
            del self._nonces[next(iter(self._nonces))]
        if nonce in self._nonces:
            return "NonceUsed"
        self._nonces[nonce] = now
        return None

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _is_locked(self, who: str) -> bool:
        failures = self._failures.get(who)
        return failures is not None and failures.locked_until > self._now()

    def _count_failure(self, who: str) -> None:
        failures = self._failures.setdefault(who, _Failures())
        failures.count += 1
        if failures.count >= _FAILURES_TO_LOCK:
            failures.count, failures.locked_until = 0, self._now() + _LOCK_S

    def _note(self, who: str, reason: str) -> str:
        self.audit.append(Audited(self._clock.now(), who, reason))
        return reason

    def _remember(self, token: str, expires_at: float) -> None:
        now = self._now()
        for old in [one for one, end in self._tokens.items() if end <= now]:
            del self._tokens[old]
        self._tokens[token] = expires_at
        if self._file is not None:
            self._file.execute("DELETE FROM bearer_tokens WHERE expires_at <= ?", (now,))
            self._file.execute("INSERT INTO bearer_tokens VALUES (?, ?)", (token, expires_at))
            self._file.commit()

    def _forget(self, token: str) -> None:
        if self._file is not None:
            self._file.execute("DELETE FROM bearer_tokens WHERE token = ?", (token,))
            self._file.commit()

    def _key(self, algorithm: Algorithm) -> ECKey | RSAKey:
        if algorithm not in self._keys:
            self._keys[algorithm] = self._stored_key(algorithm) or self._new_key(algorithm)
        return self._keys[algorithm]

    def _stored_key(self, algorithm: Algorithm) -> ECKey | RSAKey | None:
        if self._file is None:
            return None
        row = self._file.execute("SELECT pem FROM keys WHERE name = ?", (algorithm,)).fetchone()
        if row is None:
            return None
        return ECKey.import_key(row[0]) if algorithm == "ES256" else RSAKey.import_key(row[0])

    def _new_key(self, algorithm: Algorithm) -> ECKey | RSAKey:
        key = ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(_RSA_BITS)
        if self._file is not None:
            self._file.execute(
                "INSERT INTO keys VALUES (?, ?)", (algorithm, key.as_pem(private=True).decode())
            )
            self._file.commit()
        return key


def tba_base_string(method: str, url: str, query: str, oauth: Mapping[str, str]) -> str:
    """What is signed: the method, the address as sent, all parameters but realm and signature (N 1.4)."""
    pairs: Iterable[tuple[str, str]] = [
        *parse_qsl(query, keep_blank_values=True),
        *((name, value) for name, value in oauth.items() if name not in {"realm", "oauth_signature"}),
    ]
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in pairs)
    parameters = "&".join(f"{name}={value}" for name, value in encoded)
    return "&".join((method.upper(), _encoded(url), _encoded(parameters)))


def tba_signature(
    method: str, url: str, query: str, oauth: Mapping[str, str], consumer_secret: str, token_secret: str
) -> str:
    """The HMAC-SHA256 signature of a request under token-based authentication."""
    key = f"{_encoded(consumer_secret)}&{_encoded(token_secret)}"
    text = tba_base_string(method, url, query, oauth)
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256)).decode()


def _encoded(text: str) -> str:
    return quote(text, safe="-._~")


def _scopes(value: object) -> set[str]:
    """Scopes as text, text with commas, or list: all three occur (N 1.3)."""
    if isinstance(value, str):
        return {part for part in re.split(r"[,\s]+", value) if part}
    return {str(one) for one in cast("list[object]", value)} if isinstance(value, list) else set()


def _json_part(assertion: str, index: int) -> dict[str, Any]:

    part = assertion.split(".")[index]
    value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(value, dict):
        raise ValueError("a JWT consists of objects")
    return cast("dict[str, Any]", value)
