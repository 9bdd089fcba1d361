"""What Dagster shows as checks of the settlement flow.

They read our own records. Nothing of a statement that fails `statements_foot` is posted, whatever runs:
that is decided where payouts are staged. What we never saw is the business of the proof
(`reconciliation`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from tiktok_ns_pipeline.dagster_support import Records, RuntimeResource, check_result, markdown_table

if TYPE_CHECKING:
    from tiktok_ns_pipeline.mapping import Shop

_SHOWN = 50
_OFFENDERS = 200
_GRACE = timedelta(hours=6)
"""A payment may be so long on its way into the books: TikTok is asked once an hour."""

_STAGED_COLUMNS = ("shop", "key", "payment_id", "outcome", "reason", "currency", "net")


@dg.asset_check(
    asset="staged_payout_journals",
    description="Components foot to their transaction, transactions to their statement, statements to their "
    "payment, and every amount has an account. What does not is refused whole.",
)
def statements_foot(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """Statements and payouts as they were decided last."""
    from tiktok_ns_pipeline.lake.tables import STAGED_PAYOUT_JOURNALS

    with runtime.records() as records:
        rows = records.lake.current(STAGED_PAYOUT_JOURNALS, columns=_STAGED_COLUMNS)
    statements = [row for row in rows if row["payment_id"] is None]
    refused = [row for row in rows if row["outcome"] == "parked"]
    if not rows:
        return check_result("not_run", "no statement was read yet")
    metadata: dict[str, Any] = {
        "statements": len(statements),
        "settled": dg.MetadataValue.md(_settled_table(statements)),
    }
    if not refused:
        return check_result(
            "passed", f"{len(statements)} statements and their payouts add up", metadata=metadata
        )
    return check_result(
        "failed",
        f"{len(refused)} statements or payouts are refused; nothing of them is posted",
        metadata={
            **metadata,
            "offenders": dg.MetadataValue.json([f"{r['shop']}/{r['key']}" for r in refused[:_OFFENDERS]]),
            "number_of_offenders": len(refused),
            "table": dg.MetadataValue.md(
                markdown_table(
                    ("shop", "statement or payment", "why"),
                    [(row["shop"], row["key"], row["reason"] or "") for row in refused[:_SHOWN]],
                )
            ),
        },
    )


@dg.asset_check(
    asset="netsuite_payout_journals",
    description="Each payment that arrived has its document in NetSuite, in shops whose payouts are posted.",
)
def payouts_have_journals(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """Payments that arrived beside the links of their documents."""
    with runtime.records() as records:
        missing: list[tuple[str, str, str]] = []
        paid = 0
        for shop in _posting_shops(records):
            count, without = _without_journal(records, shop)
            paid += count
            missing += without
    if not paid:
        return check_result("not_run", "no payment that is posted has arrived yet")
    if not missing:
        return check_result("passed", f"{paid} payments are in NetSuite", metadata={"payments": paid})
    return check_result(
        "failed",
        f"{len(missing)} of {paid} payments are not in NetSuite",
        metadata={
            "payments": paid,
            "offenders": dg.MetadataValue.json([f"{shop}/{key}" for shop, key, _why in missing[:_OFFENDERS]]),
            "number_of_offenders": len(missing),
            "table": dg.MetadataValue.md(markdown_table(("shop", "payment", "why"), missing[:_SHOWN])),
        },
    )


@dg.asset_check(
    asset="netsuite_payout_journals",
    description="Documents of payouts are in NetSuite as they were sent, account by account, and post.",
)
def journals_match_payouts(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """Documents as they were read back beside what they should be."""
    from tiktok_ns_pipeline.lake.tables import NETSUITE_PAYOUT_JOURNALS

    with runtime.records() as records:
        rows = records.lake.current(NETSUITE_PAYOUT_JOURNALS)
    if not rows:
        return check_result("not_run", "no document of a payout was read back yet")
    wrong = [
        row for row in rows if row["differences"] is not None or row["posted_total"] != row["expected_total"]
    ]
    waiting = [row for row in rows if row not in wrong and row["is_posting"] is False]
    metadata = {"documents": len(rows), "waiting_for_approval": len(waiting)}
    if not wrong:
        return check_result("passed", f"{len(rows)} documents are as they were sent", metadata=metadata)
    table = [
        (
            row["shop"],
            row["external_id"],
            f"{'gone' if row['posted_total'] is None else row['posted_total']} instead of "
            f"{row['expected_total']} {row['currency']}; {row['differences'] or ''}",
        )
        for row in wrong[:_SHOWN]
    ]
    return check_result(
        "failed",
        f"{len(wrong)} of {len(rows)} documents are not as they were sent",
        metadata={
            **metadata,
            "offenders": dg.MetadataValue.json(
                [f"{r['shop']}/{r['external_id']}" for r in wrong[:_OFFENDERS]]
            ),
            "number_of_offenders": len(wrong),
            "table": dg.MetadataValue.md(markdown_table(("shop", "document", "what"), table)),
        },
    )


def _posting_shops(records: Records) -> "list[Shop]":
    from tiktok_ns_pipeline.mapping.settlements import PostedSettlement

    return [shop for shop in records.mapping.shops.values() if isinstance(shop.settlement, PostedSettlement)]


def _without_journal(records: Records, shop: "Shop") -> tuple[int, list[tuple[str, str, str]]]:
    """How many payments should be posted, and those that are not after the grace, with the reason."""
    from tiktok_ns_pipeline.lake.tables import RAW_TIKTOK_PAYMENTS, STAGED_PAYOUT_JOURNALS
    from tiktok_ns_pipeline.settlements.planning import payout_fact

    staged = {
        row["key"]: row
        for row in records.lake.current(
            STAGED_PAYOUT_JOURNALS, "payment_id IS NOT NULL", shop=shop.code, columns=_STAGED_COLUMNS
        )
    }
    payments = records.lake.current(
        RAW_TIKTOK_PAYMENTS,
        "upper(status) = 'PAID'",
        shop=shop.code,
        columns=("payment_id", "paid_time", "read_at"),
    )
    wanted = [row for row in payments if staged.get(row["payment_id"], {}).get("outcome") != "skipped"]
    facts = {row["payment_id"]: payout_fact(shop.code, row["payment_id"]) for row in wanted}
    with records.ledger.read() as tx:
        links = tx.links.find_many(facts.values())
    now = datetime.now(UTC)
    missing = [
        (shop.code, key, _why(staged.get(key)))
        for row in wanted
        if facts[key := row["payment_id"]] not in links and now - row["read_at"] > _GRACE
    ]
    return len(wanted), missing


def _why(staged: Mapping[str, Any] | None) -> str:
    if staged is None:
        return "not looked at yet"
    return staged["reason"] or f"{staged['outcome']}, not sent yet"


def _settled_table(statements: Sequence[Mapping[str, Any]]) -> str:
    sums: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for row in statements:
        key = (row["shop"], row["currency"])
        count, total = sums.get(key, (0, Decimal(0)))
        sums[key] = (count + 1, total + (row["net"] or Decimal(0)))
    return markdown_table(
        ("shop", "currency", "statements", "settled"),
        [(shop, currency, count, f"{total:f}") for (shop, currency), (count, total) in sorted(sums.items())],
    )
