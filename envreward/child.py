"""``python -m envreward.child MODULE [ARGUMENT ...]``: a module's ``main`` as a process that starts and ends fast.

Torch makes hundreds of thousands of objects that stay to the end. Python's garbage collector looks at them again and
again while they are made, and once more when the process ends: 0.4 of the 1.5 s that a process took which did nothing
but to import torch and end. So the collector waits while the module is loaded, and leaves alone what is there by then.
That also keeps their pages shared with the processes that are forked later.
"""

from __future__ import annotations

import gc
import importlib
import sys


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line of a process that calls ``module.main(*arguments)``; it has ended when that returns."""
    return [sys.executable, "-m", "envreward.child", module, *arguments]


def main(module: str, *arguments: str) -> None:
    """Load ``module`` and call its ``main``."""
    gc.disable()
    loaded = importlib.import_module(module)
    gc.freeze()
    gc.enable()
    loaded.main(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
