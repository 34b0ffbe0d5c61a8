"""Brings the guest into a container as an argument of its Python, so that no file of ours need be there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

_MODULES = ("output", "tree", "guest")
_START = """
import json, sys, types
sources, settings = json.loads(sys.argv[1]), json.loads(sys.argv[2])
package = types.ModuleType("inside")
package.__path__ = []
sys.modules["inside"] = package
for name, source in sources:
    module = types.ModuleType("inside." + name)
    module.__package__ = "inside"
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(compile(source, name + ".py", "exec"), module.__dict__)
sys.argv[1:] = []
sys.modules["inside.guest"].main(settings)
"""


def guest_command(root: str, scratch: Sequence[str]) -> list[str]:
    """Return the command that serves the repository in ``root``; a reset empties the folders ``scratch``."""
    sources = [(name, (Path(__file__).parent / f"{name}.py").read_text()) for name in _MODULES]
    settings = {"root": root, "scratch": list(scratch)}
    return ["python3", "-I", "-S", "-c", _START, json.dumps(sources), json.dumps(settings)]
