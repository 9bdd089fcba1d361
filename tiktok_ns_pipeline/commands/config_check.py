"""Whether settings, mapping and both accounts fit each other, found out without changing anything.

Every check answers for itself: *ok*, *wrong* (it must be mended, and the finding says how) or *unknown*
(it could not be looked at, with the reason). Unknown is never counted as ok.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Sequence
from collections.abc import Mapping as Document
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, cast

from tiktok_ns_pipeline.goods.items import ItemIndex
from tiktok_ns_pipeline.goods.problem import Problem
from tiktok_ns_pipeline.mapping import Mapping, Shop
from tiktok_ns_pipeline.mapping.follow_ups import CashSaleBilling
from tiktok_ns_pipeline.mapping.settlements import CLEARING
from tiktok_ns_pipeline.mapping.stock import PublishedStock
from tiktok_ns_pipeline.netsuite.client import NetSuiteClient
from tiktok_ns_pipeline.netsuite.errors import NetSuiteError, NetSuitePermissionError
from tiktok_ns_pipeline.runtime import Runtime
from tiktok_ns_pipeline.tiktok.calling import ShopAccess
from tiktok_ns_pipeline.tiktok.errors import TikTokError
from tiktok_ns_pipeline.tiktok.fulfilment import SellerWarehouse

Verdict = Literal["ok", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. What only an administrator may see need not be known."""

    subject: str
    verdict: Verdict
    detail: str
    needed: bool = True


_TABLE_OF: dict[str, tuple[str, str]] = {
    "subsidiary_id": ("subsidiary", "subsidiary"),
    "location_id": ("location", "location"),
    "stock_location_ids": ("location", "location"),
    "fbt_location_id": ("location", "location"),
    "department_id": ("department", "department"),
    "class_id": ("classification", "class"),
    "currency_id": ("currency", "currency"),
    "existing_id": ("customer", "customer"),
    "item_id": ("item", "item"),
    "collected_item_id": ("item", "item"),
    "remitted_item_id": ("item", "item"),
    "account_id": ("account", "account"),
    "clearing_account_id": ("account", "account"),
    "bank_account_id": ("account", "account"),
    "reserve_account_id": ("account", "account"),
    "exchange_difference_account_id": ("account", "account"),
    "shipping_item_id": ("item", "item"),
}
"""Key of the mapping -> SuiteQL table of its ids, and what people call it. Forms, tax codes and units
have no table that every role may read; NetSuite refuses a wrong one with the first order."""

_IDS = "SELECT t.id FROM {table} t WHERE t.id IN ({markers}) ORDER BY t.id ASC"
_CURRENCIES = "SELECT c.id, c.symbol FROM currency c ORDER BY c.id ASC"
_ACCOUNTS = """
SELECT a.id, a.currency, a.isinactive
FROM account a
WHERE a.id IN ({markers})
ORDER BY a.id ASC
"""
_LOCATIONS = """
SELECT l.id, l.subsidiary, l.isinactive
FROM location l
WHERE l.id IN ({markers})
ORDER BY l.id ASC
"""
_ITEMS = """
SELECT i.id, i.itemid, i.externalid, i.upccode, i.itemtype, i.isinactive
FROM item i
WHERE i.id > {after}
ORDER BY i.id ASC
"""


async def check_accounts(runtime: Runtime) -> AsyncGenerator[Finding]:
    """Ask both accounts everything; one that cannot be reached gives one finding."""
    selling: dict[str, list[SellerWarehouse]] = {}
    try:
        async for finding in _check_tiktok(runtime, selling):
            yield finding
    except TikTokError as error:
        yield Finding("TikTok", "unknown", f"could not be asked: {error}")
    try:
        async for finding in _check_netsuite(
            runtime.netsuite, runtime.mapping, runtime.settings.netsuite.slots
        ):
            yield finding
        async for finding in _locations_of_stock(runtime.netsuite, runtime.mapping, selling):
            yield finding
    except NetSuiteError as error:
        yield Finding("NetSuite", "unknown", f"could not be asked: {error}")
    for finding in _shares(runtime.mapping, selling):
        yield finding


