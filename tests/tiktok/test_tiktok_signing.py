"""Signatures of requests and webhooks (T 2.1, 2.2, 8.2)."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiktok_shop_api.signing import Signer
from tiktok_shop_api.webhooks import Webhooks

from tests.tiktok.samples import sample
from tiktok_ns_pipeline.tiktok.signing import sign
from tiktok_ns_pipeline.tiktok.webhook_signature import is_genuine, signature

_VECTORS = sample("signing_vectors.json")
_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
_KEYS = st.text(string.ascii_lowercase + "_", min_size=1, max_size=12)


def _sign(vector: Any) -> str:
    body = vector["body"]
    return sign(
        vector["path"],
        vector["query_before_signing"],
        None if body is None else body.encode(),
        vector["content_type"],
        vector["app_secret"],
    )


@pytest.mark.parametrize("vector", _VECTORS["requests"], ids=lambda vector: vector["name"])
def test_every_request_vector_is_reproduced(vector: Any) -> None:
    assert _sign(vector) == vector["sign"]


@pytest.mark.parametrize("vector", _VECTORS["webhooks"], ids=lambda vector: vector["name"])
def test_every_webhook_vector_is_accepted_and_its_forgeries_are_not(vector: Any) -> None:
    key, secret = vector["app_key"], vector["app_secret"]
    body, header = vector["raw_body"].encode(), vector["authorization_header"]
    assert signature(key, secret, body) == header
    assert is_genuine(key, secret, body, header)
    assert not is_genuine(key, secret, body + b" ", header)
    assert not is_genuine(key, secret, body, header[:-1] + ("0" if header[-1] != "0" else "1"))
    assert not is_genuine(key, secret, body, "")
    assert not is_genuine(key, secret, body, "Schlüssel")
    assert not is_genuine(key, secret, body, "\udc80")


def test_the_body_of_an_upload_is_not_signed() -> None:
    path, query = "/product/202309/images/upload", {"app_key": "k", "timestamp": "1"}
    upload = "multipart/form-data; boundary=x"
    assert sign(path, query, b"picture", upload, "s") == sign(path, query, None, upload, "s")


@given(st.dictionaries(_KEYS, _TEXT, max_size=6), st.none() | st.binary(max_size=40), _TEXT, st.randoms())
def test_the_signature_agrees_with_an_independent_implementation_in_any_order(
    query: dict[str, str], body: bytes | None, secret: str, random: Any
) -> None:
    shuffled = list(query.items())
    random.shuffle(shuffled)
    text = None if body is None else body.hex()
    expected = Signer.sign(
        path="/order/202309/orders/search", query=shuffled, content_type=None, body=text, app_secret=secret
    )
    raw = None if text is None else text.encode()
    assert sign("/order/202309/orders/search", dict(shuffled), raw, "application/json", secret) == expected


@given(st.text(string.ascii_letters, min_size=1), st.text(string.ascii_letters, min_size=1), st.binary())
def test_webhook_verification_agrees_with_an_independent_implementation(
    key: str, secret: str, body: bytes
) -> None:
    for header in ("", "0" * 64):
        assert is_genuine(key, secret, body, header) is Webhooks.verify(
            app_key=key, app_secret=secret, raw_body=body, signature=header
        )
