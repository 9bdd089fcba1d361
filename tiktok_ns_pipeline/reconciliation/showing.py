"""How Dagster shows a proof: the run's log, its figures, and the answers to its questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import dagster as dg

from tiktok_ns_pipeline.dagster_support import RuntimeResource, in_event_loop, markdown_table
from tiktok_ns_pipeline.reconciliation.checks import answers, by_shop

if TYPE_CHECKING:
    from tiktok_ns_pipeline.reconciliation.answering import CheckOutcome, Listing
    from tiktok_ns_pipeline.reconciliation.results import JudgedT, Proof
    from tiktok_ns_pipeline.runtime import Runtime

GROUP = "reconciliation"
WORST = 20
"""Rows in the table of the worst, for each shop."""

RETRIES = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

_Asked = ParamSpec("_Asked")
_Result = TypeVar("_Result")


def proved(
    resource: RuntimeResource,
    prove: Callable[Concatenate[Runtime, _Asked], Awaitable[_Result]],
    *args: _Asked.args,
    **kwargs: _Asked.kwargs,
) -> _Result:
    """What a proof concludes in our world, opened for it."""

    async def opened() -> _Result:
        async with resource.opened() as runtime:
            return await prove(runtime, *args, **kwargs)

    return in_event_loop(opened())


def day_of_every_shop(
    context: dg.AssetExecutionContext,
    proofs: Mapping[str, Proof[JudgedT]],
    questions: Sequence[Callable[[Any], CheckOutcome[JudgedT]]],
    *,
    counts: Mapping[str, int] | None = None,
    tables: Mapping[str, str] | None = None,
) -> dg.MaterializeResult[Any]:
    """A day as it was proved in every shop, with the answers. `counts` and `tables` are what this proof has
    to show beside what all have."""
    for shop, proof in proofs.items():
        (context.log.warning if proof.not_run or proof.wrong else context.log.info)(
            f"{shop}: {proof.statement}"
        )
    rows = [row for proof in proofs.values() for row in proof.rows]
    metadata = {
        "dagster/partition_row_count": len(rows),
        **(counts or {}),
        "differences": sum(len(proof.wrong) for proof in proofs.values()),
        "shops_not_proved": sum(proof.not_run is not None for proof in proofs.values()),
        **dict(sorted(Counter(str(row.verdict) for row in rows).items())),
        **{name: dg.MetadataValue.md(table) for name, table in (tables or {}).items()},
        "statements": statements("shop", {shop: proof.statement for shop, proof in proofs.items()}),
    }
    return dg.MaterializeResult(metadata=metadata, check_results=list(answers(questions, proofs)))


def worst(proofs: Mapping[str, Proof[JudgedT]], listing: Listing[JudgedT]) -> str:
    """The worst rows of each shop that has any."""
    return by_shop({shop: listing.worst(proof.wrong, WORST) for shop, proof in proofs.items() if proof.wrong})


def amounts_table(
    expected: str, found: str, amounts: Mapping[str, Mapping[str, tuple[Decimal, Decimal]]]
) -> str:
    """What is expected and what was found by shop and currency."""
    rows = [
        (shop, currency, f"{first:,f}", f"{second:,f}", f"{second - first:+,f}")
        for shop, own in amounts.items()
        for currency, (first, second) in own.items()
    ]
    return markdown_table(("shop", "currency", expected, found, "difference"), rows)


def statements(of: str, told: Mapping[str, str]) -> dg.MarkdownMetadataValue:
    """Each proof in one line, with what it is `of`."""
    return dg.MetadataValue.md(markdown_table((of, "statement"), told.items()))
