"""Tools codec: the events as a language model may call them."""

from __future__ import annotations

from typing import Any

from envreward.worlds import Tool

from .events import KEYS, Back, Click, Fill, GoTo, Press, Scroll, Select, SubmitAnswer
from .view import MAX_TEXT

_ID: dict[str, Any] = {"type": "string", "description": "The element's id: what stands in [brackets] before it."}


def _press(key: Any, id: str = "") -> Press:
    return Press(key, id)


def _scroll(direction: str) -> Scroll:
    return Scroll(down=direction == "down")


TOOLS: tuple[Tool, ...] = (
    Tool(
        "click",
        "Click a link, a button, a checkbox or a radio button. A button sends the fields of its form. "
        "Fails for elements that are disabled, not on the screen, or mere text.",
        {"id": _ID},
        Click,
    ),
    Tool(
        "fill",
        "Replace the whole text of a text field (textbox or textarea). Nothing is sent until its form is: click the "
        "form's button. Date fields take YYYY-MM-DD, number fields a number.",
        {"id": _ID, "text": {"type": "string", "description": f"The new text, at most {MAX_TEXT:,} characters."}},
        Fill,
    ),
    Tool(
        "select",
        "Choose an option of a drop-down list (select).",
        {"id": _ID, "option": {"type": "string", "description": "The option, exactly as it is listed."}},
        Select,
    ),
    Tool(
        "press",
        "Press a key. Enter in a field sends its form; Space ticks a checkbox; Tab moves the focus on.",
        {
            "key": {"type": "string", "enum": list(KEYS)},
            "id": {"type": "string", "description": "The element to press it on; without it, the one with the focus."},
        },
        _press,
        required=("key",),
    ),
    Tool(
        "goto",
        "Open a path of this site. Fails where there is no such page.",
        {"path": {"type": "string", "description": "Begins with /, e.g. /cart or /search?q=red+hat"}},
        GoTo,
    ),
    Tool("back", "Go back to the page before this one. What was typed there is gone.", {}, Back),
    Tool(
        "scroll",
        "Scroll by most of a screen; only where the page says that there is more above or below.",
        {"direction": {"type": "string", "enum": ["down", "up"]}},
        _scroll,
    ),
    Tool(
        "submit_answer",
        "Hand in the answer to the question that the task asks. Fails where it asks none. There is one try.",
        {"text": {"type": "string", "description": "The answer alone: a number, a name or a date."}},
        SubmitAnswer,
    ),
)
