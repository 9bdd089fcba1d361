"""Copies of documented and observed payloads."""

from pathlib import Path
from typing import Any

from tiktok_ns_pipeline import exact_json

_FOLDER = Path(__file__).parents[1] / "data" / "tiktok"


def sample(name: str) -> Any:
    return exact_json.loads((_FOLDER / name).read_bytes())
