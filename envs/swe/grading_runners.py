"""Runners by name, loaded when asked for."""

from __future__ import annotations

import importlib

from envreward.errors import ConfigError, UnknownNameError

from .runner import RunnerFactory

FACTORIES = {
    "bubblewrap": "envreward.envs.swe.runners.bubblewrap:BubblewrapRunners",
    "docker": "envreward.envs.swe.runners.docker:DockerRunners",
}
"""``module:Class`` of each factory."""


def find_factory(name: str) -> RunnerFactory:
    """Return a factory of runners that can be used here.

    Raises:
        UnknownNameError: There is no runner of this name.
        ConfigError: It cannot be used; the message says how to mend that.
    """
    if name not in FACTORIES:
        raise UnknownNameError("runner", name, FACTORIES)
    module, _, attribute = FACTORIES[name].partition(":")
    factory: RunnerFactory = getattr(importlib.import_module(module), attribute)()
    if reason := factory.unavailable():
        raise ConfigError(f"the runner {name!r} cannot be used: {reason}")
    return factory
