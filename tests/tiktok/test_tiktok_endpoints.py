"""The table of endpoints against the operations of a published client (T 1.4, 9.2)."""

import re
from pathlib import Path

import pytest
from tiktok_shop_api.generated._meta import OPERATIONS

from tiktok_ns_pipeline.tiktok.endpoints import ENDPOINTS, Endpoint

_PUBLISHED = {(op["method"].upper(), op["path"]): op["requiresShopCipher"] for op in OPERATIONS}
_REFERENCE_ONLY = {
    "mark_as_shipped": "202610",
    "update_package_shipping_info": "202610",
    "reject_return": "202606",
}
"""The reference knows them as 202309, the published client by this month and with another body: no
version is known to both, so the one whose behaviour is described is called (T 4.2, 6.2). Old and new run
side by side (T 1.6)."""
_OLDER = {name: name.removeprefix("old_") for name in ENDPOINTS if name.startswith("old_")}
"""Calls for shops that are not answered in the newer version, by the newer call (T 7.1)."""
_COMMON = pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in ENDPOINTS.values() if endpoint.name not in {*_REFERENCE_ONLY, *_OLDER}],
    ids=lambda endpoint: endpoint.name,
)


def _month(path: str) -> str:
    found = re.search(r"/(20\d{4})/", path)
    assert found
    return found[1]


@_COMMON
def test_the_published_client_knows_the_same_version(endpoint: Endpoint) -> None:
    assert (endpoint.method, endpoint.path_template) in _PUBLISHED


@_COMMON
def test_the_published_client_knows_no_newer_version(endpoint: Endpoint) -> None:
    month = _month(endpoint.path_template)
    same = [path for _, path in _PUBLISHED if path.replace(_month(path), month) == endpoint.path_template]
    assert max(map(_month, same)) == month


@_COMMON
def test_the_shop_cipher_goes_where_the_published_client_sends_it(endpoint: Endpoint) -> None:
    assert _PUBLISHED[endpoint.method, endpoint.path_template] is endpoint.needs_shop_cipher


@pytest.mark.parametrize(("name", "month"), _REFERENCE_ONLY.items())
def test_without_a_common_version_the_published_client_knows_a_newer_one(name: str, month: str) -> None:
    endpoint = ENDPOINTS[name]
    assert (endpoint.method, endpoint.path_template) not in _PUBLISHED
    newer = endpoint.path_template.replace("202309", month)
    assert _PUBLISHED[endpoint.method, newer] is endpoint.needs_shop_cipher


@pytest.mark.parametrize(("name", "newer"), _OLDER.items())
def test_an_older_version_is_kept_only_of_a_call_that_has_a_newer_one(name: str, newer: str) -> None:
    old, new = ENDPOINTS[name], ENDPOINTS[newer]
    month = _month(old.path_template)
    assert month < _month(new.path_template)
    assert new.path_template.replace(_month(new.path_template), month) == old.path_template
    assert (old.method, old.effect, old.needs_shop_cipher, old.scope) == (
        new.method,
        new.effect,
        new.needs_shop_cipher,
        new.scope,
    )


@pytest.mark.parametrize("scope", sorted({row.scope for row in ENDPOINTS.values() if row.scope}))
def test_the_readme_asks_for_every_scope_that_a_call_needs(scope: str) -> None:
    assert f"`{scope}`" in (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("value", ["", "../shops", "1/2", "1?x=1", "a b", "5" * 65, "５"])
def test_what_is_no_id_never_becomes_part_of_a_path(value: str) -> None:
    with pytest.raises(ValueError, match="order_id of price_detail"):
        ENDPOINTS["price_detail"].path(order_id=value)
