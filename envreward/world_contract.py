"""What agentic tasks promise beyond what all tasks do; `envreward.contract` runs these checks with its own.

On a task of another kind each of them returns at once.
"""

from __future__ import annotations

from envreward.errors import ActionError
from envreward.registry import make_task
from envreward.world_task import WorldTask
from envreward.worlds import parse_call

_SEEDS = 5  # episodes in which an oracle must succeed


def check_oracle(env_id: str) -> None:
    """In agentic worlds the oracle succeeds from every seed tried, by its own actions as by the candidates' numbers."""
    task = make_task(env_id)
    if not isinstance(task, WorldTask):
        return
    worlds = task.open(1)
    for seed in range(_SEEDS):
        worlds.reset([0], [seed])
        assert not worlds.infra_error[0], f"seed {seed}: {worlds.infra_error[0]}"
        assert worlds.instruction(0).strip(), f"seed {seed}: the episode has no instruction"
        for _ in range(task.spec.horizon):
            action = worlds.oracle(0)
            offered = worlds.candidates(0).actions
            assert action in offered, f"seed {seed}: the oracle's {action} is not among {len(offered)} candidates"
            assert len(set(offered)) == len(offered), f"seed {seed}: a candidate is offered twice"
            worlds.act({0: action})
            assert not worlds.action_error[0], f"seed {seed}: the oracle's {action} failed: {worlds.action_error[0]}"
            if worlds.facts(0)["success"] or worlds.facts(0)["failure"]:
                break
        assert worlds.facts(0)["success"], f"seed {seed}: the oracle did not succeed within {task.spec.horizon} steps"
    worlds.close()


def check_hashes(env_id: str) -> None:
    """In agentic worlds equal states have equal hashes: seed and actions decide, not what was before; others differ."""
    task = make_task(env_id)
    if not isinstance(task, WorldTask):
        return
    worlds = task.open(1)

    def play(seed: int, actions: int) -> list[str]:
        worlds.reset([0], [seed])
        hashes = [worlds.state_hash(0)]
        for _ in range(actions):
            worlds.act({0: worlds.oracle(0)})
            hashes.append(worlds.state_hash(0))
            if worlds.facts(0)["failure"]:
                break
        return hashes

    first = play(0, 4)
    assert play(1, 0) != first[:1], "another seed begins in a state with the same hash"
    assert play(0, 4) == first, "the same seed and actions give other hashes"
    assert len(set(first)) > 1, "the oracle's actions do not change the hash"
    worlds.close()


def check_tools(env_id: str) -> None:
    """In agentic worlds tools are declared in full, and calls that make no sense are refused in words."""
    task = make_task(env_id)
    if not isinstance(task, WorldTask):
        return
    assert task.tools, "there are no tools for language models"
    for tool in task.tools:
        assert tool.description.strip().endswith("."), f"tool {tool.name}: its description is no sentence"
        schema = tool.schema()["function"]
        assert set(schema["parameters"]["required"]) <= set(tool.parameters), f"tool {tool.name}: unknown requirement"
        for arguments in ("{", "[]", '{"no such argument": 1}', '{"x": ' * 2000):
            try:
                parse_call(task.tools, tool.name, arguments)
            except ActionError:
                continue
            raise AssertionError(f"tool {tool.name} took {arguments[:30]!r}")
    worlds = task.open(1)
    worlds.reset([0], [0])
    assert worlds.describe(0).strip(), "the world has no words for its state"
    worlds.close()
