"""The static rules: what honest programs may do, and what no program may."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Mapping

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envreward.errors import RewardParseError, RewardRejectedError
from envreward.fields import Field
from envreward.rewards import allowed
from envreward.rewards.program import RewardProgram
from envreward.rewards.rules import check_rules

# Programs in the styles that models write, after the examples that the Eureka and Text2Reward papers print.
HONEST = {
    "eureka": """
import torch
from typing import Dict, Tuple
from torch import Tensor

@torch.jit.script
def compute_reward(torso_pos: Tensor, prev_torso_pos: Tensor, action: Tensor) -> Tuple[Tensor, Dict[str, Tensor]]:
    # Temperatures for the exponentials
    forward_temp: float = 0.1
    effort_temp = 0.5
    velocity = (torso_pos[:, 0] - prev_torso_pos[:, 0]) / 0.05
    forward = torch.exp(torch.clamp(velocity, max=5.0) / forward_temp) - 1.0
    effort = torch.exp(-torch.sum(action ** 2, dim=-1) / effort_temp)
    total_reward = forward + 0.1 * effort
    reward_components = {"forward": forward, "effort": effort}
    return total_reward, reward_components
""",
    "no imports, in-place sums, masks": """
def compute_reward(torso_height, foot_contact, steps_in_air, action):
    reward = torch.zeros_like(torso_height)
    reward += 2.0 * torso_height
    reward -= 0.01 * torch.linalg.vector_norm(action, dim=-1)
    airborne = ~foot_contact.any(dim=-1)
    reward[airborne] += 1.0
    bonus = torso_height.clone()
    bonus[steps_in_air > 3] = 5.0
    parts = {}
    parts["bonus"] = bonus
    parts["bonus"] *= math.pi
    parts.update({"air": airborne.float()})
    return reward + bonus, parts
""",
    "helpers, constants, loops over entries": '''
"""A reward with helpers."""
from __future__ import annotations
import math
import torch.nn.functional as F
from torch import exp, where

TARGET = 1.25
_WEIGHTS = {"reach": 1.0, "still": -0.1}

def _reach(x, target=1.0, *, scale: float = -2.0):
    return exp(scale * F.relu(torch.abs(x - target)))

def compute_reward(torso_pos, torso_height, action):
    parts = {"reach": _WEIGHTS["reach"] * _reach(torso_height, TARGET)}
    names = ["hip", "knee"]
    for i, name in enumerate(names):
        parts[f"effort_{name}"] = _WEIGHTS["still"] * action[:, i].square()
    for i in range(action.shape[1]):
        parts[f"tilt_{i}"] = where(torso_pos[:, i] > math.sqrt(2.0), 0.0, -1.0) * torch.ones_like(torso_height)
    if len(names) > 1 and TARGET > 0:
        total = sum(parts.values())
    else:
        total = torch.stack([value for value in parts.values()]).sum(0)
    return total, parts
''',
    "function-level import, no_grad, lambda, f-string format": """
def compute_reward(torso_pos, foot_contact):
    import math
    with torch.no_grad():
        smooth = lambda x: 1.0 / (1.0 + x.pow(2))
        distance = torso_pos.norm(dim=-1)
    assert distance.dim() == 1
    parts = {f"d{0:02d}": smooth(distance) * math.tau, "feet": foot_contact.sum(-1).to(distance.dtype)}
    return smooth(distance), {**parts}
""",
    "another name": """
def reward_function(torso_height):
    return torso_height, {"height": torso_height}
