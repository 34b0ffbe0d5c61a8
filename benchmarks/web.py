"""Steps per second of the web family: tree against in-process HTML against a real browser; MiniWoB against Selenium.

    python -m benchmarks.web [--rounds 5] [--seconds 3]

What is compared, in interleaved rounds on the same machine, whole environment each (page, facts, candidates, resets),
acting uniformly at random among the candidates offered:

* **tree**, **asgi**, **browser**: the same shop (``WebShopTwo``) on the app kit's three backends.
* **miniwob N**: N worlds of ``click-test-2`` as frames of one page, one call per vector step.
* **selenium**: the ``miniwob`` package's own environment of the same task: one browser through Selenium, clicking a
  random button; once as it comes (with screenshots) and once without.

Rates are medians over rounds; ratios are medians of per-round ratios. Writes ``web.json`` and ``web.md`` into
``benchmarks/results``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from envreward.training.candidate_networks import split
from envreward.vector_env import make_vector_env
from envreward.world_task import WorldTask

BARS = {("tree", "browser"): 100.0, ("asgi", "browser"): 30.0, ("miniwob 16", "selenium"): 15.0}
"""How many times the steps/s of the second the first must reach."""
SHOP, MINIWOB = "WebShopTwo", "MiniWoB-click-test-2"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare throughput of the web family."""

    rounds: int = 5
    seconds: float = 3.0
    """Per contestant and round."""
    browser_envs: int = 4
    """Worlds in the browser backend."""
    tree_envs: int = 64
    """Worlds in the tree and asgi backends."""
    selenium: bool = True
    """Measure the ``miniwob`` package's own environment too (needs Debian's chromium-driver)."""
    output: Path = Path(__file__).parent / "results"


@dataclass
class Contestant:
    """Something that can be stepped."""

    num_envs: int
    step: Callable[[], None]
    close: Callable[[], None]


def of_task(env_id: str, num_envs: int) -> Contestant:
    """Return our environment, acting at random among what is offered."""
    env = make_vector_env(env_id, num_envs, reward="none")
    assert isinstance(env.task, WorldTask)
    shape, generator = env.task.candidate_shape, torch.Generator().manual_seed(0)
    seen = env.reset(seed=0)[0]

    def step() -> None:
        nonlocal seen
        _, mask, _ = split(seen, shape)
        action = torch.multinomial(mask.to(torch.float32), 1, generator=generator)[:, 0]
        seen = env.advance(action).obs

    return Contestant(num_envs, step, env.close)


def of_selenium(screenshots: bool) -> Contestant:
    """Return the `miniwob` package's own environment of the same task, clicking one of its buttons at random."""
    import gymnasium as gym
    import miniwob  # registers its environments
    import numpy as np
    from miniwob.action import ActionTypes

    gym.register_envs(miniwob)
    os.environ.setdefault("SE_OFFLINE", "true")
    env: Any = gym.make("miniwob/click-test-2-v1", disable_env_checker=True).unwrapped
    generator = np.random.default_rng(0)
    seen, _ = env.reset(seed=0, options=None if screenshots else {"record_screenshots": False})

    def step() -> None:
        nonlocal seen
        buttons = [e["ref"] for e in seen["dom_elements"] if e["tag"] == "button"]
        action = env.create_action(ActionTypes.CLICK_ELEMENT, ref=int(generator.choice(buttons)))
        seen, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            seen, _ = env.reset()

    return Contestant(1, step, env.close)


@contextlib.contextmanager
def contestants(settings: Settings) -> Iterator[dict[str, Contestant]]:
    """Open all contestants; close them at the end."""
    opened: dict[str, Contestant] = {}
    try:
        opened["tree"] = of_task(SHOP, settings.tree_envs)
        opened["asgi"] = of_task(f"{SHOP}-asgi", settings.tree_envs)
        opened["browser"] = of_task(f"{SHOP}-browser", settings.browser_envs)
        for num_envs in (1, 4, 16):
            opened[f"miniwob {num_envs}"] = of_task(MINIWOB, num_envs)
        if settings.selenium:
            opened["selenium"] = of_selenium(screenshots=True)
            opened["selenium, no screenshots"] = of_selenium(screenshots=False)
        yield opened
    finally:
        for contestant in opened.values():
            contestant.close()


def measure(contestant: Contestant, seconds: float) -> float:
    """Return a contestant's steps per second over at least ``seconds``."""
    steps, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or not steps:
        contestant.step()
        steps += contestant.num_envs
    return steps / elapsed


def report(settings: Settings) -> dict[str, Any]:
    """Measure all in interleaved rounds."""
    load = os.getloadavg()[0]
    with contestants(settings) as opened:
        for contestant in opened.values():
            measure(contestant, 1.0)
        rounds = []
        for _ in range(settings.rounds):
            rounds.append({name: measure(contestant, settings.seconds) for name, contestant in opened.items()})
            sys.stdout.write("  ".join(f"{name} {rate:,.0f}" for name, rate in rounds[-1].items()) + "\n")
            sys.stdout.flush()
    ratios = {
        f"{a} : {b}": {"ratio": statistics.median(r[a] / r[b] for r in rounds), "bar": bar}
        for (a, b), bar in BARS.items()
        if b in rounds[0]
    }
    return {
        "settings": {k: v for k, v in dataclasses.asdict(settings).items() if k != "output"},
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, load {load:.1f} at start, "
        f"chromium at {shutil.which('chromium')}",
        "rates": {name: statistics.median(r[name] for r in rounds) for name in rounds[0]},
        "ratios": ratios,
        "rounds": rounds,
    }


def table(found: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    settings = found["settings"]
    lines = ["# Throughput of the web family", "", found["machine"], ""]
    lines += [f"Medians of {settings['rounds']} interleaved rounds of {settings['seconds']:g} s.", ""]
    lines += ["| contestant | steps/s |", "|---|---|", *(f"| {n} | {r:,.0f} |" for n, r in found["rates"].items())]
    lines += ["", "| ratio | measured | bar | |", "|---|---|---|---|"]
    for name, row in found["ratios"].items():
        met = "met" if row["ratio"] >= row["bar"] else "**missed**"
        lines.append(f"| {name} | {row['ratio']:,.1f} | {row['bar']:g} | {met} |")
    return "\n".join([*lines, "", "Command: `python -m benchmarks.web`"]) + "\n"


def main(settings: Settings) -> int:
    """Measure, print, write; return 0 if every bar is met, else 1."""
    torch.set_num_threads(1)
    found = report(settings)
    settings.output.mkdir(parents=True, exist_ok=True)
    (settings.output / "web.json").write_text(json.dumps(found, indent=1) + "\n")
    text = table(found)
    (settings.output / "web.md").write_text(text)
    sys.stdout.write("\n" + text)
    return (
        0 if len(found["ratios"]) == len(BARS) and all(r["ratio"] >= r["bar"] for r in found["ratios"].values()) else 1
    )


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
