"""The proof of the clearing accounts: asked for now and then, as a person would on Dagster's page.

Its schedule proves them once a night, and nobody watches a demo so long.
"""

from __future__ import annotations

import time
from typing import Any

import httpx

from tiktok_ns_pipeline.sandbox.demo.home import LOCATION

_EVERY_S = 180.0
_JOB = "clearing_reconciliation_job"
_LAUNCH = """
mutation Launch($job: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $job, runConfigData: {}}) { __typename }
}"""
_NEWEST = """
query Newest($asset: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $asset, checkName: $check, limit: 1) {
    evaluation { success description }
  }
}"""


class ClearingProof:
    """Asks for proofs and tells what the newest one found."""

    def __init__(self, pages_url: str) -> None:
        self._pages = httpx.Client(base_url=pages_url, timeout=2.0)
        self._asked_at: float | None = None
        self.told = "not proved yet"
        """Whether all is explained, with the balances."""

    def look(self) -> None:
        """Read the newest proof; ask for the next one when it is time. Pages that do not answer now are
        asked the next time."""
        try:
            if self._asked_at is None or time.monotonic() - self._asked_at >= _EVERY_S:
                self._asked_at = time.monotonic()
                selector = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
                self._ask(_LAUNCH, job={**selector, "jobName": _JOB})
            asset = {"path": ["clearing_reconciliation"]}
            newest = self._ask(_NEWEST, asset=asset, check="clearing_account_explained")
        except httpx.HTTPError:
            return
        for execution in newest.get("assetCheckExecutions", []):
            if evaluation := execution["evaluation"]:
                found = "explained" if evaluation["success"] else "not explained"
                self.told = f"{found}: {evaluation['description']}"

    def close(self) -> None:
        """Close the connection."""
        self._pages.close()

    def _ask(self, question: str, **variables: Any) -> dict[str, Any]:
        body = {"query": question, "variables": variables}
        return self._pages.post("/graphql", json=body).raise_for_status().json().get("data") or {}
