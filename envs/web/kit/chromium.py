"""The browser: one Chromium per process, launched when first needed, and the one thread that speaks to it.

Everything that talks to the browser is a coroutine, run on that thread's event loop by `Chromium.run`, which waits at
most a given time. So worlds may be used from any thread, inside a running event loop or not, and a browser that hangs
cannot hang them: past its time it is killed, and its worlds report an `InfraError`. The next call of `shared` launches
another one.

The browser talks over a pipe, never over a port. Its profile is a temporary folder that is removed with it, also where
the process that launched it dies: Playwright's driver sees its standard input close and ends the browser.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from envreward.errors import ConfigError, InfraError, MissingExtraError

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Playwright

T = TypeVar("T")

VARIABLE = "ENVREWARD_CHROMIUM"
"""Environment variable with the path of the browser to use."""
LAUNCH_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 30.0
"""Longest time one call may take before the browser counts as hung."""
_CLOSE_TIMEOUT_S = 10.0
_CLEAN_UP_S = 5.0
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--disable-gpu",
    "--font-render-hinting=none",  # the same glyph widths, and so the same layout, on every machine
)
"""Beside Playwright's own. A flag that it sets too, such as ``--disable-features``, would replace its list."""


def executable() -> Path:
    """Return the browser to use: what ``ENVREWARD_CHROMIUM`` names, else ``chromium`` on the path.

    Raises:
        ConfigError: There is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if found := shutil.which(named):
            return Path(found)
        raise ConfigError(f"{VARIABLE}={named} is not an executable file: set it to the path of Chromium")
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise ConfigError(f"no Chromium found: install it (Debian: apt install chromium) or set {VARIABLE} to its path")


class Chromium:
    """A running headless Chromium."""

    def __init__(self) -> None:
        """Launch it.

        Raises:
            ConfigError: No browser is installed.
            MissingExtraError: Playwright is not installed.
            InfraError: It does not start.
        """
        try:
            import playwright  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtraError("a browser", "web") from error
        self._path = executable()
        self._owner = os.getpid()
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self.pid: int | None = None
        """Process id of the browser; it leads its process group."""
        self.profile: Path | None = None
        """Temporary folder of its profile; gone when it is closed."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chromium", daemon=True)
        self._thread.start()
        try:
            self.run(self._launch(), LAUNCH_TIMEOUT_S)
        except InfraError as error:
            self.close()
            raise InfraError(f"{self._path} does not start: {error}") from None

    async def _launch(self) -> None:
        from playwright.async_api import async_playwright

        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(
            executable_path=self._path,
            headless=True,
            chromium_sandbox=os.geteuid() != 0,  # Chromium's own sandbox refuses to run as root
            args=list(_FLAGS),
            timeout=1000 * LAUNCH_TIMEOUT_S,
        )
        session = await self._browser.new_browser_cdp_session()
        processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        self.pid = next(process["id"] for process in processes if process["type"] == "browser")
        await session.detach()
        words = Path(f"/proc/{self.pid}/cmdline").read_text().split("\0")
        self.profile = Path(next(word for word in words if word.startswith("--user-data-dir=")).partition("=")[2])

    @property
    def alive(self) -> bool:
        """Whether it can be spoken to from this process."""
        return self._owner == os.getpid() and self._browser is not None and self._browser.is_connected()

    async def new_context(self, **options: Any) -> BrowserContext:
        """Return a new profile within the browser: cookies, storage and pages of its own. To be called within `run`."""
        assert self._browser is not None
        return await self._browser.new_context(locale="en-US", timezone_id="UTC", **options)

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = CALL_TIMEOUT_S) -> T:
        """Run a coroutine on the browser's thread and return its result.

        Raises:
            InfraError: The browser is gone, says that it cannot do it, or did not do it in time; in the last case it
                is killed, because what it is busy with cannot be known.
        """
        from playwright.async_api import Error

        if self._owner != os.getpid() or not self._thread.is_alive():
            work.close()
            raise InfraError("the browser was closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            self.kill()
            raise InfraError(f"the browser did not answer within {timeout_s:g} s and was killed") from None
        except Error as error:
            if self._browser is not None and not self._browser.is_connected():
                raise InfraError("the browser is gone: it crashed or was killed") from None
            raise InfraError(f"the browser failed: {error.message.splitlines()[0]}") from None
        except Exception as error:  # Playwright's driver ended: its connection raises plain exceptions
            if self.alive:
                raise
            raise InfraError(f"the browser is gone: {error}") from None

    def kill(self) -> None:
        """End the browser and all of its processes at once."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the browser, remove its profile and end its thread. A browser that is closed is not used again."""
        if self._owner != os.getpid() or self._loop.is_closed():
            return
        future = asyncio.run_coroutine_threadsafe(self._stop(), self._loop)
        try:
            future.result(_CLOSE_TIMEOUT_S)
        except Exception:  # whatever is left of it is ended by force
            future.cancel()
            self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_TIMEOUT_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _stop(self) -> None:
        if self._browser is not None and self._browser.is_connected():
            await self._browser.close()
        else:
            await self._cleaned_up()
        if self._playwright is not None:
            await self._playwright.stop()
        self._browser = self._playwright = None

    async def _cleaned_up(self) -> None:
        """Wait until the driver has removed the folders of a browser that died; do it for a driver that does not."""
        end = self._loop.time() + _CLEAN_UP_S
        while self.profile is not None and self.profile.exists():
            if self._loop.time() > end:
                shutil.rmtree(self.profile, ignore_errors=True)
                break
            await asyncio.sleep(0.02)


_lock = threading.Lock()
_shared: Chromium | None = None


def shared() -> Chromium:
    """Return this process's browser; launch one if there is none, or if the last one is gone.

    Raises:
        ConfigError: No browser is installed.
        MissingExtraError: Playwright is not installed.
        InfraError: It does not start.
    """
    global _shared
    with _lock:
        if _shared is None or not _shared.alive:
            if _shared is not None:
                _shared.close()
            _shared = Chromium()
        return _shared


def close_shared() -> None:
    """End this process's browser, if it runs; called at exit. The next `shared` launches another one."""
    global _shared
    with _lock:
        if _shared is not None:
            _shared.close()
            _shared = None


def _forget() -> None:
    """In a forked process: the browser is the parent's."""
    global _shared, _lock
    _shared, _lock = None, threading.Lock()


atexit.register(close_shared)
os.register_at_fork(after_in_child=_forget)
