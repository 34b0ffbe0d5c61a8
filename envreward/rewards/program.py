"""RewardProgram: a reward as source code, one pure function whose parameters are field names.

Making one parses the source and checks it against the rules and the task's fields, and never runs a line of it.
Calling one runs it: do so only inside a sandbox.

A program may have one more parameter, ``memory``: float32 ``[N, 16]``, zeros in an episode's first step. Then it
returns three things, the third the memory that it gets in the next step, and is run step by step in time order
(`envreward.rewards.remembering` makes a reward of sequences of it). It stays a pure function: all that it remembers
passes through that one tensor.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from envreward.errors import RewardCrashError, RewardError, RewardParseError, RewardRejectedError, RewardRuntimeError
from envreward.fields import MEMORY, Field, readable_fields

from . import advice
from .compiler import FILENAME, compile_program
from .function import RewardOutput
from .output import StepOutput, as_output, as_step
from .parse import FUNCTION_NAME, extract_source, parse_source
from .rules import Violation, check_rules

MAX_REPORTED = 5


@dataclass(frozen=True)
class RewardProgram:
    """A checked reward program; a `RewardFunction`."""

    source: str
    """Python source; defines ``function``."""
    parameters: tuple[str, ...]
    """Names of the fields it reads, in the order of its parameters."""
    function: str = FUNCTION_NAME
    """Name of the reward function in the source."""
    memory_at: int | None = None
    """Place of ``memory`` among the function's parameters; ``None`` for a program that remembers nothing."""

    @property
    def remembers(self) -> bool:
        """Whether it has a memory: then it is run with `step`, else by calling it."""
        return self.memory_at is not None

    @classmethod
    def from_answer(cls, answer: str, fields: Mapping[str, Field]) -> RewardProgram:
        """Find the program in a language model's answer and check it.

        Args:
            answer: The whole answer, prose included; or a program's source.
            fields: The task's fields; private ones cannot be named.

        Raises:
            RewardParseError: No program could be read.
            RewardRejectedError: It breaks a rule; the message lists up to five breaches with line, reason and fix.
        """
        return cls.from_source(extract_source(answer), fields)

    @classmethod
    def from_source(cls, source: str, fields: Mapping[str, Field]) -> RewardProgram:
        """Check a program's source.

        Args:
            source: Python source.
            fields: The task's fields; private ones cannot be named.

        Raises:
            RewardParseError: The source is not valid Python, or defines no reward function.
            RewardRejectedError: It breaks a rule; the message lists up to five breaches with line, reason and fix.
        """
        program, violations = check_source(source, fields)
        if violations:
            raise rejection(violations)
        return program

    def __call__(self, **state: Tensor) -> RewardOutput:
        """Run the program on N states given as field values ``[N, ...]``. Only inside a sandbox.

        Returns:
            ``total`` and components as the program made them, checked to be ``[N]``; finiteness is not checked.

        Raises:
            RewardRuntimeError: It raised, or returned something other than ``(total, components)``; the line is given.
            RewardCrashError: It ran out of memory.
        """
        if self.remembers:
            raise TypeError("a program with memory is run step by step, in time order")
        return as_output(self._run([state[name] for name in self.parameters]), _batch_size(state))

    def step(self, memory: Tensor, **state: Tensor) -> StepOutput:
        """Run a program with memory on one step of N worlds. Only inside a sandbox.

        Args:
            memory: What it returned for the step before, float32 ``[N, 16]``; zeros in an episode's first step.
            **state: Field values ``[N, ...]``.

        Raises:
            RewardRuntimeError: It raised, or returned something other than ``(total, components, memory)``.
            RewardCrashError: It ran out of memory.
        """
        arguments = [state[name] for name in self.parameters]
        arguments.insert(len(arguments) if self.memory_at is None else self.memory_at, memory)
        return as_step(self._run(arguments), len(memory))

    def _run(self, arguments: list[Tensor]) -> Any:
        try:
            return self._compiled(*arguments)
        except RewardError:
            raise
        except Exception as error:  # boundary: whatever a program raises is its own failure
            raise _runtime_error(error) from None

    @cached_property
    def _compiled(self) -> Callable[..., Any]:
        function: Callable[..., Any] = compile_program(parse_source(self.source))[self.function]
        return function


def check_source(source: str, fields: Mapping[str, Field]) -> tuple[RewardProgram, list[Violation]]:
    """Check a program and return it with every rule that it breaks, in order of lines.

    Raises:
        RewardParseError: The source is not valid Python, or defines no reward function.
    """
    tree = parse_source(source)
    function = _entry(tree)
    names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
    memory_at = names.index(MEMORY) if MEMORY in names else None
    violations = check_rules(tree) + _check_parameters(function, fields) + _check_returns(function, memory_at)
    parameters = tuple(name for name in names if name != MEMORY)
    program = RewardProgram(source, parameters, function.name, memory_at)
    return program, sorted(violations, key=lambda v: v.line or 0)


