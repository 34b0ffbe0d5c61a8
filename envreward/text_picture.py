"""Pictures of words: what a world without a picture of its own shows in films."""

from __future__ import annotations

import functools
import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 88, 36
"""Characters of a line and lines of a picture; more is cut off."""
_FONT_PX, _MARGIN_PX = 13, 12
_PAPER, _INK, _TITLE = (250, 250, 248), (34, 38, 43), (24, 79, 140)


def text_picture(title: str, text: str) -> NDArray[np.uint8]:
    """Draw ``title`` and below it ``text``; the size is always the same, uint8 ``[h, w, 3]``."""
    from PIL import Image, ImageDraw

    font, (width, height) = _font()
    size = (COLUMNS * width + 2 * _MARGIN_PX, ROWS * height + 2 * _MARGIN_PX)
    picture = Image.new("RGB", (size[0] // 2 * 2, size[1] // 2 * 2), _PAPER)
    draw = ImageDraw.Draw(picture)
    heading = textwrap.wrap(title, COLUMNS)[: ROWS // 3]
    body = [part for line in text.expandtabs(4).splitlines() for part in _wrapped(line)]
    space = ROWS - len(heading) - 1
    if len(body) > space:
        body = [*body[: space - 1], f"... {len(body) - space + 1} more lines"]
    for row, (line, colour) in enumerate([*((h, _TITLE) for h in heading), ("", _INK), *((b, _INK) for b in body)]):
        draw.text((_MARGIN_PX, _MARGIN_PX + row * height), line, fill=colour, font=font)
    return np.asarray(picture)


def _wrapped(line: str) -> list[str]:
    return [line[i : i + COLUMNS] for i in range(0, len(line), COLUMNS)] or [""]


@functools.cache
def _font() -> tuple[Any, tuple[int, int]]:
    """Return a monospaced font, Matplotlib's own, and the size of a character in pixels."""
    from pathlib import Path

    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
    font = ImageFont.truetype(str(path), _FONT_PX)
    return font, (round(font.getlength("M")), _FONT_PX + 4)
