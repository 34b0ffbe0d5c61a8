"""A model that answers from a pool of programs written by hand: what every designer is compared on without a network.

It does not read what it is told about earlier programs, so a comparison on it shows what a designer costs and that all
of it works, and how far selection alone carries, not how well a designer instructs a model.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envreward.llm import Completion, Message, Usage
from envreward.llm.base import Answer, Tools, sample_keys
from envreward.llm.fanout import complete_each
from envreward.llm.meter import Meter
from envreward.llm.recording import read_recording
from envreward.rewards.parse import extract_source, parse_source

RECORDINGS = Path(__file__).parent / "recordings"
WORDS = (
    "The policy collects the nearest part of the reward early and stays with it; the part that pays for the task "
    "itself grows later and more slowly. Give that part more weight, and make the nearer one fade once it is reached."
)
"""Said wherever words are asked for and no program."""
_CHARACTERS_PER_TOKEN = 4


class PoolLLM:
    """Answers requests for programs from a recording of a task, others with the words that they ask for."""

    model = "written-by-hand"
    concurrency = 1
    parameters: Mapping[str, Any] = {}

    def __init__(self, env: str, meter: Meter) -> None:
        """Read the pool of the task ``env``, e.g. ``Hopper``.

        Raises:
            ConfigError: There is none.
        """
        paths = (RECORDINGS / f"pool-{env}.jsonl", RECORDINGS / f"eureka-{env}.jsonl")
        self._answers = [e.answer.text for e in read_recording(next((p for p in paths if p.exists()), paths[0]))]
        self._meter, self._asked = meter, dict[str, int]()

    def complete(
        self, messages: Sequence[Message], *, n: int = 1, temperature: float = 1.0, key: str, tools: Tools = ()
    ) -> Completion:
        """Answer; see `LLM.complete`. A key always gets the same answer to the same kind of request."""
        return complete_each(lambda sample: self._answer(sample, messages), sample_keys(key, n), self.concurrency)

    def _answer(self, key: str, messages: Sequence[Message]) -> Completion:
        text = answer(messages, self._answers, place(key))
        read = sum(len(message["content"]) for message in messages)
        usage = Usage(
            calls=1,
            prompt_tokens=read // _CHARACTERS_PER_TOKEN,
            completion_tokens=len(text) // _CHARACTERS_PER_TOKEN,
        )
        self._meter.reserve(usage)
        self._meter.settle(usage, usage)
        return Completion(answers=(Answer(text=text),), usage=usage, model=self.model)


def place(key: str) -> int:
    """Return which of the pool's programs a request gets: samples and iterations go on from one to the next."""
    iteration = re.search(r"iteration-(\d+)", key)
    numbers = [int(text) for text in re.findall(r"\d+", key.partition("/")[2])]
    return 3 * int(iteration.group(1) if iteration else 0) + sum(numbers)


def answer(messages: Sequence[Message], pool: Sequence[str], index: int) -> str:
    """Return the answer to a conversation.

    Args:
        messages: The conversation.
        pool: Answers that hold programs.
        index: Which of them is due.
    """
    asked = messages[-1]["content"]
    everything = "\n".join(message["content"] for message in messages)
    if "PASS, or REVISE" in asked:
        return "PASS\nNothing stands in the way."
    if (ranked := re.search(r"put these factors in order: (.+)\.", asked)) is not None:
        return f"They stand in this order already.\n{' > '.join(ranked.group(1).split(', '))}"
    if "no code" in asked.lower():
        return WORDS
    if "def sparse(" in everything:
        return _two_functions(pool[index % len(pool)])
    return pool[index % len(pool)]


def _two_functions(text: str) -> str:
    """Return a pool's program as the pair of functions `auto_mc_reward` asks for: gains of its total, remembered."""
    source = extract_source(text)
    function = next(n for n in parse_source(source).body if isinstance(n, ast.FunctionDef))
    fields = [argument.arg for argument in function.args.args]
    body = source.replace(f"def {function.name}(", "def value_of(", 1)
    return (
        f"```python\n{body}\n\ndef sparse({', '.join(fields)}):\n"
        f"    return torch.zeros({fields[0]}.shape[0], device={fields[0]}.device)\n\n"
        f"def dense({', '.join(fields)}, memory):\n"
        f"    value, _ = value_of({', '.join(fields)})\n"
        "    new = memory.clone()\n"
        "    new[:, 0] = value  # the value of the step before\n"
        "    new[:, 1] = 1.0  # set from the first step on\n"
        "    return torch.where(memory[:, 1] > 0.5, value - memory[:, 0], torch.zeros_like(value)), new\n```\n"
    )
