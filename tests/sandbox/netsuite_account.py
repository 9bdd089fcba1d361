"""An account in memory for tests of the simulated NetSuite, and a caller that is let in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tiktok_ns_pipeline.sandbox.books import Books
from tiktok_ns_pipeline.sandbox.faults import FaultPlan
from tiktok_ns_pipeline.sandbox.netsuite_server import NetSuiteServer
from tiktok_ns_pipeline.sandbox.transport import InProcessTransport
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock

HOST = "1234567-sb1.sandbox"
TOKEN_URL = f"https://{HOST}/services/rest/auth/oauth2/v1/token"
RECORDS = "/services/rest/record/v1"
START = datetime(2026, 6, 1, 19, 0, tzinfo=UTC)  # noon in Los Angeles
DATA = Path(__file__).parent.parent / "data" / "netsuite"

Json = dict[str, Any]


def account(directory: Path | None = None, **options: Any) -> Books:
    """Books on a clock that only tests move."""
    return Books(directory, options.pop("clock", VirtualClock(START)), **options)


def customer(books: Books, subsidiary: str = "1", **fields: Any) -> str:
    """A marketplace customer; its id."""
    body = {"companyName": f"TikTok Shop {subsidiary}", "subsidiary": {"id": subsidiary}, **fields}
    return books.create("customer", body).id


def line(item: str = "301", quantity: object = 1, rate: object = "10.00", **fields: Any) -> Json:
    """A line of a sales order at a custom price."""
    body: Json = {
        "item": {"id": item},
        "quantity": None if quantity is None else Decimal(str(quantity)),
        "price": {"id": "-1"},
        "rate": None if rate is None else Decimal(str(rate)),
        "location": {"id": "6"},
        **fields,
    }
    return {name: value for name, value in body.items() if value is not None}


def order_body(customer_id: str, *lines: Json, **fields: Any) -> Json:
    """A sales order that may be fulfilled."""
    return {
        "entity": {"id": customer_id},
        "orderStatus": {"id": "B"},
        "item": {"items": list(lines) or [line()]},
        **fields,
    }


def order(books: Books, *lines: Json, **fields: Any) -> str:
    """A sales order of a new or given customer; its id."""
    customer_id = fields.pop("customer_id", None) or customer(books, companyName=f"Customer {uuid.uuid4()}")
    return books.create("salesOrder", order_body(customer_id, *lines, **fields)).id


def fields_of(books: Books, type_name: str, identifier: str) -> Json:
    """A record in plain form: references and codes are ids."""
    return books.live(books.record(type_name, identifier)).fields


def select(books: Books, query: str, *params: Any) -> list[dict[str, str]]:
    """Rows of a SuiteQL query."""
    return books.query(query, params).as_dicts()


def assertion(books: Books, algorithm: str = "ES256", *, header: Json | None = None, **claims: Any) -> str:
    """A client assertion as a caller signs it; `claims` and `header` change what is usual."""
    pem = books.auth.client_private_key_pem(algorithm)  # pyright: ignore[reportArgumentType]
    key = ECKey.import_key(pem) if algorithm == "ES256" else RSAKey.import_key(pem)
    now = int(books.clock.now().timestamp())
    usual: Json = {
        "iss": "sandbox-client-id",
        "scope": ["rest_webservices"],
        "aud": TOKEN_URL,
        "iat": now,
        "exp": now + 3_600,
    }
    kid = {"ES256": "sandbox-cert-es256", "PS256": "sandbox-cert-ps256"}[algorithm]
    head = {"alg": algorithm, "kid": kid, "typ": "JWT", **(header or {})}
    return jwt.encode(head, usual | claims, key, algorithms=[algorithm])


class Caller:
    """Calls the server in this process, with a bearer token unless told otherwise."""

    def __init__(self, books: Books, faults: FaultPlan | None = None) -> None:
        self.books = books
        self.faults = faults or FaultPlan()
        self.server = NetSuiteServer(books, self.faults, books.clock)
        self.headers: dict[str, str] = {}

    def log_in(self) -> Caller:
        """Trade an assertion for a bearer token."""
        answer = self.token(assertion(self.books))
        self.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return self

    def token(self, signed_assertion: str, **form: str) -> httpx.Response:
        """Ask the token endpoint."""
        usual = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signed_assertion,
        }
        return asyncio.run(self._send("POST", TOKEN_URL, {}, data=usual | form))

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One request."""
        return asyncio.run(self.send(method, path, body, headers))

    async def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One request, from inside a loop."""
        content = None if body is None else json.dumps(body, default=float)
        return await self._send(method, f"https://{HOST}{path}", dict(headers or {}), content=content)

    def raw(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """One request with a body as it is."""
        return asyncio.run(self._send(method, f"https://{HOST}{path}", headers, content=content))

    def get(self, path: str) -> httpx.Response:
        """Read below the record service."""
        return self.call("GET", RECORDS + path)

    def suiteql(self, query: str, *params: Any, page: str = "", **headers: str) -> httpx.Response:
        """Run a query; `page` is the query string."""
        path = f"/services/rest/query/v1/suiteql{page}"
        return self.call(
            "POST", path, {"q": query, "params": list(params)}, {"Prefer": "transient", **headers}
        )

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], **content: Any
    ) -> httpx.Response:
        # Never closed: a server goes on working when its caller has given up.
        client = httpx.AsyncClient(transport=InProcessTransport({HOST: self.server}), timeout=None)
        return await client.request(method, url, headers={**self.headers, **headers}, **content)


def error_of(answer: httpx.Response) -> Json:
    """The one error detail of an answer."""
    [detail] = answer.json()["o:errorDetails"]
    return detail


def signed(method: str, path: str, now: datetime, **changed: str) -> str:
    """A TBA header written from the description of the scheme alone (N 1.4), not with the verifier's code."""
    oauth = {
        "oauth_consumer_key": "ck_sandbox",
        "oauth_token": "tk_sandbox",
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(int(now.timestamp())),
        "oauth_nonce": uuid.uuid4().hex,
        "oauth_version": "1.0",
    }
    oauth |= {name: value for name, value in changed.items() if name.startswith("oauth_")}
    bare, _, query = path.partition("?")
    pairs = [(quote(k, "~"), quote(v, "~")) for k, v in [*parse_qsl(query, True), *oauth.items()]]
    joined = "&".join(f"{k}={v}" for k, v in sorted(pairs))
    base = "&".join((method, quote(f"https://{HOST}{bare}", "~"), quote(joined, "~")))
    key = f"{quote(changed.get('consumer_secret', 'cs_sandbox'), '~')}&ts_sandbox"
    signature = base64.b64encode(hmac.digest(key.encode(), base.encode(), hashlib.sha256)).decode()
    parts = {"realm": changed.get("realm", "1234567_SB1"), **oauth, "oauth_signature": signature}
    return "OAuth " + ", ".join(f'{k}="{quote(v, "~")}"' for k, v in parts.items())
