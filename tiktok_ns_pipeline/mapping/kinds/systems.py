"""What the engine meets on the way to a system, whatever is being sent."""

from __future__ import annotations

from tiktok_ns_pipeline.mapping.kinds.row import kind

SYSTEM_KINDS = (
    kind(
        "still_failing",
        "Something fails again and again",
        "data",
        "warning",
        8,
        "It is tried again by itself. If the system named is up, report its answer to whoever maintains the "
        "pipeline.",
        "N 4.2, T 2.3",
    ),
    kind(
        "netsuite_refused",
        "NetSuite refused the record",
        "operations",
        "error",
        24,
        "Read NetSuite's sentence. Correct the record it names or the mapping, then replay.",
        "N 4.2",
    ),
    kind(
        "netsuite_differs",
        "The record in NetSuite is not what was sent",
        "finance",
        "critical",
        24,
        "A script, workflow or form of the account changed it while saving. Correct the record or the "
        "script, then replay.",
        "N 8",
    ),
    kind(
        "external_id_taken",
        "Another record has the external id",
        "operations",
        "error",
        24,
        "Find the record by its external id in NetSuite. If it is another order's, free the id, then replay.",
        "N 2.6",
    ),
    kind(
        "unclassified_error",
        "An answer that the pipeline does not know",
        "data",
        "error",
        8,
        "Read the answer. If trying again makes sense, replay; report the answer to whoever maintains the "
        "pipeline.",
        "N 4.2, T 2.3",
    ),
    kind(
        "login_refused",
        "A login is refused",
        "data",
        "critical",
        1,
        "Nothing more is sent, since repeated failures lock the account. Check the keys, tokens and the "
        "role, then resolve this to begin again.",
        "N 1.4, T 1.3",
        before_dispatch=False,
    ),
    kind(
        "tiktok_refused",
        "TikTok refused a request",
        "data",
        "error",
        8,
        "Read TikTok's sentence and its code. Correct the record or the mapping that it names, then replay; "
        "otherwise report the code to whoever maintains the pipeline.",
        "T 2.3",
    ),
    kind(
        "forged_webhooks",
        "Webhooks with a wrong signature arrive",
        "data",
        "error",
        24,
        "They were thrown away. If TikTok sends them, the app secret was changed: put the new one into the "
        "settings. If somebody else does, block the sender in front of the receiver. Then resolve this.",
        "T 8.2",
        before_dispatch=False,
    ),
    kind(
        "webhook_not_registered",
        "TikTok does not send a webhook to us",
        "data",
        "warning",
        24,
        "Nothing is lost, since everything is read regularly as well; it is only later. Check the public "
        "address in the settings and the app's permissions in Partner Center; it is registered again by "
        "itself.",
        "T 8.4",
        before_dispatch=False,
    ),
)
