"""Reward programs for Meta-World's drawer-open, good and bad ones, that `benchmarks.tpe` judges before training.

The names say what is right or wrong with each. At first the handle is 20 cm from its goal.
"""

from __future__ import annotations

from collections.abc import Mapping


def _program(body: str, total: str, parts: Mapping[str, str]) -> str:
    """Return a program from its fields and lines, the formula of its total, and those of its components."""
    head, *lines = body.strip().splitlines()
    components = ", ".join(f'"{name}": {formula}' for name, formula in parts.items())
    indented = "".join(f"    {line.strip()}\n" for line in lines)
    return f"def compute_reward({head}):\n{indented}    return {total}, {{{components}}}\n"


_REACH = "reach = torch.exp(-5.0 * torch.linalg.vector_norm(tcp_pos - obj_pos, dim=-1))"
_OPEN = "opened = (-drawer_pos / 0.2).clamp(-1.0, 1.0)"
_LEFT = "left = torch.linalg.vector_norm(obj_pos - goal_pos, dim=-1)"

PROGRAMS: Mapping[str, str] = {
    "reach and open": _program(
        f"tcp_pos, obj_pos, drawer_pos\n{_REACH}\n{_OPEN}",
        "reach + 5.0 * opened",
        {"reach": "reach", "opened": "5.0 * opened"},
    ),
    "reach, open and done": _program(
        f"tcp_pos, obj_pos, goal_pos, drawer_pos\n{_REACH}\n{_OPEN}\n{_LEFT}\ndone = (left < 0.03).float()",
        "reach + 5.0 * opened + 10.0 * done",
        {"reach": "reach", "opened": "5.0 * opened", "done": "10.0 * done"},
    ),
    "distance to goal": _program(f"obj_pos, goal_pos\n{_LEFT}", "-left", {"left": "-left"}),
    "reach and distance": _program(
        f"tcp_pos, obj_pos, goal_pos\n{_LEFT}\nfar = torch.linalg.vector_norm(tcp_pos - obj_pos, dim=-1)",
        "-far - 5.0 * left",
        {"far": "-far", "left": "-5.0 * left"},
    ),
    "progress": _program(
        "drawer_pos, prev_drawer_pos\nprogress = 100.0 * (prev_drawer_pos - drawer_pos)",
        "progress",
        {"progress": "progress"},
    ),
    "three quarters open": _program("drawer_pos\npaid = (drawer_pos < -0.15).float()", "paid", {"paid": "paid"}),
    "reach alone": _program(f"tcp_pos, obj_pos\n{_REACH}", "reach", {"reach": "reach"}),
    "reach outweighs": _program(
        f"tcp_pos, obj_pos, drawer_pos\n{_REACH}\n{_OPEN}",
        "100.0 * reach + 0.1 * opened",
        {"reach": "100.0 * reach", "opened": "0.1 * opened"},
    ),
    "hover above": _program(
        "tcp_pos, obj_pos\n"
        "above = obj_pos + tcp_pos.new_tensor([0.0, 0.0, 0.15])\n"
        "hover = torch.exp(-10.0 * torch.linalg.vector_norm(tcp_pos - above, dim=-1))",
        "hover",
        {"hover": "hover"},
    ),
    "close it": _program(f"drawer_pos\n{_OPEN}", "-opened", {"opened": "-opened"}),
    "reach, drawer still": _program(
        f"tcp_pos, obj_pos, drawer_pos\n{_REACH}\nmoved = drawer_pos.abs()",
        "reach - 20.0 * moved",
        {"reach": "reach", "moved": "-20.0 * moved"},
    ),
    "high hand": _program("tcp_pos\nheight = tcp_pos[:, 2]", "height", {"height": "height"}),
    "small actions": _program("action\neffort = action.square().sum(-1)", "-effort", {"effort": "-effort"}),
    "constant": _program("drawer_pos\nsame = torch.ones_like(drawer_pos)", "same", {"same": "same"}),
}
"""Sources by name."""
