"""The sandbox's NetSuite, measured by clients that we did not write and by recorded answers.

Three questions: can foreign clients do with it what we do; does it answer in the shapes of the real
one; and does our own client agree with it, faults included. All over real loopback HTTP.
"""

from __future__ import annotations

import asyncio
import math
import warnings
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from authlib.deprecate import AuthlibDeprecationWarning
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256
from oauthlib.oauth1 import Client as SigningClient

from tests.netsuite.scripted_server import sample
from tiktok_ns_pipeline.clock import SystemClock
from tiktok_ns_pipeline.netsuite import (
    NetSuiteAmbiguous,
    NetSuiteAuthenticationError,
    NetSuiteClient,
    NetSuiteConflict,
    NetSuiteDuplicate,
    NetSuiteNotFound,
    NetSuiteNotSent,
    NetSuiteRefused,
    NetSuiteThrottled,
    NetSuiteTransient,
    OAuth2ClientCredentials,
    TokenBasedAuthentication,
)
from tiktok_ns_pipeline.netsuite.values import id_of, lines_of, to_bool, to_decimal
from tiktok_ns_pipeline.sandbox.faults import FaultKind
from tiktok_ns_pipeline.tokens import MemoryTokenStore

with warnings.catch_warnings():
    # authlib announces another HTTP library; this one still works.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from tests.contract.netsuite_loopback import (
        AuthlibClient,
        ForeignClient,
        LoopbackNetSuite,
        OauthlibClient,
        netsuite_on_loopback,
    )

RECORDS = "/services/rest/record/v1"
SUITEQL = "/services/rest/query/v1/suiteql"
ADDRESS = {
    "addressee": "BUYER PLACEHOLDER",
    "addr1": "1 Example Street",
    "city": "Austin",
    "state": "TX",
    "zip": "78701",
    "country": {"id": "US"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackNetSuite]:
    with netsuite_on_loopback() as running:
        yield running


def entity(key: str) -> dict[str, Any]:
    """A customer. Entities may share neither name nor external id."""
    return {"companyName": key, "externalId": key, "subsidiary": {"id": "1"}, "currency": {"id": "1"}}


def order_of(customer: str, external_id: str) -> dict[str, Any]:
    """A Sales Order of two lines over 52.40 USD."""
    lines = [("301", 2, 19.95, 39.9), ("302", 1, 12.5, 12.5)]
    return {
        "externalId": external_id,
        "entity": {"id": customer},
        "tranDate": "2026-01-15",
        "otherRefNum": "576400000000000001",
        "orderStatus": {"id": "B"},
        "custbody_tts_order_id": "576400000000000001",
        "shippingAddress": ADDRESS,
        "item": {
            "items": [
                {
                    "item": {"id": item},
                    "quantity": quantity,
                    "price": {"id": "-1"},
                    "rate": rate,
                    "amount": amount,
                    "location": {"id": "6"},
                }
                for item, quantity, rate, amount in lines
            ]
        },
    }


def new_id(answer: httpx.Response) -> str:
    """The id in Location, as any client would take it."""
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    return answer.headers["location"].rpartition("/")[2]


# 1. Foreign clients

CLIENTS: dict[str, Callable[[LoopbackNetSuite], ForeignClient]] = {
    "oauthlib TBA": OauthlibClient,
    "authlib ES256": lambda server: AuthlibClient(server, "ES256"),
    "authlib PS256": lambda server: AuthlibClient(server, "PS256", ["rest_webservices", "restlets"]),
}


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS.keys())
def foreign(request: pytest.FixtureRequest, server: LoopbackNetSuite) -> ForeignClient:
    return request.param(server)


def suiteql(client: ForeignClient, query: str, *params: Any, page: str = "") -> httpx.Response:
    return client.call("POST", SUITEQL + page, {"q": query, "params": params}, {"Prefer": "transient"})


