"""``designers``: the list, a page for each, and what two of them differ in."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from envreward import registry
from envreward.cli import design, designers
from envreward.designers.era import Era
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

Cli = Callable[..., Any]


def test_list_names_every_designer(cli: Cli) -> None:
    """Each installed designer has a line: whether it asks a model, its calls and size, what it does."""
    said = cli("designers")
    assert said.code == 0 and not said.err
    rows = {row["name"]: row for row in json.loads(cli("designers", "--json").out)}
    assert list(rows) == registry.names("designers")
    for name, row in rows.items():
        assert name in said.out and row["summary"] and not row["summary"].startswith(name)
        assert row["needs_llm"] == registry.find("designers", name).needs_llm
    assert rows["eureka"]["calls"] == [16, 16] and rows["evolve"]["calls"] == [0, 0]
    line = next(line for line in said.out.splitlines() if line.startswith("eureka"))
    assert line.split()[:6] == ["eureka", "asked", "16", "16", "x", "5"]


@pytest.mark.parametrize("name", registry.names("designers"))
def test_a_page_is_whole(cli: Cli, name: str) -> None:
    """A page has every option with its default and where it comes from, and every stage."""
    said = cli("designers", name)
    assert said.code == 0 and not said.err
    about = json.loads(cli("designers", name, "--json").out)
    cls = registry.find("designers", name)
    assert list(about["options"]) == list(inspect.signature(cls).parameters)
    for option, known in about["options"].items():
        assert known["doc"], f"option {option} has no docstring"
        assert option in said.out
        value = known["default"]
        spelled = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        default = "-" if value is None else spelled
        listed = said.out.partition("Options (")[2].splitlines()
        row = next(line for line in listed if line.split()[:1] == [option])
        assert row.split()[1] == default.split()[0], f"the page says another default of {option}: {row}"
    assert about["stages"] is not None and about["calls"] is not None, f"{name} does not say what it is made of"
    for stage, words in about["stages"].items():
        assert stage in said.out and words.split()[0] in said.out
    assert "``" not in said.out


def test_eureka_against_evolve(cli: Cli) -> None:
    """The comparison has the stages that differ side by side, names those that do not, and the options of one alone."""
    found = json.loads(cli("designers", "--diff", "eureka", "evolve", "--json").out)
    assert found["designers"] == ["eureka", "evolve"]
    assert found["numbers"]["samples"] == [16, 8] and found["numbers"]["calls"] == [[16, 16], [0, 0]]
    assert {"prompt", "generate", "select"} <= found["stages"].keys()
    assert set(found["same"]) == {"mend", "policy", "score", "person"}
    assert "parent_rule" in found["only"][0] and "tournament_size" in found["only"][1]
    said = cli("designers", "--diff", "eureka", "evolve").out
    assert "The same in both: mend, policy, score, person" in said and "tournament of 2" in said


def test_a_designer_against_itself(cli: Cli) -> None:
    """Nothing differs, and that is what is said."""
    found = json.loads(cli("designers", "--diff", "eureka", "eureka", "--json").out)
    assert not found["numbers"] and not found["stages"] and not found["defaults"] and found["only"] == [[], []]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plugin:
    """A designer from elsewhere that says nothing of its stages."""

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 2
    default_iterations: ClassVar[int] = 3
    temperature: float = 0.25
    """As warm as its author likes."""

    def ask(self, context: Context) -> list[Proposal]:
        """Return nothing."""
        return []

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing."""


def test_a_plugin_without_stages(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A designer that does not describe its stages is shown with its options, and compared by these."""
    find = registry.find
    monkeypatch.setattr(designers, "find", lambda group, name: Plugin if name == "plugin" else find(group, name))
    page = cli("designers", "plugin").out
    assert "does not say what it is made of" in page and "As warm as its author likes." in page
    assert "from elsewhere" in page and "? per iteration" in page
    found = json.loads(cli("designers", "--diff", "plugin", "eureka", "--json").out)
    assert found["stages"] is None and found["defaults"] == {"temperature": [0.25, 1.0]}
    said = cli("designers", "--diff", "plugin", "eureka").out
    assert "plugin does not say what it is made of: no stages to compare" in said


def test_a_designers_own_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search scores the policy that its designer wants, unless the user says otherwise."""
    find = registry.find
    monkeypatch.setattr(registry, "find", lambda group, name: Era if name == "era" else find(group, name))
    assert design.Command(env="Hopper", designer="era").config().checkpoint == "peak_return"
    assert design.Command(env="Hopper", designer="era", checkpoint="final").config().checkpoint == "final"
    assert design.Command(env="Hopper").config().checkpoint == "final"


def test_unknown_and_contradictory(cli: Cli) -> None:
    """A misspelt name gives one line with the nearest; a page and a comparison at once are refused."""
    said = cli("designers", "eurka")
    assert said.code == 2 and not said.out and "did you mean 'eureka'" in said.err and said.err.count("\n") == 1
    assert cli("designers", "--diff", "eureka", "evolv").code == 2
    said = cli("designers", "eureka", "--diff", "eureka", "evolve")
    assert said.code == 2 and "NAME or --diff" in said.err
