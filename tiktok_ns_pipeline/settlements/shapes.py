"""TikTok's answers about money, read into the documents of `statement`.

Three shapes of rows become the same transaction: breakdowns (202501, T 7.5), estimates (202507, T 7.10)
and flat rows (202309, T 7.7). Which names add up is decided by `tiktok.finance_keys`; an unknown name
counts, since TikTok adds some every few months, and the mapping is asked for its account.

Invariants: money that cannot be read is refused and never taken for nothing; what is not told stays
None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from tiktok_ns_pipeline.clock import from_epoch
from tiktok_ns_pipeline.money import MoneyError, exact_decimal
from tiktok_ns_pipeline.settlements.statement import (
    ADJUSTMENT_OF_ORDER,
    Component,
    GroupName,
    GroupSum,
    MalformedStatement,
    Payment,
    Statement,
    Totals,
    Transaction,
)
from tiktok_ns_pipeline.tiktok.finance_keys import (
    FLAT_AMOUNTS,
    FLAT_ELSEWHERE_AMOUNTS,
    FLAT_LOCAL_AMOUNTS,
    FLAT_MEMOS,
    FLAT_REPEATS,
    FLAT_TOTALS,
    NEVER_ADDED,
    ORDER_TYPE,
    SUPPLEMENTARY,
)

_LOCAL_REGIONS = frozenset({"GB", "US"})
# What can be a part of an external id (N 2.6).
_ID = re.compile(r"[0-9A-Za-z_-]{1,60}")
_LATEST_EPOCH = 4_102_444_800  # the year 2100; a larger number is no time in seconds
_ZERO = Decimal(0)


def is_local(region: str) -> bool:
    """Whether flat rows of a market follow the rule of the UK and the US (T 7.7)."""
    return region in _LOCAL_REGIONS


def read_statement(
    shop: str, region: str, listed: Mapping[str, Any] | None, detail: Mapping[str, Any] | None = None
) -> Statement:
    """A statement from its row in the list (T 7.3) and what heads its transactions (T 7.5, 7.7).

    Either may be missing, not both. Raises MalformedStatement.
    """
    heads = [head for head in (listed, detail) if head is not None]
    if not heads:
        raise ValueError("a statement is read from its row in the list, its transactions' head, or both")
    ids = {_text(head, "id") or _text(head, "statement_id") for head in heads}
    identity = next(iter(ids))
    name = f"Statement {identity or '(without id)'} of shop {shop}"
    if len(ids) > 1 or not _ID.fullmatch(identity):
        raise MalformedStatement(f"{name} has no id, or two: {', '.join(sorted(ids))}.")
    currencies = {_text(head, "currency") for head in heads}
    if len(currencies) > 1 or "" in currencies:
        raise MalformedStatement(f"{name} has no currency, or two: {', '.join(sorted(currencies))}.")
    times = {_instant(head, name, "statement_time", "create_time") for head in heads}
    made_at = times.pop()
    if made_at is None or times:
        raise MalformedStatement(f"{name} has no time, or two.")
    local = is_local(region)
    newer = detail is not None and "total_settlement_breakdown" in detail
    totals: list[Totals] = []
    if listed is not None:
        totals.append(_flat_totals("the list of statements", listed, name, local=local))
    if detail is not None:
        source = "the head of its transactions"
        totals.append(
            _newer_totals(source, detail, name) if newer else _flat_totals(source, detail, name, local=local)
        )
    last = heads[-1]
    count = last.get("total_count")
    return Statement(
        shop=shop,
        id=identity,
        made_at=made_at,
        currency=currencies.pop(),
        totals=tuple(totals),
        local=local,
        payment_id=_text(listed, "payment_id") if listed is not None else "",
        reserve=_amount(last, "total_reserve_amount", name),
        payable=_amount(last, "payable_amount", name),
        row_count=count if isinstance(count, int) and not isinstance(count, bool) else None,
    )


def read_payment(shop: str, raw: Mapping[str, Any]) -> Payment:
    """A payment of versions 202309 and 202605 (T 7.9). Raises MalformedStatement."""
    identity = _text(raw, "id")
    name = f"Payment {identity or '(without id)'} of shop {shop}"
    amount, currency = _money(raw, "amount", name)
    if not _ID.fullmatch(identity) or amount is None or not currency:
        raise MalformedStatement(f"{name} has no id, amount or currency.")
    settlement, first = _money(raw, "settlement_amount", name)
    reserve, second = _money(raw, "reserve_amount", name)
    before, third = _money(raw, "payment_amount_before_exchange", name)
    currencies = {one for one in (first, second, third) if one}
    if len(currencies) > 1:
        raise MalformedStatement(f"{name} settles in two currencies: {', '.join(sorted(currencies))}.")
    status, paid_at = _text(raw, "status").upper(), _instant(raw, name, "paid_time")
    if status == "PAID" and paid_at is None:
        raise MalformedStatement(f"{name} is paid and does not tell when (paid_time).")
    return Payment(
        shop=shop,
        id=identity,
        status=status,
        amount=amount,
        currency=currency,
        paid_at=paid_at,
        settlement=settlement,
        reserve=reserve,
        before_exchange=before,
        settled_currency=next(iter(currencies), None),
        exchange_rate=_amount(raw, "exchange_rate", name),
    )


def read_transaction(row: Mapping[str, Any], *, local: bool = False, with_memos: bool = False) -> Transaction:
    """A transaction in any of the three shapes; `local` is for flat rows (`is_local`).

    Memos are read where they are asked for: a payout has millions that nobody adds. Raises
    MalformedStatement naming the transaction and what cannot be read.
    """
    if not isinstance(row, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise MalformedStatement(f"A transaction is no object but {type(row).__name__}.")
    memos: list[Component] | None = [] if with_memos else None
    if "est_settlement_amount" in row:
        return _read_nested(row, "est_", _ALL_GROUPS, memos)
    if not _NESTED.isdisjoint(row):
        # Revenue and shipping are told whole, fees and taxes are not (T 7.4 nos. 5, 6, 8).
        return _read_nested(row, "", _FEES, memos)
    return _read_flat(row, local, memos)


# Within

_ALL_GROUPS: frozenset[GroupName] = frozenset({"revenue", "shipping", "fee_tax", "adjustment"})
_FEES: frozenset[GroupName] = frozenset({"fee_tax"})
_NESTED = frozenset({"fee_tax_amount", "revenue_breakdown", "shipping_cost_breakdown", "fee_tax_breakdown"})
_NESTED_GROUPS: tuple[tuple[GroupName, str, str], ...] = (
    ("revenue", "revenue_amount", "revenue_breakdown"),
    ("shipping", "shipping_cost_amount", "shipping_cost_breakdown"),
    ("fee_tax", "fee_tax_amount", "fee_tax_breakdown"),
)
_NEWER_TOTALS: tuple[tuple[GroupName, str], ...] = (
    ("revenue", "total_revenue_amount"),
    ("shipping", "total_shipping_cost_amount"),
    ("fee_tax", "total_fee_tax_amount"),
    ("adjustment", "total_adjustment_amount"),
)


def _flat_groups(*, local: bool) -> dict[str, GroupName]:
    """Group of every flat amount that counts; `shipping` is part of `fee_tax` in most markets."""
    groups: dict[str, GroupName] = {}
    for table in (FLAT_AMOUNTS, FLAT_LOCAL_AMOUNTS if local else FLAT_ELSEWHERE_AMOUNTS):
        for kind, names in table.items():
            group: GroupName = "fee_tax"
            if kind in ("sales", "refunds"):
                group = "revenue"
            elif kind in ("shipping", "buyer_shipping"):
                group = "shipping"
            groups |= dict.fromkeys(names, group)
    return groups


_FLAT_GROUPS = {local: _flat_groups(local=local) for local in (True, False)}
# An amount of another market's formula is a memo here.
_FLAT_UNCOUNTED = {
    local: NEVER_ADDED | FLAT_MEMOS | FLAT_REPEATS | _FLAT_GROUPS[not local].keys() for local in (True, False)
}
_NOT_COUNTED = NEVER_ADDED | {SUPPLEMENTARY}
_FLAT_OTHERS = FLAT_TOTALS | frozenset(
    {"id", "type", "currency", "order_create_time", "order_id", "adjustment_id", "adjustment_order_id"}
)


def _read_nested(
    row: Mapping[str, Any], prefix: str, may_omit: frozenset[GroupName], memos: list[Component] | None
) -> Transaction:
    identity, kind, name = _identity(row)
    components: list[Component] = []
    groups: dict[GroupName, GroupSum] = {}
    for group, total, breakdown in _NESTED_GROUPS:
        before = len(components)
        if part := row.get(breakdown):
            _walk(part, group, components, memos, name)
        listed = sum((one[1] for one in components[before:]), _ZERO)
        groups[group] = GroupSum(_amount(row, prefix + total, name), listed)
    adjustment = _amount(row, f"{prefix}adjustment_amount", name)
    groups["adjustment"] = _adjustment(kind, adjustment, components)
    if memos is not None and (part := row.get(SUPPLEMENTARY)):
        _walk(part, SUPPLEMENTARY, memos, memos, name)
    reserve = _amount(row, "reserve_amount", name)
    settlement = _amount(row, f"{prefix}settlement_amount", name)
    if settlement is None:
        if reserve is None:
            raise MalformedStatement(f"{name} tells no {prefix}settlement_amount.")
        settlement = _ZERO
    return _transaction(
        row, identity, kind, name, settlement, groups, components, memos, may_omit, reserve or _ZERO
    )


def _walk(part: Any, path: str, counted: list[Component], memos: list[Component] | None, name: str) -> None:
    """Every amount of a breakdown that is not zero, however deep; unknown names count (T 7.5)."""
    if not isinstance(part, dict):
        raise MalformedStatement(f"{name}: {path} is no object.")
    for key, value in cast("dict[str, Any]", part).items():
        if value == "0" or value is None:
            continue
        kept = memos if key in _NOT_COUNTED else counted
        if kept is None:
            continue
        if isinstance(value, dict):
            _walk(value, f"{path}.{key}", kept, memos, name)
        elif amount := _exact(value, key, name):
            kept.append(Component(f"{path}.{key}", amount))


def _read_flat(row: Mapping[str, Any], local: bool, memos: list[Component] | None) -> Transaction:
    identity, kind, name = _identity(row)
    found: dict[GroupName, list[Component]] = {"revenue": [], "shipping": [], "fee_tax": []}
    unknown: list[Component] = []
    groups_of = _FLAT_GROUPS[local]
    for key, value in row.items():
        if value == "0" or value is None or key in _FLAT_OTHERS:
            continue
        group = groups_of.get(key)
        if group is not None:
            if amount := _exact(value, key, name):
                found[group].append(Component(f"{group}.{key}", amount))
        elif key in _FLAT_UNCOUNTED[local]:
            if memos is not None and (amount := _exact(value, key, name)):
                memos.append(Component(f"memo.{key}", amount))
        elif (amount := _if_amount(key, value)) is not None:
            unknown.append(Component(f"fee_tax.{key}", amount))
    settlement = _amount(row, "settlement_amount", name)
    if settlement is None:
        raise MalformedStatement(f"{name} tells no settlement_amount.")
    told = _flat_sums(row, settlement, name, local=local)
    if "shipping" not in told:
        found["fee_tax"] += [Component(f"fee_tax.{one.name}", one.amount) for one in found.pop("shipping")]
    # An unknown amount without which everything adds up is told for information.
    if unknown and _is_off(found, told):
        found["fee_tax"] += unknown
    components = [one for part in found.values() for one in part]
    groups: dict[GroupName, GroupSum] = {
        group: GroupSum(told[group], sum((one.amount for one in part), _ZERO))
        for group, part in found.items()
    }
    groups["adjustment"] = _adjustment(kind, told["adjustment"], components)
    return _transaction(
        row, identity, kind, name, settlement, groups, components, memos, _ALL_GROUPS - {"adjustment"}, _ZERO
    )


def _adjustment(kind: str, declared: Decimal | None, components: list[Component]) -> GroupSum:
    """The adjustment inside an order's own row is a component; other rows are adjustments as a whole."""
    if kind == ORDER_TYPE and declared:
        components.append(Component(ADJUSTMENT_OF_ORDER, declared))
        return GroupSum(declared, declared)
    return GroupSum(declared, _ZERO)


