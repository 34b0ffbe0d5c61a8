"""MiniWoB's pages as the installed ``miniwob`` package ships them, each made into a file that needs no other.

A page's scripts, style sheets and the pictures that these name are put into the page itself. One request loads it, and
a picture has its size as soon as it is shown, where one that comes later would make an episode depend on when.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import mimetypes
import re
from pathlib import Path

from envreward.errors import ConfigError, MissingExtraError

_SCRIPT = re.compile(r'<script\b[^>]*\bsrc="([^"]+)"[^>]*>\s*</script>')
_STYLE_SHEET = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*\bhref="([^"]+)"[^>]*>')
_ADDRESS = re.compile(r"""url\(["']?(?!data:)([^"')]+)["']?\)""")


@functools.cache
def html_folder() -> Path:
    """Return the folder of MiniWoB's pages; the package itself, which registers environments, is not imported.

    Raises:
        MissingExtraError: ``miniwob`` is not installed.
    """
    spec = importlib.util.find_spec("miniwob")
    if spec is None or spec.origin is None:
        raise MissingExtraError("MiniWoB++", "web")
    return (Path(spec.origin).parent / "html").resolve()


def file_type(path: str) -> str:
    """Return a file's MIME type by its name."""
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def read(path: str) -> bytes | None:
    """Return a file of MiniWoB's folder, or ``None`` where there is none."""
    file = (html_folder() / path).resolve()
    return file.read_bytes() if file.is_relative_to(html_folder()) and file.is_file() else None


@functools.cache
def page(name: str) -> str:
    """Return the page ``name``, e.g. ``click-test-2``, with all that it loads put into it.

    Raises:
        ConfigError: The installed version of MiniWoB++ has no such page.
        MissingExtraError: ``miniwob`` is not installed.
    """
    source = html_folder() / "miniwob" / f"{name}.html"
    if not source.is_file():
        raise ConfigError(f"the installed miniwob package has no page {name!r}: upgrade it (pip install -U miniwob)")
    folder = source.parent
    html = _pictures(source.read_text("utf-8"), folder)
    html = _STYLE_SHEET.sub(lambda match: _style(folder / match[1]), html)
    return _SCRIPT.sub(lambda match: _script(folder / match[1]), html)


def _script(file: Path) -> str:
    if not file.is_file():
        return ""  # as with a script that is not found
    code = file.read_text("utf-8", errors="replace").replace("</script", "<\\/script").replace("<!--", "\\x3C!--")
    return f"<script>{code}\n</script>"


def _style(file: Path) -> str:
    return f"<style>{_pictures(file.read_text('utf-8'), file.parent)}</style>" if file.is_file() else ""


def _pictures(css: str, folder: Path) -> str:
    """Put the pictures that a style sheet (or a page's own) names into it."""

    def embed(match: re.Match[str]) -> str:
        file = folder / match[1]
        if not file.is_file():
            return match[0]
        return f"url(data:{file_type(file.name)};base64,{base64.b64encode(file.read_bytes()).decode()})"

    return _ADDRESS.sub(embed, css)
