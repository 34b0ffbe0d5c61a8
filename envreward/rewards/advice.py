"""What to do instead of what reward programs must not do, in words that a language model can act on."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envreward.errors import near_matches

_RANDOM = "A reward must give the same answer for the same state: remove the randomness."
_NO_IO = "A reward only computes from its parameters: remove this."
_TENSORS = "Stay in tensors, with one value per world."
_NAMES: dict[str, str] = {
    "print": "Remove it; to watch a value, return it as a component.",
    "numpy": "Use torch: its functions have nearly the same names.",
    "np": "Use torch: its functions have nearly the same names.",
    "self": "The function is not a method: use the fields, by naming them as parameters.",
    "env": "There is no environment object: use the fields, by naming them as parameters.",
    "item": _TENSORS,
    "tolist": _TENSORS,
    "cpu": "Inputs and results stay on their device: remove it.",
    "cuda": "Inputs and results stay on their device: remove it, or pass device=x.device.",
    "data": "Use the tensor itself.",
    "detach_": "Use detach(), or nothing: no gradient flows through a reward.",
    "empty": "Use torch.zeros.",
    "empty_like": "Use torch.zeros_like.",
    "from_numpy": "Use torch.tensor.",
    "requires_grad": "No gradient flows through a reward: remove it.",
    "jit": "Remove it: programs are compiled for you.",
    "compile": "Remove it: programs are compiled for you.",
    "set": "Use a list or tuple.",
    "pow": "Use the ** operator.",
    "map": "Use a list comprehension.",
    "filter": "Use a list comprehension.",
    "factorial": "Write the number itself.",
    "format": "Use an f-string.",
    "ValueError": "Do not raise: compute a reward for every state.",
}
_NAMES |= dict.fromkeys(("rand", "randn", "randint", "rand_like", "randn_like", "normal", "bernoulli"), _RANDOM)
_NAMES |= dict.fromkeys(("random", "manual_seed", "dropout", "multinomial", "randperm", "Generator"), _RANDOM)
_NAMES |= dict.fromkeys(("open", "eval", "exec", "load", "save", "getattr", "setattr", "globals", "input"), _NO_IO)
_NAMES |= dict.fromkeys(("os", "sys", "subprocess", "requests", "socket", "time", "gym", "gymnasium"), _NO_IO)

_STATEMENTS: dict[type[ast.AST], tuple[str, str]] = {
    ast.While: ("a `while` loop may never end.", "Use `for i in range(n)` with a fixed n, or a tensor operation."),
    ast.ClassDef: ("a class is not allowed.", "Write plain functions at the top level of the program."),
    ast.Try: ("`try` is not allowed: it hides mistakes.", "Compute so that nothing can fail, e.g. with clamp."),
    ast.Raise: ("`raise` is not allowed.", "Compute a reward for every state."),
    ast.Global: ("`global` is not allowed: nothing is kept between calls.", "Compute from the parameters alone."),
    ast.Nonlocal: ("`nonlocal` is not allowed.", "Return the value from the inner function."),
    ast.Delete: ("`del` is not needed.", "Remove it."),
    ast.NamedExpr: ("`:=` is not allowed.", "Assign on a line of its own."),
    ast.AsyncFunctionDef: ("`async` is not allowed.", "Write a plain function."),
    ast.Yield: ("`yield` is not allowed.", "Return the result."),
    ast.YieldFrom: ("`yield` is not allowed.", "Return the result."),
    ast.Await: ("`await` is not allowed.", "Write a plain function."),
    ast.Match: ("`match` is not allowed.", "Use torch.where, or `if` on constants."),
    ast.Set: ("a set is not allowed: its order is not fixed.", "Use a tuple or list."),
    ast.SetComp: ("a set is not allowed: its order is not fixed.", "Use a tuple or list."),
}


def for_name(name: str, known: Iterable[str]) -> str:
    """Return what to use instead of ``name``: known advice, else the near matches among ``known``."""
    if name in _NAMES:
        return _NAMES[name]
    if name.endswith("_") and not name.startswith("_"):
        return f"Use {name.rstrip('_')}, which returns a new tensor: x = x.{name.rstrip('_')}(...)."
    matches = near_matches(name, known)
    return f"Did you mean {' or '.join(matches)}?" if matches else ""


def for_statement(node: ast.AST) -> tuple[str, str]:
    """Return the reason and the fix for a kind of statement or expression that is not allowed."""
    for kind, text in _STATEMENTS.items():
        if isinstance(node, kind):
            return text
    return f"`{type(node).__name__}` is not allowed in a reward program.", "Use plain assignments, `if` and `for`."


def for_exception(error: BaseException) -> str:
    """Return how to repair what a reward program has raised, or ``""`` where there is no general advice."""
    text = str(error)
    if "Boolean value of Tensor" in text:
        return "Each world needs its own answer: use torch.where(condition, a, b), and & | ~ instead of and, or, not."
    if "converted to Python scalars" in text or "converted to Scalar" in text:
        return "Use torch's functions on tensors, e.g. torch.exp instead of math.exp, and no float() or int()."
    if "must match the size" in text or "shapes cannot be multiplied" in text or "size of tensor" in text:
        return (
            "Every parameter has a leading dimension N of worlds: keep it, reduce over dim=-1, "
            "and use unsqueeze(-1) to combine [N] with [N, k]."
        )
    if "Dimension out of range" in text or "too many indices" in text:
        return "Check the parameter's shape: a scalar field is [N], a vector field [N, k]."
    if "out of bounds" in text or "out of range" in text:
        return "Check the length of the field's last dimension."
    if "must be Tensor, not float" in text or "must be Tensor, not int" in text:
        return "Use math for Python numbers, torch for tensors, or wrap the number in torch.tensor(...)."
    if "Float but found Bool" in text or "Subtraction, the `-` operator, with a bool" in text or "bool tensor" in text:
        return "Convert a mask with .float() before arithmetic."
    if isinstance(error, RecursionError):
        return "Remove the recursion."
    return ""