def test_foreign_client_carries_an_order_from_creation_to_shipment(
    foreign: ForeignClient, request: pytest.FixtureRequest
) -> None:
    key = quote(request.node.callspec.id.replace(" ", "-"))
    customer = new_id(foreign.call("POST", f"{RECORDS}/customer", entity(f"cust-{key}")))
    external_id = f"contract-so-{key}"
    order = new_id(foreign.call("POST", f"{RECORDS}/salesOrder", order_of(customer, external_id)))

    by_id = foreign.call("GET", f"{RECORDS}/salesOrder/{order}").json()
    assert (by_id["externalId"], by_id["total"]) == (external_id, 52.4)
    for spelling in (f"eid:{external_id}", f"eid%3A{external_id}", f"eid:{external_id.upper()}"):
        found = foreign.call("GET", f"{RECORDS}/salesOrder/{spelling}?expandSubResources=true").json()
        assert [line["line"] for line in found["item"]["items"]] == [1, 2]

    change = {"memo": "two pieces less", "item": {"items": [{"line": 1, "quantity": 1, "amount": 19.95}]}}
    assert foreign.call("PATCH", f"{RECORDS}/salesOrder/{order}", change).status_code == 204
    line = foreign.call("GET", f"{RECORDS}/salesOrder/{order}/item/1").json()
    assert (line["quantity"], line["amount"]) == (1, 19.95)

    filters = quote(f'externalId IS "{external_id}"')
    listed = foreign.call("GET", f"{RECORDS}/salesOrder?q={filters}&limit=10").json()
    assert [item["id"] for item in listed["items"]] == [order]

    shipped = {
        "shipStatus": {"id": "C"},
        "item": {"items": [{"orderLine": 1, "itemReceive": True}, {"orderLine": 2, "itemReceive": True}]},
    }
    path = f"{RECORDS}/salesOrder/{order}/!transform/itemFulfillment"
    fulfilment = new_id(foreign.call("POST", path, shipped))
    assert foreign.call("GET", f"{RECORDS}/itemFulfillment/{fulfilment}").json()["shipStatus"]["id"] == "C"

    rows = suiteql(
        foreign, "SELECT id, status, foreigntotal FROM transaction WHERE externalid = ?", external_id
    )
    [row] = rows.json()["items"]
    assert row == {"links": [], "foreigntotal": "32.45", "id": order, "status": "F"}


def test_foreign_client_pages_through_a_query(foreign: ForeignClient) -> None:
    query, ids, page = "SELECT id FROM item ORDER BY id", [], f"{SUITEQL}?limit=10&offset=0"
    while page:
        answer = suiteql(foreign, query, page="?" + urlsplit(page).query).json()
        ids += [row["id"] for row in answer["items"]]
        # Links lead on literally, to the host that was called.
        page = next((link["href"] for link in answer["links"] if link["rel"] == "next"), "")
    assert len(ids) == len(set(ids)) == answer["totalResults"] > 40


def test_foreign_client_reads_the_account_s_own_description(foreign: ForeignClient) -> None:
    catalogue = foreign.call("GET", f"{RECORDS}/metadata-catalog?select=customer,salesOrder").json()
    assert [item["name"] for item in catalogue["items"]] == ["customer", "salesOrder"]
    accept = {"Accept": "application/schema+json"}
    schema = foreign.call("GET", f"{RECORDS}/metadata-catalog/salesOrder", headers=accept).json()
    assert "custbody_tts_order_id" in schema["properties"]
    limits = foreign.call("GET", "/services/rest/system/v1/governanceLimits").json()
    assert limits["accountConcurrencyLimit"] == 5


def test_body_without_content_type_is_accepted(server: LoopbackNetSuite) -> None:
    client = AuthlibClient(server, "ES256")
    body = b'{"companyName":"No type","subsidiary":{"id":1}}'
    assert client.http.post(f"{server.url}{RECORDS}/customer", content=body).status_code == 204


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["o:errorDetails"][0]["o:errorCode"]


