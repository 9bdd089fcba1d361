"""The proofs of payouts and of clearing accounts as Dagster shows them.

Payouts have a partition for each UTC day: that on which TikTok made a payment, or that a statement covers.
A clearing account is what it is now, so its proof has no days; its history is in the lake.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from tiktok_ns_pipeline.dagster_support import FINANCE, RuntimeResource, table_metadata
from tiktok_ns_pipeline.lake.tables import CLEARING_RECONCILIATION, PAYOUT_RECONCILIATION
from tiktok_ns_pipeline.reconciliation.checks import DAYS, answer, specs_by_day
from tiktok_ns_pipeline.reconciliation.showing import (
    GROUP,
    RETRIES,
    WORST,
    amounts_table,
    day_of_every_shop,
    proved,
    statements,
    worst,
)

if TYPE_CHECKING:
    from tiktok_ns_pipeline.reconciliation.payouts.clearing import ClearingProof
    from tiktok_ns_pipeline.reconciliation.payouts.model import BankLine

ASSET = "payout_reconciliation"
CLEARING_ASSET = "clearing_reconciliation"
POOL = "payout_proof"
CLEARING_POOL = "clearing_proof"

# Beside the live checks on the flow's own assets, which read our records; these read both systems.
_QUESTIONS = {
    "payments_add_up": "Transactions make the statement, statements make the payment, to the cent.",
    "payments_booked": "Every payment that arrived has its document in NetSuite.",
    "bookings_are_payments": "What is booked, and what the bank has, is what TikTok paid, line by line.",
}
_CLEARING_QUESTION = (
    "The balance of every clearing account is the list of what stands open on it, to the cent."
)


class PayoutProofConfig(dg.Config):
    """What a proof of payouts may be given beside its day."""

    bank_files: dict[str, str] = Field(
        default={},
        description="by shop code: path or URL of a file with the bank's lines, CSV (date, amount, currency, "
        "reference) or OFX; without one nothing is said of the bank",
    )


class ClearingProofConfig(dg.Config):
    """What a proof of clearing accounts may be told."""

    whole: bool = Field(
        default=False,
        description="read the accounts from the beginning, not what changed since the last proof; this also "
        "happens by itself once a week, after a change of the mapping, and where balances differ from what "
        "is known",
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
    retry_policy=RETRIES,
)
def payout_reconciliation(
    context: dg.AssetExecutionContext, config: PayoutProofConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Every payment that TikTok made on the UTC day against what is booked of it, account by account, in both
    directions; every statement of the day against its transactions; and the bank's lines, if they are given.

    Read from the two systems alone, never from our own records.
    """
    from tiktok_ns_pipeline.reconciliation.every_shop import prove_payouts_of_every_shop
    from tiktok_ns_pipeline.reconciliation.payouts.checking import CHECKS, LISTING

    day = date.fromisoformat(context.partition_key)
    banks = {shop: _bank_lines(path) for shop, path in config.bank_files.items()}
    proofs = proved(runtime, prove_payouts_of_every_shop, day, context.run.run_id, banks)
    amounts = {shop: proof.amounts() for shop, proof in proofs.items()}
    tables = {"amounts": amounts_table("paid", "posted", amounts), "worst": worst(proofs, LISTING)}
    yield day_of_every_shop(context, proofs, CHECKS, tables=tables)


@dg.asset(
    name=CLEARING_ASSET,
    deps=[
        dg.AssetKey(["tiktok_shop", "finance"]),
        "netsuite_payout_journals",
        "netsuite_bills",
        "netsuite_refunds",
    ],
    check_specs=[
        dg.AssetCheckSpec("clearing_account_explained", asset=CLEARING_ASSET, description=_CLEARING_QUESTION)
    ],
    group_name=GROUP,
    owners=[FINANCE],
    kinds={"tiktok", "netsuite", "parquet", "duckdb"},
    metadata=table_metadata(CLEARING_RECONCILIATION),
    pool=CLEARING_POOL,
    retry_policy=RETRIES,
)
def clearing_reconciliation(
    context: dg.AssetExecutionContext, config: ClearingProofConfig, runtime: RuntimeResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """What the balance of every clearing account is made of: orders billed and not settled, settled and not
    billed, refunds likewise, differences, and what nobody can account for.

    Read from the two systems alone, over the whole history of the account: what was read before is kept, and
    every month's balance is compared with it.
    """
    from tiktok_ns_pipeline.reconciliation.every_shop import prove_clearing_of_every_account
    from tiktok_ns_pipeline.reconciliation.payouts.clearing_checking import clearing_account_explained

    proofs = proved(runtime, prove_clearing_of_every_account, context.run.run_id, whole=config.whole)
    for proof in proofs:
        (context.log.info if proof.is_explained else context.log.warning)(proof.statement)
    yield dg.MaterializeResult(
        metadata=_clearing_metadata(proofs), check_results=[answer(clearing_account_explained(proofs))]
    )


def _bank_lines(path: str) -> "list[BankLine]":
    from upath import UPath

    from tiktok_ns_pipeline.reconciliation.payouts.bank import BankFileError, read_bank_lines

    try:
        return read_bank_lines(UPath(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, BankFileError) as error:
        raise dg.Failure(f"the bank file {path} cannot be read: {error}", allow_retries=False) from error


def _clearing_metadata(proofs: "Sequence[ClearingProof]") -> dict[str, Any]:
    from tiktok_ns_pipeline.reconciliation.payouts.clearing_checking import LISTING

    items = [item for proof in proofs for item in proof.items]
    return {
        "dagster/row_count": len(items),
        "not_explained": sum(len(proof.wrong) for proof in proofs),
        "accounts_not_proved": sum(proof.not_run is not None for proof in proofs),
        **dict(sorted(Counter(item.reason.value for item in items).items())),
        "largest": dg.MetadataValue.md(LISTING.worst(items, WORST) or "none"),
        "statements": statements("account", {one.account: one.statement for one in proofs}),
    }
