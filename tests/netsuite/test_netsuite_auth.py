"""Both logins, against vectors that others computed, and the rules about when to log in."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, Client

from tests.netsuite.scripted_server import (
    BASE_URL,
    Answer,
    Request,
    ScriptedServer,
    StoppedClock,
    sample,
    tba,
)
from tiktok_ns_pipeline.netsuite import (
    NetSuiteAuthenticationError,
    NetSuiteThrottled,
    NetSuiteTransient,
    OAuth2ClientCredentials,
    TokenBasedAuthentication,
    account_base_url,
)
from tiktok_ns_pipeline.netsuite.auth import base_string
from tiktok_ns_pipeline.tokens import MemoryTokenStore

TBA = sample("auth.tba-vectors.json")
ASSERTIONS = sample("auth.jwt-assertions.json")
TOKEN_URL = BASE_URL + "/services/rest/auth/oauth2/v1/token"


def test_account_id_becomes_a_host_name() -> None:
    assert account_base_url("1234567_SB1") == "https://1234567-sb1.suitetalk.api.netsuite.com"
    assert account_base_url("TSTDRV1234567") == "https://tstdrv1234567.suitetalk.api.netsuite.com"


# OAuth 1.0a


def oauth_parameters(vector: dict[str, str], consumer_key: str, token_id: str) -> dict[str, str]:
    return {
        "oauth_consumer_key": consumer_key,
        "oauth_token": token_id,
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": vector["oauth_timestamp"],
        "oauth_nonce": vector["oauth_nonce"],
        "oauth_version": "1.0",
    }


@pytest.mark.parametrize("vector", TBA["vectors"], ids=lambda vector: vector["note"])
def test_request_is_signed_as_in_the_vector(vector: dict[str, str]) -> None:
    keys = TBA["meta"]["credentials"]
    signer = TokenBasedAuthentication(
        keys["account"],
        keys["consumer_key"],
        keys["consumer_secret"],
        keys["token_id"],
        keys["token_secret"],
        clock=StoppedClock(),
    )
    at = datetime.fromtimestamp(int(vector["oauth_timestamp"]), UTC)
    oauth = oauth_parameters(vector, keys["consumer_key"], keys["token_id"])
    assert base_string(vector["method"], vector["url"], oauth) == vector["base_string"]
    header = signer.authorization(vector["method"], vector["url"], vector["oauth_nonce"], at)
    assert header == vector["authorization"]


@pytest.mark.parametrize(
    "vector",
    [each for each in TBA["vectors"] if "variant_with_oauth_body_hash" in each],
    ids=lambda v: v["note"],
)
def test_base_string_takes_further_oauth_parameters_of_other_clients(vector: dict[str, Any]) -> None:
    keys, variant = TBA["meta"]["credentials"], vector["variant_with_oauth_body_hash"]
    oauth = oauth_parameters(vector, keys["consumer_key"], keys["token_id"])
    oauth["oauth_body_hash"] = variant["oauth_body_hash"]
    assert base_string(vector["method"], vector["url"], oauth) == variant["base_string"]


def test_request_is_signed_as_oracle_published_it() -> None:
    vector = TBA["oracle_public_vector"]
    signer = TokenBasedAuthentication(
        "123456",
        vector["consumer_key"],
        vector["consumer_secret"],
        vector["token_id"],
        vector["token_secret"],
        clock=StoppedClock(),
    )
    oauth = oauth_parameters(vector, vector["consumer_key"], vector["token_id"])
    assert base_string(vector["method"], vector["url"], oauth) == vector["base_string"]
    at = datetime.fromtimestamp(int(vector["oauth_timestamp"]), UTC)
    header = signer.authorization(vector["method"], vector["url"], vector["oauth_nonce"], at)
    assert "B5OIWznZ2YP0OB7VrJrGkYsTh%2B8H%2B5T9Hag%2Bo92q0zY%3D" in header


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30),
    segment=st.text(st.sampled_from("abcXYZ019-._~!:"), min_size=1, max_size=20),
    value=st.text(st.sampled_from("aZ0 \"+&=%/~'é"), max_size=20),
)
def test_signature_agrees_with_oauthlib(secret: str, segment: str, value: str) -> None:
    url = str(httpx.URL(f"{BASE_URL}/services/rest/record/v1/x/{segment}", params={"q": value}))
    url = url.replace("+", "%20")
    other = Client(
        "ck",
        client_secret=secret,
        resource_owner_key="tk",
        resource_owner_secret="ts",
        signature_method=SIGNATURE_HMAC_SHA256,
        nonce="n0nce000000000000000",
        timestamp="1767225600",
    )
    _, headers, _ = other.sign(url, "GET")
    ours = TokenBasedAuthentication("1234567_SB1", "ck", secret, "tk", "ts", clock=StoppedClock())
    at = datetime.fromtimestamp(1767225600, UTC)
    header = ours.authorization("GET", url, "n0nce000000000000000", at)
    assert (
        header.rpartition("oauth_signature=")[2] == headers["Authorization"].rpartition("oauth_signature=")[2]
    )


def test_every_request_has_its_own_nonce_and_nothing_shows_a_secret() -> None:
    signer = TokenBasedAuthentication(
        "1", "ck", "consumer-secret", "tk", "token-secret", clock=StoppedClock()
    )
    first = asyncio.run(signer.headers("GET", BASE_URL + "/x"))
    second = asyncio.run(signer.headers("GET", BASE_URL + "/x"))
    assert first != second
    assert "secret" not in repr(signer) + repr(first)


def test_refused_signature_is_not_tried_again() -> None:
    assert asyncio.run(tba().renew({})) is False


# OAuth 2.0


def pem_of(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


EC_KEY = pem_of(ec.generate_private_key(ec.SECP256R1()))
RSA_KEY = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=3072))


def login_to(server: ScriptedServer, **options: Any) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(
        account_id="1234567_SB1",
        base_url=BASE_URL,
        client_id="made-up-client-id-0001",
        certificate_id=options.pop("certificate_id", "made-up-certificate-id-ES256"),
        private_key_pem=options.pop("private_key_pem", EC_KEY),
        store=options.pop("store", None) or MemoryTokenStore(),
        http=httpx.AsyncClient(transport=httpx.ASGITransport(server)),
        clock=options.pop("clock", None) or StoppedClock(),
        **options,
    )


class TokenEndpoint(ScriptedServer):
    """Gives tokens T1, T2, ..."""

    def __init__(self, **body: Any) -> None:
        def script(request: Request) -> Answer:
            token = {"access_token": f"T{len(self.requests)}", "expires_in": "3600", "token_type": "Bearer"}
            return Answer(200, {**token, **body})

        super().__init__(script)


def bearer(login: OAuth2ClientCredentials) -> str:
    return asyncio.run(login.headers("GET", BASE_URL))["Authorization"]


@pytest.mark.parametrize("vector", ASSERTIONS["assertions"], ids=lambda vector: vector["alg"])
def test_recorded_assertion_verifies_with_its_public_key(vector: dict[str, Any]) -> None:
    kind = ECKey if vector["alg"] == "ES256" else RSAKey
    key = kind.import_key(vector["public_key_pem"])
    token = jwt.decode(vector["client_assertion"], key, algorithms=[vector["alg"]])
    assert token.claims == vector["payload"]
    assert parse_qs(vector["form_body"])["client_assertion"] == [vector["client_assertion"]]


@pytest.mark.parametrize("vector", ASSERTIONS["assertions"], ids=lambda vector: vector["alg"])
def test_our_assertion_says_what_the_recorded_one_says(vector: dict[str, Any]) -> None:
    pem, kind = (EC_KEY, ECKey) if vector["alg"] == "ES256" else (RSA_KEY, RSAKey)
    login = login_to(
        TokenEndpoint(),
        private_key_pem=pem,
        algorithm=vector["alg"],
        certificate_id=vector["header"]["kid"],
    )
    issued_at = datetime.fromtimestamp(vector["payload"]["iat"], UTC)
    assertion = login.assertion(issued_at, vector["payload"]["jti"], timedelta(minutes=60))
    token = jwt.decode(assertion, kind.import_key(pem), algorithms=[vector["alg"]])
    assert token.header == vector["header"]
    assert token.claims == vector["payload"]
    payload = assertion.split(".")[1]
    assert payload == vector["client_assertion"].split(".")[1], "the claims agree to the byte"


def test_login_posts_the_form_that_netsuite_documents() -> None:
    server = TokenEndpoint()
    assert bearer(login_to(server)) == "Bearer T1"
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/services/rest/auth/oauth2/v1/token")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    form = parse_qs(request.body.decode())
    recorded = parse_qs(ASSERTIONS["assertions"][0]["form_body"])
    assert form.keys() == recorded.keys()
    assert form["grant_type"] == recorded["grant_type"]
    assert form["client_assertion_type"] == recorded["client_assertion_type"]
    claims = json.loads(base64.urlsafe_b64decode(form["client_assertion"][0].split(".")[1] + "=="))
    assert claims["aud"] == TOKEN_URL
    assert 0 < claims["exp"] - claims["iat"] <= 3600


@pytest.mark.parametrize("expires_in", [3600, "3600", "3600.0"])
@pytest.mark.parametrize("token_type", ["Bearer", "bearer"])
def test_token_answer_is_read_leniently(expires_in: Any, token_type: str) -> None:
    store, clock = MemoryTokenStore(), StoppedClock()
    server = TokenEndpoint(expires_in=expires_in, token_type=token_type)
    bearer(login_to(server, store=store, clock=clock))
    tokens = store.load("netsuite:1234567_SB1")
    assert tokens is not None and tokens.access_expires_at == clock.now() + timedelta(hours=1)


def test_token_is_kept_until_five_minutes_before_its_end() -> None:
    server, clock = TokenEndpoint(), StoppedClock()
    login = login_to(server, clock=clock)
    assert bearer(login) == "Bearer T1"
    clock.pass_(timedelta(minutes=54, seconds=59))
    assert bearer(login) == "Bearer T1"
    clock.pass_(timedelta(seconds=1))
    assert bearer(login) == "Bearer T2"


def test_processes_share_one_login_through_the_store() -> None:
    server, store = TokenEndpoint(), MemoryTokenStore()
    assert [bearer(login_to(server, store=store)) for _ in range(3)] == ["Bearer T1"] * 3
    assert len(server.requests) == 1


def test_process_waits_while_another_logs_in_and_takes_its_token() -> None:
    store = MemoryTokenStore()
    slow = ScriptedServer([Answer(200, {"access_token": "T1", "expires_in": 3600}, after_s=0.3)])

    async def both() -> list[dict[str, str]]:
        logins = [login_to(slow, store=store) for _ in range(2)]
        return await asyncio.gather(*(login.headers("GET", BASE_URL) for login in logins))

    assert asyncio.run(both()) == [{"Authorization": "Bearer T1"}] * 2
    assert len(slow.requests) == 1


def test_many_refused_requests_renew_the_login_once() -> None:
    server = TokenEndpoint()
    login = login_to(server)

    async def burst() -> set[str]:
        refused = await login.headers("GET", BASE_URL)
        await asyncio.gather(*(login.renew(refused) for _ in range(5)))
        return {(await login.headers("GET", BASE_URL))["Authorization"] for _ in range(5)}

    assert asyncio.run(burst()) == {"Bearer T2"}
    assert len(server.requests) == 2


def test_renewal_takes_the_token_that_another_process_got_meanwhile() -> None:
    server, store = TokenEndpoint(), MemoryTokenStore()
    ours, theirs = login_to(server, store=store), login_to(server, store=store)

    async def story() -> str:
        refused = await ours.headers("GET", BASE_URL)
        await theirs.renew(refused)
        await ours.renew(refused)
        return (await ours.headers("GET", BASE_URL))["Authorization"]

    assert asyncio.run(story()) == "Bearer T2"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_request"), (400, "invalid_grant"), (401, "invalid_client"), (400, "invalid_scope")],
)
def test_refused_login_is_named_and_not_repeated_by_those_who_waited(status: int, code: str) -> None:
    server = ScriptedServer([Answer(status, {"error": code})])
    clock = StoppedClock()
    login = login_to(server, clock=clock)

    async def burst() -> list[Any]:
        return await asyncio.gather(
            *(login.headers("GET", BASE_URL) for _ in range(5)), return_exceptions=True
        )

    errors = asyncio.run(burst())
    assert all(isinstance(error, NetSuiteAuthenticationError) for error in errors)
    assert code in str(errors[0])
    assert len(server.requests) == 1
    clock.pass_(timedelta(minutes=2))
    with pytest.raises(NetSuiteAuthenticationError):
        bearer(login)
    assert len(server.requests) == 2, "a later attempt is allowed"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(503, b"<html>maintenance</html>"), NetSuiteTransient),
        (Answer(200, b"<html>hello</html>"), NetSuiteTransient),
        (Answer(500, {"error": "server_error"}), NetSuiteTransient),
        (Answer(429, {"error": "too_many"}), NetSuiteThrottled),
        (Answer(200, {"token_type": "Bearer"}), NetSuiteAuthenticationError),
        (Answer(200, {"access_token": "x", "token_type": "mac"}), NetSuiteAuthenticationError),
    ],
)
def test_token_endpoint_trouble_is_told_apart(answer: Answer, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        bearer(login_to(ScriptedServer([answer])))


def test_lock_is_given_back_after_a_failed_login() -> None:
    store = MemoryTokenStore()
    with pytest.raises(NetSuiteTransient):
        bearer(login_to(ScriptedServer([Answer(503)]), store=store))
    assert bearer(login_to(TokenEndpoint(), store=store)) == "Bearer T1"


@pytest.mark.parametrize(
    ("pem", "algorithm"),
    [("rubbish-secret", "ES256"), (RSA_KEY, "ES256"), (EC_KEY, "PS256"), (EC_KEY, "ES384")],
)
def test_key_that_does_not_fit_is_refused_without_being_shown(pem: str, algorithm: Any) -> None:
    with pytest.raises(ValueError, match=f"private key is no PEM key for {algorithm}") as caught:
        login_to(TokenEndpoint(), private_key_pem=pem, algorithm=algorithm)
    assert pem[-60:] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_login_shows_no_secret() -> None:
    login = login_to(TokenEndpoint())
    bearer(login)
    assert "PRIVATE" not in repr(login)
    assert "T1" not in repr(login)
