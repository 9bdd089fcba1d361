import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.sandbox.netsuite_account import (
    DATA,
    RECORDS,
    START,
    Caller,
    account,
    assertion,
    error_of,
    signed,
)
from tiktok_ns_pipeline.sandbox.netsuite_auth import tba_base_string, tba_signature
from tiktok_ns_pipeline.sandbox.virtual_time import VirtualClock

BEARER_REFUSED = (
    'Bearer realm="1234567_SB1", error="invalid_token", error_description="Invalid login attempt."'
)
VECTORS = json.loads((DATA / "auth.tba-vectors.json").read_text())


def caller() -> Caller:
    return Caller(account())


def advance(who: Caller, seconds: float) -> None:
    clock: Any = who.books.clock
    clock.advance(seconds)


def reasons(who: Caller) -> list[str]:
    return [one.reason for one in who.books.auth.audit]


class TestClientCredentials:
    @pytest.mark.parametrize("scope", ["rest_webservices", "restlets,rest_webservices", ["rest_webservices"]])
    @pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
    def test_a_signed_assertion_buys_an_hour(self, algorithm: str, scope: Any) -> None:
        who = caller()
        answer = who.token(assertion(who.books, algorithm, scope=scope))
        body = answer.json()
        assert (answer.status_code, body["expires_in"], body["token_type"]) == (200, "3600", "Bearer")
        who.headers["Authorization"] = f"Bearer {body['access_token']}"
        advance(who, 3_599)
        assert who.get("/customer").status_code == 200
        advance(who, 1)
        late = who.get("/customer")
        assert (late.status_code, error_of(late)["o:errorCode"]) == (401, "INVALID_LOGIN")
        assert late.headers["www-authenticate"] == BEARER_REFUSED

    @pytest.mark.parametrize(
        ("changed", "status", "error"),
        [
            ({"iss": "somebody"}, 401, "invalid_client"),
            ({"aud": "https://1234567-sb1.sandbox"}, 400, "invalid_request"),
            ({"exp": int(START.timestamp()) - 1}, 400, "invalid_request"),
            ({"exp": int(START.timestamp()) + 3_601}, 400, "invalid_request"),
            ({"iat": None}, 400, "invalid_request"),
            ({"scope": "everything"}, 400, "invalid_scope"),
            ({"scope": ["restlets"]}, 400, "invalid_scope"),
            ({"header": {"kid": "unknown"}}, 400, "invalid_grant"),
            ({"header": {"kid": "sandbox-cert-ps256"}}, 400, "invalid_grant"),
        ],
    )
    def test_a_wrong_assertion_is_refused(self, changed: dict[str, Any], status: int, error: str) -> None:
        who = caller()
        answer = who.token(assertion(who.books, **changed))
        assert (answer.status_code, answer.json()) == (status, {"error": error})
        if status == 401:
            assert answer.headers["www-authenticate"] == 'Basic realm="1234567_SB1"'

    def test_a_foreign_signature_and_nonsense_are_refused(self) -> None:
        who = caller()
        foreign = assertion(account())
        for given in (foreign, "nonsense", "a.b.c", foreign.rpartition(".")[0] + "."):
            assert who.token(given).status_code == 400

    @pytest.mark.parametrize(
        ("form", "error"),
        [
            ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
            ({"client_assertion_type": "x"}, "invalid_request"),
            ({"client_assertion": ""}, "invalid_request"),
        ],
    )
    def test_a_wrong_form_is_refused(self, form: dict[str, str], error: str) -> None:
        who = caller()
        assert who.token(assertion(who.books), **form).json() == {"error": error}

    def test_five_bad_assertions_lock_the_client_for_half_an_hour(self) -> None:
        who = caller()
        for _ in range(5):
            who.token(assertion(who.books, aud="x"))
        assert who.token(assertion(who.books)).json() == {"error": "invalid_grant"}
        assert reasons(who)[-1] == "temporary_locked"
        advance(who, 1_801)
        assert who.token(assertion(who.books)).status_code == 200

    def test_a_good_login_forgets_the_bad_ones(self) -> None:
        who = caller()
        for _ in range(3):
            for _ in range(4):
                who.token(assertion(who.books, aud="x"))
            assert who.token(assertion(who.books)).status_code == 200

    @pytest.mark.parametrize(
        "sample", json.loads((DATA / "auth.jwt-assertions.json").read_text())["assertions"]
    )
    def test_the_written_assertions_verify_with_what_the_server_verifies_with(self, sample: Any) -> None:
        kind = ECKey if sample["alg"] == "ES256" else RSAKey
        key = kind.import_key(sample["public_key_pem"])
        token = jwt.decode(sample["client_assertion"], key, algorithms=[sample["alg"]])
        assert token.claims == sample["payload"]


class TestBearer:
    def test_an_unknown_token_is_401_and_a_malformed_header_400(self) -> None:
        who = caller()
        for header, status, error in (
            ("Bearer x", 401, "invalid_token"),
            ("Bearer ", 400, "invalid_request"),
            ("Bearer a b", 400, "invalid_request"),
        ):
            answer = who.call("GET", f"{RECORDS}/customer", headers={"Authorization": header})
            assert answer.status_code == status
            assert f'error="{error}"' in answer.headers["www-authenticate"]

    @pytest.mark.parametrize("header", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "NLAuth x"}])
    def test_no_or_another_scheme_is_401(self, header: dict[str, str]) -> None:
        assert caller().call("GET", f"{RECORDS}/customer", headers=header).status_code == 401