def _flat_sums(
    head: Mapping[str, Any], settlement: Decimal, name: str, *, local: bool
) -> dict[GroupName, Decimal | None]:
    """The declared groups; without shipping where that is inside the fees (T 7.3, 7.4 no. 1).

    Outside the UK and the US the amounts themselves tell which: what is nearer to the settlement.
    """
    told: dict[GroupName, Decimal | None] = {
        "revenue": _first_told(head, name, local=local),
        "shipping": _amount(head, "shipping_cost_amount", name),
        "fee_tax": _amount(head, "fee_amount", name),
        "adjustment": _amount(head, "adjustment_amount", name),
    }
    if local:
        return told
    shipping = told["shipping"] or _ZERO
    apart = settlement - sum((amount or _ZERO for amount in told.values()), _ZERO)
    if abs(apart) >= abs(apart + shipping):
        del told["shipping"]
    return told


def _is_off(found: Mapping[GroupName, list[Component]], told: Mapping[GroupName, Decimal | None]) -> bool:
    return any(
        (declared := told[group]) is not None and declared != sum((one.amount for one in part), _ZERO)
        for group, part in found.items()
    )


def _flat_totals(source: str, head: Mapping[str, Any], name: str, *, local: bool) -> Totals:
    settlement = _amount(head, "settlement_amount", name)
    if settlement is None:
        raise MalformedStatement(f"{name} tells no settlement_amount in {source}.")
    return Totals(source, settlement, _told(_flat_sums(head, settlement, name, local=local)))


