"""What a JSON document is in the sandbox: keys and whatever JSON can hold."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
