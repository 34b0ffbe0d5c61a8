"""Runners of repositories: Linux namespaces over an overlay mount, or Docker containers from a warm pool."""

from .base import RunnerLimits

__all__ = ["RunnerLimits"]
