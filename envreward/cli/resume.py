"""``envreward resume``: go on with a search."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from typing import Any

from envreward.studies import Budget

from ._options import MaybeFloat, MaybeInt, MaybeText, Run
from ._runs import find_run
from ._session import run_study


@dataclass(frozen=True, kw_only=True)
class Command:
    """Go on with a search that was stopped, killed, or ended by one of its limits.

    What is in its record is not done again: no answer is paid for twice, no finished training repeated, and a
    training that was under way goes on from its last checkpoint. Limits may be raised, other settings stay.
    """

    folder: Run
    """The run's folder, or its name as `envreward runs` shows it."""
    llm: MaybeText = None
    """Ask this language model from now on."""
    processes: MaybeInt = None
    """Training processes from now on; 0: one per CPU core."""
    max_usd: MaybeFloat = None
    """New limit on what the language model costs in all, US dollars."""
    max_calls: MaybeInt = None
    """New limit on answers asked of the language model in all."""
    max_tokens: MaybeInt = None
    """New limit on tokens in all."""
    max_minutes: MaybeFloat = None
    """New limit on wall-clock time in all, earlier sessions included."""
    max_env_steps: MaybeInt = None
    """New limit on environment steps in all."""
    max_trainings: MaybeInt = None
    """New limit on policies trained in all."""
    video: bool = True
    """Film the winner's policy, and judge its reward on episodes, for the report."""

    def run(self) -> int:
        """Open the study and see it through."""
        from envreward.studies.crew import assemble, versions
        from envreward.studies.store import StudyStore

        now = versions()
        with StudyStore.open(find_run(self.folder)) as reader:
            before = reader.versions()
        store = StudyStore.open(reader.folder, versions=now)
        try:
            changed = [f"{name} {before.get(name)} -> {now.get(name)}" for name in now if before.get(name) != now[name]]
            if changed:
                text = f"not the versions it was begun with, results may differ: {', '.join(changed)}"
                store.add_event("note", text)
                sys.stderr.write(f"envreward: warning: {text}\n")
            config = dataclasses.replace(store.config, budget=self._budget(store.config.budget))
            config = dataclasses.replace(
                config,
                llm=config.llm if self.llm is None else self.llm,
                processes=config.processes if self.processes is None else self.processes,
            )
            if config != store.config:
                store.set_config(config)
            crew = assemble(config, store.spent())
        except BaseException:
            store.close()
            raise
        return run_study(store, crew, video=self.video)

    def _budget(self, old: Budget) -> Budget:
        new: dict[str, Any] = {
            "usd": self.max_usd,
            "llm_calls": self.max_calls,
            "tokens": self.max_tokens,
            "wall_s": None if self.max_minutes is None else self.max_minutes * 60,
            "env_steps": self.max_env_steps,
            "trainings": self.max_trainings,
        }
        return dataclasses.replace(old, **{name: value for name, value in new.items() if value is not None})
