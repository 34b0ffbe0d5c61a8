"""Files of rewards that hold networks: tensors, and beside them as JSON what else is needed to make one again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from envreward.errors import ConfigError


def write_tensors(path: Path, kind: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write a safetensors file.

    Args:
        path: Where.
        kind: What the file holds, e.g. ``learned reward``.
        tensors: By name.
        about: Plain data.
    """
    from safetensors.torch import save_file

    save_file(dict(tensors), path, metadata={"kind": _tag(kind), "about": json.dumps(about)})


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the plain data that `write_tensors` wrote.

    Raises:
        ConfigError: The file holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ConfigError(f"{path} is not a safetensors file: {error}") from None
    if metadata.get("kind") != _tag(kind):
        raise ConfigError(f"{path} does not hold a {kind}")
    return tensors, json.loads(metadata["about"])


def _tag(kind: str) -> str:
    return f"envreward.{kind.replace(' ', '_')}"
