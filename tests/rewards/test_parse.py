"""Reading programs from answers of many shapes."""

from __future__ import annotations

import ast

import pytest

from envreward.errors import RewardParseError
from envreward.rewards.parse import extract_source

PROGRAM = 'def compute_reward(torso_height):\n    return torso_height, {"height": torso_height}\n'
DRAFT = "def compute_reward(torso_height):\n    return 2 * torso_height, {}\n"


@pytest.mark.parametrize("fence", ["```python", "```py", "```Python", "```", "~~~python", "```python3", "````python"])
def test_one_block_in_prose(fence: str) -> None:
    """The block of an answer is its program, however it is fenced and whatever is said around it."""
    mark = fence[: len(fence) - len(fence.lstrip("`~"))]
    answer = f"Sure, here is a reward:\n\n{fence}\n{PROGRAM}{mark}\nIt pays for height!"
    assert extract_source(answer) == PROGRAM


def test_bare_program() -> None:
    """A program's source is an answer too, unchanged."""
    assert extract_source(PROGRAM) == PROGRAM
    assert extract_source("\ufeff" + PROGRAM.replace("\n", "\r\n")) == PROGRAM


def test_prose_without_fence() -> None:
    """A program between prose is found without any fence."""
    answer = f"I would reward height:\n\nimport torch\n\n{PROGRAM}\nThis should work well.\nGood luck!"
    assert extract_source(answer).rstrip() == f"import torch\n\n{PROGRAM}".rstrip()


def test_last_of_several_programs() -> None:
    """Models draft first and improve later: the last program counts."""
    assert extract_source(f"First try:\n```python\n{DRAFT}```\nBetter:\n```python\n{PROGRAM}```\n") == PROGRAM


def test_usage_example_after_program() -> None:
    """A block that shows how to call the program is not the program."""
    assert extract_source(f"```python\n{PROGRAM}```\nUse it so:\n```python\nr, c = compute_reward(h)\n```") == PROGRAM


def test_other_languages_are_not_programs() -> None:
    """Blocks in other languages are passed over."""
    assert extract_source(f"```bash\npip install torch\n```\n```python\n{PROGRAM}```\n```json\n{{}}\n```") == PROGRAM


def test_helper_block() -> None:
    """A helper given in a block of its own is put in front of the program that calls it, and no other block is."""
    helper = "import torch\nSCALE = 2.0\n\ndef shape(x):\n    return torch.tanh(SCALE * x)\n"
    unused = "def other(x):\n    return x\n"
    program = "def compute_reward(torso_height):\n    return shape(torso_height), {}\n"
    source = extract_source(f"```python\n{helper}```\n```python\n{unused}```\nThen\n```python\n{program}```")
    assert [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)] == ["shape", "compute_reward"]


def test_unclosed_fence() -> None:
    """A fence that is never closed ends with the answer."""
    assert extract_source(f"Here:\n```python\n{PROGRAM}") == PROGRAM


def test_indented_block() -> None:
    """A block inside a list item is dedented."""
    block = "".join(f"   {line}\n" for line in ["```python", *PROGRAM.splitlines(), "```"])
    assert extract_source(f"1. Do this:\n{block}") == PROGRAM


def test_thinking_is_not_the_answer() -> None:
    """What a model thinks aloud before its answer is not read."""
    assert extract_source(f"<think>\n```python\n{PROGRAM}```\nNo, twice that.</think>\n```python\n{DRAFT}```") == DRAFT


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        ("I am sorry, I cannot help with that.", "no program"),
        ("```python\nx = 1\n```", "no function"),
        ("```python\nclass Reward:\n    def compute_reward(self, x):\n        return x, {}\n```", "class"),
        ("```bash\nls\n```", "no program"),
    ],
)
def test_no_program(answer: str, reason: str) -> None:
    """An answer without a program is refused with what is missing and how to answer instead."""
    with pytest.raises(RewardParseError, match=reason) as info:
        extract_source(answer)
    assert "compute_reward" in info.value.fix


def test_syntax_error_has_its_line() -> None:
    """A syntax mistake is reported with the program's line."""
    with pytest.raises(RewardParseError, match="not valid Python") as info:
        extract_source("```python\ndef compute_reward(x):\n    y = (x +* 2)\n    z = 3\n    return y, {}\n```")
    assert info.value.line == 2


def test_misplaced_statement_has_its_line() -> None:
    """Mistakes that only compiling finds are mistakes of syntax too."""
    with pytest.raises(RewardParseError, match="outside") as info:
        extract_source("```python\ndef compute_reward(x):\n    y = 1\n    break\n    return y, {}\n```")
    assert info.value.line == 3


def test_cut_off_answer() -> None:
    """An answer cut at the token limit is told apart from a mere mistake."""
    with pytest.raises(RewardParseError, match="cut off"):
        extract_source(
            '```python\ndef compute_reward(torso_height):\n    total = torso_height\n    return total, {"a": (tot'
        )


@pytest.mark.parametrize("source", ["(" * 5000, "-" * 15000 + "1", "x = 1\n" * 10000, "a\0b = 1"])
def test_hostile_text_is_refused(source: str) -> None:
    """Text made to break the parser is refused like any other."""
    with pytest.raises(RewardParseError):
        extract_source(f"```python\n{source}\n```\n")
