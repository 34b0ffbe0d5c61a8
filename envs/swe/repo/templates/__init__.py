"""Small repositories, a package with its tests each, in which the names vary."""

from __future__ import annotations

import string
from dataclasses import dataclass
from importlib import import_module

NAMES = (
    *("booking", "cache", "calculator", "gradebook", "grid", "inventory", "ledger", "library", "scheduler", "search"),
    *("tables", "vectors"),
)
"""The templates, sorted; each is a module of its name."""


@dataclass(frozen=True)
class Template:
    """A repository with names left open."""

    about: str
    """What the program does, in words."""
    names: tuple[dict[str, str], ...]
    """Values of the names that its texts hold as ``$name``, one mapping for each variant."""
    files: dict[str, str]
    """Texts by path; both hold names."""

    def tree(self, variant: int) -> dict[str, str]:
        """Return the files of a variant."""
        names = self.names[variant % len(self.names)]
        return {_fill(path, names): _fill(text, names) for path, text in self.files.items()}


def _fill(text: str, names: dict[str, str]) -> str:
    return string.Template(text).substitute(names)


def load_template(name: str) -> Template:
    """Return a template by its name."""
    template: Template = import_module(f".{name}", __name__).TEMPLATE
    return template