def _newer_totals(source: str, head: Mapping[str, Any], name: str) -> Totals:
    settlement = _amount(head, "total_settlement_amount", name)
    parts = head.get("total_settlement_breakdown")
    if settlement is None or not isinstance(parts, Mapping):
        raise MalformedStatement(f"{name} tells no total_settlement_amount or no breakdown of it.")
    breakdown = cast("Mapping[str, Any]", parts)
    return Totals(
        source, settlement, _told({group: _amount(breakdown, key, name) for group, key in _NEWER_TOTALS})
    )


def _told(amounts: Mapping[Any, Decimal | None]) -> dict[GroupName, Decimal]:
    return {group: amount for group, amount in amounts.items() if amount is not None}


def _first_told(head: Mapping[str, Any], name: str, *, local: bool) -> Decimal | None:
    """The revenue: of local sellers of the UK and the US the net sales (T 7.3, 7.7)."""
    keys = ("net_sales_amount", "revenue_amount")
    for key in keys if local else reversed(keys):
        amount = _amount(head, key, name)
        if amount is not None:
            return amount
    return None


def _identity(row: Mapping[str, Any]) -> tuple[str, str, str]:
    identity, kind = _text(row, "id"), _text(row, "type")
    name = f"Transaction {identity or '(without id)'}"
    if not identity or not kind:
        raise MalformedStatement(f"{name} has no id or no type.")
    return identity, kind, name


