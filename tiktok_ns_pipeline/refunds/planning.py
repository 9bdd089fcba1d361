"""Intend: what was decided about a claim becomes intents and exceptions, in one transaction.

Receipt and credit of a return wait for its Return Authorization, whose link they name. What was planned
and is not wanted any more, such as the credit of a refund that was taken back before it was sent, is
withdrawn; what is under way, or done, stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from tiktok_ns_pipeline.ledger import Transaction
from tiktok_ns_pipeline.ledger.facts import RETURN_AUTHORIZATION
from tiktok_ns_pipeline.ledger.intents import OPEN, FactKey, NewIntent, Planned, link_reference
from tiktok_ns_pipeline.refunds.claims import MALFORMED
from tiktok_ns_pipeline.refunds.document import CHANNEL, Claim, Credit, ItemReceipt, Problem, RefundDocument
from tiktok_ns_pipeline.refunds.reading import KINDS
from tiktok_ns_pipeline.refunds.staging import EXCEEDS, NEEDS_ANSWER, TWICE, UNBILLED, Decision
from tiktok_ns_pipeline.runtime import Runtime

STAGING_KINDS = (
    MALFORMED,
    UNBILLED,
    EXCEEDS,
    TWICE,
    NEEDS_ANSWER,
    "refund_without_goods",
    "goods_without_refund",
    "refund_reversed",
    "no_open_period",
)
"""Exceptions that staging opens, and whose absence from a later staging proves them gone."""


def intent_of(document: RefundDocument) -> NewIntent:
    """The intent that a document should exist."""
    fact = FactKey(document.channel, document.shop, document.kind, document.claim_id)
    is_made_of_return = isinstance(document, ItemReceipt) or (
        isinstance(document, Credit) and document.of_return
    )
    authorization = FactKey(document.channel, document.shop, RETURN_AUTHORIZATION, document.claim_id)
    return NewIntent(
        flow="refunds",
        fact=fact,
        payload={"document": document.model_dump()},
        payload_hash=document.fingerprint(),
        lane="documents",
        depends_on=link_reference(authorization) if is_made_of_return else None,
    )


def store(
    runtime: Runtime, tx: Transaction, claim: Claim, decision: Decision, *, replay: bool = False
) -> Sequence[Planned]:
    """Plan the documents of a claim, withdraw what is not wanted any more, open and clear exceptions.

    A person's resolution of a problem stands until a `replay` asks for it again.
    """
    known = tx.intents.newest([claim.fact(kind) for kind in KINDS])
    planned = tx.intents.plan(
        [intent_of(document) for document in decision.documents], replay=replay, known=known
    )
    wanted = {document.kind for document in decision.documents}
    unwanted = [fact for fact, one in known.items() if fact.kind not in wanted and one.state in OPEN]
    if unwanted and not decision.waiting:
        tx.intents.withdraw(unwanted, decision.nothing or "the return asks for something else now")
    tell(runtime, tx, claim.shop, claim.subject, decision.problems, replay=replay)
    return planned


def tell(
    runtime: Runtime,
    tx: Transaction,
    shop: str,
    subject: str,
    problems: Sequence[Problem],
    *,
    replay: bool = False,
) -> None:
    """Open what is wrong with a claim now, and clear what is no longer found wrong."""
    for problem in problems:
        if not replay and _is_resolved(tx, shop, subject, problem):
            continue
        tx.exceptions.open(
            runtime.reporter.exception(
                problem.kind,
                channel=CHANNEL,
                shop=shop,
                subject=subject,
                cause=problem.cause,
                message=problem.message,
                dispatch_by=problem.due_at,
            )
        )
    if tx.exceptions.unresolved_among(CHANNEL, shop, [subject]):
        tx.exceptions.clear(
            channel=CHANNEL,
            shop=shop,
            subject=subject,
            reason="staging no longer finds this",
            kinds=STAGING_KINDS,
            keep=[(problem.kind, problem.cause) for problem in problems],
        )


def _is_resolved(tx: Transaction, shop: str, subject: str, problem: Problem) -> bool:
    """Whether a person has resolved this very problem."""
    resolved = tx.exceptions.list(
        states=("resolved",), kinds=(problem.kind,), shop=shop, subject=subject, cause=problem.cause
    )
    return any(tx.exceptions.events(one.id)[-1].actor != "pipeline" for one in resolved)
