"""The rules of reward programs: a static allow-list check that never runs the program.

Everything that is not known to be harmless is refused: each kind of statement, each name, each attribute must
be on a list (see `allowed`). The check has two ends. It keeps honest programs honest: batched, pure, repeatable,
and a refusal says how to repair them. And it leaves a hostile one nothing to hold on to: no attribute that starts
with an underscore, no import, no builtin that reaches the interpreter. It is the first of several walls, not
the last: programs run restricted to the same names, in a forked process without system calls, inside a sandbox.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from . import advice
from .allowed import (
    ATTRIBUTES,
    BUILTINS,
    CONTAINER_READS,
    CONTAINER_WRITES,
    IGNORED_DECORATORS,
    MODULES,
    PRESET_IMPORTS,
    PRESET_NAMES,
    WRITES_ARGUMENT,
)
from .scopes import FunctionNode, all_arguments, counts_worlds, make_scope

MAX_CHARS = 20_000
MAX_NODES = 6_000
MAX_DEPTH = 100
MAX_LOOP = 10_000
MAX_LOOP_DEPTH = 3
MAX_EXPONENT = 100
MAX_STRING = 2_000

_FORMAT = re.compile(r"[<>^]?0?\d{0,2}(\.\d{1,2})?[a-z]?")
_NODES: tuple[type[ast.AST], ...] = (
    *(ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign),
    *(ast.For, ast.If, ast.Assert, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Import, ast.ImportFrom),
    *(ast.alias, ast.With, ast.withitem, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict),
    *(ast.List, ast.Tuple, ast.ListComp, ast.DictComp, ast.GeneratorExp, ast.comprehension, ast.Compare, ast.Call),
    *(ast.keyword, ast.FormattedValue, ast.JoinedStr, ast.Constant, ast.Attribute, ast.Subscript, ast.Starred),
    *(ast.Name, ast.Slice, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)


class Violation(NamedTuple):
    """One broken rule."""

    line: int | None
    """1-based line of the program."""
    reason: str
    fix: str


def check_rules(tree: ast.Module) -> list[Violation]:
    """Return every broken rule of a parsed program, in order of lines, each reason once per line."""
    count, depth = _measure(tree)
    if count > MAX_NODES or depth > MAX_DEPTH:
        return [Violation(None, "the program is too long or too deeply nested.", "Write a shorter one.")]
    checker = _Checker(tree)
    checker.visit(tree)
    checker.check_recursion(tree)
    return sorted(set(checker.violations), key=lambda v: (v.line or 0, v.reason))


def _measure(tree: ast.Module) -> tuple[int, int]:
    """Return the number of nodes and the depth of the tree, without recursion."""
    count, depth, layer = 0, 0, [tree]
    while layer:
        count, depth = count + len(layer), depth + 1
        layer = [child for node in layer for child in ast.iter_child_nodes(node)]  # type: ignore[misc]
    return count, depth


class _Checker(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self.violations: list[Violation] = []
        self.scope = make_scope(tree, None)
        self.module = self.scope
        self.loops = 0

    def refuse(self, node: ast.AST, reason: str, fix: str) -> None:
        self.violations.append(Violation(getattr(node, "lineno", None), reason, fix))

    def visit(self, node: ast.AST) -> None:
        """Visit a node whose kind is allowed; refuse any other without looking inside."""
        if isinstance(node, _NODES):
            super().visit(node)
        else:
            self.refuse(node, *advice.for_statement(node))

    # Names and attributes

    def module_of(self, name: str) -> str | None:
        """Return the module that ``name`` stands for here, or ``None`` when it is a value or unknown."""
        owner = self.scope.owner(name)
        if owner is None:
            return PRESET_IMPORTS.get(name)
        return owner.modules.get(name)

    def visit_Name(self, node: ast.Name) -> None:
        name = node.id
        if name.startswith("__"):
            self.refuse(node, f"the name `{name}` is not allowed.", "Names must not start with two underscores.")
        elif isinstance(node.ctx, ast.Store):
            if name in self.scope.modules or (name in ("torch", "math") and self.scope.owner(name) is self.scope):
                self.refuse(node, f"`{name}` is a module and cannot be assigned to.", "Choose another name.")
        elif self.module_of(name) is not None:
            self.refuse(node, f"the module `{name}` can only be used with a dot after it.", f"Write {name}.<function>.")
        elif self.scope.owner(name) is None and name not in BUILTINS | PRESET_NAMES:
            known = [*BUILTINS, *PRESET_IMPORTS, *self.module.values, *self.scope.values]
            fix = advice.for_name(name, known) or "Name it as a parameter if it is a field, or define it."
            self.refuse(node, f"the name `{name}` is not defined or not allowed.", fix)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.refuse(node, "an attribute cannot be assigned to.", "Assign to a variable.")
            return
        path = self.module_path(node.value)
        if path is not None:
            full = f"{path}.{node.attr}"
            if full in MODULES:
                self.refuse(
                    node, f"the module `{full}` can only be used with a dot after it.", "Name a function in it."
                )
            elif node.attr not in MODULES[path]:
                known = [*MODULES[path], *(m[len(path) + 1 :] for m in MODULES if m.startswith(path + "."))]
                self.refuse(
                    node, f"`{full}` is not allowed.", advice.for_name(node.attr, known) or _only_computes(path)
                )
            return
        if node.attr.startswith("_"):
            self.refuse(node, f"the attribute `{node.attr}` is not allowed.", "Attributes must not start with `_`.")
        elif node.attr not in ATTRIBUTES | CONTAINER_READS | CONTAINER_WRITES:
            fix = advice.for_name(node.attr, ATTRIBUTES) or "Use a torch function that computes a new tensor."
            self.refuse(node, f"the attribute or method `{node.attr}` is not allowed.", fix)
        elif node.attr in CONTAINER_WRITES and not self.is_own(node.value):
            self.refuse(
                node,
                f"`.{node.attr}` may only change a list or dict that this function has made.",
                "Build a new list or dict in this function and return it.",
            )
        self.visit(node.value)

    def module_path(self, node: ast.expr) -> str | None:
        """Return the module that a dotted expression names, e.g. ``torch.nn.functional``, or ``None``."""
        if isinstance(node, ast.Name):
            return self.module_of(node.id)
        if isinstance(node, ast.Attribute):
            parent = self.module_path(node.value)
            return f"{parent}.{node.attr}" if parent is not None and f"{parent}.{node.attr}" in MODULES else None
        return None

    def is_own(self, node: ast.expr) -> bool:
        """Return whether ``node`` is a variable that holds only what this function has made itself."""
        return isinstance(node, ast.Name) and node.id in self.scope.fresh

    # Imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name not in MODULES:
                fix = advice.for_name(alias.name.partition(".")[0], MODULES)
                self.refuse(
                    node, f"`import {alias.name}` is not allowed.", fix or "Import only torch, math and typing."
                )
            elif alias.asname and alias.asname.startswith("__"):
                self.refuse(node, f"the name `{alias.asname}` is not allowed.", "Choose another name.")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module == "__future__" and all(a.name == "annotations" for a in node.names):
            return
        if node.level or node.module not in MODULES:
            fix = advice.for_name((node.module or "").partition(".")[0], MODULES)
            self.refuse(
                node, f"import from `{node.module}` is not allowed.", fix or "Import only torch, math and typing."
            )
            return
        for alias in node.names:
            if alias.name not in MODULES[node.module] and f"{node.module}.{alias.name}" not in MODULES:
                fix = advice.for_name(alias.name, MODULES[node.module]) or _only_computes(node.module)
                self.refuse(node, f"`{node.module}.{alias.name}` is not allowed.", fix)
            elif alias.asname and alias.asname.startswith("__"):
                self.refuse(node, f"the name `{alias.asname}` is not allowed.", "Choose another name.")

    # Functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name.startswith("__"):
            self.refuse(node, f"the name `{node.name}` is not allowed.", "Choose another name.")
        for decorator in node.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if ast.unparse(target) not in IGNORED_DECORATORS:
                self.refuse(decorator, f"the decorator `@{ast.unparse(target)}` is not allowed.", "Remove it.")
        self.enter(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.enter(node)

    def enter(self, node: FunctionNode) -> None:
        """Check a function's defaults in the scope around it and its body in its own; annotations are dropped."""
        for default in [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]:
            if not _is_constant(default):
                self.refuse(default, "a default value must be a number, string, bool or None.", "Set it in the body.")
        for argument in all_arguments(node.args):
            if argument.arg.startswith("__"):
                self.refuse(argument, f"the name `{argument.arg}` is not allowed.", "Choose another name.")
        outer, loops = self.scope, self.loops
        self.scope, self.loops = make_scope(node, outer), 0
        for child in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self.visit(child)
        self.scope, self.loops = outer, loops

    def check_recursion(self, tree: ast.Module) -> None:
        """Refuse functions that call themselves, directly or through others."""
        functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        uses = {
            name: {n.id for n in ast.walk(f) if isinstance(n, ast.Name) and n.id in functions}
            for name, f in functions.items()
        }
        for name, function in functions.items():
            seen, reached = set[str](), set(uses[name])
            while reached - seen:
                seen |= reached
                reached = set().union(*(uses[n] for n in seen))
            if name in seen:
                self.refuse(function, f"`{name}` calls itself.", "Use a tensor operation or a loop over a fixed range.")

    # Writes

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value is not None:
            self.visit_value(node, node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.visit(target)
        self.visit_value(node, node.value)

    def visit_value(self, node: ast.stmt, value: ast.expr) -> None:
        """Check an assigned value; at the top level it must not be something that a call could use up or change."""
        if self.scope is self.module:
            names = {n.func.id for n in ast.walk(value) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
            lazy = names & {"enumerate", "reversed", "zip"} or any(
                isinstance(n, ast.GeneratorExp) for n in ast.walk(value)
            )
            if lazy and not isinstance(value, ast.Lambda):
                self.refuse(node, "a top-level iterator can be used only once.", "Make it a tuple or list display.")
        self.visit(value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load) and not self.is_own(node.value):
            target = ast.unparse(node)
            self.refuse(
                node,
                f"`{target} = ...` may write into an input: only what this function itself has made may be changed.",
                "Use torch.where(mask, new, old) or torch.stack, or write into a variable made with torch.zeros_like "
                "or .clone().",
            )
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            if keyword.arg in ("out", "inplace"):
                if not (isinstance(keyword.value, ast.Constant) and keyword.value.value in (False, None)):
                    self.refuse(node, f"`{keyword.arg}=` writes into a tensor.", "Remove it and use the result.")
            elif keyword.arg is None:
                self.refuse(node, "`**` in a call is not allowed.", "Name the arguments.")
        if isinstance(node.func, ast.Attribute):
            path = self.module_path(node.func.value)
            limit = WRITES_ARGUMENT.get(f"{path}.{node.func.attr}")
            if limit is not None and len(node.args) > limit:
                self.refuse(node, f"too many arguments for `{node.func.attr}`.", "Name the arguments; never in place.")
        self.generic_visit(node)

    # Loops, sizes and constants

    def visit_For(self, node: ast.For) -> None:
        self.check_loop(node.iter)
        if node.orelse:
            self.refuse(node.orelse[0], "`else` after a loop is not allowed.", "Put it after the loop.")
        self.loops += 1
        if self.loops > MAX_LOOP_DEPTH:
            self.refuse(node, f"more than {MAX_LOOP_DEPTH} loops inside each other.", "Use tensor operations.")
        self.generic_visit(node)
        self.loops -= 1

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.check_loop(node.iter)
        self.generic_visit(node)

    def check_loop(self, source: ast.expr) -> None:
        """Refuse loops over the worlds, which tensors do at once, and over very long ranges."""
        arguments = source.args if isinstance(source, ast.Call) else [source]
        for argument in arguments:
            is_input = isinstance(argument, ast.Name) and argument.id in self.scope.parameters
            if counts_worlds(argument, self.scope) or (is_input and argument is source):
                self.refuse(
                    source,
                    "this loops over the worlds one by one, or over a whole input.",
                    "Compute all worlds at once: every parameter is a batch [N, ...]; loop over columns x[:, i].",
                )
            value = argument.value if isinstance(argument, ast.Constant) else 0
            if isinstance(value, int) and abs(value) > MAX_LOOP:
                self.refuse(source, f"more than {MAX_LOOP} rounds in a loop.", "Use a tensor operation.")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        left, right = node.left, node.right
        if isinstance(node.op, ast.Pow | ast.LShift):
            tower = any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow | ast.LShift) for n in ast.walk(right))
            value = right.value if isinstance(right, ast.Constant) else 0
            if tower or (isinstance(value, int | float) and abs(value) > MAX_EXPONENT):
                self.refuse(node, "the exponent is too large.", f"Keep it below {MAX_EXPONENT}.")
        if isinstance(node.op, ast.Mult):
            for side, times in ((left, right), (right, left)):
                text = isinstance(side, ast.JoinedStr) or (
                    isinstance(side, ast.Constant) and isinstance(side.value, str)
                )
                long = isinstance(times, ast.Constant) and isinstance(times.value, int) and times.value > MAX_LOOP
                if text or (isinstance(side, ast.List | ast.Tuple) and long):
                    self.refuse(node, "repeated text or a very long list.", "Use torch.full or torch.zeros.")
        if isinstance(node.op, ast.Mod) and isinstance(left, ast.Constant) and isinstance(left.value, str):
            self.refuse(node, "`%` on text is not allowed.", "Use an f-string.")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bytes | complex):
            self.refuse(node, f"a {type(node.value).__name__} constant is not allowed.", "Use numbers and text.")
        elif isinstance(node.value, str) and len(node.value) > MAX_STRING:
            self.refuse(node, "a text constant is too long.", "Shorten it.")

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        spec = node.format_spec
        if spec is not None and not _FORMAT.fullmatch(ast.unparse(spec)[2:-1]):
            self.refuse(node, "this text format is not allowed.", "Use a plain {value}.")
        self.visit(node.value)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            if ast.unparse(item.context_expr) != "torch.no_grad()" or item.optional_vars is not None:
                self.refuse(node, "`with` is allowed for torch.no_grad() only.", "Remove it.")
        for child in node.body:
            self.visit(child)

    def visit_Expr(self, node: ast.Expr) -> None:
        if self.scope is self.module and not isinstance(node.value, ast.Constant):
            self.refuse(node, "only functions, imports and constants may stand at the top level.", "Remove it.")
        self.generic_visit(node)


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Tuple):
        return all(_is_constant(e) for e in node.elts)
    return isinstance(node, ast.Constant)


def _only_computes(path: str) -> str:
    return f"Of {path}, only functions that compute a result from their arguments may be used."
