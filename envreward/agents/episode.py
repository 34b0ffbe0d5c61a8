"""One episode of a language model in a world: ask, act, record, until it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from envreward import noise
from envreward.errors import ConfigError, InfraError, LLMError, LLMUnavailableError
from envreward.llm import Answer, Completion, Message
from envreward.llm.redact import redact_known
from envreward.world_task import FactBoard, WorldTask
from envreward.worlds import WorldBatch

from .calls import Choice, choose
from .conversation import Conversation, clean
from .prompting import render
from .rollout_file import EpisodeLog, RolloutFile
from .rollouts import Header, Outcome, Stored

_RESETS = 3
"""Resets of a world whose machinery fails before its episode counts as lost."""

Ask = Callable[[Sequence[Message], str], Completion]
"""Asks the model for one answer to a conversation; the text names the request."""


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """How a language model acts."""

    temperature: float = 0.0
    """Sampling temperature; models that take none are asked without."""
    context_tokens: int = 32_000
    """Longest conversation, in tokens; older observations are shortened to keep within it."""
    max_failures: int = 5
    """Actions in a row that cannot be taken, until the episode is cut off."""
    text_calls: bool = False
    """Let calls be written into the text, for models and chat windows that cannot call tools."""

    def __post_init__(self) -> None:
        if self.context_tokens < 1000:
            raise ConfigError(f"context_tokens must be at least 1000, got {self.context_tokens}")
        if self.max_failures < 1:
            raise ConfigError(f"max_failures must be at least 1, got {self.max_failures}")
        if self.temperature < 0:
            raise ConfigError(f"temperature cannot be negative, got {self.temperature:g}")


def agent_header(task: WorldTask, model: str, config: AgentConfig, horizon: int) -> Header:
    """Return the header of rollouts of a language model in ``task``."""
    stored: dict[str, Stored] = {name: field.dtype for name, field in task.fields.items()}
    settings = {
        "temperature": config.temperature,
        "context_tokens": config.context_tokens,
        "max_failures": config.max_failures,
        "text_calls": config.text_calls,
    }
    return Header(
        env_id=task.spec.id,
        actor=model,
        settings=settings,
        horizon=horizon,
        fitness_reduce=task.fitness_reduce,
        fields=task.fields,
        stored=stored,
    )


def world_seed(seed: int) -> int:
    """Return what a world is reset with in the episode of ``seed``, as vector environments reset with it do."""
    key = noise.keys(np.array([seed % 2**64], dtype=np.uint64), np.zeros(1, dtype=np.uint64))
    return int(key[0] >> np.uint64(1))


class AgentEpisode:
    """One episode in the only world of ``worlds``."""

    def __init__(
        self, task: WorldTask, worlds: WorldBatch[Any], ask: Ask, file: RolloutFile, config: AgentConfig, seed: int
    ) -> None:
        self._task, self._worlds, self._ask, self._file, self._config = task, worlds, ask, file, config
        self._seed, self._horizon = seed, file.header.horizon
        self._tools = [tool.schema() for tool in task.tools]
        self._board = FactBoard(task.fields, 1)
        self._failures, self._gave_up = 0, ""

    def play(self) -> tuple[Outcome, int]:
        """Play it to its end and record it; return its outcome and number of steps.

        Raises:
            LLMUnavailableError: The model cannot be asked at all.
            BudgetExceededError: The next request could pass a cap. The episode stays without an end.
        """
        worlds = self._worlds
        for _ in range(_RESETS):
            worlds.reset([0], [world_seed(self._seed)])
            if not worlds.infra_error[0]:
                break
        try:
            log, conversation = self._begin()
        except InfraError as error:
            log = self._file.begin(self._seed, instruction=self._task.spec.instruction, facts=None)
            return log.end(lost=str(error)), 0
        while True:
            try:
                completion = self._ask(conversation.messages(), f"seed-{self._seed}/step-{log.steps}")
            except LLMUnavailableError:
                raise
            except LLMError as error:  # this conversation cannot go on; others may
                return log.end(lost=str(error)), log.steps
            over = self._step(log, conversation, completion)
            if worlds.infra_error[0]:
                return log.end(lost=worlds.infra_error[0]), log.steps
            if over:
                return log.end(reason=self._gave_up), log.steps

    def _begin(self) -> tuple[EpisodeLog, Conversation]:
        worlds = self._worlds
        if worlds.infra_error[0]:
            raise InfraError(worlds.infra_error[0])
        instruction, observation, state_hash = worlds.instruction(0), worlds.describe(0), worlds.state_hash(0)
        self._board.write(0, worlds.facts(0), action=0, action_failed=False, steps_taken=0, steps_left=self._horizon)
        facts = {name: value for name, value in self._facts().items() if name != "action"}
        log = self._file.begin(
            self._seed, instruction=instruction, facts=facts, state_hash=state_hash, observation=clean(observation)
        )
        written = self._config.text_calls
        conversation = Conversation(
            render("system", text_calls=written, tools=self._tools, horizon=self._horizon),
            render("task", instruction=instruction),
            observation,
            budget_tokens=self._config.context_tokens,
            tools=() if written else self._tools,
        )
        return log, conversation

    def _step(self, log: EpisodeLog, conversation: Conversation, completion: Completion) -> bool:
        """Carry out what the model answered, record it and tell the model; return whether the episode is over."""
        worlds, steps = self._worlds, log.steps + 1
        answer = completion.answers[0] if completion.answers else Answer(text="")
        choice = choose(answer, self._task.tools, text_calls=self._config.text_calls)
        error = self._act(choice)
        observation, state_hash = self._look()
        self._count_failure(error)
        left = self._horizon - steps
        self._board.write(0, worlds.facts(0), action=-1, action_failed=bool(error), steps_taken=steps, steps_left=left)
        facts = self._facts()
        lost = worlds.infra_error[0]
        terminated = bool(facts["failure"]) and not lost
        if terminated:
            self._gave_up = ""
        truncated = bool(lost or left <= 0 or self._gave_up) and not terminated
        log.step(
            facts=facts,
            action=choice.record,
            terminated=terminated,
            truncated=truncated,
            state_hash=state_hash,
            action_error=clean(error),
            infra_error=lost,
            usage=completion.usage,
            said=clean(redact_known(answer.text)),
            observation=clean(observation),
        )
        conversation.add(answer, render("result", error=error, step=steps, horizon=self._horizon), observation)
        return terminated or truncated

    def _act(self, choice: Choice) -> str:
        """Give the world the action, or the reason why there is none; return why nothing could be done."""
        worlds = self._worlds
        try:
            if choice.error:
                worlds.refuse(0, choice.error)
            else:
                worlds.act({0: choice.action})
        except InfraError as error:
            worlds.infra_error[0] = str(error)
        return choice.error or worlds.action_error[0]

    def _count_failure(self, error: str) -> None:
        self._failures = self._failures + 1 if error else 0
        if self._failures >= self._config.max_failures:
            self._gave_up = f"{self._failures} actions in a row could not be taken; the last: {error}"

    def _look(self) -> tuple[str, str]:
        """Return the world in words and its hash; where its machinery fails, nothing, and the error is noted."""
        worlds = self._worlds
        if worlds.infra_error[0]:
            return "", ""
        try:
            return worlds.describe(0), worlds.state_hash(0)
        except InfraError as error:
            worlds.infra_error[0] = str(error)
            return "", ""

    def _facts(self) -> dict[str, Any]:
        """Return the world's fields as plain values, in the precision in which a reward would see them."""
        facts = {}
        for name in self._task.fields:
            value = self._board.value(name)
            facts[name] = value[0].tolist() if isinstance(value, torch.Tensor) else value[0]
        return facts