async def _check_tiktok(
    runtime: Runtime, selling: dict[str, list[SellerWarehouse]]
) -> AsyncGenerator[Finding]:
    """Shops, and the warehouses that they sell from, which are put into `selling` by shop code."""
    authorized = {shop.shop_id: shop for shop in await runtime.tiktok.authorized_shops()}
    for code, shop in runtime.mapping.shops.items():
        found = authorized.pop(shop.tiktok_shop_id, None)
        subject = f"shop {code}"
        if found is None:
            yield Finding(
                subject,
                "wrong",
                f"the seller has not opened TikTok shop {shop.tiktok_shop_id} to this app: none of its "
                "orders can be read. Correct `tiktok_shop_id`, or authorize the app for it.",
            )
        elif found.region != shop.region:
            yield Finding(
                subject, "wrong", f"TikTok says its region is {found.region}, the mapping says {shop.region}"
            )
        else:
            yield Finding(subject, "ok", f"{found.name}, {found.region} {found.seller_type}")
        if found is not None:
            yield await _warehouses(runtime, shop, found, selling)
        if not shop.stock.publishes:
            yield Finding(f"stock of shop {code}", "ok", "`policy: none`: TikTok's stock is left alone")
    for found in authorized.values():
        yield Finding(
            f"shop {found.name}",
            "wrong",
            f"the seller opened shop {found.shop_id} ({found.region}) to this app, but the mapping does not "
            "know it: none of its orders are posted. Add it under `shops`.",
        )


async def _warehouses(
    runtime: Runtime, shop: Shop, access: ShopAccess, selling: dict[str, list[SellerWarehouse]]
) -> Finding:
    """The warehouses that a shop sells from, each of which the mapping must know."""
    subject = f"warehouses of shop {shop.code}"
    try:
        warehouses = await runtime.tiktok.fulfilment.warehouses(access)
    except TikTokError as error:
        return Finding(subject, "unknown", f"TikTok does not list them: {error}")
    selling[shop.code] = found = [one for one in warehouses if one.sells]
    unknown = [f"{one.id} ({one.name})" for one in found if one.id not in runtime.mapping.warehouses]
    if unknown:
        stock = " and the stock of its listings is not published" if shop.stock.publishes else ""
        return Finding(
            subject,
            "wrong",
            f"`warehouses` of the mapping does not have {', '.join(unknown)}: its orders are parked{stock}. "
            "Add it with its `location_id`.",
        )
    return Finding(subject, "ok", f"{len(found)} sell, all are mapped")


def _pools(
    mapping: Mapping, selling: Document[str, Sequence[SellerWarehouse]]
) -> Iterator[tuple[Shop, str, tuple[str, ...]]]:
    """Every shop that publishes, with each warehouse it sells from and the Locations shown there."""
    for code, warehouses in selling.items():
        shop = mapping.shops[code]
        for warehouse in warehouses:
            locations = mapping.stock_locations(warehouse.id)
            if shop.stock.publishes and locations:
                yield shop, warehouse.id, locations


async def _locations_of_stock(
    netsuite: NetSuiteClient, mapping: Mapping, selling: Document[str, Sequence[SellerWarehouse]]
) -> AsyncGenerator[Finding]:
    """Locations whose stock is shown: in use, and of the subsidiary of the shop that shows them."""
    pools = list(_pools(mapping, selling))
    ids = sorted({location for _, _, locations in pools for location in locations})
    if not ids:
        return
    query = _LOCATIONS.format(markers=", ".join("?" for _ in ids))
    rows = {row["id"]: row for row in await netsuite.suiteql(query, ids)}
    wrong = False
    for shop, warehouse_id, locations in pools:
        for location in locations:
            if (row := rows.get(location)) is None:
                continue  # `_ids` says so
            if reason := _misplaced(row, shop):
                wrong = True
                yield Finding(
                    f"stock of shop {shop.code}",
                    "wrong",
                    f"warehouse {warehouse_id} shows the stock of location {location}, which {reason}; "
                    "correct `stock_location_ids` or `location_id` of the warehouse",
                )
    if not wrong:
        yield Finding("locations of stock", "ok", f"{len(ids)} shown, each is of its shop's subsidiary")


