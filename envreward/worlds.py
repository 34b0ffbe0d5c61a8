"""Worlds of agentic tasks: a page, a repository, a terminal; plain Python, one episode at a time.

A `World` is what a family writes: it begins an episode from a seed, carries out one action, and states its facts. The
facts are the task's fields. They are computed after every action whatever the reward is, so any reward can be computed
from a record of them later. A `WorldBatch` is N of them behind one call; families whose worlds share a machine (one
browser, one pool of containers) implement it themselves, all others use `EachWorld`.

An action reaches a world in one of two codecs, both of which end in the same action objects:

* **candidates**: the world lists up to K actions that make sense now, each described by F numbers, beside G numbers of
  context. A small policy picks one of them: `Candidates`.
* **tools**: the world describes itself in words, and a language model calls one of the task's `Tool` s.

Three things can go wrong with an action, and they are kept apart. It cannot be taken (an unknown element, a malformed
call): `ActionError`; the world stays as it is. It is taken and is wrong: that is the agent's affair. The machinery
fails (a browser gone, a daemon that does not answer): `InfraError`; the episode ends as truncated, is left out of
training and of every score, and is counted as what it is.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from envreward.errors import ActionError, InfraError, near_matches
from envreward.text_picture import text_picture

ActionT = TypeVar("ActionT")


class CandidateShape(NamedTuple):
    """Sizes of a task's candidate codec."""

    choices: int
    """Candidates at most, K: the size of the discrete action space."""
    features: int
    """Numbers that describe a candidate, F."""
    context: int
    """Numbers that describe the situation as a whole, G."""

    @property
    def size(self) -> int:
        """Length of the flat observation: context ``[G]``, mask ``[K]``, features ``[K, F]``."""
        return self.context + self.choices * (1 + self.features)


class Candidates(NamedTuple, Generic[ActionT]):
    """The actions that a policy may choose from, and what it sees of them."""

    actions: Sequence[ActionT]
    """At least one and at most K."""
    features: NDArray[np.float32]
    """``[len(actions), F]``, within about [-1, 1]."""
    context: NDArray[np.float32]
    """``[G]``, within about [-1, 1]."""


@dataclass(frozen=True)
class Tool:
    """One kind of action as a language model may call it."""

    name: str
    description: str
    """What it does and when it fails, in words."""
    parameters: Mapping[str, Any]
    """JSON schema of each argument, by name."""
    make: Callable[..., Any]
    """Makes the action from the arguments; raises `ActionError` for values that mean nothing."""
    required: tuple[str, ...] | None = None
    """Arguments that must be given; ``None``: all."""

    def schema(self) -> dict[str, Any]:
        """Return it in OpenAI's format of tools."""
        required = list(self.parameters if self.required is None else self.required)
        parameters = {
            "type": "object",
            "properties": dict(self.parameters),
            "required": required,
            "additionalProperties": False,
        }
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
MAX_ARGUMENTS = 200_000
"""Longest JSON text of a tool call's arguments, in characters."""


