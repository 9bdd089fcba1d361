"""The sandbox's NetSuite on a real port, and two clients for it of which no line is ours.

Signing, logging in and renewing are left to oauthlib and authlib alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, RSAKey
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256
from oauthlib.oauth1 import Client as SigningClient

from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.faults import FaultPlan
from tiktok_ns_pipeline.sandbox.serve import SandboxOptions, running_sandbox


@dataclass(frozen=True)
class LoopbackNetSuite:
    """An account at its address; the test may reach behind it to make records and inject faults."""

    url: str
    books: Books
    faults: FaultPlan


@contextmanager
def netsuite_on_loopback(*, slots: int = 5, save_s: float = 0.0) -> Iterator[LoopbackNetSuite]:
    """A sandbox with a new account, served until the block ends."""
    options = SandboxOptions(netsuite_slots=slots, netsuite_save_s=save_s, hang_s=3.0)
    with running_sandbox(options) as running:
        yield LoopbackNetSuite(running.urls.netsuite, running.sandbox.books, running.sandbox.faults)


class ForeignClient(Protocol):
    """What the contract needs of a client."""

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response: ...


class OauthlibClient:
    """Token-based authentication signed by oauthlib, which adds oauth_body_hash to JSON bodies."""

    def __init__(self, server: LoopbackNetSuite, **wrong: str) -> None:
        self._url = server.url
        self._http = httpx.Client()
        self._signer = SigningClient(
            "ck_sandbox",
            client_secret=wrong.get("client_secret", "cs_sandbox"),
            resource_owner_key="tk_sandbox",
            resource_owner_secret="ts_sandbox",
            realm="1234567_SB1",
            signature_method=SIGNATURE_HMAC_SHA256,
        )

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        own = dict(headers or {}) | ({"Content-Type": "application/json"} if content else {})
        url, signed, content = self._signer.sign(self._url + path, method, content, own)
        return self._http.request(method, url, content=content, headers=signed)


class AuthlibClient:
    """OAuth 2.0 client credentials with a signed assertion, all by authlib's httpx client."""

    def __init__(self, server: LoopbackNetSuite, algorithm: str, scope: Any = "rest_webservices") -> None:
        self._url = server.url
        pem = server.books.auth.client_private_key_pem(algorithm)
        key = ECKey.import_key(pem) if algorithm.startswith("ES") else RSAKey.import_key(pem)
        self.http = OAuth2Client("sandbox-client-id", key, token_endpoint_auth_method="private_key_jwt")
        token_url = server.url + "/services/rest/auth/oauth2/v1/token"
        header = {"typ": "JWT", "kid": f"sandbox-cert-{algorithm.lower()}"}
        login = PrivateKeyJWT(token_url, claims={"scope": scope}, headers=header, alg=algorithm)
        self.http.register_client_auth_method(login)
        self.http.fetch_token(token_url, grant_type="client_credentials")

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return self.http.request(method, self._url + path, json=body, headers=dict(headers or {}))