@pytest.mark.parametrize(
    "changed",
    [
        {"signature_method": SIGNATURE_HMAC_SHA1},
        {"client_secret": "wrong"},
        {"timestamp": "1767225600"},
        {"nonce": "short"},
        {"realm": "1234567-sb1"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_wrong_signature_is_refused_without_a_reason(changed: dict[str, str]) -> None:
    proper = {
        "client_secret": "cs_sandbox",
        "resource_owner_key": "tk_sandbox",
        "resource_owner_secret": "ts_sandbox",
        "realm": "1234567_SB1",
        "signature_method": SIGNATURE_HMAC_SHA256,
    }
    with netsuite_on_loopback() as server:
        url, headers, _ = SigningClient("ck_sandbox", **(proper | changed)).sign(
            f"{server.url}{RECORDS}/subsidiary", "GET"
        )
        answer = httpx.get(url, headers=headers)
    assert refusal(answer) == (401, "INVALID_LOGIN")
    assert 'realm="1234567_SB1"' in answer.headers["www-authenticate"]


def test_nonce_is_good_once(server: LoopbackNetSuite) -> None:
    signer = OauthlibClient(server)
    url, headers, _ = signer._signer.sign(f"{server.url}{RECORDS}/subsidiary", "GET")
    assert [httpx.get(url, headers=headers).status_code for _ in range(2)] == [200, 401]


def test_five_wrong_logins_lock_the_right_one_out() -> None:
    with netsuite_on_loopback() as server:
        wrong, right = OauthlibClient(server, client_secret="wrong"), OauthlibClient(server)
        path = f"{RECORDS}/subsidiary"
        assert right.call("GET", path).status_code == 200
        assert [wrong.call("GET", path).status_code for _ in range(5)] == [401] * 5
        assert right.call("GET", path).status_code == 401


# 2. Recorded answers


def shape(value: Any) -> Any:
    """What is left of an answer without its values: names, their order, kinds, link relations."""
    if isinstance(value, list):
        if value and isinstance(value[0], dict) and "rel" in value[0]:
            return [tuple((name, link[name] if name == "rel" else "") for name in link) for link in value]
        return [shape(value[0])] if value else []
    if isinstance(value, dict):
        return [(name, shape(item)) for name, item in value.items()]
    kinds: list[tuple[type, str]] = [(bool, "flag"), (str, "text")]
    return next((kind for type_, kind in kinds if isinstance(value, type_)), "number")


def links_of(body: dict[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in body["links"]}


def offset_in(link: str) -> int:
    return int(parse_qs(urlsplit(link).query)["offset"][0])


@pytest.fixture(scope="module")
def client(server: LoopbackNetSuite) -> ForeignClient:
    return OauthlibClient(server)


@pytest.mark.parametrize(
    ("capture", "path"),
    [
        ("capture.list.page1.json", "inventoryItem?limit=5"),
        ("capture.list.offset10.json", "inventoryItem?limit=5&offset=10"),
        ("capture.list.single-page.json", "subsidiary?limit=10"),
        ("capture.list.location.json", "inventoryItem?limit=10"),
    ],
)
def test_list_has_the_recorded_shape(client: ForeignClient, capture: str, path: str) -> None:
    recorded = sample(capture)["response"]["body"]
    assert shape(client.call("GET", f"{RECORDS}/{path}").json()) == shape(recorded)


def test_last_link_is_wrong_by_the_recorded_rule(client: ForeignClient) -> None:
    def rule(total: int, limit: int) -> int:
        return (math.ceil(total / limit) - 1) // limit * limit

    paged = ["page1", "offset10", "location", "capped-5000"]
    bodies = [sample(f"capture.list.{name}.json")["response"]["body"] for name in paged]
    ours = [client.call("GET", f"{RECORDS}/inventoryItem?limit={limit}").json() for limit in (2, 3, 7, 30)]
    for body in bodies + ours:
        last = parse_qs(urlsplit(links_of(body)["last"]).query)
        assert int(last["offset"][0]) == rule(body["totalResults"], int(last["limit"][0]))
    right = 38
    assert offset_in(links_of(ours[0])["last"]) != right


def test_only_the_self_link_keeps_the_caller_s_spelling(
    client: ForeignClient, server: LoopbackNetSuite
) -> None:
    recorded = sample("capture.list.capped-5000.json")
    ours = client.call("GET", f"{RECORDS}/inventoryItem?limit=5")
    for body, spelling in ((recorded["response"]["body"], "vendorBill"), (ours.json(), "inventoryItem")):
        links = links_of(body)
        assert urlsplit(links.pop("self")).path == f"{RECORDS}/{spelling}"
        others = [*links.values(), *(links_of(item)["self"] for item in body["items"])]
        assert all(spelling.lower() in link and spelling not in link for link in others)
    assert links_of(ours.json())["next"].startswith(server.url)


def test_total_is_capped_at_a_thousand_pages(client: ForeignClient, server: LoopbackNetSuite) -> None:
    for number in range(1001):
        server.books.create("customer", entity(f"Capped-{number}"))
    body = client.call("GET", f"{RECORDS}/customer?limit=1").json()
    recorded = sample("capture.list.capped-5000.json")["response"]["body"]
    assert (body["totalResults"], recorded["totalResults"]) == (1000 * 1, 1000 * 5)
    assert shape(body) == shape(recorded)


def in_order(value: Any, place: str = "") -> None:
    """Links first, the rest by alphabet regardless of case, at every depth."""
    if isinstance(value, list):
        for item in value:
            in_order(item, place)
    elif isinstance(value, dict) and "rel" not in value:
        names = list(value)
        expected = sorted(names, key=lambda name: (name != "links", name.lower()))
        assert names == expected, f"at {place or 'the top'}"
        for name, item in value.items():
            in_order(item, f"{place}.{name}")


@pytest.fixture(scope="module")
def order_id(client: ForeignClient) -> str:
    addresses = {"items": [{"defaultShipping": True, "addressBookAddress": ADDRESS}]}
    body = entity("shapes") | {"addressBook": addresses}
    customer = new_id(client.call("POST", f"{RECORDS}/customer", body))
    return new_id(client.call("POST", f"{RECORDS}/salesOrder", order_of(customer, "shapes-so")))


@pytest.mark.parametrize("expand", ["", "?expandSubResources=true"], ids=["plain", "expanded"])
def test_record_has_the_recorded_shape_where_both_have_the_property(
    client: ForeignClient, order_id: str, expand: str
) -> None:
    recorded = sample(f"capture.get.record{'.expanded' if expand else ''}.json")["response"]["body"]
    customer = client.call("GET", f"{RECORDS}/customer/eid:shapes{expand}").json()
    order = client.call("GET", f"{RECORDS}/salesOrder/{order_id}{expand}").json()
    for body in (recorded, customer, order):
        in_order(body)
        assert links_of(body)["self"].endswith(expand or body["id"])
    names = ["links", "companyName", "currency", "dateCreated", "entityId", "id", "isInactive", "isPerson"]
    for name in [*names, "lastModifiedDate", "subsidiary"]:
        assert shape(customer[name]) == shape(recorded[name]), name
    # An enumeration behind which there is no record has no link to one.
    assert shape(order["customForm"]) == shape(recorded["customForm"])


def test_unexpanded_sublist_is_a_link_and_an_expanded_one_a_collection(
    client: ForeignClient, order_id: str
) -> None:
    for expand, name in (
        ("", "capture.get.record.json"),
        ("?expandSubResources=true", "capture.get.record.expanded.json"),
    ):
        recorded = sample(name)["response"]["body"]["addressBook"]
        ours = client.call("GET", f"{RECORDS}/customer/eid:shapes{expand}").json()["addressBook"]
        assert list(ours) == list(recorded)
        assert shape(ours["links"]) == shape(recorded["links"])
        for item in ours.get("items", []):
            assert {"links", "addressBookAddress", "addressBookAddress_text", "internalId"} <= set(item)
            assert item["addressBookAddress"]["country"] == {
                "links": [],
                "id": "US",
                "refName": "United States",
            }


def test_empty_sublist_shows_that_it_is_empty(client: ForeignClient, server: LoopbackNetSuite) -> None:
    server.books.create("customer", entity("no-address"))
    recorded = sample("capture.get.record.expanded.json")["response"]["body"]["contactList"]
    ours = client.call("GET", f"{RECORDS}/customer/eid:no-address?expandSubResources=true").json()
    assert shape(ours["addressBook"]) == shape(recorded)


def test_suiteql_answer_has_the_recorded_shape(client: ForeignClient, order_id: str) -> None:
    recorded = sample("capture.suiteql.json")["response"]
    answer = suiteql(client, "SELECT id, companyName, email FROM customer FETCH FIRST 5 ROWS ONLY")
    body = answer.json()
    assert shape(body | {"items": []}) == shape(recorded["body"] | {"items": []})
    assert answer.headers["preference-applied"] == recorded["headers"]["preference-applied"]
    for row in body["items"] + recorded["body"]["items"]:
        in_order(row)
        assert row["links"] == []
        assert set(row) <= {"links", "companyname", "id"}, "names in lower case, what is null left out"
        assert all(isinstance(value, str) for name, value in row.items() if name != "links")


def test_page_of_a_query_links_on_like_a_list(client: ForeignClient) -> None:
    entry = sample("synthetic.suiteql.json")["exchanges"][0]["response"]["body"]
    body = suiteql(client, "SELECT id, itemid FROM item ORDER BY id", page="?limit=2&offset=0").json()
    assert shape(body["links"]) == shape(entry["links"])
    assert list(body) == list(entry)


ERRORS = {
    "capture.error.400.transaction-id.json": "salesOrder/999999",
    "capture.error.404.entity-id.json": "customer/999999",
    "capture.error.404.record-type.json": "file",
}


@pytest.mark.parametrize(("capture", "path"), ERRORS.items())
def test_error_is_the_recorded_one_to_the_letter(client: ForeignClient, capture: str, path: str) -> None:
    recorded = sample(capture)["response"]
    answer = client.call("GET", f"{RECORDS}/{path}")
    assert answer.status_code == recorded["status"]
    assert answer.text == httpx.Response(200, json=recorded["body"]).text


# What is the connection's, or new with every answer.
PASSING = {"connection", "content-encoding", "content-length", "x-n-operationid", "x-netsuite-jobid"}


@pytest.mark.parametrize(
    ("capture", "path"),
    [
        *ERRORS.items(),
        ("capture.list.page1.json", "location?limit=5"),
        ("capture.get.record.json", "location/6"),
    ],
)
def test_headers_are_the_recorded_ones(client: ForeignClient, capture: str, path: str) -> None:
    recorded = sample(capture)["response"]["headers"]
    headers = client.call("GET", f"{RECORDS}/{path}").headers
    for name in recorded.keys() - PASSING:
        assert headers[name] == recorded[name], name
    for name in ("x-n-operationid", "x-netsuite-jobid"):
        assert len(headers[name]) == len(recorded[name])


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (FaultKind.unauthorized, 11),
        (FaultKind.http_429, 13),
        (FaultKind.concurrency_400, 14),
        (FaultKind.http_500_before, 15),
    ],
)
def test_injected_error_is_the_catalogued_one(server: LoopbackNetSuite, kind: FaultKind, number: int) -> None:
    expected = sample("synthetic.errors.json")["errors"][number]
    client = AuthlibClient(server, "ES256")
    server.faults.inject(kind, "netsuite")
    answer = client.call("GET", f"{RECORDS}/location/6")
    body = answer.json()
    assert answer.status_code == expected["status"]
    assert shape(body) == shape(expected["body"])
    if kind is not FaultKind.http_500_before:
        assert body == expected["body"]


# 3. Our own client


def ours(
    server: LoopbackNetSuite, login: str = "ES256", **options: Any
) -> tuple[NetSuiteClient, httpx.AsyncClient]:
    clock, http = SystemClock(), httpx.AsyncClient()
    authenticator: Any
    if login == "TBA":
        keys = ("1234567_SB1", "ck_sandbox", "cs_sandbox", "tk_sandbox", "ts_sandbox")
        authenticator = TokenBasedAuthentication(*keys, clock=clock)
    else:
        authenticator = OAuth2ClientCredentials(
            "1234567_SB1",
            server.url,
            "sandbox-client-id",
            f"sandbox-cert-{login.lower()}",
            server.books.auth.client_private_key_pem(login),  # type: ignore[arg-type]
            store=MemoryTokenStore(),
            http=http,
            clock=clock,
            algorithm=login,  # type: ignore[arg-type]
        )
    options = {"timeout_s": 5.0, "retry_wait_s": 0.01} | options
    return NetSuiteClient(server.url, authenticator, http, clock, **options), http


def told(
    server: LoopbackNetSuite,
    story: Callable[[NetSuiteClient], Awaitable[Any]],
    login: str = "ES256",
    **options: Any,
) -> Any:
    async def run() -> Any:
        client, http = ours(server, login, **options)
        async with http:
            return await story(client)

    return asyncio.run(run())


def exact(order: dict[str, Any]) -> dict[str, Any]:
    """The order with its amounts as Decimal, as our client demands them."""
    lines = [
        line | {name: Decimal(str(line[name])) for name in ("rate", "amount")}
        for line in order["item"]["items"]
    ]
    return order | {"item": {"items": lines}}


@pytest.mark.parametrize("login", ["ES256", "PS256", "TBA"])
def test_our_client_carries_an_order_from_creation_to_shipment(server: LoopbackNetSuite, login: str) -> None:
    external_id = f"ours-so-{login}"

    async def story(client: NetSuiteClient) -> None:
        customer = await client.create("customer", entity(f"ours-{login}"))
        assert await client.get_by_external_id("salesOrder", external_id) is None
        order = await client.create("salesOrder", exact(order_of(customer, external_id)))
        with pytest.raises(NetSuiteDuplicate):
            await client.create("salesOrder", exact(order_of(customer, external_id)))
        found = await client.get_by_external_id("salesOrder", external_id)
        assert found is not None
        assert (found["id"], found["total"], id_of(found["status"])) == (order, Decimal("52.40"), "B")
        assert await client.list_ids("salesOrder", f'externalId IS "{external_id}"') == [order]
        kept = [{"line": line["line"]} for line in lines_of(found, "item")][:1]
        await client.patch("salesOrder", order, {"item": {"items": kept}}, replace=["item"])
        [line] = lines_of(await client.get("salesOrder", order), "item")
        shipped = {
            "item": {"items": [{"orderLine": line["line"], "itemReceive": True}]},
            "shipStatus": {"id": "C"},
        }
        fulfilment = await client.transform("salesOrder", order, "itemFulfillment", shipped)
        assert id_of((await client.get("itemFulfillment", fulfilment))["shipStatus"]) == "C"
        with pytest.raises(NetSuiteNotFound):
            await client.get("salesOrder", fulfilment)
        with pytest.raises(NetSuiteRefused, match="custbody_typo"):
            await client.patch("salesOrder", order, {"custbody_typo": "x"})

    told(server, story, login)


def test_our_client_undoes_the_string_typing_of_rows(server: LoopbackNetSuite, order_id: str) -> None:
    query = "SELECT quantity, foreignamount, mainline, memo FROM transactionline"
    query += " WHERE transaction = ? AND item = ?"
    [row] = told(server, lambda client: client.suiteql(query, [order_id, 301]))
    assert to_decimal(row["quantity"]) == -2
    assert to_decimal(row["foreignamount"]) == Decimal("-39.90")
    assert to_bool(row["mainline"]) is False
    assert to_decimal(row.get("memo")) is None


def test_our_client_reads_more_rows_than_a_page_either_way(server: LoopbackNetSuite) -> None:
    for number in range(2100):
        server.books.create("customer", entity(f"Buyer-{number}"))
    query = "SELECT id FROM customer WHERE companyname LIKE ? {more}ORDER BY id"

    async def story(client: NetSuiteClient) -> None:
        by_offset = [row["id"] for row in await client.suiteql(query.replace("{more}", ""), ["Buyer-%"])]
        keyset = client.suiteql_keyset(query.replace("{more}", "AND id > {after} "), "id", ["Buyer-%"])
        assert by_offset == [row["id"] async for row in keyset]
        assert len(by_offset) == len(set(by_offset)) == 2100
        listed = await client.list_ids("customer", 'companyName START_WITH "Buyer-"')
        assert sorted(listed, key=int) == by_offset

    told(server, story)


def test_our_client_tells_the_account_s_clock(server: LoopbackNetSuite) -> None:
    from zoneinfo import ZoneInfo

    local = datetime.now(UTC).astimezone(ZoneInfo("America/Los_Angeles"))
    assert told(server, lambda client: client.account_utc_offset()) == local.utcoffset()
    shown = datetime.strptime(told(server, lambda client: client.account_now()), "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    assert abs(shown - local.replace(tzinfo=None)) < timedelta(seconds=10)


def test_our_client_reads_the_account_s_own_description(server: LoopbackNetSuite) -> None:
    async def story(client: NetSuiteClient) -> None:
        catalogue = await client.metadata_catalog(["salesOrder"])
        assert [item["name"] for item in catalogue["items"]] == ["salesOrder"]
        assert "custbody_tts_payload_hash" in (await client.record_schema("salesOrder"))["properties"]
        assert (await client.governance_limits())["accountConcurrencyLimit"] == 5

    told(server, story)


READ_FAULTS = [
    FaultKind.http_429,
    FaultKind.concurrency_400,
    FaultKind.http_500_before,
    FaultKind.http_503,
    FaultKind.html_body,
    FaultKind.cut_before_commit,
    FaultKind.refuse,
    FaultKind.unauthorized,
]


@pytest.mark.parametrize("kind", READ_FAULTS)
def test_our_read_outlives(server: LoopbackNetSuite, kind: FaultKind) -> None:
    server.faults.inject(kind, "netsuite", "location/6")
    assert told(server, lambda client: client.get("location", "6"))["name"] == "Main Warehouse"


NOTHING, SAVED = False, True


@pytest.mark.parametrize(
    ("fault", "error", "effect"),
    [
        (FaultKind.http_429, NetSuiteThrottled, NOTHING),
        (FaultKind.concurrency_400, NetSuiteThrottled, NOTHING),
        (FaultKind.http_500_before, NetSuiteAmbiguous, NOTHING),
        (FaultKind.http_500_after, NetSuiteAmbiguous, SAVED),
        (FaultKind.http_503, NetSuiteAmbiguous, NOTHING),
        (FaultKind.cut_before_commit, NetSuiteAmbiguous, NOTHING),
        (FaultKind.cut_after_commit, NetSuiteAmbiguous, SAVED),
        (FaultKind.timeout_after_commit, NetSuiteAmbiguous, SAVED),
        (FaultKind.unauthorized, None, SAVED),
    ],
    ids=str,
)
def test_our_write_says_truly_whether_it_may_have_happened(
    server: LoopbackNetSuite, fault: FaultKind, error: type[Exception] | None, effect: bool
) -> None:
    external_id = f"fault-{fault}"

    async def story(client: NetSuiteClient) -> None:
        server.faults.inject(fault, "netsuite", "POST " + RECORDS)
        body = entity(external_id)
        if error is None:
            await client.create("customer", body)
        else:
            with pytest.raises(error):
                await client.create("customer", body)
        found = await client.get_by_external_id("customer", external_id)
        assert (found is not None) is effect

    told(server, story, timeout_s=1.0)


def test_our_patch_of_a_record_changed_meanwhile_is_a_conflict(server: LoopbackNetSuite) -> None:
    async def story(client: NetSuiteClient) -> None:
        customer = await client.create("customer", entity("changed"))
        server.faults.inject(FaultKind.record_changed, "netsuite")
        with pytest.raises(NetSuiteConflict):
            await client.patch("customer", customer, {"comments": "x"})

    told(server, story)


def test_our_client_is_throttled_by_the_account_s_limit() -> None:
    async def story(client: NetSuiteClient) -> list[Any]:
        creates = [client.create("customer", entity(f"C{number}")) for number in range(8)]
        return await asyncio.gather(*creates, return_exceptions=True)

    with netsuite_on_loopback(slots=3, save_s=0.2) as server:
        outcomes = told(server, story, "TBA")
        kept = [one for one in outcomes if isinstance(one, str)]
        assert len(kept) == len(list(server.books.records("customer"))) == 3
        assert {type(one) for one in outcomes if not isinstance(one, str)} == {NetSuiteThrottled}


@pytest.mark.parametrize("login", ["ES256", "TBA"])
def test_our_client_does_not_lock_itself_out(login: str) -> None:
    async def hammer(client: NetSuiteClient) -> set[type]:
        errors: list[Any] = []
        for _ in range(3):
            reads = [client.get("location", "6") for _ in range(4)]
            errors += await asyncio.gather(*reads, return_exceptions=True)
        return {type(error) for error in errors}

    with netsuite_on_loopback() as server:
        if login == "TBA":
            good = "cs_sandbox"
            keys = ("1234567_SB1", "ck_sandbox", good + "x", "tk_sandbox", "ts_sandbox")
            clock, http = SystemClock(), httpx.AsyncClient()
            wrong = NetSuiteClient(server.url, TokenBasedAuthentication(*keys, clock=clock), http, clock)
            assert asyncio.run(hammer(wrong)) == {NetSuiteAuthenticationError}
        else:
            other = LoopbackNetSuite(server.url, OtherKeys(), server.faults)  # type: ignore[arg-type]
            assert told(other, hammer) == {NetSuiteAuthenticationError}
        # The right credentials still open the door.
        assert told(server, lambda client: client.get("location", "6"), login)["id"] == "6"


class OtherKeys:
    """Looks like the books' logins, but its private key belongs to no certificate."""

    @property
    def auth(self) -> OtherKeys:
        return self

    def client_private_key_pem(self, algorithm: str) -> str:
        from joserfc.jwk import ECKey

        return ECKey.generate_key("P-256").as_pem(private=True).decode()


def test_our_client_tells_a_server_that_is_gone_from_one_that_may_have_saved() -> None:
    with netsuite_on_loopback() as server:
        pass
    with pytest.raises(NetSuiteTransient):
        told(server, lambda client: client.get("location", "6"), "TBA")
    with pytest.raises(NetSuiteNotSent):
        told(server, lambda client: client.create("customer", entity("late")), "TBA")
