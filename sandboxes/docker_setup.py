"""Makes Docker usable: ``python -m envreward.sandboxes.docker_setup`` (as root; once is enough, again does no harm).

It starts an engine where none answers, in the background and without the help of an init system, and builds the base
image where it is missing. Each thing that it does it says in one line.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from envreward.errors import EnvRewardError, SandboxError

from .docker_engine import SETUP, connect
from .docker_image import base_tag, ensure_base, has_image, slow_driver

LOG = Path("/var/log/envreward-dockerd.log")
"""What an engine started here says."""
_START_S = 60.0


def main() -> int:
    """Do what is missing; returns the exit code."""
    try:
        set_up()
    except EnvRewardError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def set_up() -> None:
    """Start the engine and build the base image, where they are missing.

    Raises:
        MissingExtraError: The Docker SDK is not installed.
        SandboxError: Something is missing that cannot be made here; the message says what to do.
    """
    try:
        client = connect()
        _say("a Docker daemon answers")
    except SandboxError:
        start_daemon()
        client = connect()
    with contextlib.closing(client):
        if (slow := slow_driver(client)) is not None:
            _say(f"warning: {slow}")
        if not has_image(client, base_tag()):
            ensure_base(client, _say)
        _say(f"the image {base_tag()} is there")


def start_daemon() -> None:
    """Start ``dockerd`` in the background and return once it answers.

    Raises:
        SandboxError: It is not installed, may not be started by this user, or does not start.
    """
    program = shutil.which("dockerd")
    if program is None:
        raise SandboxError("dockerd is not installed: run `apt-get update && apt-get install -y docker.io`")
    if os.geteuid() != 0:
        raise SandboxError("only root can start dockerd: run this as root, or `sudo systemctl start docker`")
    if "DOCKER_HOST" in os.environ:
        raise SandboxError(
            f"no Docker daemon answers at {os.environ['DOCKER_HOST']}, which DOCKER_HOST names: unset it"
        )
    _say(f"starting dockerd; its log is {LOG}")
    with LOG.open("ab") as log:
        start = LOG.stat().st_size
        process = subprocess.Popen(
            [program, "--storage-driver=overlay2"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(SandboxError):
            connect(_START_S).close()
            process.returncode = 0  # it is meant to outlive this process, which need not wait for it
            return
        if process.poll() is not None:
            break
        time.sleep(0.2)
    else:
        process.kill()
        process.wait()
    with LOG.open(errors="replace") as log_text:
        log_text.seek(start)
        words = log_text.read().split()
    raise SandboxError(f"dockerd did not start: {' '.join(words)[-400:]}")


def examine() -> tuple[bool, str]:
    """Return whether Docker can be used, for the sandbox and for runners, and what to know or do about it."""
    try:
        client = connect()
        with contextlib.closing(client):
            version, slow = client.version()["Version"], slow_driver(client)
            ready = has_image(client, base_tag())
    except EnvRewardError as error:
        return False, str(error)
    if not ready:
        return False, f"engine {version}, but no base image for repositories: build it with `{SETUP}`"
    return True, f"engine {version}, base image there" + (f"; {slow}" if slow else "")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