def _misplaced(row: Document[str, Any], shop: Shop) -> str | None:
    """Why a location cannot serve a shop, if so. Without OneWorld it is of no subsidiary (N 8)."""
    if row.get("isinactive") == "T":
        return "is inactive in NetSuite"
    subsidiaries = re.findall(r"[0-9]+", str(row.get("subsidiary") or ""))
    if subsidiaries and shop.subsidiary_id not in subsidiaries:
        return f"is of subsidiary {', '.join(subsidiaries)}, not of the shop's ({shop.subsidiary_id})"
    return None


def _shares(mapping: Mapping, selling: Document[str, Sequence[SellerWarehouse]]) -> Iterator[Finding]:
    """Shops that show the same Locations, whose shares together should be all of it at most."""
    sharing: dict[tuple[str, ...], dict[str, Decimal]] = defaultdict(dict)
    for shop, _, locations in _pools(mapping, selling):
        if isinstance(shop.stock, PublishedStock):
            sharing[locations][shop.code] = shop.stock.share
    for locations, shares in sorted(sharing.items()):
        if (total := sum(shares.values())) > 100:
            named = ", ".join(f"{code} {share}" for code, share in sorted(shares.items()))
            yield Finding(
                f"shares of location {', '.join(locations)}",
                "wrong",
                f"several shops show its stock, with {total} percent in all ({named}), so each is scaled "
                "down; write `share` under `stock` of these shops so that they make 100",
            )


async def _check_netsuite(netsuite: NetSuiteClient, mapping: Mapping, slots: int) -> AsyncGenerator[Finding]:
    yield Finding("NetSuite login", "ok", f"the account's clock shows {await netsuite.account_now()}")
    index = ItemIndex([row async for row in netsuite.suiteql_keyset(_ITEMS, "id")])
    for check in (
        _fields(netsuite, mapping),
        _ids(netsuite, mapping),
        _currencies(netsuite, mapping),
        _clearing_accounts(netsuite, mapping),
    ):
        async for finding in check:
            yield finding
    for finding in _items(index, mapping):
        yield finding
    yield await _limit(netsuite, slots)


async def _fields(netsuite: NetSuiteClient, mapping: Mapping) -> AsyncGenerator[Finding]:
    """Custom fields, in the metadata catalogue of this account and role (N 2.11)."""
    try:
        known = set(_names_in(await netsuite.record_schema("salesOrder")))
    except NetSuitePermissionError as error:
        yield Finding("custom fields", "unknown", f"the role may not read the metadata catalogue: {error}")
        return
    for part, names in mapping.custom_fields.model_dump().items():
        missing = sorted(name for name in names.values() if name and name not in known)
        verdict: Verdict = "wrong" if missing else "ok"
        detail = f"on no Sales Order form of this role: {', '.join(missing)}" if missing else "exist"
        yield Finding(f"custom fields of the {part}", verdict, detail)


def _names_in(schema: object) -> Iterator[str]:
    """Every property name of a JSON Schema, at any depth: sublists describe their lines inside."""
    if isinstance(schema, dict):
        for name, value in cast("dict[str, Any]", schema).items():
            yield name
            yield from _names_in(value)
    elif isinstance(schema, list):
        for value in cast("list[Any]", schema):
            yield from _names_in(value)


async def _ids(netsuite: NetSuiteClient, mapping: Mapping) -> AsyncGenerator[Finding]:
    """Internal ids that the mapping names, table by table."""
    named: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for place, key, value in _named_ids(mapping.model_dump(), ""):
        named[_TABLE_OF[key]][value].append(place)
    for (table, what), places in sorted(named.items()):
        query = _IDS.format(table=table, markers=", ".join("?" for _ in places))
        found = {row["id"] for row in await netsuite.suiteql(query, list(places))}
        missing = [f"{value} ({places[value][0]})" for value in sorted(places) if value not in found]
        if missing:
            yield Finding(f"ids of {what}", "wrong", f"the account has none with id {', '.join(missing)}")
        else:
            yield Finding(f"ids of {what}", "ok", f"{len(places)} named, all exist")


