"""What a person sees in the Dagster UI of the running demo, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.demo.test_demo import Demo, demo

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the package chromium")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui") / "demo"


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Demo]:
    with demo(home) as started:
        started.wait_until_posted(more_than=2)
        yield started
        started.stop(signal.SIGINT)


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1800, "height": 900})
        opened.set_default_timeout(30_000)
        expect.set_options(timeout=60_000)
        yield opened
        browser.close()


def address(running: Demo, of: str) -> str:
    return re.search(rf"{of} (?:curl )?(http://127\.0\.0\.1:\d+)", running.said).group(1)


@pytest.mark.timeout(300)
def test_the_lineage_shows_every_asset_and_nothing_covers_it(running: Demo, page: Page) -> None:
    page.goto(f"{address(running, 'pages:')}/assets/staged_sales_orders?view=lineage&lineageDepth=1")
    for name in ("raw_tiktok_orders", "raw_netsuite_items", "staged_sales_orders", "netsuite_sales_orders"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    assert page.get_by_text("Join the Dagster community").count() == 0


@pytest.mark.timeout(300)
def test_every_sensor_and_schedule_is_on(running: Demo, page: Page) -> None:
    page.goto(f"{address(running, 'pages:')}/automation")
    expect(page.get_by_text("orders_sensor").first).to_be_visible()
    switches = page.get_by_role("checkbox").or_(page.get_by_role("switch"))
    on = page.locator("input[type=checkbox]:checked")
    # The switches appear one by one.
    expect(on.nth(3)).to_be_attached()
    assert switches.count() >= on.count()


@pytest.mark.timeout(400)
def test_a_deleted_sales_order_turns_the_proof_red_and_is_named(
    running: Demo, page: Page, home: Path
) -> None:
    control = httpx.Client(base_url=address(running, "world:"))
    settings = dict(re.findall(r"export (\w+)=(\S+)", (home / "environment").read_text()))
    mapping = home / "mapping.yaml"
    mapping.write_text(re.sub(r"grace_minutes: \d+", "grace_minutes: 0", mapping.read_text()))
    posted = [truth for truth in control.get("/truth").json() if truth["should_be_posted"]]

    def is_deleted(truth: dict[str, str]) -> bool:
        """Not what is still to be posted, nor what the warehouse has touched."""
        external_id = f"tts-{truth['shop_code']}-so-{truth['order_id']}"
        return control.delete(f"/netsuite/salesOrder/eid:{external_id}").is_success

    newest_first = sorted(posted, key=lambda truth: truth["placed_at"], reverse=True)
    lost = next(truth for truth in newest_first if is_deleted(truth))

    zone = {"us": "America/Los_Angeles", "uk": "Europe/London", "vn": "Asia/Ho_Chi_Minh"}[lost["shop_code"]]
    day = datetime.fromisoformat(lost["placed_at"]).astimezone(ZoneInfo(zone)).date().isoformat()
    command = ["dagster", "asset", "materialize", "-m", "tiktok_ns_pipeline.definitions"]
    subprocess.run(
        [sys.executable, "-m", *command, "--select", "order_reconciliation", "--partition", day],
        env=os.environ | settings,
        check=True,
        capture_output=True,
    )

    checks = "order_reconciliation?view=checks&checkDetail=no_missing_orders"
    page.goto(f"{address(running, 'pages:')}/assets/{checks}&partition={day}")
    expect(page.get_by_text(re.compile("failed", re.IGNORECASE)).first).to_be_visible()
    shot = home.parent / "checks.png"
    page.screenshot(path=shot)
    assert shot.stat().st_size > 10_000
