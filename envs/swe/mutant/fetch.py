"""Fetching released files from the index that pip is configured with, and unpacking them without running them.

Nothing of a source distribution is executed to get it: its file is looked up in the index's simple API (PEP 503),
downloaded, compared with its pinned hash, and unpacked file by file. What was unpacked is kept under
``$XDG_CACHE_HOME/envreward/packages``, so that the network is needed once.
"""

from __future__ import annotations

import compileall
import functools
import hashlib
import html
import io
import os
import py_compile
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

from envreward.errors import ConfigError, InfraError

from .packages import SUPPORT, Package, Release

MAX_BYTES = 20 * 1024**2
"""Largest file that is downloaded, and largest sum of sizes that is unpacked from one."""
TIMEOUT_S = 60.0
_LOCK = threading.Lock()


def cache_folder() -> Path:
    """Return where unpacked files are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "envreward" / "packages"


def sources(package: Package) -> Path:
    """Return the folder with a package's unpacked source distribution.

    Raises:
        InfraError: It cannot be downloaded.
        ConfigError: The index has no such file, or another one of that name.
    """
    with _LOCK:
        return _unpacked([package.release], package.release.file.removesuffix(".tar.gz"))


def support() -> Path:
    """Return a folder to put on Python's path, with pytest and what the tests need.

    Raises:
        InfraError: Something cannot be downloaded.
        ConfigError: The index lacks a file, or has another one of its name.
    """
    pins = hashlib.sha256("".join(release.sha256 for release in SUPPORT).encode()).hexdigest()[:12]
    with _LOCK:
        return _unpacked(SUPPORT, f"support-{pins}")


def _unpacked(releases: list[Release] | tuple[Release, ...], name: str) -> Path:
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{name}-"))
    except OSError as error:
        raise ConfigError(f"cannot write to {folder.parent}: {error}; set XDG_CACHE_HOME to another folder") from None
    try:
        for release in releases:
            unpack(download(release), release.file, scratch)
        if releases is SUPPORT:  # whoever runs the tests cannot write there, and would compile it again each time
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            compileall.compile_dir(scratch, quiet=2, invalidation_mode=mode, stripdir=str(scratch))
        for path in (scratch, *scratch.rglob("*")):  # other users run the tests
            path.chmod(0o755 if path.is_dir() else 0o644)
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def unpack(data: bytes, file: str, folder: Path) -> None:
    """Unpack a wheel, or a source distribution without the one folder that all its files are in.

    Raises:
        ConfigError: It is damaged, too large, or holds links or paths that lead out of ``folder``.
    """
    members = _wheel(data) if file.endswith(".whl") else _sdist(data)
    room, root = MAX_BYTES * 4, folder.resolve()
    try:
        for name, content in members:
            target = (root / name).resolve()
            if not target.is_relative_to(root) or target == root:
                raise ConfigError(f"{file} holds {name!r}, which leads out of its folder; it is not unpacked")
            room -= len(content)
            if room < 0:
                raise ConfigError(f"{file} unpacks to more than {MAX_BYTES * 4:,} bytes")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise ConfigError(f"{file} cannot be unpacked: {error}") from None


def _wheel(data: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield info.filename, archive.read(info)


def _sdist(data: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            if member.isdir():
                continue
            file = archive.extractfile(member) if member.isreg() else None
            if file is None:
                raise ConfigError(f"{member.name!r} is neither a file nor a folder; it is not unpacked")
            yield member.name.partition("/")[2], file.read(MAX_BYTES * 4)


def download(release: Release) -> bytes:
    """Return a release's file, checked against its hash.

    Raises:
        InfraError: No index answers.
        ConfigError: No index has the file, or what it has is not the pinned one.
    """
    failures = []
    for index in indexes():
        page = f"{index.rstrip('/')}/{release.project}/"
        try:
            text = _get(page).decode("utf-8", "replace")
            for link in map(html.unescape, re.findall(r'href="([^"]+)"', text)):
                address = urllib.parse.urljoin(page, link)
                if urllib.parse.unquote(urllib.parse.urlsplit(address).path).endswith(f"/{release.file}"):
                    data = _get(address.partition("#")[0])
                    if hashlib.sha256(data).hexdigest() != release.sha256:
                        raise ConfigError(f"{address} is not the pinned {release.file}: its sha256 differs")
                    return data
            failures.append(f"{index} does not list it")
        except (OSError, ValueError) as error:
            failures.append(f"{index}: {error}")
    raise InfraError(f"{release.file} cannot be downloaded ({'; '.join(failures)[:400]})")


def _get(address: str) -> bytes:
    if address.startswith("file:"):
        path = Path(urllib.request.url2pathname(urllib.parse.urlsplit(address).path))
        return (path / "index.html" if path.is_dir() else path).read_bytes()
    request = urllib.request.Request(address, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=_tls()) as answer:
        data: bytes = answer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{address} is larger than {MAX_BYTES:,} bytes")
    return data


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=_setting("cert") or None)


def indexes() -> list[str]:
    """Return the package indexes of pip's configuration, the main one first."""
    extra = _setting("extra-index-url").split()
    return [_setting("index-url") or "https://pypi.org/simple", *extra]


@functools.cache
def _setting(name: str) -> str:
    """Return a setting of pip's, from its environment variables or its configuration files."""
    if value := os.environ.get(f"PIP_{name.upper().replace('-', '_')}"):
        return value
    for section in ("install", "download", "global"):
        command = [sys.executable, "-m", "pip", "config", "get", f"{section}.{name}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    return ""
