"""What Dagster shows as checks of the refunds flow: which returns wait for the seller's answer, and which
refunds wait for their documents?"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from tiktok_ns_pipeline.dagster_support import (
    Records,
    RuntimeResource,
    check_result,
    markdown_table,
    time_left,
)

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger.exceptions import OpenException
    from tiktok_ns_pipeline.ledger.intents import Intent

_SHOWN = 50
_OFFENDERS = 200
_PATIENCE = timedelta(days=1)
"""A refund may wait so long for its document."""
_HOLDS_UP_NOTHING = (
    "return_needs_answer",
    "refund_without_goods",
    "goods_without_refund",
    "refund_reversed",
)
"""Exceptions about what people do, whatever documents there are."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A return that waits for the seller's answer."""

    shop: str
    return_id: str
    order_id: str
    what: str
    until: datetime | None
    """None where TikTok tells no deadline."""


@dg.asset_check(
    asset="raw_tiktok_returns",
    description="No return that waits for the seller's answer comes near its deadline, after which TikTok "
    "decides for the buyer.",
)
def returns_answered_in_time(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """Returns that wait for an answer, the least time left first."""
    with runtime.records() as records:
        warned_before = timedelta(hours=records.mapping.refunds.reply_warning_hours)
        asked, ever = _asked(records)
    if not ever:
        return check_result("not_run", "no return was read yet")
    if not asked:
        return check_result("passed", "no return waits for an answer")
    now = datetime.now(UTC)
    urgent = [one for one in asked if one.until is None or one.until - now <= warned_before]
    missed = [one for one in asked if one.until is not None and one.until <= now]
    metadata = {
        "waiting": len(asked),
        "table": dg.MetadataValue.md(
            markdown_table(
                ("time left", "until", "shop", "return", "order", "state"),
                [
                    (_left(one, now), _until(one), one.shop, one.return_id, one.order_id, one.what)
                    for one in asked[:_SHOWN]
                ],
            )
        ),
    }
    if not urgent:
        return check_result(
            "passed",
            f"returns that wait for an answer: {len(asked)}; time left for the first: {_left(asked[0], now)}",
            metadata=metadata,
        )
    return check_result(
        "failed",
        f"returns to be answered now: {len(urgent)}, of which TikTok has decided by now: {len(missed)}; time "
        f"left for the first of the others: {_first_left(urgent, now)}",
        severity=dg.AssetCheckSeverity.ERROR if missed else dg.AssetCheckSeverity.WARN,
        metadata={
            **metadata,
            "offenders": dg.MetadataValue.json(
                [f"{one.shop}/{one.return_id}" for one in urgent[:_OFFENDERS]]
            ),
            "number_of_offenders": len(urgent),
        },
    )


@dg.asset_check(
    asset="netsuite_refunds",
    description="No refund waits longer than a day for its document: for a bill, NetSuite or a person.",
)
def refunds_posted_in_time(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """Claims that wait, documents that were not made and exceptions that are open, for more than a day."""
    from tiktok_ns_pipeline.refunds.flow import KINDS
    from tiktok_ns_pipeline.refunds.looking import unresolved

    now = datetime.now(UTC)
    with runtime.records() as records, records.ledger.read() as tx:
        claims = sum(tx.claims.counts().values())
        undecided = tx.claims.with_outcome("waiting")
        unsent = [one for kind in KINDS for one in tx.intents.open_facts(kind=kind)]
        parked = unresolved(tx)
    if not claims:
        return check_result("not_run", "no return was read yet")
    waiting = {(one.shop, one.claim_id): (one.told_at, one.reason) for one in undecided}
    waiting |= {(one.fact.shop, one.fact.business_key): _unsent(one) for one in unsent}
    waiting |= {
        (one.shop, one.subject.partition(" ")[2]): _parked(one)
        for one in parked
        if one.kind not in _HOLDS_UP_NOTHING
    }
    late = sorted((since, *key, why) for key, (since, why) in waiting.items() if now - since > _PATIENCE)
    if not late:
        return check_result(
            "passed",
            "no refund waits longer than a day",
            metadata={"claims": claims, "waiting": len(waiting)},
        )
    oldest = late[0][0]
    return check_result(
        "failed",
        f"{len(late)} refunds wait longer than a day, the oldest since {oldest:%Y-%m-%d %H:%M}Z",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "claims": claims,
            "waiting": len(waiting),
            "offenders": dg.MetadataValue.json([f"{one[1]}/{one[2]}" for one in late[:_OFFENDERS]]),
            "number_of_offenders": len(late),
            "oldest_pending_s": (now - oldest).total_seconds(),
            "table": dg.MetadataValue.md(
                markdown_table(
                    ("since", "shop", "return or cancellation", "why"),
                    [(f"{since:%Y-%m-%d %H:%M}Z", *rest) for since, *rest in late[:_SHOWN]],
                )
            ),
        },
    )


_RAW_COLUMNS = ("shop", "return_id", "order_id", "return_type", "return_status", "deadline")


def _asked(records: Records) -> tuple[list[_Asked], bool]:
    """Returns that wait for an answer, the least time left first; and whether any return was ever read."""
    from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_RETURNS
    from tiktok_ns_pipeline.refunds.staging import NEEDS_ANSWER

    rows = records.lake.current(RAW_TIKTOK_RETURNS, columns=_RAW_COLUMNS)
    with records.ledger.read() as tx:
        told = tx.exceptions.list(kinds=(NEEDS_ANSWER,))
    orders = {(row["shop"], row["return_id"]): row["order_id"] or "" for row in rows}
    found = {
        (row["shop"], row["return_id"]): _Asked(
            row["shop"],
            row["return_id"],
            row["order_id"] or "",
            f"{row['return_type']}, {row['return_status']}",
            row["deadline"],
        )
        for row in rows
        if row["deadline"] is not None
    }
    for one in told:
        key = (one.shop, one.subject.partition(" ")[2])
        found.setdefault(key, _Asked(*key, orders.get(key, ""), one.message, None))
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(found.values(), key=lambda one: (one.until or latest, one.return_id)), bool(rows or told)


def _left(asked: _Asked, now: datetime) -> str:
    return "not told" if asked.until is None else time_left(asked.until, now)


def _first_left(urgent: Iterable[_Asked], now: datetime) -> str:
    return next((_left(one, now) for one in urgent if one.until is None or one.until > now), "none")


def _until(asked: _Asked) -> str:
    return f"{asked.until:%Y-%m-%d %H:%M}Z" if asked.until else ""


def _unsent(intent: "Intent") -> tuple[datetime, str]:
    return intent.created_at, f"{intent.state}: {intent.last_error or 'not sent yet'}"


def _parked(exception: "OpenException") -> tuple[datetime, str]:
    return exception.opened_at, f"{exception.kind}: {exception.message}"
