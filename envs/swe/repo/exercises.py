"""Faults of small repositories as exercises: a template, names for it, and one edit."""

from __future__ import annotations

from pathlib import Path

from ..ast_edits import Edits, inverse
from ..grading import Problem
from ..grading_sources import test_functions, without
from ..grading_trees import write_tree
from ..worlds_exercise import Exercise, Exercises, Fix, choose_visible
from .build import parts, suite_of
from .table import Fault, read_faults, table_path
from .templates import load_template


class Faults(Exercises):
    """The faults of the templates, each in several variants of names."""

    def __init__(self) -> None:
        """Read the table.

        Raises:
            ConfigError: The table is missing or damaged.
        """
        super().__init__()
        self._faults = read_faults(table_path())

    def __len__(self) -> int:
        return len(self._faults)

    def pick(self, number: int) -> tuple[int, int]:
        """Return the number of a fault and of a variant."""
        rest, fault = divmod(number, len(self._faults))
        return fault, rest % len(load_template(self._faults[fault].template).names)

    def build(self, key: tuple[int, int], folder: Path) -> Exercise:
        """Write the files of a fault."""
        return make_exercise(self._faults[key[0]], key[1], folder)


def make_exercise(fault: Fault, variant: int, folder: Path) -> Exercise:
    """Write the files of a fault and return its exercise."""
    template = load_template(fault.template)
    tree = template.tree(variant)
    modules, paths = parts(tree)
    tests = {path: tree[path] for path in paths}
    names = [f"{path}::{name}" for path in paths for name in test_functions(tests[path])]
    broken = {names[index] for index in fault.broken}
    fail_to_pass = tuple(name for name in names if name in broken)
    pass_to_pass = tuple(name for name in names if name not in broken)
    visible = choose_visible(fail_to_pass, pass_to_pass, str(fault))
    module = modules[fault.module]
    edits = Edits(tree[module])
    edit = list(edits)[fault.edit]
    repair = inverse(edit)
    assert repair is not None, fault
    tree[module] = edits.apply(edit)
    for path in paths:
        tree[path] = without(tree[path], {name.partition("::")[2] for name in names if name not in visible})
    write_tree({path: text.encode() for path, text in tree.items()}, folder)
    problem = Problem(
        id=f"{fault.template}-{variant}-{fault.module}:{fault.edit}",
        repository=folder,
        suite=suite_of(paths),
        tests=tests,
        fail_to_pass=fail_to_pass,
        pass_to_pass=pass_to_pass,
    )
    shown = "".join(f"\n- {name}" for name in fail_to_pass if name in visible)
    statement = (
        f"The package {module.split('/')[0]} {template.about}. It has a fault: a single small mistake in one of "
        f"its files. Because of it these tests fail:{shown}\nAll other visible tests pass."
    )
    return Exercise(problem, statement, visible, tuple(modules), Fix(module, repair))
