"""Settings survive the record; seeds of search and report never meet."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from envreward.errors import ConfigError
from envreward.llm import LLMConfig
from envreward.studies import Budget, StudyConfig
from envreward.studies.config import MAX_SEED
from envreward.training.config import PPOConfig, RacingConfig


def test_json_round_trip(make_config: Callable[..., StudyConfig]) -> None:
    """Every setting comes back equal, nested ones and tuples included."""
    full = make_config(
        designer="eureka",
        designer_options={"temperature": 0.5},
        llm="replay:x.jsonl",
        llm_config=LLMConfig(price_usd_per_mtok=(1.0, 2.0)),
        ppo=PPOConfig(hidden_sizes=(8, 16, 32), target_kl=0.1),
        racing=RacingConfig(rungs=2),
        budget=Budget(usd=1.5, wall_s=60.0),
        trainer="sb3:ppo",
        device="cuda:1",
        seed=3,
    )
    assert StudyConfig.from_json(full.to_json()) == full
    plain = make_config()
    assert StudyConfig.from_json(plain.to_json()) == plain


def test_settings_from_before_there_were_devices(make_config: Callable[..., StudyConfig]) -> None:
    """A record that names no device is of a study on the CPU."""
    config = make_config()
    raw = json.loads(config.to_json())
    assert raw.pop("device") == "cpu"
    assert StudyConfig.from_json(json.dumps(raw)) == config


def test_seeds_of_search_and_report_never_meet(make_config: Callable[..., StudyConfig]) -> None:
    """What is reported was trained and scored on seeds that no study's search uses; all studies share them."""
    most = 1000
    first, last = (make_config(seed=s, seeds=most, final_seeds=most) for s in (0, MAX_SEED - 1))
    search = {*first.search_seeds(), *last.search_seeds()}
    report = {*first.report_seeds()}
    assert report == {*last.report_seeds()} and len(report) == most and len(search) == 2 * most
    episodes = 100_000
    for config in (first, last):
        begin = config.evaluation_seed(final=False)
        assert search.isdisjoint(range(begin, begin + episodes)) and report.isdisjoint(range(begin, begin + episodes))
        final = config.evaluation_seed(final=True)
        assert abs(final - begin) > episodes and report.isdisjoint(range(final, final + episodes))
    assert max(search) < first.evaluation_seed(final=False) < min(report) < first.evaluation_seed(final=True)


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"steps": -1}, {"seed": -1}, {"seed": MAX_SEED}, {"instruction": "  "}, {"seeds": 1001}]
)
def test_settings_that_cannot_work_are_refused(
    make_config: Callable[..., StudyConfig], wrong: dict[str, object]
) -> None:
    """A setting out of range is an error with its name, before anything begins."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        make_config(**wrong)