class TestTokenBasedAuthentication:
    @staticmethod
    def get(who: Caller, path: str = f"{RECORDS}/customer", **changed: str) -> Any:
        now = who.books.clock.now()
        return who.call("GET", path, headers={"Authorization": signed("GET", path, now, **changed)})

    @pytest.mark.parametrize(
        "path",
        [
            f"{RECORDS}/customer?limit=5&offset=0&q=externalId%20START_WITH%20%22tts%22",
            f"{RECORDS}/customer/eid:a",
            f"{RECORDS}/customer/eid%3Aa",
        ],
    )
    def test_the_path_is_signed_as_sent_with_its_query(self, path: str) -> None:
        assert self.get(caller(), path).status_code in {200, 404}

    def test_every_oauth_parameter_takes_part(self) -> None:
        assert self.get(caller(), oauth_body_hash="2jmj7l5rSw0yVb/vlWAYkK/YBwk=").status_code == 200

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"consumer_secret": "wrong"}, "InvalidSignature"),
            ({"oauth_consumer_key": "other"}, "consumer_key_unknown"),
            ({"oauth_signature_method": "HMAC-SHA1"}, "UnknownAlgorithm"),
            ({"oauth_version": "2.0"}, "VersionRejected"),
            ({"oauth_timestamp": str(int(START.timestamp()) - 301)}, "InvalidTimestamp"),
            ({"oauth_timestamp": str(int(START.timestamp()) + 301)}, "InvalidTimestamp"),
            ({"oauth_timestamp": "soon"}, "InvalidTimestamp"),
            ({"oauth_nonce": "short"}, "InvalidNonce"),
            ({"oauth_nonce": "n" * 65}, "InvalidNonce"),
            ({"realm": "1234567-sb1"}, "MissingTokenPassportRequiredFields"),
            ({"oauth_nonce": ""}, "MissingTokenPassportRequiredFields"),
        ],
    )
    def test_a_refusal_tells_the_reason_to_the_audit_trail_only(
        self, changed: dict[str, str], reason: str
    ) -> None:
        who = caller()
        answer = self.get(who, **changed)
        assert (answer.status_code, error_of(answer)["o:errorCode"]) == (401, "INVALID_LOGIN")
        assert answer.headers["www-authenticate"].startswith(
            'OAuth realm="1234567_SB1", error="token_rejected"'
        )
        assert reason not in answer.text
        assert reasons(who) == [reason]

    def test_a_nonce_is_good_once(self) -> None:
        who = caller()
        assert self.get(who, oauth_nonce="nonce-1").status_code == 200
        assert self.get(who, oauth_nonce="nonce-1").status_code == 401
        assert reasons(who) == ["NonceUsed"]

    def test_five_failures_lock_the_token_for_half_an_hour(self) -> None:
        who = caller()
        for _ in range(5):
            self.get(who, consumer_secret="wrong")
        assert self.get(who).status_code == 401
        assert reasons(who)[-1] == "temporary_locked"
        advance(who, 1_801)
        assert self.get(who).status_code == 200

    @pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["note"][:40])
    def test_the_written_vectors_verify(self, vector: Any) -> None:
        keys = VECTORS["meta"]["credentials"]
        self.check(
            vector, keys, {"oauth_consumer_key": keys["consumer_key"], "oauth_token": keys["token_id"]}
        )
        variant = vector.get("variant_with_oauth_body_hash")
        if variant:
            hashed = {**vector, **variant}
            extra = {"oauth_body_hash": variant["oauth_body_hash"]}
            self.check(
                hashed,
                keys,
                {"oauth_consumer_key": keys["consumer_key"], "oauth_token": keys["token_id"], **extra},
            )

    def test_the_published_vector_verifies(self) -> None:
        vector = VECTORS["oracle_public_vector"]
        self.check(
            vector, vector, {"oauth_consumer_key": vector["consumer_key"], "oauth_token": vector["token_id"]}
        )

    @staticmethod
    def check(vector: Any, keys: Any, oauth: dict[str, str]) -> None:
        oauth = {
            **oauth,
            "realm": "1234567_SB1",
            "oauth_nonce": vector["oauth_nonce"],
            "oauth_timestamp": vector["oauth_timestamp"],
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_version": "1.0",
        }
        parts = urlsplit(vector["url"])
        url = f"{parts.scheme}://{parts.netloc}{parts.path}"
        assert tba_base_string(vector["method"], url, parts.query, oauth) == vector["base_string"]
        signature = tba_signature(
            vector["method"], url, parts.query, oauth, keys["consumer_secret"], keys["token_secret"]
        )
        assert signature == vector["signature"]

    def test_a_whole_header_of_another_signer_is_let_in_at_its_time(self) -> None:
        """The account's own credentials differ from the vectors', so this one is refused by name only."""
        vector = VECTORS["vectors"][0]
        who = Caller(account(clock=VirtualClock(datetime.fromtimestamp(int(vector["oauth_timestamp"]), UTC))))
        path = urlsplit(vector["url"]).path
        who.call(vector["method"], path, headers={"Authorization": vector["authorization"]})
        assert reasons(who) == ["consumer_key_unknown"]
