"""Signed: two reward functions of a model's, one dense and one sparse, as one program that pays by their signs.

Auto MC-Reward (Li et al. 2024, arXiv:2312.09238, figure 1) has the model write ``dense`` and ``sparse`` and combines
them itself: ``R = 1 * sgn(sparse) + 0.1 * sgn(dense)``. How large the model's numbers are does not matter then, so that
no dense part can outweigh the task.
"""

from __future__ import annotations

import ast

from envreward.errors import RewardParseError
from envreward.fields import MEMORY
from envreward.rewards.parse import extract_source, parse_source

SPARSE_WEIGHT, DENSE_WEIGHT = 1.0, 0.1
"""Of the signs; figure 1 of the paper."""

_PARTS = ("dense", "sparse")
_FIX = (
    "Define two functions at the top level in one ```python block: `def dense(..., memory)`, which returns a float "
    "tensor [N] and the new memory [N, 16], and `def sparse(...)`, which returns a float tensor [N]; their parameters "
    "are field names."
)


def signed_program(answer: str) -> str:
    """Return the program made of the two functions in a model's answer.

    ``dense`` may leave out ``memory``, and then returns its reward alone; ``sparse`` may read it as it was before the
    step. The program's components are the two signs.

    Args:
        answer: The whole answer.

    Raises:
        RewardParseError: No code could be read, or it does not define both functions and nothing called compute_reward.
    """
    source = extract_source(answer)
    functions = {n.name: n for n in parse_source(source).body if isinstance(n, ast.FunctionDef)}
    missing = [name for name in _PARTS if name not in functions]
    if missing:
        raise RewardParseError(f"`{missing[0]}` is not defined.", fix=_FIX)
    if "compute_reward" in functions:
        line = functions["compute_reward"].lineno
        raise RewardParseError("`compute_reward` is made for you.", line=line, fix="Rename it or leave it out.")
    taken = {name: _parameters(functions[name]) for name in _PARTS}
    everything = list(dict.fromkeys(name for names in taken.values() for name in names))
    remembers, updates = MEMORY in everything, MEMORY in taken["dense"]
    lines = [
        f"def compute_reward({', '.join(everything)}):",
        '    """Pays by the signs of the two functions above: the sparse one full, the dense one a tenth."""',
        f"    {'dense_value, remembered' if updates else 'dense_value'} = dense({', '.join(taken['dense'])})",
        f"    sparse_value = sparse({', '.join(taken['sparse'])})",
        f"    sparse_sign = {SPARSE_WEIGHT} * torch.sign(sparse_value).float()",
        f"    dense_sign = {DENSE_WEIGHT} * torch.sign(dense_value).float()",
        '    parts = {"sparse": sparse_sign, "dense": dense_sign}',
    ]
    result = "sparse_sign + dense_sign, parts"
    if remembers:
        result += ", remembered" if updates else f", {MEMORY}.clone()"
    return "\n".join([source.rstrip(), "", "", *lines, f"    return {result}", ""])


def _parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults:
        fix = "List the fields as plain parameters."
        raise RewardParseError(f"`{function.name}` has other than plain parameters.", line=function.lineno, fix=fix)
    return [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