def parse_call(tools: Sequence[Tool], name: str, arguments: str) -> Any:
    """Turn a tool call as a language model wrote it into an action.

    Raises:
        ActionError: No such tool, arguments that are not JSON, or ones that are missing, unknown or of a wrong type; in
            words that help to call again.
    """
    by_name = {tool.name: tool for tool in tools}
    if name not in by_name:
        near = near_matches(name, by_name) or list(by_name)
        raise ActionError(f"there is no tool {name[:80]!r}; tools: {', '.join(near)}")
    tool = by_name[name]
    if len(arguments) > MAX_ARGUMENTS:
        raise ActionError(f"{name}: the arguments are {len(arguments):,} characters long; at most {MAX_ARGUMENTS:,}")
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ActionError(f"{name}: the arguments are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ActionError(f"{name}: the arguments must be a JSON object, got {type(given).__name__}")
    wanted = tool.parameters if tool.required is None else tool.required
    if missing := [key for key in wanted if key not in given]:
        raise ActionError(f"{name}: missing argument {missing[0]!r}; it takes {', '.join(tool.parameters) or 'none'}")
    for key, value in given.items():
        if key not in tool.parameters:
            raise ActionError(f"{name}: unknown argument {key[:80]!r}; it takes {', '.join(tool.parameters) or 'none'}")
        _check_type(name, key, value, tool.parameters[key])
    return tool.make(**given)


def _check_type(name: str, key: str, value: Any, schema: Mapping[str, Any]) -> None:
    wanted = schema.get("type")
    if wanted is not None:
        a_flag = isinstance(value, bool)  # which Python counts as an integer
        if a_flag != (wanted == "boolean") or not isinstance(value, _JSON_TYPES[wanted]):
            raise ActionError(f"{name}: argument {key!r} must be a {wanted}, got {json.dumps(value)[:80]}")
    choices = schema.get("enum")
    if choices is not None and value not in choices:
        raise ActionError(f"{name}: argument {key!r} must be one of {', '.join(map(str, choices))}")


class World(abc.ABC, Generic[ActionT]):
    """One episode of an agentic task after another; used by one thread at a time."""

    @abc.abstractmethod
    def reset(self, seed: int) -> None:
        """Begin an episode that depends on ``seed`` (63 bits) alone; nothing of the one before is left.

        Raises:
            InfraError: The machinery failed; the world may be reset again.
        """

    @abc.abstractmethod
    def act(self, action: ActionT) -> None:
        """Carry out an action.

        Raises:
            ActionError: It cannot be taken; the world is as it was.
            InfraError: The machinery failed; the world can only be reset.
        """

    def refuse(self, reason: str) -> None:
        """Take note of an action that never reached this world, such as the number of no candidate: it counts as a step
        of the episode, and nothing else has happened.
        """

    @abc.abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """Return the present value of every declared field but ``action``: numbers, booleans, strings or lists of
        numbers; always the same names.
        """

    @abc.abstractmethod
    def state_hash(self) -> str:
        """Return a short hash: equal for equal states, whatever led to them, and different for different ones."""

    @abc.abstractmethod
    def candidates(self) -> Candidates[ActionT]:
        """Return what the tensor codec offers now."""

    @abc.abstractmethod
    def describe(self) -> str:
        """Return what a language model sees: the situation in words, without the instruction."""

    @abc.abstractmethod
    def oracle(self) -> ActionT:
        """Return the next action of a way to succeed from here; it may use all that is private."""

    @property
    @abc.abstractmethod
    def instruction(self) -> str:
        """What to do in this episode, in words."""

    def frame(self) -> NDArray[np.uint8]:
        """Return a picture of the world, uint8 ``[h, w, 3]``: its words, where it does not draw itself."""
        return text_picture(self.instruction, self.describe())

    def close(self) -> None:
        """Release what the world holds. A closed world is not used again."""


class WorldBatch(abc.ABC, Generic[ActionT]):
    """N worlds stepped together, and what became of their last action."""

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.action_error = [""] * num_worlds
        """Why the last action of each world could not be taken; empty where it could."""
        self.infra_error = [""] * num_worlds
        """What of the machinery failed under each world since its last reset; empty where nothing did."""

    @abc.abstractmethod
    def reset(self, ids: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin an episode in the worlds ``ids`` and clear their errors; failures go to `infra_error`."""

    @abc.abstractmethod
    def act(self, actions: Mapping[int, ActionT]) -> None:
        """Carry out one action in each of the worlds given; the others rest. Failures go to the two lists."""

    def refuse(self, world: int, reason: str) -> None:
        """Count a step in which a world was given no action that it could take; `action_error` tells why."""
        self.action_error[world] = reason

    @abc.abstractmethod
    def facts(self, world: int) -> Mapping[str, Any]:
        """Return the facts of a world as they are now; where its machinery failed, as they last were."""

    @abc.abstractmethod
    def state_hash(self, world: int) -> str:
        """Return the hash of a world's state."""

    @abc.abstractmethod
    def candidates(self, world: int) -> Candidates[ActionT]:
        """Return what the tensor codec offers in a world."""

    @abc.abstractmethod
    def describe(self, world: int) -> str:
        """Return a world in words."""

    @abc.abstractmethod
    def instruction(self, world: int) -> str:
        """Return what to do in a world's episode."""

    @abc.abstractmethod
    def oracle(self, world: int) -> ActionT:
        """Return the next action of a way to succeed in a world."""

    def frame(self, world: int) -> NDArray[np.uint8]:
        """Return a picture of a world, uint8 ``[h, w, 3]``: its words, where it does not draw itself."""
        return text_picture(self.instruction(world), self.describe(world))

    @abc.abstractmethod
    def close(self) -> None:
        """Release all worlds."""


class EachWorld(WorldBatch[ActionT]):
    """N separate `World` s, stepped one after another or, where each of them waits for something, by threads."""

    def __init__(self, worlds: Sequence[World[ActionT]], threads: int = 0) -> None:
        """Take over ``worlds``; with ``threads``, up to that many of them act at the same time."""
        super().__init__(len(worlds))
        self._worlds = list(worlds)
        self._facts: list[Mapping[str, Any]] = [{} for _ in worlds]
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="world") if threads > 1 else None

    def reset(self, ids: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin an episode in the worlds ``ids``."""
        for _ in self._map(self._reset, ids, seeds):
            pass

    def act(self, actions: Mapping[int, ActionT]) -> None:
        """Carry out one action in each of the worlds given."""
        for _ in self._map(self._act, actions.keys(), actions.values()):
            pass

    def _map(self, call: Callable[[int, Any], None], *columns: Any) -> Iterator[None]:
        return map(call, *columns) if self._pool is None else self._pool.map(call, *columns)

    def _reset(self, world: int, seed: int) -> None:
        self.action_error[world] = self.infra_error[world] = ""
        try:
            self._worlds[world].reset(seed)
            self._facts[world] = self._worlds[world].facts()
        except InfraError as error:
            self.infra_error[world] = str(error)

    def _act(self, world: int, action: ActionT) -> None:
        self.action_error[world] = ""
        if self.infra_error[world]:
            return
        try:
            try:
                self._worlds[world].act(action)
            except ActionError as error:
                self.action_error[world] = str(error)
            self._facts[world] = self._worlds[world].facts()
        except InfraError as error:
            self.infra_error[world] = str(error)

    def refuse(self, world: int, reason: str) -> None:
        """Count a step without an action that a world could take."""
        super().refuse(world, reason)
        if self.infra_error[world]:
            return
        try:
            self._worlds[world].refuse(reason)
            self._facts[world] = self._worlds[world].facts()
        except InfraError as error:
            self.infra_error[world] = str(error)

    def facts(self, world: int) -> Mapping[str, Any]:
        """Return the facts of a world as they were after its last action or reset."""
        return self._facts[world]

    def state_hash(self, world: int) -> str:
        """Return the hash of a world's state."""
        return self._worlds[world].state_hash()

    def candidates(self, world: int) -> Candidates[ActionT]:
        """Return what the tensor codec offers in a world."""
        return self._worlds[world].candidates()

    def describe(self, world: int) -> str:
        """Return a world in words."""
        return self._worlds[world].describe()

    def instruction(self, world: int) -> str:
        """Return what to do in a world's episode."""
        return self._worlds[world].instruction

    def oracle(self, world: int) -> ActionT:
        """Return the next action of a way to succeed in a world."""
        return self._worlds[world].oracle()

    def frame(self, world: int) -> NDArray[np.uint8]:
        """Return a picture of a world, uint8 ``[h, w, 3]``."""
        return self._worlds[world].frame()

    def close(self) -> None:
        """Release all worlds."""
        if self._pool is not None:
            self._pool.shutdown()
        for world in self._worlds:
            world.close()
