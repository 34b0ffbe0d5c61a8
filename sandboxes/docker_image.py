"""The images: a small Debian with Python and git for repositories, built without any registry, and an empty frame.

The base image is what `debootstrap` makes of Debian's mirror, imported as one layer and named after its recipe. The
tarball is kept in the cache folder, so that another engine, or this one after its images were removed, gets it within
seconds. The frame is for sandboxes, which mount the machine's own system: nothing but folders and the links of the
machine's root; it is made in an instant whenever it is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import logging
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from envreward.errors import EnvRewardError, SandboxError

from .docker_engine import SETUP, connect, engine_errors

if TYPE_CHECKING:
    from docker import DockerClient

logger = logging.getLogger("envreward.docker")

REPOSITORY = "envreward/base"
FRAME = "envreward/frame"
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = ("git", "libpython3-stdlib", "patch", "procps", "python3", "python3-distutils")
"""Beyond Debian's minimal base, which has bash; Python with its whole standard library."""
DROPPED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists")
"""Folders whose content is left out."""
LINKS = (("usr/local/bin/python", "/usr/bin/python3"),)
USERS = (("etc/passwd", "agent:x:1000:1000::/tmp:/bin/bash\n"), ("etc/group", "agent:x:1000:\n"))

_TEMPLATE = 1  # to be raised when `_pack` changes what the image holds
_TAIL = 300


def base_tag() -> str:
    """Return the base image's name; another recipe has another one."""
    recipe = json.dumps([_TEMPLATE, SUITE, PACKAGES, DROPPED, LINKS, USERS, os.uname().machine])
    return f"{REPOSITORY}:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def cache_file() -> Path:
    """Return where the base image's tarball is kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "envreward" / "docker" / f"{base_tag().replace('/', '-').replace(':', '-')}.tar.gz"


def unavailable(image: str) -> str | None:
    """Return why containers of ``image`` cannot be started and how to mend that, or ``None`` when they can.

    A slow storage driver is no reason; the log says so.
    """
    try:
        client = connect()
    except EnvRewardError as error:
        return str(error)
    with contextlib.closing(client):
        try:
            if (slow := slow_driver(client)) is not None:
                logger.warning("%s", slow)
            if not has_image(client, image):
                how = f"build it (as root, once, about a minute) with `{SETUP}`" if image == base_tag() else "pull it"
                return f"the Docker image {image} is missing: {how}."
        except SandboxError as error:
            return str(error)
    return None


def slow_driver(client: DockerClient) -> str | None:
    """Return what to say about a storage driver that copies whole images, or ``None``.

    Raises:
        SandboxError: The engine does not answer.
    """
    with engine_errors("cannot ask the engine"):
        driver = client.info().get("Driver")
    if driver != "vfs":
        return None
    return (
        "Docker's storage driver is vfs, which copies the whole image for each container: starts are 10 to 100 times "
        "slower; run dockerd with --storage-driver=overlay2"
    )


def has_image(client: DockerClient, tag: str) -> bool:
    """Return whether the engine has an image.

    Raises:
        SandboxError: The engine does not answer.
    """
    with engine_errors("cannot list images"):
        return bool(client.api.images(name=tag))


def ensure_base(client: DockerClient, say: Callable[[str], None]) -> None:
    """Import the base image if the engine lacks it, from the cached tarball or from a newly made one.

    Args:
        client: The engine.
        say: Told each thing that takes a while.

    Raises:
        SandboxError: It cannot be made here; the message says what is needed.
    """
    import docker.errors

    tag, archive = base_tag(), cache_file()
    if has_image(client, tag):
        return
    archive.parent.mkdir(parents=True, exist_ok=True)
    with _alone(archive.with_suffix(".lock")):
        if not archive.is_file():
            _make_archive(archive, say)
        say(f"importing {tag} from {archive}")
        repository, _, version = tag.partition(":")
        with archive.open("rb") as file, engine_errors("cannot import the base image"):
            try:
                chunks = iter(
                    lambda: file.read(1 << 20), b""
                )  # of the file itself the SDK would send the length as well
                answer = client.api.import_image_from_stream(chunks, repository=repository, tag=version)
            except docker.errors.APIError as error:
                answer = str(error)
        if not has_image(client, tag):
            archive.unlink()
            raise SandboxError(f"the engine refused {archive}, now removed; try again: {answer[-_TAIL:].strip()}")


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time do this."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_archive(archive: Path, say: Callable[[str], None]) -> None:
    if os.geteuid() != 0:
        raise SandboxError(f"only root can make the base image: run `sudo {SETUP}`")
    if shutil.which("debootstrap") is None:
        raise SandboxError("debootstrap is not installed: run `apt-get install debootstrap`")
    mirror = apt_mirror()
    say(f"making a Debian {SUITE} from {mirror} (about a minute)")
    with tempfile.TemporaryDirectory(prefix="envreward-debian-") as folder:
        argv = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, folder, mirror]
        ended = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if ended.returncode != 0:
            raise SandboxError(f"debootstrap failed: {' '.join(ended.stdout.split())[-_TAIL:]}")
        partial = archive.with_suffix(".part")
        try:
            _pack(Path(folder), partial)
            partial.replace(archive)
        finally:
            partial.unlink(missing_ok=True)


def _pack(root: Path, archive: Path) -> None:
    """Write a root folder as a tarball, without what nobody needs in a container, with what ours need."""
    for name, line in USERS:
        with (root / name).open("a") as file:
            file.write(line)
    for name, target in LINKS:
        (root / name).symlink_to(target)

    def kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        inside = any(entry.name.startswith(f"./{folder}/") for folder in DROPPED)
        return None if inside or entry.isdev() else entry

    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(root, ".", filter=kept)


def apt_mirror(etc: Path = Path("/etc/apt")) -> str:
    """Return the mirror of Debian that this machine's apt is set to, or Debian's own."""
    sources = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    for source in sources:
        if source.suffix in (".list", ".sources") and source.is_file():
            for uri in re.findall(r"^(?:URIs:|deb)\s+(?:\[[^\]]*\]\s*)?(\S+)", source.read_text(), re.MULTILINE):
                if uri.rstrip("/").endswith("/debian"):
                    return str(uri).rstrip("/")
    return MIRROR


def ensure_frame(client: DockerClient, links: tuple[tuple[str, str], ...], folders: tuple[str, ...]) -> str:
    """Return the name of an image that holds nothing but links and empty folders; it is made if it is missing.

    Args:
        client: The engine.
        links: Where each link lies and where it points.
        folders: Their paths.

    Raises:
        SandboxError: The engine refused or does not answer.
    """
    digest = hashlib.sha256(json.dumps([links, folders]).encode()).hexdigest()[:12]
    tag = f"{FRAME}:{digest}"
    if not has_image(client, tag):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for name in folders:
                entry = tarfile.TarInfo(name.lstrip("/"))
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            for name, target in links:
                entry = tarfile.TarInfo(name.lstrip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                tar.addfile(entry)
        with engine_errors("cannot import the frame image"):
            client.api.import_image_from_data(data.getvalue(), repository=FRAME, tag=digest)
    return tag
