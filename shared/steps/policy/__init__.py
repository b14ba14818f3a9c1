"""Policy as code: Cedar statements beside each server, checked against what it declares (docs/policy.md)."""

from shared.steps.policy.deciding import Policy, enforce
from shared.steps.policy.in_force import InForce
from shared.steps.policy.subject import Here

__all__ = ["Here", "InForce", "Policy", "enforce"]
