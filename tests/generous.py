"""Limits and policies that are on, and out of the way of tests that are not about them."""

from pathlib import Path
from typing import Any

EVERYBODY = Path(__file__).with_name("everybody.cedar")
"""A policy: everybody may do what their token says."""

LIMITS: dict[str, Any] = {
    **dict.fromkeys(("calls_per_minute", "tool_calls_per_minute", "burst"), 100_000),
    **dict.fromkeys(("client_calls_per_minute", "tenant_calls_per_minute", "resource_calls_per_minute"), 1_000_000),
    **dict.fromkeys(("concurrent_calls", "tenant_concurrent_calls"), 100_000),
    **{"session_steps": 1_000_000_000, "session_cost_usd": 1_000_000, "same_calls_per_minute": 1_000_000_000},
}