def rejection(violations: list[Violation]) -> RewardRejectedError:
    """Return one error for all ``violations``, with the first one's line and fix."""
    first = violations[0]
    if len(violations) == 1:
        return RewardRejectedError(first.reason, line=first.line, fix=first.fix)
    more = [
        (f"line {v.line}: " if v.line is not None else "") + v.reason + (f" Fix: {v.fix}" if v.fix else "")
        for v in violations[1:MAX_REPORTED]
    ]
    if len(violations) > MAX_REPORTED:
        more.append(f"and {len(violations) - MAX_REPORTED} more.")
    return RewardRejectedError(first.reason, line=first.line, fix=" ".join([first.fix, *more]).strip())


def _entry(tree: ast.Module) -> ast.FunctionDef:
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    if FUNCTION_NAME in functions:
        return functions[FUNCTION_NAME]
    called = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    roots = [f for name, f in functions.items() if name not in called]
    if len(roots) == 1:
        return roots[0]
    fix = f"Define `def {FUNCTION_NAME}(...)` at the top level, with field names as parameters."
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef)]
    if classes and not functions:
        raise RewardParseError("the program is a class.", line=classes[0].lineno, fix=fix)
    found = f"none of {', '.join(functions)} is named {FUNCTION_NAME}." if functions else "no function is defined."
    raise RewardParseError(found, fix=fix)


def _check_parameters(function: ast.FunctionDef, fields: Mapping[str, Field]) -> list[Violation]:
    """Check that every parameter is a field that programs may read."""
    known = readable_fields(fields)
    found: list[Violation] = []
    arguments = function.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
        fix = "List the fields you read as plain parameters."
        found.append(Violation(function.lineno, "`*` and `**` parameters are not allowed.", fix))
    if arguments.defaults:
        fix = "Every parameter is a field; put constants into the body."
        found.append(Violation(function.lineno, "parameters cannot have default values.", fix))
    named = [argument for argument in [*arguments.posonlyargs, *arguments.args] if argument.arg != MEMORY]
    for argument in named:
        name = argument.arg
        if name not in known:
            fix = advice.for_name(name, known) or f"The fields are: {', '.join(n for n in known if n in fields)}."
            found.append(Violation(argument.lineno, f"`{name}` is not a field of this environment.", fix))
        elif known[name].dtype == "str":
            fix = "Use fields that hold numbers."
            found.append(Violation(argument.lineno, f"`{name}` holds text, which programs cannot read.", fix))
    if not named:
        fix = f"The fields are: {', '.join(n for n in known if n in fields)}."
        found.append(Violation(function.lineno, "the function reads no field.", fix))
    return found


def _check_returns(function: ast.FunctionDef, memory_at: int | None) -> list[Violation]:
    """Check what can be seen of the returned form: total and components, and the memory exactly where it is taken."""
    if memory_at is None:
        size, form = 2, "(total, components)"
        fix = 'Return a pair: the total [N] and a dict of its parts, e.g. `return total, {"reach": reach}`.'
    else:
        size, form = 3, "(total, components, memory)"
        fix = 'With the parameter `memory`, return three, e.g. `return total, {"reach": reach}, new_memory`.'
    returns = [n for n in _own_statements(function) if isinstance(n, ast.Return)]
    if not returns:
        return [Violation(function.lineno, f"`{function.name}` returns nothing.", fix)]
    found = []
    for node in returns:
        value = node.value
        whole = isinstance(value, ast.Tuple) and len(value.elts) == size
        if not whole and not isinstance(value, ast.Call | ast.Name | ast.IfExp | ast.Subscript):
            three = memory_at is None and isinstance(value, ast.Tuple) and len(value.elts) == 3
            more = f" To keep a memory, add the parameter `{MEMORY}`." if three else ""
            found.append(Violation(node.lineno, f"`{function.name}` must return {form}.", fix + more))
    return found


def _own_statements(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return the statements of a function without those of functions inside it."""
    found: list[ast.stmt] = []
    open_nodes: list[ast.AST] = list(function.body)
    while open_nodes:
        node = open_nodes.pop(0)
        if isinstance(node, ast.stmt):
            found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            open_nodes.extend(ast.iter_child_nodes(node))
    return found


def _batch_size(state: Mapping[str, Tensor]) -> int:
    return len(next(iter(state.values())))


def _runtime_error(error: Exception) -> RewardRuntimeError:
    """Translate what a program raised, naming the line of the program in which it happened."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == FILENAME]
    line = lines[-1] if lines else None
    text = " ".join(str(error).split("\n")[0].split())[:300] or type(error).__name__
    if isinstance(error, MemoryError) or "can't allocate memory" in text or "not enough memory" in text:
        return RewardCrashError("it ran out of memory.", line=line, fix="Make no tensor larger than [N, k].")
    if isinstance(error, KeyError):
        text = f"the key {text} is missing"
    return RewardRuntimeError(f"{type(error).__name__}: {text}.", line=line, fix=advice.for_exception(error))
