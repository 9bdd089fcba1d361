"""The proofs of payouts and of clearing accounts as Dagster shows them.

Payouts have a partition for each UTC day: that on which TikTok made a payment, or that a statement covers.
A clearing account is what it is now, so its proof has no days; its history is in the lake.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from tiktok_ns_pipeline.dagster_support import (
    FINANCE,
    RuntimeResource,
    check_result,
    in_event_loop,
    markdown_table,
    table_metadata,
)
from tiktok_ns_pipeline.lake.tables import CLEARING_RECONCILIATION, PAYOUT_RECONCILIATION
from tiktok_ns_pipeline.reconciliation.checks import DAYS, answer, specs_by_day

if TYPE_CHECKING:
    from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof
    from tiktok_ns_pipeline.reconciliation.payouts.model import BankLine, PayoutProof

GROUP = "reconciliation"
ASSET = "payout_reconciliation"
CLEARING_ASSET = "clearing_reconciliation"
POOL = "payout_proof"
CLEARING_POOL = "clearing_proof"
_WORST = 20
"""Rows in the table of the worst, for each shop."""
_OFFENDERS = 200

# Beside the live checks on the flow's own assets, which read our records; these read both systems.
_QUESTIONS = {
    "payments_add_up": "Transactions make the statement, statements make the payment, to the cent.",
    "payments_booked": "Every payment that arrived has its document in NetSuite.",
    "bookings_are_payments": "What is booked, and what the bank has, is what TikTok paid, line by line.",
}
_CLEARING_QUESTION = (
    "The balance of every clearing account is the list of what stands open on it, to the cent."
)

_RETRIES = dg.RetryPolicy(
    max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


class PayoutProofConfig(dg.Config):
    """What a proof of payouts may be given beside its day."""

    bank_files: dict[str, str] = Field(
        default={},
        description="by shop code: path or URL of a file with the bank's lines, CSV (date, amount, currency, "
        "reference) or OFX; without one nothing is said of the bank",
    )


@dg.asset(
    name=ASSET,
    deps=[dg.AssetKey(["tiktok_shop", "finance"]), "netsuite_payout_journals"],
    partitions_def=DAYS,
    check_specs=specs_by_day(ASSET, _QUESTIONS),
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"tiktok", "netsuite", "parquet", "duckdb"},
    metadata=table_metadata(PAYOUT_RECONCILIATION),
    pool=POOL,
    retry_policy=_RETRIES,
)
def payout_reconciliation(
    context: dg.AssetExecutionContext, config: PayoutProofConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Every payment that TikTok made on the UTC day against what is booked of it, account by account, in both
    directions; every statement of the day against its transactions; and the bank's lines, if they are given.

    Read from the two systems alone, never from our own records.
    """
    day = date.fromisoformat(context.partition_key)
    banks = {shop: _bank_lines(path) for shop, path in config.bank_files.items()}
    proofs = in_event_loop(_prove(runtime, day, context.run.run_id, banks))
    for shop, proof in proofs.items():
        (context.log.warning if proof.not_run or proof.wrong else context.log.info)(
            f"{shop}: {proof.statement}"
        )
    yield dg.MaterializeResult(metadata=_metadata(proofs), check_results=list(_check_results(proofs)))