""",
}

# A line of the body of `compute_reward(torso_pos, torso_height, action)`, and a word that the refusal must contain.
FORBIDDEN_LINES = [
    ("x = open('/etc/passwd').read()", "open"),
    ("x = eval('1')", "eval"),
    ("x = exec('1')", "exec"),
    ("x = getattr(torch, 'load')", "getattr"),
    ("x = globals()", "globals"),
    ("x = vars()", "vars"),
    ("x = type(torso_pos)", "type"),
    ("x = input()", "input"),
    ("x = print(1)", "print"),
    ("x = breakpoint()", "breakpoint"),
    ("x = memoryview(b'')", "memoryview"),
    ("x = __import__('os')", "__import__"),
    ("x = __builtins__", "__builtins__"),
    ("x = __name__", "__name__"),
    ("import os", "import os"),
    ("import torch.utils.cpp_extension", "cpp_extension"),
    ("import numpy as np", "numpy"),
    ("from os import system", "os"),
    ("from torch import load", "load"),
    ("from . import secrets", "import"),
    ("from torch.utils import cpp_extension", "torch.utils"),
    ("x = torso_pos.__class__", "__class__"),
    ("x = ().__class__.__bases__[0].__subclasses__()", "__subclasses__"),
    ("x = (lambda: 0).__globals__", "__globals__"),
    ("x = torch._C", "_C"),
    ("x = torch.exp.__self__", "__self__"),
    ("x = '{0.__class__}'.format(torso_pos)", "format"),
    ("x = '%1000000000d' % 1", "%"),
    ("x = f'{1:1000000000}'", "format"),
    ("x = f'{1:{torso_pos}}'", "format"),
    ("x = torch.load('x')", "load"),
    ("x = torch.save(torso_pos, 'x')", "save"),
    ("x = torch.hub.load('a', 'b')", "hub"),
    ("x = torch.ops.load_library('x')", "ops"),
    ("x = torch.jit.load('x')", "jit"),
    ("x = torch.from_file('x')", "from_file"),
    ("x = torch.classes", "classes"),
    ("x = torch.utils.data", "utils"),
    ("x = torch.multiprocessing", "multiprocessing"),
    ("x = torch.distributed", "distributed"),
    ("x = torch.compile(torch.exp)", "compile"),
    ("x = torch.set_num_threads(64)", "set_num_threads"),
    ("x = torch.set_default_dtype(torch.float64)", "set_default_dtype"),
    ("x = torch.manual_seed(0)", "manual_seed"),
    ("x = torch.rand(3)", "rand"),
    ("x = torch.randn_like(torso_pos)", "randn_like"),
    ("x = torch.empty(3)", "empty"),
    ("x = F.dropout(torso_pos)", "dropout"),
    ("x = torch.cuda.is_available()", "cuda"),
    ("x = torch.backends.cudnn", "backends"),
    ("x = torch.overrides", "overrides"),
    ("x = torch.Tensor.set_", "set_"),
    ("x = torch", "module"),
    ("x = math", "module"),
    ("x = torch.linalg", "module"),
    ("x = [torch][0].load('x')", "module"),
    ("x = torso_pos.data", "data"),
    ("x = torso_pos.numpy()", "numpy"),
    ("x = torso_height.item()", "item"),
    ("x = torso_height.tolist()", "tolist"),
    ("x = torso_pos.register_hook(abs)", "register_hook"),
    ("x = torso_pos.untyped_storage()", "untyped_storage"),
    ("x = torso_pos.apply_(abs)", "apply_"),
    ("torso_height.add_(1.0)", "add_"),
    ("torso_height.resize_(3)", "resize_"),
    ("torso_pos[:, 0] = 1.0", "torso_pos"),
    ("torso_pos[:, 0] += 1.0", "torso_pos"),
    ("x = torso_pos[:, 0]; x[0] = 1.0", "x"),
    ("x = torso_pos; x[0] = 1.0", "x"),
    ("x = +torso_height; x[0] = 1.0", "x"),
    ("x = torso_height.view(-1); x[0] = 1.0", "x"),
    ("x = torch.zeros(3); x = torso_height; x[0] = 1.0", "x"),
    ("x, y = torso_height, 1; x[0] = 1.0", "x"),
    ("x = {'a': torso_height}; x['a'][0] = 1.0", "x"),
    ("x = [x for x in [torso_height]]; x[0][0] = 1.0", "x"),
    ("x = torch.add(torso_height, 1, out=torso_height)", "out"),
    ("x = torch.add(torso_height, 1, **{'out': torso_height})", r"\*\*"),
    ("x = torch.norm(torso_pos, 2, -1, False, torso_height)", "norm"),
    ("x = F.relu(torso_height, inplace=True)", "inplace"),
    ("x = F.relu(torso_height, True)", "relu"),
    ("torso_pos.foo = 1", "attribute"),
    ("torch.exp = abs", "attribute"),
    ("torch = 1", "module"),
    ("STATE['n'] = 1", "STATE"),
    ("STATE.update(n=1)", "update"),
    ("LIST.append(1)", "append"),
    ("dict.update(STATE, n=1)", "update"),
    ("global STATE", "global"),
    ("while True: pass", "while"),
    ("for i in range(1000000): pass", "rounds"),
    ("for i in range(torso_pos.shape[0]): pass", "worlds"),
    ("for i in range(len(torso_pos)): pass", "worlds"),
    ("n = torso_pos.size(0)\n    for i in range(n): pass", "worlds"),
    ("for row in torso_pos: pass", "worlds"),
    ("x = [row for row in torso_pos]", "worlds"),
    ("x = 10 ** 10 ** 10", "exponent"),
    ("x = 2 ** 100000", "exponent"),
    ("x = 1 << 100000", "exponent"),
    ("x = 'a' * 1000000000", "repeated"),
    ("x = [0] * 1000000000", "list"),
    ("x = math.factorial(100000)", "factorial"),
    ("x = b'abc'", "bytes"),
    ("x = 1j", "complex"),
    ("x = {1, 2}", "set"),
    ("try:\n        x = 1\n    except Exception:\n        pass", "try"),
    ("raise ValueError('x')", "raise"),
    ("with open('x') as f: pass", "with"),
    ("with torch.no_grad() as x: pass", "with"),
    ("class A: pass", "class"),
    ("yield 1", "yield"),
    ("x = (y := 1)", ":="),
    ("del torso_pos", "del"),
    ("def f(x=[]): return x", "default"),
    ("def f(n): return f(n - 1)", "itself"),
    ("@staticmethod.__func__\n    def f(x): return x", "decorator"),
    ("x = undefined_name", "undefined_name"),
    ("x = ｅval('1')", "eval"),
]

# Whole programs and a word that the refusal must contain.
FORBIDDEN_PROGRAMS = [
    ("from torch import *\ndef compute_reward(torso_height):\n    return torso_height, {}\n", r"\*"),
    ("async def f(): pass\ndef compute_reward(torso_height):\n    return torso_height, {}\n", "async"),
    ("print(1)\ndef compute_reward(torso_height):\n    return torso_height, {}\n", "top level"),
    ("z = zip([1], [2])\ndef compute_reward(torso_height):\n    return torso_height, {}\n", "iterator"),
    ("z = (i for i in [1])\ndef compute_reward(torso_height):\n    return torso_height, {}\n", "iterator"),
    ("def compute_reward(torso_height):\n    return torso_height + 1\n", "must return"),
    ("def compute_reward(torso_height):\n    return torso_height, {}, 1\n", "must return"),
    ("def compute_reward(torso_height):\n    x = torso_height\n", "returns nothing"),
    ("def compute_reward(torso_height=1.0):\n    return torso_height, {}\n", "default"),
    ("def compute_reward(*args):\n    return args[0], {}\n", "parameters"),
    ("def compute_reward():\n    return torch.zeros(1), {}\n", "no field"),
    ("def compute_reward(self, torso_height):\n    return torso_height, {}\n", "self"),
    ("def compute_reward(note):\n    return note, {}\n", "text"),
    ("def compute_reward(prev_action):\n    return prev_action, {}\n", "prev_action"),
    (
        "def a(x):\n    return b(x)\ndef b(x):\n    return a(x)\n"
        "def compute_reward(torso_height):\n    return a(torso_height), {}",
        "itself",
    ),
    ("def compute_reward(torso_height):\n    return torso_height" + " + (1" * 120 + ")" * 120 + ", {}\n", "nested"),
    ("def compute_reward(torso_height):\n    x = [" + "1, " * 6500 + "]\n    return torso_height, {}\n", "too long"),
]


def _program(line: str) -> str:
    return (
        "STATE = {}\nLIST = []\n"
        f"def compute_reward(torso_pos, torso_height, action):\n    {line}\n    return torso_height, {{}}\n"
    )


@pytest.mark.parametrize("name", HONEST)
def test_honest_programs_pass(name: str, fields: Mapping[str, Field]) -> None:
    """Programs as models write them, when they are sound, are accepted as they are, and compute [N] numbers."""
    program = RewardProgram.from_source(HONEST[name], fields)
    state = {
        "torso_pos": torch.rand(4, 3),
        "prev_torso_pos": torch.rand(4, 3),
        "torso_height": torch.rand(4),
        "foot_contact": torch.rand(4, 2) > 0.5,
        "steps_in_air": torch.randint(0, 6, (4,)),
        "action": torch.rand(4, 2),
    }
    before = {key: value.clone() for key, value in state.items()}
    output = program(**{key: state[key] for key in program.parameters})
    assert output.total.shape == (4,)
    assert output.components
    assert all(torch.equal(state[key], before[key]) for key in state)


@pytest.mark.parametrize(("line", "word"), FORBIDDEN_LINES, ids=[line for line, _ in FORBIDDEN_LINES])
def test_forbidden_lines_are_refused(line: str, word: str, fields: Mapping[str, Field]) -> None:
    """Each way out of pure computing is refused, with the line it is in and what to do about it."""
    with pytest.raises(RewardRejectedError, match=word) as info:
        RewardProgram.from_source(_program(line), fields)
    assert info.value.line is not None
    assert 3 <= info.value.line <= 7
    assert info.value.fix


@pytest.mark.parametrize(("source", "word"), FORBIDDEN_PROGRAMS)
def test_forbidden_programs_are_refused(source: str, word: str, fields: Mapping[str, Field]) -> None:
    """Programs of the wrong form are refused with what is wrong."""
    with pytest.raises(RewardRejectedError, match=word) as info:
        RewardProgram.from_source(source, fields)
    assert info.value.fix


TOKENS = """
def compute_reward torso_height ( ) [ ] { } : , . = == += * ** - + @ -> lambda for in if else return import from torch
math F exp zeros_like __class__ _x 1 2.5 10**9 'a' f'{x}' x y None True not and or while with as global del try except
class yield await async match case assert raise pass \n \n    \n        # ; := ... \\ ` ```python ``` ~~~
"""


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(TOKENS.split(" ")), max_size=60), st.sampled_from([" ", ""]))
def test_any_text_is_answered(fields: Mapping[str, Field], tokens: list[str], between: str) -> None:
    """Whatever a model answers, reading and checking it ends in a program or in a reward error, never in a crash."""
    head = "def compute_reward(torso_height):\n    x = "
    for text in (between.join(tokens), head + between.join(tokens) + "\n    return x, {}\n"):
        with contextlib.suppress(RewardParseError, RewardRejectedError):
            RewardProgram.from_answer(text, fields)


def test_every_breach_is_listed(fields: Mapping[str, Field]) -> None:
    """A refusal lists up to five breaches with their lines, so that one repair can mend them all."""
    body = "".join(f"    x{i} = torch.load('{i}')\n" for i in range(7))
    with pytest.raises(RewardRejectedError) as info:
        RewardProgram.from_source(f"def compute_reward(torso_height):\n{body}    return torso_height, {{}}\n", fields)
    text = str(info.value)
    assert [f"line {i}" in text for i in range(2, 9)] == [True] * 5 + [False] * 2
    assert "2 more" in text


def test_no_program_is_run_by_the_check() -> None:
    """Checking runs nothing, not even the top level."""
    assert check_rules(ast.parse("x = 1 / 0")) == []


def test_allowed_names_exist() -> None:
    """Every allowed name exists in this torch, so that no refusal recommends what is not there."""
    modules = {"torch": torch, "torch.linalg": torch.linalg, "torch.special": torch.special}
    for path, module in modules.items():
        assert [n for n in allowed.MODULES[path] if not hasattr(module, n)] == []
    assert [n for n in allowed.FUNCTIONAL if not hasattr(torch.nn.functional, n)] == []


def test_no_allowed_name_writes_or_draws() -> None:
    """No allowed function is in place, random or stateful by its name; every positional out or inplace is known."""
    names = set().union(*allowed.MODULES.values()) | allowed.ATTRIBUTES
    suspicious = ("rand", "seed", "load", "save", "set_", "empty", "storage", "numpy", "hook", "dropout", "file")
    assert [n for n in names if n.startswith("_") or n.endswith("_") or any(s in n for s in suspicious)] == []
    found = {}
    for path, module in {
        "torch": torch,
        "torch.linalg": torch.linalg,
        "torch.nn.functional": torch.nn.functional,
    }.items():
        for name in allowed.MODULES[path]:
            try:
                parameters = inspect.signature(getattr(module, name)).parameters
            except (ValueError, TypeError):  # written in C++, where out is by keyword only
                continue
            for position, parameter in enumerate(parameters.values()):
                if parameter.name in ("out", "inplace") and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                    found[f"{path}.{name}"] = position
    assert found == {key: found.get(key) for key in allowed.WRITES_ARGUMENT}


def test_private_fields_do_not_exist_for_programs(fields: Mapping[str, Field]) -> None:
    """A private field is as unknown as a name that was never declared, and no hint gives it away."""
    messages = []
    for name in ("success", "oracle_distance", "sucess", "oracle_dist", "prev_success"):
        with pytest.raises(RewardRejectedError) as info:
            RewardProgram.from_source(f"def compute_reward({name}):\n    return {name}, {{}}\n", fields)
        messages.append(str(info.value).replace(name, "NAME"))
    assert len(set(messages)) == 1
    assert "success" not in messages[0]
    assert "oracle" not in messages[0]


def test_near_matches_of_fields(fields: Mapping[str, Field]) -> None:
    """A misspelt field is answered with the right spelling."""
    with pytest.raises(RewardRejectedError, match="torso_height"):
        RewardProgram.from_source("def compute_reward(torso_heigth):\n    return torso_heigth, {}\n", fields)
