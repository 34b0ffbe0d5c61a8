"""Sharing a study as one file, and running it again from there: the same answers, hence the same rewards and scores.

The file is a recording (`envreward.llm.recording`) whose first line also says which study it is of: its settings, the
versions it ran under, and what it found. It holds no keys: settings are without all that has a key's form or is in an
address as one. Prompts and programs are without the values of this process's key variables alone, as a name in a
program may well look like a key, and a question must be the same when it is asked again.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from envreward.errors import ConfigError
from envreward.llm.record import Exchange
from envreward.llm.recording import FORMAT, VERSION, read_header, read_recording
from envreward.llm.redact import redact, redact_known

from .config import StudyConfig
from .digests import Ended, Found, Scored, ended, judgement, scored
from .folder import RunFolder
from .records import best
from .store import StudyStore

_Told: TypeAlias = Ended | Scored | Found
_AS_IN_CODE = ("designer", "env_id", "instruction", "sandbox")
"""Settings that are asked or run word by word."""


@dataclass(frozen=True, kw_only=True)
class SharedStudy:
    """What the first line of a shared study says."""

    config: StudyConfig
    versions: Mapping[str, str]
    """Of the software and the machine that it ran under."""
    candidates: Mapping[str, Ended]
    """How each candidate ended, in order of proposal."""
    winner: str | None
    """Id of the candidate that was selected."""
    report: Mapping[str, Scored] = field(default_factory=dict)
    """What each policy of the final comparison did, by its key."""
    judgement: Mapping[str, Found] = field(default_factory=dict)
    """What judging the winner on episodes came to, by what each verdict is about; empty where it was not judged."""


def share(store: StudyStore, path: Path) -> int:
    """Write a study's exchanges, with a model and with a person, to one file; return how many there are.

    Raises:
        ConfigError: The file exists.
        OSError: It cannot be written.
    """
    if path.exists():
        raise ConfigError(f"{path} exists: choose another name")
    exchanges = store.exchanges()
    head = {"format": FORMAT, "version": VERSION, "study": _plain(result_of(store))}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text("\n".join([json.dumps(head), *map(_line, exchanges.values())]) + "\n", encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return len(exchanges)


def result_of(store: StudyStore) -> SharedStudy:
    """Return what a study was and what came of it, as far as it has come."""
    candidates, folder = store.candidates(), RunFolder(store.folder)
    winner = best(candidates)
    compared = [m for m in store.members() if m.role != "search"]
    return SharedStudy(
        config=store.config,
        versions=store.versions(),
        candidates={c.id: ended(c) for c in candidates},
        winner=winner.id if winner else None,
        report={m.key: scored(m, folder.rows(m.training, {m.key})) for m in compared},
        judgement=judgement(folder, winner) if winner else {},
    )


def read_shared(path: Path) -> SharedStudy:
    """Read the first line of a shared study.

    Raises:
        ConfigError: It is no recording, one without its study, or of settings that this version does not know.
    """
    raw = read_header(path).get("study")
    if raw is None:
        raise ConfigError(
            f"{path} holds answers but not the study that they were given in: "
            f"run it as envreward design --env ENV --designer DESIGNER --llm replay:{path}"
        )
    try:
        return SharedStudy(
            config=StudyConfig.from_json(json.dumps(raw["config"])),
            versions=raw["versions"],
            candidates={key: Ended(*entry) for key, entry in raw["candidates"].items()},
            winner=raw["winner"],
            report={key: Scored(*_entry(entry)) for key, entry in raw["report"].items()},
            judgement={about: Found(*entry) for about, entry in raw.get("judgement", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: its first line does not describe a study ({error!r})") from error


def differences(expected: SharedStudy, found: SharedStudy) -> list[str]:
    """Return in words what came out differently, the most important first; nothing where all is the same.

    What is not known of the original is not compared, and judgements are where both were judged: whether a winner is
    judged is up to who wants the report.
    """
    told = []
    if expected.winner != found.winner:
        told.append(f"selected {found.winner}, was {expected.winner}")
    compared: list[tuple[str, Mapping[str, _Told], Mapping[str, _Told]]] = [
        ("candidate", expected.candidates, found.candidates),
        ("policy of the comparison", expected.report, found.report),
    ]
    if expected.judgement and found.judgement:
        compared.append(("judgement on", expected.judgement, found.judgement))
    for what, before, now in compared:
        for key in dict.fromkeys((*before, *now)):
            one, two = before.get(key), now.get(key)
            if changed := _changed(one, two):
                told.append(f"{what} {key}: {_said(two, changed)}, was {_said(one, changed)}")
    return told


def recording_played(config: StudyConfig) -> Path | None:
    """Return the recording that a study plays back, or ``None`` when it asks a model that answers.

    Raises:
        ConfigError: It is the recording of a study of another task, or there is none in the file.
    """
    kind, _, file = (config.llm or "").partition(":")
    if kind not in ("replay", "replay-any") or not file:
        return None
    path = Path(file).expanduser()
    if kind == "replay" and "study" in read_header(path):
        recorded = read_shared(path).config.env_id
        if recorded != config.env_id:
            raise ConfigError(f"{path} is the recording of a study of {recorded}, not of {config.env_id}")
    return path


class Exchanges:
    """The exchanges of a recording, to be looked up; an `ExchangeStore` that takes no more."""

    def __init__(self, path: Path) -> None:
        """Read the recording.

        Raises:
            ConfigError: It is none.
        """
        self._path = path
        self._by_key = {exchange.key: exchange for exchange in read_recording(path)}

    def get(self, key: str) -> Exchange | None:
        """Return the exchange recorded under ``key``, or ``None``."""
        return self._by_key.get(key)

    def put(self, key: str, exchange: Exchange) -> None:
        """Refuse: a recording that is played back is not written.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{self._path} is being played back, not recorded")


def _plain(study: SharedStudy) -> dict[str, Any]:
    config = json.loads(study.config.to_json())
    kept = {name: _each_text(config[name], redact_known) for name in _AS_IN_CODE}
    plain: dict[str, Any] = _each_text({**dataclasses.asdict(study), "config": config}, redact)
    plain["config"] |= kept
    return plain


def _line(exchange: Exchange) -> str:
    """Return an exchange as a line of the file."""
    plain = json.loads(exchange.to_json())
    for name, value in plain.items():
        plain[name] = _each_text(value, redact_known if name in ("key", "messages", "answer") else redact)
    return json.dumps(plain, ensure_ascii=False)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with all its texts changed, but for the names of its entries."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_text(entry, change) for key, entry in value.items()}
    return [_each_text(entry, change) for entry in value] if isinstance(value, (list, tuple)) else value


def _entry(raw: Any) -> list[Any]:
    """Return the parts of an entry of which earlier versions knew the first alone."""
    return raw if isinstance(raw, list) else [raw]


def _changed(before: _Told | None, now: _Told | None) -> list[str]:
    """Return the names of what differs, of what is known of the one before."""
    if before is None or now is None:
        return [] if before is now else ["all"]
    pairs = zip(before._fields, before, now, strict=True)
    return [name for name, one, two in pairs if one != two and (one is not None or name == "fitness")]


def _said(value: _Told | None, changed: list[str]) -> str:
    if value is None:
        return "nothing"
    words = []
    for name, part in zip(value._fields, value, strict=True):
        if name in ("status", "headline"):
            words.append(str(part))
        elif name in changed or (name == "fitness" and part is not None):
            words.append(f"{name} {'unknown' if part is None else part}")
    return ", ".join(words)
