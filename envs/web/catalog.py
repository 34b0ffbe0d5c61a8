"""The web tasks, light to import: each app's tasks on each backend."""

from __future__ import annotations

from typing import Any

from envreward.task_spec import TaskSpec

_BACKENDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("tree", ()),
    "-asgi": ("asgi", ("selectolax", "starlette")),
    "-browser": ("browser", ("playwright", "selectolax", "starlette", "uvicorn")),
}
"""Backend and the packages it needs, by the suffix of the tasks on it."""


def _specs(name: str, entry_point: str, instruction: str, horizon: int, **options: Any) -> tuple[TaskSpec, ...]:
    """Return a task on the tree, and its variants on real HTML and in a real browser."""
    return tuple(
        TaskSpec(
            id=f"EnvReward/{name}{suffix}-v0",
            family="web",
            instruction=instruction,
            horizon=horizon,
            entry_point=f"envreward.envs.web.apps.{entry_point}",
            extra="web",
            packages=packages,
            kwargs={"backend": backend, **options},
        )
        for suffix, (backend, packages) in _BACKENDS.items()
    )


_BUY = "Buy exactly {}: right product within its price limit, colour, size and quantity; and have it delivered as told."
TASKS: tuple[TaskSpec, ...] = (
    *_specs("WebShopOne", "shop.app:ShopTask", _BUY.format("the item that is named"), 20, items=1),
    *_specs("WebShopTwo", "shop.app:ShopTask", _BUY.format("the two items that are named"), 30, items=2),
    *_specs("WebShopThree", "shop.app:ShopTask", _BUY.format("the three items that are named"), 45, items=3),
    *_specs("WebWidgets", "widgets.app:WidgetsTask", "Do the one thing that the small page asks for.", 15),
    *_specs("WebForms", "forms.app:FormsTask", "Fill in the form of several pages as told, and submit it.", 40),
    *_specs(
        "WebTracker",
        "tracker.app:TrackerTask",
        "Find the issues that are named; comment, label, assign, close or reopen them as told, and nothing else.",
        40,
    ),
    *_specs(
        "WebAdmin",
        "admin.app:AdminTask",
        "In the table, change exactly the rows that are described, or answer the question about them.",
        30,
    ),
)
"""All web tasks but MiniWoB++'s."""
