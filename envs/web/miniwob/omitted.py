"""The pages of MiniWoB++ 1.1 that are no tasks here, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

_FREE_PLACE = "asks for a free place on the screen; actions name elements, not places"
_PATH = "asks for a line to be drawn; actions name elements, not paths"
_WORKED_OUT = "the answer is a number to be worked out; candidates type only what the page or its instruction shows"
_PICTURE = "what matters is only to be seen in a picture or canvas, which the listing of elements does not have"
_REAL_TIME = "asks for reactions within fractions of a second; here a step is one second of the page's clock"
_CONTINUOUS = "scores the mouse continuously and has no end of its own"
_SELECTION = "asks for a range of text to be selected; there is no action for that"
_SCROLL = "asks for scrolling inside a text area; there is no action for that"
_LONG = "has more pairs of elements to drag than there are candidates"
_UNWRITTEN = "no way to win it has been written yet"
_FIELD_LIMIT = "needs a text that is put together from many elements; candidates type only what is shown as one"

OMITTED: Mapping[str, str] = {
    "bisect-angle": _PATH,
    "book-flight": _UNWRITTEN,
    "book-flight-nodelay": _UNWRITTEN,
    "chase-circle": _CONTINUOUS,
    "circle-center": _FREE_PLACE,
    "click-pie": _UNWRITTEN,
    "click-pie-nodelay": _UNWRITTEN,
    "count-sides": _PICTURE,
    "daily-calendar": _UNWRITTEN,
    "drag-box": "real mouse moves are merged by the browser, so that a dropped box is not always at the same place",
    "drag-circle": _FREE_PLACE,
    "drag-cube": _PICTURE,
    "drag-items-grid": _LONG,
    "drag-shapes-2": _UNWRITTEN,
    "drag-single-shape": _FREE_PLACE,
    "draw-circle": _PATH,
    "draw-line": _PATH,
    "find-midpoint": _FREE_PLACE,
    "form-sequence-3": _UNWRITTEN,
    "generate-number": _UNWRITTEN,
    "guess-number": _UNWRITTEN,
    "highlight-text": _SELECTION,
    "highlight-text-2": _SELECTION,
    "hot-cold": _FREE_PLACE,
    "hover-shape": _CONTINUOUS,
    "moving-items": _REAL_TIME,
    "number-checkboxes": _PICTURE,
    "order-food": _UNWRITTEN,
    "resize-textarea": _FREE_PLACE,
    "right-angle": _PATH,
    "scroll-text": _SCROLL,
    "scroll-text-2": _SCROLL,
    "sign-agreement": _SCROLL,
    "simon-says": _REAL_TIME,
    "simple-algebra": _WORKED_OUT,
    "simple-arithmetic": _WORKED_OUT,
    "stock-market": _REAL_TIME,
    "terminal": "takes its commands key by key in a text that is no field",
    "text-editor": _SELECTION,
    "text-transform": _FIELD_LIMIT,
    "tic-tac-toe": _UNWRITTEN,
    "use-colorwheel": _FREE_PLACE,
    "use-colorwheel-2": _FREE_PLACE,
    "use-slider-2": _UNWRITTEN,
    "visual-addition": _WORKED_OUT,
}
"""Reason by page. The FlightWoB pages, which need a server of their own, are not in the count."""
