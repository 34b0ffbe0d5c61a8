"""The packages that are mutated, and what their tests need: released files, pinned by their hashes."""

from __future__ import annotations

from dataclasses import dataclass

from envreward.errors import UnknownNameError


@dataclass(frozen=True)
class Release:
    """A file on a package index."""

    project: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Package:
    """A package whose source distribution ships its tests."""

    release: Release
    modules: tuple[str, ...]
    """Files to mutate."""
    tests: tuple[str, ...]
    """Folders and files with its tests."""
    roots: tuple[str, ...] = ("",)
    """Folders from which its modules are imported."""
    about: str = ""
    """What it does, in words."""

    @property
    def name(self) -> str:
        """Its project's name."""
        return self.release.project

    @property
    def version(self) -> str:
        """Its version, as its file's name says."""
        return self.release.file.removesuffix(".tar.gz").rsplit("-", 1)[1]


PACKAGES: dict[str, Package] = {
    package.name: package
    for package in (
        Package(
            Release(
                "inflection",
                "inflection-0.5.1.tar.gz",
                "1a29730d366e996aaacffb2f1f1cb9593dc38e2ddd30c91250c6dde09ea9b417",
            ),
            ("inflection/__init__.py",),
            ("test_inflection.py",),
            about="turns English words from singular to plural and between naming styles",
        ),
        Package(
            Release(
                "semver", "semver-3.0.4.tar.gz", "afc7d8c584a5ed0a11033af086e8af226a9c0b206f313e0301f8dd7b6b589602"
            ),
            ("src/semver/version.py", "src/semver/cli.py"),
            ("tests",),
            ("src",),
            about="parses, compares and bumps semantic versions",
        ),
        Package(
            Release("toolz", "toolz-1.0.0.tar.gz", "2c86e3d9a04798ac556793bced838816296a2f085017664e4995cb40a1047a02"),
            ("toolz/itertoolz.py", "toolz/functoolz.py", "toolz/dicttoolz.py"),
            ("toolz/tests",),
            about="functional tools for iterators, functions and dictionaries",
        ),
        Package(
            Release(
                "python-slugify",
                "python_slugify-9.2.0.tar.gz",
                "cee32948083476013804de1667724fb1362dacb71e47b1d5d92adf8db6ee3298",
            ),
            ("slugify/slugify.py", "slugify/_legacy.py"),
            ("tests",),
            about="turns Unicode text into readable parts of addresses",
        ),
        Package(
            Release(
                "humanize", "humanize-4.12.3.tar.gz", "8430be3a615106fdfceb0b2c1b41c4c98c6b0fc5cc59663a5539b111dd325fb0"
            ),
            ("src/humanize/number.py", "src/humanize/time.py", "src/humanize/filesize.py"),
            ("tests",),
            ("src",),
            about="writes numbers, dates, durations and file sizes as people do",
        ),
        Package(
            Release(
                "tabulate", "tabulate-0.9.0.tar.gz", "0095b12bf5966de529c0feb1fa08671671b3368eec77d7ef7ab114be2c068b3c"
            ),
            ("tabulate/__init__.py",),
            ("test",),
            about="prints tables in plain text and many mark-up formats",
        ),
        Package(
            Release(
                "boltons", "boltons-25.0.0.tar.gz", "e110fbdc30b7b9868cb604e3f71d4722dd8f4dcb4a5ddd06028ba8f1ab0b5ace"
            ),
            ("boltons/iterutils.py", "boltons/strutils.py", "boltons/dictutils.py"),
            ("tests",),
            about="utilities that extend Python's standard library",
        ),
    )
}
"""By name, the quickest to test first."""

SUPPORT: tuple[Release, ...] = (
    Release(
        "pytest", "pytest-8.4.2-py3-none-any.whl", "872f880de3fc3a5bdc88a11b39c9710c3497a547cfa9320bc3c5e62fbf272e79"
    ),
    Release(
        "pluggy", "pluggy-1.6.0-py3-none-any.whl", "e920276dd6813095e9377c0bc5566d94c932c33b27a3e3945d8389c374dd4746"
    ),
    Release(
        "iniconfig",
        "iniconfig-2.1.0-py3-none-any.whl",
        "9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760",
    ),
    Release(
        "packaging",
        "packaging-25.0-py3-none-any.whl",
        "29572ef2b1f17581046b3a2227d5c611fb25ec70ca1ba8554b24b0e69331a484",
    ),
    Release(
        "pygments",
        "pygments-2.19.2-py3-none-any.whl",
        "86540386c03d588bb81d44bc3928634ff26449851e99741617ecb9037ee5ec0b",
    ),
    Release(
        "freezegun",
        "freezegun-1.5.1-py3-none-any.whl",
        "bf111d7138a8abe55ab48a71755673dbaa4ab87f4cff5634a4442dfec34c15f1",
    ),
    Release(
        "python-dateutil",
        "python_dateutil-2.9.0.post0-py2.py3-none-any.whl",
        "a8b2bc7bffae282281c8140a97d3aa9c14da0b136dfe83f850eea9a5f7470427",
    ),
    Release(
        "six", "six-1.17.0-py2.py3-none-any.whl", "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
    ),
    Release(
        "text-unidecode",
        "text_unidecode-1.3-py2.py3-none-any.whl",
        "1311f10e8b895935241623731c2ba64f4c455287888b18189350b67134a822e8",
    ),
)
"""pytest and what the packages' tests import besides."""


def find_package(name: str) -> Package:
    """Return a package by its name.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if name not in PACKAGES:
        raise UnknownNameError("package", name, PACKAGES)
    return PACKAGES[name]
