"""Running a language model over many episodes at once, within hard limits, so that nothing done is lost.

Each of the concurrent episodes has a thread with a world of its own, opened, used and closed in that thread (a browser
allows no other way). A limit, an interrupt or a failure that concerns all stops every episode before its next request.
Answers under way are paid for, so they are waited for and recorded: as long as it takes at a limit of calls, tokens or
USD, for a moment at an interrupt, not at all at the limit of time. Worlds are closed whatever happens. Episodes that
had not ended stay in the file without an end and are played anew when the run is resumed.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from envreward.errors import BudgetExceededError, ConfigError, InfraError
from envreward.llm import LLM, Completion, Message
from envreward.world_task import WorldTask
from envreward.worlds import WorldBatch

from .episode import AgentConfig, AgentEpisode
from .rollout_file import RolloutFile
from .rollouts import Outcome

logger = logging.getLogger("envreward.agents")

_MAX_LOST = 5
"""Lost episodes in a row after which the run is given up: the fault is then not a passing one."""
_LOOK_S = 0.1
"""How often a thread that waits for an answer looks whether it is to stop."""
_INTERRUPTED_S = 3.0
"""Longest wait for answers under way after an interrupt."""
_CLOSE_S = 60.0
"""Longest wait for worlds to be closed."""


class Ended(NamedTuple):
    """An episode that has ended."""

    seed: int
    outcome: Outcome
    steps: int


class _Stopped(Exception):
    """The run is being stopped; raised in its threads."""


class _TimeIsUp(Exception):
    """The run has reached its limit of time."""


def run_agent(
    task: WorldTask,
    llm: LLM,
    file: RolloutFile,
    seeds: Sequence[int],
    *,
    config: AgentConfig,
    concurrency: int = 4,
    wall_s: float | None = None,
    ended: Callable[[Ended], None] = lambda end: None,
) -> None:
    """Let a language model play one episode from each seed, and record every step.

    Args:
        task: The task.
        llm: The model; its caps hold for the run.
        file: Where to record; made with `envreward.agents.episode.agent_header`.
        seeds: Of the episodes.
        config: How the model acts.
        concurrency: Episodes under way at once, at most as many as the model takes requests.
        wall_s: Limit on the run's wall-clock time.
        ended: Called in the calling thread with each episode as it ends.

    Raises:
        ConfigError: The task has no tools, or what its worlds need is not there.
        BudgetExceededError: A limit was reached.
        LLMUnavailableError: The model cannot be asked.
        InfraError: Several episodes in a row were lost.
        OSError: The file cannot be written.
    """
    if not task.tools:
        raise ConfigError(f"{task.spec.id} has no tools that a language model could call")
    if concurrency < 1:
        raise ConfigError(f"concurrency must be at least 1, got {concurrency}")
    if seeds:
        _Run(task, llm, file, seeds, config).run(min(concurrency, llm.concurrency, len(seeds)), wall_s, ended)


class _Run:
    def __init__(self, task: WorldTask, llm: LLM, file: RolloutFile, seeds: Sequence[int], config: AgentConfig) -> None:
        self._task, self._llm, self._file, self._config = task, llm, file, config
        self._tools = () if config.text_calls else tuple(tool.schema() for tool in task.tools)
        self._waiting = deque(seeds)
        self._news: queue.SimpleQueue[Ended | BaseException | None] = queue.SimpleQueue()
        self._stop, self._abandon = threading.Event(), threading.Event()
        self._opening = threading.Lock()

    def run(self, concurrency: int, wall_s: float | None, ended: Callable[[Ended], None]) -> None:
        # Daemons: a second Ctrl-C must end the program even while a world hangs.
        threads = [
            threading.Thread(target=self._work, name=f"episode-{index}", daemon=True) for index in range(concurrency)
        ]
        for thread in threads:
            thread.start()
        patience_s: float | None = None
        try:
            self._watch(concurrency, wall_s, ended)
        except KeyboardInterrupt:
            patience_s = _INTERRUPTED_S
            raise
        except _TimeIsUp:
            patience_s = 0.0
            raise BudgetExceededError(f"limit of {(wall_s or 0.0) / 60:g} minutes reached") from None
        finally:
            self._stop.set()
            try:
                _join(threads, patience_s)
            finally:  # also after an interrupt, or another one
                self._abandon.set()
                _join(threads, _CLOSE_S)

    def _watch(self, working: int, wall_s: float | None, ended: Callable[[Ended], None]) -> None:
        deadline_s = None if wall_s is None else time.monotonic() + wall_s
        lost = 0
        while working:
            if deadline_s is not None and time.monotonic() > deadline_s:
                raise _TimeIsUp
            try:
                news = self._news.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            if news is None:
                working -= 1
            elif isinstance(news, BaseException):
                raise news
            else:
                ended(news)
                lost = lost + 1 if news.outcome == "lost" else 0
                if lost >= _MAX_LOST and self._waiting:
                    raise InfraError(f"the last {lost} episodes were all lost; {self._file.path} says why")

    def _work(self) -> None:
        """Play episodes until none is left; the boundary between threads: errors go to the one that waits."""
        try:
            again = True
            while again:
                again = self._play_in(self._open())
        except _Stopped:
            pass
        except BaseException as error:
            self._news.put(error)
        finally:
            self._news.put(None)

    def _open(self) -> WorldBatch[Any]:
        with self._opening:
            return self._task.open(1)

    def _play_in(self, worlds: WorldBatch[Any]) -> bool:
        """Play episodes in ``worlds`` and close them; return whether there are more, for which others must be opened.

        Those that no episode could begin in are given up: else one dead world would take, and lose, all that is left.
        """
        try:
            while not self._stop.is_set():
                try:
                    seed = self._waiting.popleft()
                except IndexError:
                    return False
                episode = AgentEpisode(self._task, worlds, self._ask, self._file, self._config, seed)
                end = Ended(seed, *episode.play())
                self._news.put(end)
                if end.outcome == "lost" and not end.steps:
                    return True
            return False
        finally:
            try:
                worlds.close()
            except InfraError as error:
                logger.warning("a world of %s could not be closed: %s", self._task.spec.id, error)

    def _ask(self, messages: Sequence[Message], key: str) -> Completion:
        """Ask the model, and give that up when the run is not to wait for it any more.

        Raises:
            _Stopped: The run is being stopped.
            LLMError: No answer came.
            BudgetExceededError: A cap leaves no room for the request.
        """
        if self._stop.is_set():
            raise _Stopped
        answers: queue.SimpleQueue[Completion | BaseException] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(
                    self._llm.complete(messages, temperature=self._config.temperature, key=key, tools=self._tools)
                )
            except BaseException as error:  # the boundary between threads: raised again in the one that waits
                answers.put(error)

        threading.Thread(target=ask, name="agent-request", daemon=True).start()
        while True:
            try:
                answer = answers.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._abandon.is_set():
                    raise _Stopped from None
                continue
            if isinstance(answer, BaseException):
                raise answer
            return answer


def _join(threads: Sequence[threading.Thread], seconds: float | None) -> None:
    """Wait for all threads to end, for so many seconds together at most; ``None``: as long as it takes."""
    deadline = None if seconds is None else time.monotonic() + seconds
    for thread in threads:
        thread.join(None if deadline is None else max(deadline - time.monotonic(), 0.0))
