"""What Dagster shows as a check of the billing flow: do the bills come to what was shipped?

It reads our own records: the bills as they were read back, and the shipments whose bill is not made.
What we never saw is the business of the proof (`reconciliation`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from tiktok_ns_pipeline.dagster_support import RuntimeResource, check_result, markdown_table

if TYPE_CHECKING:
    from tiktok_ns_pipeline.ledger.intents import Intent

_COLUMNS = ("shop", "currency", "external_id", "expected_total", "billed_total")
_DIFFER = "billed_total IS DISTINCT FROM expected_total"
_TOTALS = """
SELECT shop, currency, count(*), sum(expected_total), sum(coalesce(billed_total, 0))
FROM netsuite_bills
GROUP BY shop, currency
ORDER BY shop, currency
"""
_SHOWN = 50
_OFFENDERS = 200


@dg.asset_check(
    asset="netsuite_bills",
    description="Per shop and currency, the bills in NetSuite come to what their shipments are worth, and no "
    "shipment waits longer than the mapping's grace for its bill.",
)
def bills_equal_shipments(runtime: RuntimeResource) -> dg.AssetCheckResult:
    """Expected against billed totals of all bills that were read back, and bills that are overdue."""
    from tiktok_ns_pipeline.lake.tables import NETSUITE_BILLS
    from tiktok_ns_pipeline.ledger.facts import BILL

    with runtime.records() as records:
        grace = timedelta(minutes=records.mapping.reconciliation.grace_minutes)
        differing = records.lake.current(NETSUITE_BILLS, _DIFFER, columns=_COLUMNS)
        with records.lake.connect() as lake:
            totals: list[tuple[str, str, int, Decimal, Decimal]] = lake.execute(_TOTALS).fetchall()
        with records.ledger.read() as tx:
            late = tx.intents.open_facts(kind=BILL, older_than=datetime.now(UTC) - grace)
    bills = sum(count for _shop, _currency, count, _shipped, _billed in totals)
    if not bills and not late:
        return check_result("not_run", "nothing was billed yet")
    metadata = {"totals": dg.MetadataValue.md(_totals_table(totals)), "bills": bills}
    if not differing and not late:
        return check_result("passed", f"{bills} bills come to what was shipped", metadata=metadata)
    offenders = [f"{bill['shop']}/{bill['external_id']}" for bill in differing]
    offenders += [f"{intent.fact.shop}/{intent.fact.business_key}" for intent in late]
    return check_result(
        "failed",
        f"{len(differing)} bills differ from their shipments, {len(late)} shipments are not billed after "
        f"{grace}",
        metadata={
            **metadata,
            "offenders": dg.MetadataValue.json(offenders[:_OFFENDERS]),
            "number_of_offenders": len(offenders),
            "table": dg.MetadataValue.md(_offenders_table(differing, late)),
        },
    )


def _totals_table(totals: Iterable[tuple[str, str, int, Decimal, Decimal]]) -> str:
    return markdown_table(
        ("shop", "currency", "bills", "shipped", "billed", "difference"),
        [
            (shop, currency, count, _plain(shipped), _plain(billed), _plain(billed - shipped))
            for shop, currency, count, shipped, billed in totals
        ],
    )


def _plain(amount: Decimal) -> str:
    """An amount as it is written, without the zeros that storing it adds."""
    return format(
        amount.quantize(Decimal("0.01")) if amount == amount.quantize(Decimal("0.01")) else amount, "f"
    )


def _offenders_table(differing: Iterable[Mapping[str, Any]], late: "Iterable[Intent]") -> str:
    rows: list[tuple[str, str, str]] = [
        (
            bill["shop"],
            bill["external_id"],
            f"{'gone' if bill['billed_total'] is None else bill['billed_total']} instead of "
            f"{bill['expected_total']} {bill['currency']}",
        )
        for bill in differing
    ]
    rows += [
        (intent.fact.shop, intent.fact.business_key, f"{intent.state}: {intent.last_error or 'not sent yet'}")
        for intent in late
    ]
    return markdown_table(("shop", "bill", "what"), rows[:_SHOWN])
