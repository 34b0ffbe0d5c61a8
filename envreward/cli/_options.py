"""Types of options: what the help shows in place of Python's own notation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import tyro

MaybeText: TypeAlias = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
MaybeInt: TypeAlias = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
MaybeFloat: TypeAlias = Annotated[float | None, tyro.conf.arg(metavar="NUMBER", help_behavior_hint="")]
MaybeFolder: TypeAlias = Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")]
Texts: TypeAlias = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE")]
Run: TypeAlias = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help_behavior_hint="")]
