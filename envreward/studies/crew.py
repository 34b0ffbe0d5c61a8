"""Crew: everyone a study works with - its task, designer, language model, sandbox, and whoever looks on."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envreward import registry
from envreward.errors import ConfigError, SandboxError, UnknownNameError
from envreward.fields import public_fields
from envreward.llm import LLM, Caps, Usage, open_llm
from envreward.sandbox import Sandbox
from envreward.task import Task

from .budget import Spent
from .config import StudyConfig
from .designer import Brief, Designer
from .person import Person, RecordedPerson, TerminalPerson
from .replay import Exchanges, recording_played

_LIBRARIES = ("envreward", "torch", "mujoco", "gymnasium", "numpy", "litellm", "stable-baselines3")


@dataclass(frozen=True, kw_only=True)
class Crew:
    """What a study needs to run, found and checked before anything is paid for."""

    task: Task
    brief: Brief
    designer: Designer
    sandbox: Sandbox
    llm: LLM | None
    person: Person = field(default_factory=TerminalPerson)
    """Who is asked for preferences and feedback."""


def assemble(config: StudyConfig, spent: Spent) -> Crew:
    """Find and check everything that ``config`` names; ``spent`` is what the study has used before.

    Raises:
        UnknownNameError: No such environment, designer, designer option, sandbox or model.
        ConfigError: The designer needs a language model and none is named, or settings that cannot work together.
        SandboxError: The sandbox cannot be used on this machine.
        LLMUnavailableError: The language model cannot be asked, e.g. for lack of a key.
    """
    designer = make_designer(config.designer, config.designer_options)
    sandbox = usable_sandbox(config.sandbox)
    task = registry.make_task(config.env_id)
    brief = make_brief(config, task)
    if config.llm is not None and not designer.needs_llm:
        raise ConfigError(f"designer {config.designer} asks no language model: leave out --llm {config.llm}")
    recording = recording_played(config)
    llm = _open_llm(config, spent) if designer.needs_llm else None
    person = TerminalPerson() if recording is None else RecordedPerson(Exchanges(recording))
    return Crew(task=task, brief=brief, designer=designer, sandbox=sandbox, llm=llm, person=person)


def make_brief(config: StudyConfig, task: Task) -> Brief:
    """Return what a study's designer is told of its task."""
    return Brief(
        env_id=config.env_id,
        instruction=config.instruction,
        fields=public_fields(task.fields),
        horizon=task.spec.horizon,
        fitness_doc=task.fitness_doc,
    )


def make_designer(name: str, options: Mapping[str, Any]) -> Designer:
    """Build the designer called ``name`` with keyword ``options``.

    Raises:
        UnknownNameError: No such designer, or it has no such option.
        ConfigError: An option's value cannot work.
    """
    cls = registry.find("designers", name)
    known = inspect.signature(cls).parameters
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of designer {name}", option, known)
    try:
        designer: Designer = cls(**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"designer {name}: {error}") from error
    return designer


def usable_sandbox(name: str) -> Sandbox:
    """Return the sandbox called ``name``, never another in its stead.

    Raises:
        UnknownNameError: No such sandbox.
        SandboxError: It cannot be used on this machine; the message says how to mend that.
    """
    sandbox: Sandbox = registry.find("sandboxes", name)()
    if (reason := sandbox.unavailable()) is not None:
        raise SandboxError(f"sandbox {name} cannot be used here: {reason}")
    return sandbox


def versions() -> dict[str, str]:
    """Return the versions of the software and the machine that results depend on."""
    found = {"python": platform.python_version(), "machine": f"{platform.platform()}, {os.cpu_count()} CPUs"}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _open_llm(config: StudyConfig, spent: Spent) -> LLM:
    if config.llm is None:
        raise ConfigError(
            f"designer {config.designer} asks a language model: name one with --llm, e.g. --llm openai/gpt-4o, "
            "--llm replay:FILE, --llm manual; or take --designer evolve, which needs none"
        )
    budget = config.budget
    used = Usage(
        calls=spent.llm_calls,
        prompt_tokens=spent.prompt_tokens,
        completion_tokens=spent.completion_tokens,
        cost_usd=spent.usd,
    )
    caps = Caps(calls=budget.llm_calls, tokens=budget.tokens, cost_usd=budget.usd)
    return open_llm(config.llm, config=config.llm_config, caps=caps, spent=used)