def _named_ids(part: object, path: str) -> Iterator[tuple[str, str, str]]:
    """Place in the mapping, key and value of every id that a table can prove."""
    if isinstance(part, dict):
        for key, value in cast("dict[str, Any]", part).items():
            place = f"{path}.{key}" if path else key
            if value == CLEARING:
                continue  # an account that the shop names elsewhere
            if key in _TABLE_OF and isinstance(value, (str, tuple)):
                ids = (value,) if isinstance(value, str) else cast("tuple[str, ...]", value)
                yield from ((place, key, one) for one in ids)
            else:
                yield from _named_ids(value, place)
    elif isinstance(part, (list, tuple)):
        for position, value in enumerate(cast("Sequence[Any]", part), start=1):
            yield from _named_ids(value, f"{path} {position}")


async def _currencies(netsuite: NetSuiteClient, mapping: Mapping) -> AsyncGenerator[Finding]:
    symbols = {row["id"]: row.get("symbol", "?") for row in await netsuite.suiteql(_CURRENCIES)}
    for code, shop in mapping.shops.items():
        symbol = symbols.get(shop.currency_id)
        if symbol is not None and symbol != shop.currency:
            yield Finding(
                f"currency of shop {code}",
                "wrong",
                f"currency_id {shop.currency_id} is {symbol} in NetSuite, the shop sells in {shop.currency}",
            )


async def _clearing_accounts(netsuite: NetSuiteClient, mapping: Mapping) -> AsyncGenerator[Finding]:
    """Accounts that Cash Sales are booked into: in use, and in their shop's currency if they have one."""
    named = {
        code: shop.billing.account_id
        for code, shop in mapping.shops.items()
        if isinstance(shop.billing, CashSaleBilling)
    }
    if not named:
        return
    ids = sorted(set(named.values()))
    query = _ACCOUNTS.format(markers=", ".join("?" for _ in ids))
    found = {row["id"]: row for row in await netsuite.suiteql(query, ids)}
    for code, account_id in named.items():
        if (row := found.get(account_id)) is None:
            continue  # `_ids` says so
        subject = f"clearing account of shop {code}"
        currency_id = mapping.shops[code].currency_id
        if row.get("isinactive") == "T":
            yield Finding(subject, "wrong", f"account {account_id} is inactive in NetSuite; activate it")
        elif row.get("currency", currency_id) != currency_id:
            yield Finding(
                subject,
                "wrong",
                f"account {account_id} is kept in currency {row['currency']}, the shop sells in currency "
                f"{currency_id}; name an account of that currency under `billing`",
            )
        else:
            yield Finding(subject, "ok", f"account {account_id} takes its Cash Sales")


def _items(index: ItemIndex, mapping: Mapping) -> Iterator[Finding]:
    """Entries of `items`, resolved as an order would."""
    problems = [
        found.message
        for key in mapping.items
        if isinstance(found := index.resolve("", key, mapping.items), Problem)
    ]
    for message in problems:
        yield Finding("items of the mapping", "wrong", message)
    if not problems:
        yield Finding(
            "items of the mapping", "ok", f"{len(mapping.items)} named; the account has {len(index)}"
        )


async def _limit(netsuite: NetSuiteClient, slots: int) -> Finding:
    """Our share of the account's concurrent requests (N 4.3)."""
    subject = "concurrent requests"
    try:
        limits: Document[str, Any] = await netsuite.governance_limits()
    except NetSuiteError as error:
        reason = f"only an administrator may ask for the account's limit ({error.status})"
        return Finding(subject, "unknown", reason, needed=False)
    limit = int(limits["accountConcurrencyLimit"])
    if slots > limit:
        return Finding(subject, "wrong", f"TNS_NETSUITE_SLOTS is {slots}, the whole account has {limit}")
    return Finding(subject, "ok", f"we use up to {slots} of the account's {limit}")
