"""What an error means for an intent: one table, read by the dispatcher only.

The adapters name what happened; this table says what follows. Only *transient* and *throttled* are
sent again by themselves, *throttled* without costing an attempt. *Ambiguous* is looked up first.
*Authentication* stops the system. *Business* and *unknown* park the one intent.
"""

from __future__ import annotations

from enum import StrEnum

from tiktok_ns_pipeline.engine.governor import BreakerOpen
from tiktok_ns_pipeline.netsuite import errors as netsuite
from tiktok_ns_pipeline.tiktok import errors as tiktok


class ErrorClass(StrEnum):
    """The six things that an error can mean (DESIGN 5)."""

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    AUTHENTICATION = "authentication"
    BUSINESS = "business"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


E = ErrorClass

TABLE: tuple[tuple[type[Exception], ErrorClass, str], ...] = (
    (BreakerOpen, E.AUTHENTICATION, "DESIGN 5: the breaker keeps a token from being locked"),
    (netsuite.NetSuiteThrottled, E.THROTTLED, "N 4.2, 4.3: refused untouched"),
    (netsuite.NetSuiteTransient, E.TRANSIENT, "N 4.2: a read changes nothing"),
    (netsuite.NetSuiteNotSent, E.TRANSIENT, "no byte left"),
    (netsuite.NetSuiteConflict, E.TRANSIENT, "N 4.2: RCRD_HAS_BEEN_CHANGED, re-read and try again"),
    (netsuite.NetSuiteAmbiguous, E.AMBIGUOUS, "N 2.9, 4.2: the write may have happened"),
    (netsuite.NetSuiteAuthenticationError, E.AUTHENTICATION, "N 1.4: never loop on 401"),
    (netsuite.NetSuitePermissionError, E.BUSINESS, "N 1.5: the role must be changed"),
    (netsuite.NetSuiteDuplicate, E.BUSINESS, "N 2.6: handlers look up first, what is left is a conflict"),
    (netsuite.NetSuiteNotFound, E.BUSINESS, "N 4.2"),
    (netsuite.NetSuiteRefused, E.BUSINESS, "N 4.2: business validation"),
    (tiktok.TikTokThrottled, E.THROTTLED, "T 2.4"),
    (tiktok.TikTokTransient, E.TRANSIENT, "T 2.3: 36009003, 36009007 and the like"),
    (tiktok.TikTokAmbiguous, E.AMBIGUOUS, "a write without an answer"),
    (tiktok.TikTokAuthenticationError, E.AUTHENTICATION, "T 2.3: the seller must consent again"),
    (tiktok.TikTokPermissionError, E.BUSINESS, "T 2.3: a scope or one shop; the other shops go on"),
    (tiktok.TikTokRefused, E.BUSINESS, "T 2.3: domain codes"),
)
"""First match decides. What no row names is unknown, and unknown parks."""


def classify(error: Exception) -> ErrorClass:
    """The class of an error, by the table."""
    for kind, meaning, _source in TABLE:
        if isinstance(error, kind):
            return meaning
    return ErrorClass.UNKNOWN