@dg.asset(
    name=CLEARING_ASSET,
    deps=[dg.AssetKey(["tiktok_shop", "finance"]), "netsuite_payout_journals", "netsuite_bills"],
    check_specs=[
        dg.AssetCheckSpec("clearing_account_explained", asset=CLEARING_ASSET, description=_CLEARING_QUESTION)
    ],
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"tiktok", "netsuite", "parquet", "duckdb"},
    metadata=table_metadata(CLEARING_RECONCILIATION),
    pool=CLEARING_POOL,
    retry_policy=_RETRIES,
)
def clearing_reconciliation(
    context: dg.AssetExecutionContext, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """What the balance of every clearing account is made of: orders billed and not settled, settled and not
    billed, refunds likewise, differences, and what nobody can account for.

    Read from the two systems alone, over the whole history of the account.
    """
    proofs = in_event_loop(_prove_clearing(runtime, context.run.run_id))
    for proof in proofs:
        (context.log.info if proof.is_explained else context.log.warning)(proof.statement)
    yield dg.MaterializeResult(metadata=_clearing_metadata(proofs), check_results=[_explained(proofs)])


async def _prove(
    resource: RuntimeResource, day: date, run_id: str, banks: "Mapping[str, Sequence[BankLine]]"
) -> "dict[str, PayoutProof]":
    from tiktok_ns_pipeline.reconciliation.every_shop import prove_payouts_of_every_shop

    async with resource.opened() as runtime:
        return await prove_payouts_of_every_shop(runtime, day, run_id, banks)


async def _prove_clearing(resource: RuntimeResource, run_id: str) -> "list[ClearingProof]":
    from tiktok_ns_pipeline.reconciliation.every_shop import prove_clearing_of_every_account

    async with resource.opened() as runtime:
        return await prove_clearing_of_every_account(runtime, run_id)


def _bank_lines(path: str) -> "list[BankLine]":
    from upath import UPath

    from tiktok_ns_pipeline.reconciliation.payouts.bank import BankFileError, read_bank_lines

    try:
        return read_bank_lines(UPath(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, BankFileError) as error:
        raise dg.Failure(f"the bank file {path} cannot be read: {error}", allow_retries=False) from error


def _check_results(proofs: "Mapping[str, PayoutProof]") -> Iterator[dg.AssetCheckResult]:
    from tiktok_ns_pipeline.reconciliation.payouts.checking import CHECKS

    unread = any(proof.not_run for proof in proofs.values())
    for question in CHECKS:
        yield answer({shop: question(proof) for shop, proof in proofs.items()}, unread=unread)


def _metadata(proofs: "Mapping[str, PayoutProof]") -> dict[str, Any]:
    from tiktok_ns_pipeline.reconciliation.payouts.checking import worst

    ran = {shop: proof for shop, proof in proofs.items() if not proof.not_run}
    verdicts = Counter(row.verdict.value for proof in ran.values() for row in proof.rows)
    amounts = [
        (shop, currency, f"{paid:,f}", f"{posted:,f}", f"{posted - paid:+,f}")
        for shop, proof in ran.items()
        for currency, (paid, posted) in proof.amounts().items()
    ]
    tables = {shop: worst(proof, _WORST) for shop, proof in ran.items() if proof.wrong}
    statements = [(shop, proof.statement) for shop, proof in proofs.items()]
    return {
        "dagster/partition_row_count": sum(len(proof.rows) for proof in ran.values()),
        "differences": sum(len(proof.wrong) for proof in ran.values()),
        "shops_not_proved": len(proofs) - len(ran),
        **dict(sorted(verdicts.items())),
        "amounts": dg.MetadataValue.md(
            markdown_table(("shop", "currency", "paid", "posted", "difference"), amounts)
        ),
        "worst": dg.MetadataValue.md(
            "\n\n".join(f"**shop {shop}**\n\n{table}" for shop, table in tables.items()) or "none"
        ),
        "statements": dg.MetadataValue.md(markdown_table(("shop", "statement"), statements)),
    }


def _explained(proofs: "Sequence[ClearingProof]") -> dg.AssetCheckResult:
    from tiktok_ns_pipeline.reconciliation.payouts.clearing_checking import clearing_account_explained

    outcome = clearing_account_explained(proofs)
    return check_result(
        outcome.state,
        outcome.description,
        check_name="clearing_account_explained",
        metadata={
            "number_of_offenders": len(outcome.names),
            "offenders": dg.MetadataValue.json(list(outcome.names[:_OFFENDERS])),
            "table": dg.MetadataValue.md(outcome.table or "none"),
        },
    )


def _clearing_metadata(proofs: "Sequence[ClearingProof]") -> dict[str, Any]:
    from tiktok_ns_pipeline.reconciliation.payouts.clearing_checking import items_table

    items = [item for proof in proofs for item in proof.items]
    largest = sorted(items, key=lambda item: -abs(item.amount))
    return {
        "dagster/row_count": len(items),
        "not_explained": sum(len(proof.wrong) for proof in proofs),
        "accounts_not_proved": sum(proof.not_run is not None for proof in proofs),
        **dict(sorted(Counter(item.reason.value for item in items).items())),
        "largest": dg.MetadataValue.md(items_table(largest, _WORST) or "none"),
        "statements": dg.MetadataValue.md(
            markdown_table(("account", "statement"), [(one.account, one.statement) for one in proofs])
        ),
    }
