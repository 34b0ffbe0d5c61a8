"""Genomes as reward programs: written out as readable source, and read back from it.

The program is the genome: `render` writes a genome as source and `parse` reads it back from the source alone, so
that a study's record of programs is all that a search needs to go on from. A program that was written by hand in
the same forms can be evolved further; `parse` says of any other that it cannot.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping

from envreward.fields import PREV, Field

from .terms import Form, Genome, Readout, Term, number, pairs, readouts


def render(genome: Genome, fields: Mapping[str, Field], title: str) -> str:
    """Return ``genome`` as the source of a reward program.

    Args:
        genome: At least one of its terms reads the state.
        fields: Public fields by name.
        title: First line of the program's docstring, e.g. the instruction.
    """
    readouts = [t.readout for t in genome.terms if t.readout is not None]
    parameters = list(dict.fromkeys(p for r in readouts for p in r.parameters()))
    lines: list[str] = []
    variables: dict[str, str] = {}
    for term in sorted(genome.terms, key=lambda t: t.readout is None):
        name = term.name(fields)
        variable = f"{name}_term" if name in parameters else name
        if term.readout is None:
            lines.append(f"    {variable} = torch.full_like({next(iter(variables.values()))}, {number(term.weight)})")
        else:
            lines.append(f"    {variable} = {term.expression(fields)}")
        variables[name] = variable
    summary = textwrap.wrap(" ".join(title.split()).replace("\\", "").replace('"', "'"), 110) or ["An evolved reward."]
    return "\n".join(
        [
            "import torch",
            "from torch import Tensor",
            "",
            "",
            "def compute_reward(",
            *[f"    {p}: Tensor," for p in parameters],
            ") -> tuple[Tensor, dict[str, Tensor]]:",
            '    """' + "\n    ".join(summary) + '"""',
            *lines,
            f"    total = {' + '.join(variables.values())}",
            "    return total, {",
            *[f'        "{name}": {variable},' for name, variable in variables.items()],
            "    }",
            "",
        ]
    )


def parse(source: str, fields: Mapping[str, Field]) -> Genome | None:
    """Return the genome of a program in the forms that `render` writes, or ``None`` for any other program."""
    try:
        function = ast.parse(source).body[-1]
    except (SyntaxError, IndexError):
        return None
    if not isinstance(function, ast.FunctionDef):
        return None
    read = {argument.arg.removeprefix(PREV) for argument in function.args.args} & fields.keys()
    own = [r for name in read for r in readouts(name, fields[name])]
    own += pairs({name: field for name, field in fields.items() if name in read})
    known = {_canonical(r.expression(fields[r.field])): r for r in own}
    terms: dict[str, Term] = {}
    total = ""
    for statement in function.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="total")], value=value):
                total = ast.unparse(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (term := _read_term(value, known)) is not None:
                terms[name] = term
            case ast.Expr(value=ast.Constant()) | ast.Return():
                continue
            case _:
                return None
    genome = Genome(tuple(terms.values()))
    return genome if genome.state_terms and total == " + ".join(terms) else None


def _canonical(expression: str) -> str:
    return ast.unparse(ast.parse(expression, mode="eval"))


def _read_term(node: ast.expr, known: Mapping[str, Readout]) -> Term | None:
    """Return the term that an assigned value spells, or ``None``."""
    match node:
        case ast.Call(func=ast.Attribute(attr="full_like"), args=[_, value]) if _value(value) is not None:
            return Term(form="constant", readout=None, weight=_value(value) or 0.0)
        case ast.BinOp(left=factor, op=ast.Mult(), right=shaped) if _value(factor):
            weight = _value(factor) or 0.0
        case _:
            return None
    if (readout := known.get(ast.unparse(shaped))) is not None:
        return Term(form="linear", readout=readout, weight=weight)
    form: Form
    match shaped:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="tanh"), args=[inner]):
            form = "tanh"
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="torch"), attr="exp"),
            args=[ast.UnaryOp(op=ast.USub(), operand=ast.Call(func=ast.Attribute(value=inner, attr="square")))],
        ):
            form = "near"
        case ast.Call(func=ast.Attribute(value=inner, attr="square"), args=[]):
            form = "square"
        case ast.Call(func=ast.Attribute(value=inner, attr="clamp"), args=[low, high]):
            if (_value(low), _value(high)) != (0.0, 1.0):
                return None
            form = "above"
        case ast.Call(
            func=ast.Attribute(
                attr="float",
                value=ast.Compare(
                    left=ast.Call(func=ast.Attribute(value=inner, attr="abs")), ops=[ast.Lt()], comparators=[radius]
                ),
            )
        ):
            form = "within"
            inner = ast.BinOp(inner, ast.Div(), radius)
        case _:
            return None
    return _read_argument(form, weight, inner, known)


def _read_argument(form: Form, weight: float, node: ast.expr, known: Mapping[str, Readout]) -> Term | None:
    """Return the term whose form is applied to ``node``, spelled ``x``, ``x - c``, ``x / s`` or ``(x - c) / s``."""
    centre, scale = 0.0, 1.0
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            node, scale = left, _value(right) or 0.0
    match node:
        case ast.BinOp(left=left, op=ast.Sub() | ast.Add() as sign, right=right) if _value(right) is not None:
            node, centre = left, (_value(right) or 0.0) * (1 if isinstance(sign, ast.Sub) else -1)
    readout = known.get(ast.unparse(node))
    if readout is None or scale <= 0:
        return None
    return Term(form=form, readout=readout, weight=weight, centre=centre, scale=scale)


def _value(node: ast.expr) -> float | None:
    """Return the number that ``node`` spells, or ``None``."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
    return None
