"""From a language model's answer to the source of a reward program.

Models answer in many shapes: one fenced block, several (a draft and a final one, or helpers apart from the
function), prose around, no fence at all, a fence that is never closed, thinking aloud before the answer. The
last block that defines the reward function is the program; blocks before it that define names it uses are put
in front of it.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
import warnings
from typing import NamedTuple

from envreward.errors import RewardParseError

from .rules import MAX_CHARS

FUNCTION_NAME = "compute_reward"

_FENCE = re.compile(
    r"^[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<lang>[\w+.-]*)[^\n]*\n(?P<body>.*?)(?:^[ \t]*(?P=mark)|\Z)", re.M | re.S
)
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.S | re.I)
_CODE_START = re.compile(r"^(import |from \w[\w.]* import |def |@|[A-Za-z_]\w* *(:[^=\n]+)?= )")
_PYTHON = ("", "python", "py", "python3", "pytorch", "torch")
_FIX = f"Answer with one ```python block that defines `def {FUNCTION_NAME}(...)` with field names as parameters."


class Block(NamedTuple):
    """A fenced block of an answer."""

    language: str
    """What stands behind the fence, in lower case; often nothing."""
    body: str
    """Without common indentation, ending in a newline."""


def answer_text(answer: str) -> str:
    """Return an answer without what was thought aloud, and without characters that only look like blanks."""
    return _THOUGHT.sub("", answer).replace("\r\n", "\n").replace("\xa0", " ").replace("\t", "    ").lstrip("\ufeff")


def fenced_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of an `answer_text`, in order; the last one need not be closed."""
    return [Block(m["lang"].lower(), textwrap.dedent(m["body"]).strip("\n") + "\n") for m in _FENCE.finditer(text)]


def extract_source(answer: str) -> str:
    """Return the source of the reward program in ``answer``.

    Args:
        answer: A language model's answer, or a program's source itself.

    Returns:
        Python source that parses and defines at least one function at its top level, ending in a newline.

    Raises:
        RewardParseError: There is no such program in it, or it is not valid Python.
    """
    text = answer_text(answer)
    if not text.strip():
        raise RewardParseError("the answer is empty.", fix=_FIX)
    sources = [block.body for block in fenced_blocks(text) if block.language in _PYTHON]
    if not sources:
        return _unfenced(text)
    parsed = [(source, tree) for source in sources if (tree := _try_parse(source)) is not None]
    programs = [i for i, (_, tree) in enumerate(parsed) if FUNCTION_NAME in _defined(tree)]
    if not programs:
        broken = [s for s in sources if f"def {FUNCTION_NAME}" in s and _try_parse(s) is None]
        if broken:
            parse_source(broken[-1])
        programs = [i for i, (_, tree) in enumerate(parsed) if _functions(tree)]
    if not programs:
        if any(re.search(r"^\s*def ", s, re.M) for s in sources):
            parse_source(max(sources, key=len))
        if any(isinstance(n, ast.ClassDef) for _, tree in parsed for n in tree.body):
            raise RewardParseError(
                "the program is a class.",
                fix=f"Write `def {FUNCTION_NAME}(...)` at the top level, without class and self.",
            )
        raise RewardParseError("no function is defined in the answer's code.", fix=_FIX)
    return _with_helpers(parsed, programs[-1])


def parse_source(source: str) -> ast.Module:
    """Parse ``source`` without running it.

    Raises:
        RewardParseError: It is not valid Python, or too long; the line is given.
    """
    if len(source) > MAX_CHARS:
        raise RewardParseError(f"the program has {len(source)} characters.", fix=f"Keep it below {MAX_CHARS}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in a program are its own affair
            tree = ast.parse(source)
            compile(tree, "<reward program>", "exec", dont_inherit=True)  # finds e.g. `return` outside a function
            return tree
    except SyntaxError as error:
        if error.lineno is not None and error.lineno >= source.count("\n"):
            fix = "The code seems to be cut off: give the whole program, and make it shorter."
        else:
            fix = "Correct the syntax."
        raise RewardParseError(f"not valid Python: {error.msg}.", line=error.lineno, fix=fix) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise RewardParseError(f"not valid Python: {error}.", fix="Write plain, short code.") from None


def _try_parse(source: str) -> ast.Module | None:
    try:
        return parse_source(source)
    except RewardParseError:
        return None


def _unfenced(text: str) -> str:
    """Find a program in text without fences: from a line that looks like code down to the last that still parses."""
    tree = _try_parse(text)
    if tree is not None and _functions(tree):
        return text.strip("\n") + "\n"
    lines = textwrap.dedent(text).splitlines()
    if not any(re.match(r"\s*def \w+\s*\(", line) for line in lines):
        raise RewardParseError("no program was found in the answer.", fix=_FIX)
    function = next(i for i, line in enumerate(lines) if re.match(r"\s*def \w+\s*\(", line))
    starts = [i for i, line in enumerate(lines[: function + 1]) if _CODE_START.match(line)] or [function]
    for start in starts:
        for end in range(len(lines), function, -1):
            if lines[end - 1].strip():
                source = textwrap.dedent("\n".join(lines[start:end])) + "\n"
                tree = _try_parse(source)
                if tree is not None and _functions(tree):
                    return source
    parse_source(textwrap.dedent("\n".join(lines[starts[0] :])) + "\n")
    raise RewardParseError("no program was found in the answer.", fix=_FIX)


def _functions(tree: ast.Module) -> list[str]:
    return [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]


def _defined(tree: ast.Module) -> set[str]:
    names = set(_functions(tree))
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {t.id for t in targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(a.asname or a.name).partition(".")[0] for a in node.names}
    return names


def _with_helpers(parsed: list[tuple[str, ast.Module]], chosen: int) -> str:
    """Put the earlier blocks that define names which the chosen one lacks in front of it."""
    source, tree = parsed[chosen]
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)} | _defined(tree) | set(dir(builtins))
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    missing = read - bound
    helpers: list[str] = []
    for text, block in reversed([p for i, p in enumerate(parsed) if i != chosen]):
        defined = _defined(block)
        if FUNCTION_NAME not in defined and missing & defined:
            helpers.insert(0, text)
            missing -= defined
            missing |= {n.id for n in ast.walk(block) if isinstance(n, ast.Name)} - defined - bound
    return "\n".join([*helpers, source])