def _transaction(
    row: Mapping[str, Any],
    identity: str,
    kind: str,
    name: str,
    settlement: Decimal,
    groups: Mapping[GroupName, GroupSum],
    components: list[Component],
    memos: list[Component] | None,
    may_omit: frozenset[GroupName],
    reserve: Decimal,
) -> Transaction:
    order_id = _text(row, "order_id")
    if kind == ORDER_TYPE and not order_id:
        raise MalformedStatement(f"{name} settles an order and has no order_id.")
    return Transaction(
        identity,
        kind,
        settlement,
        groups,
        tuple(components),
        tuple(memos or ()),
        may_omit,
        _text(row, "currency"),
        order_id,
        _text(row, "adjustment_id"),
        _text(row, "reserve_id"),
        _text(row, "adjustment_order_id") or _text(row, "associated_order_id"),
        reserve,
        _instant(row, name, "order_create_time"),
    )


def _text(row: Mapping[str, Any], key: str) -> str:
    """An id; empty where there is none. Some fields tell none as "0"."""
    value = row.get(key)
    if value is None or isinstance(value, (bool, Mapping, list)):
        return ""
    text = str(value).strip()
    return "" if text == "0" else text


def _amount(row: Mapping[str, Any], key: str, name: str) -> Decimal | None:
    """An amount; None where TikTok tells none."""
    value = row.get(key)
    if value == "0":
        return _ZERO
    return None if value is None or value == "" else _exact(value, key, name)


def _exact(value: Any, key: str, name: str) -> Decimal:
    try:
        return exact_decimal(value)
    except MoneyError as error:
        raise MalformedStatement(f"{name}: {key} {error}.") from None


def _if_amount(key: str, value: Any) -> Decimal | None:
    """What an unknown key tells, if it can be an amount at all."""
    if key.endswith(("_id", "_time", "_status", "_count")) or not isinstance(value, (str, int, Decimal)):
        return None
    try:
        return exact_decimal(value) or None
    except MoneyError:
        return None


def _money(raw: Mapping[str, Any], key: str, name: str) -> tuple[Decimal | None, str]:
    value = raw.get(key)
    if value is None:
        return None, ""
    if not isinstance(value, Mapping):
        raise MalformedStatement(f"{name}: {key} is no amount with a currency.")
    pair = cast("Mapping[str, Any]", value)
    return _amount(pair, "value", name), _text(pair, "currency")


def _instant(row: Mapping[str, Any], name: str, *keys: str) -> datetime | None:
    for key in keys:
        value = row.get(key)
        if value is None or value == 0:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LATEST_EPOCH:
            raise MalformedStatement(f"{name}: {key} is no time in seconds.")
        return from_epoch(value)
    return None
