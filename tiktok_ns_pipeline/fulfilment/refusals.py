"""What is done about a refusal or failure of TikTok when it is told of a parcel (T 2.3).

One table by meaning: wait and try again, look up, or park under a kind that says who acts. Nothing is
tried for ever.
"""

from __future__ import annotations

from datetime import timedelta

from tiktok_ns_pipeline.clock import Clock
from tiktok_ns_pipeline.engine.outcomes import NotYet, Outcome, Park, Unclear
from tiktok_ns_pipeline.fulfilment.documents import ShipmentDocument
from tiktok_ns_pipeline.fulfilment.telling import name_of
from tiktok_ns_pipeline.ledger.intents import Intent
from tiktok_ns_pipeline.mapping.follow_ups import FulfilmentRules
from tiktok_ns_pipeline.tiktok.errors import (
    TikTokAmbiguous,
    TikTokError,
    TikTokThrottled,
    TikTokTransient,
    WireError,
)
from tiktok_ns_pipeline.tiktok.meanings import Meaning, meaning_of

_A_MINUTE = timedelta(minutes=1)
_LONG_ENOUGH = timedelta(hours=1)
_LOOKS_BEFORE_GIVING_UP = 5

_LOOK_AGAIN = frozenset[Meaning]({"already_shipped", "package_gone", "name_the_lines", "not_shipped_yet"})
"""TikTok's order moved between our look and our call."""
_WAIT = frozenset[Meaning]({"on_hold", "request_pending", "invoice_missing"})
"""Passes by itself, or by what somebody else does; after an hour a person should know."""
_TRACKING = frozenset[Meaning]({"tracking_unknown", "tracking_duplicate"})
"""The carrier may not have told TikTok of the number yet."""
_PARKED_AS: dict[Meaning, str] = {
    "cancelled": "shipped_after_cancellation",
    "update_refused": "tracking_update_refused",
}


class Refusals:
    """Outcomes of failed calls."""

    def __init__(self, clock: Clock, rules: FulfilmentRules) -> None:
        self._clock = clock
        self._rules = rules

    def outcome(self, error: TikTokError | WireError, intent: Intent, document: ShipmentDocument) -> Outcome:
        """What becomes of the parcel."""
        now = self._clock.now()
        match error:
            case WireError():
                return Park("malformed_package", error.field, f"{name_of(document)}: {error}.")
            case TikTokAmbiguous():
                return Unclear(str(error))
            case TikTokThrottled():
                return NotYet(str(error), now + timedelta(seconds=error.retry_after_s or 1))
            case TikTokTransient():
                return NotYet(str(error), now + timedelta(seconds=30))
            case _:
                return self._refused(error, intent, document)

    def unknown_order(self, document: ShipmentDocument) -> Park:
        """TikTok does not show the order."""
        return Park(
            "shipment_refused", "unknown_order", f"{name_of(document)}: TikTok does not show its order."
        )

    def _refused(self, error: TikTokError, intent: Intent, document: ShipmentDocument) -> Outcome:
        meaning = meaning_of(error.code)
        said = f"{name_of(document)}: TikTok says: {error.message} [code {error.code}]"
        cause = f"code:{error.code}"
        waited = self._clock.now() - intent.created_at
        if meaning in _LOOK_AGAIN and intent.attempts < _LOOKS_BEFORE_GIVING_UP:
            return Unclear(said)
        if meaning in _WAIT and waited < _LONG_ENOUGH:
            return NotYet(said, self._clock.now() + _A_MINUTE)
        if meaning in _TRACKING:
            return self._tracking(said, cause, waited, intent)
        kind = _PARKED_AS.get(meaning, "shipment_refused") if meaning else "tiktok_refused"
        return Park(kind, cause, said)

    def _tracking(self, said: str, cause: str, waited: timedelta, intent: Intent) -> Outcome:
        """Tried again by the mapping's minutes since it was planned."""
        waits = (timedelta(minutes=minutes) for minutes in self._rules.tracking_retry_minutes)
        later = next((wait for wait in waits if wait > waited), None)
        if later is None:
            return Park("tracking_refused", cause, said)
        return NotYet(said, intent.created_at + later)
