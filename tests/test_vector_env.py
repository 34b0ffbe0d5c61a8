import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from envreward.errors import ConfigError, UnknownNameError
from envreward.rewards.choice import choose_reward
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.vector_env import make_vector_env


def rollout(env, steps, seeds, worlds=None, action_seed=0, first=True):
    """Act at random, the same way in world i whatever the batch; return observations, ends and rewards [steps, N]."""
    worlds = range(env.num_envs) if worlds is None else worlds
    size = env.single_action_space.shape[0]
    generators = [torch.Generator().manual_seed(action_seed + w) for w in worlds]
    if first:
        env.reset(seed=seeds)
    out = []
    for _ in range(steps):
        action = torch.stack([2.0 * torch.rand(size, generator=g) - 1.0 for g in generators])
        obs, reward, terminated, truncated, _ = env.step(action)
        out.append(torch.cat((obs, reward[:, None], (terminated | truncated)[:, None].to(obs.dtype)), dim=1))
    return torch.stack(out)


def test_a_world_is_the_same_alone_and_in_a_crowd():
    """A world's whole future, resets included, depends only on its own seed and actions: bit for bit."""
    crowd = rollout(make_vector_env("Hopper", 6, num_threads=2), 150, seeds=[3, 1, 4, 1, 5, 9])
    alone = rollout(make_vector_env("Hopper", 1), 150, seeds=[5], worlds=[4])
    assert crowd[:, 4, -1].sum() >= 2  # it fell and began again
    assert torch.equal(crowd[:, 4], alone[:, 0])


def test_an_episode_can_be_cut_short_once():
    """An episode of 150 steps, cut by 140, is truncated after 10; the next one takes its full time, saved or not."""
    env, other = (make_vector_env("HalfCheetah", 2, max_episode_steps=150) for _ in range(2))
    env.reset(seed=0)
    env.cut.copy_(torch.tensor([0, 140]))
    ends = []
    for step in range(1, 162):
        if step == 5:  # what was cut is part of how a world goes on
            other.reset(seed=9)
            saved = env.save()
            env = other
            env.load(saved)
        _, _, terminated, truncated, _ = env.step(torch.zeros(2, 6))
        assert not terminated.any()
        ends += [(step, world) for world in truncated.nonzero().flatten().tolist()]
    assert ends == [(10, 1), (150, 0), (160, 1)]


def test_one_number_seeds_worlds_as_consecutive_ones():
    """``seed=7`` gives world i seed 7 + i, as Gymnasium's vector environments do; equal seeds give equal starts."""
    env = make_vector_env("Ant", 3)
    one, _ = env.reset(seed=7)
    several, _ = env.reset(seed=[7, 8, 9])
    equal, _ = env.reset(seed=[8, 8, 8])
    assert torch.equal(one, several) and torch.equal(equal[0], equal[2]) and torch.equal(equal[0], one[1])
    assert not torch.equal(one[0], one[1])


def test_reset_without_seed_goes_on_to_new_episodes():
    """Resetting again gives other starts, and the same ones in every run."""
    env = make_vector_env("Hopper", 2)
    starts = [env.reset(seed=1)[0], env.reset()[0], env.reset()[0]]
    again = make_vector_env("Hopper", 2)
    assert torch.equal(again.reset(seed=1)[0], starts[0]) and torch.equal(again.reset()[0], starts[1])
    assert len({tuple(s[0].tolist()) for s in starts}) == 3
    assert not torch.equal(make_vector_env("Hopper", 2).reset()[0], make_vector_env("Hopper", 2).reset()[0])


def test_worlds_that_end_show_their_new_episode():
    """After an end ``obs`` is a fresh start and ``final_obs`` the last of the old episode; the others run on."""
    env = make_vector_env("Hopper", 4)
    env.reset(seed=0)
    for _ in range(200):
        obs, _, terminated, truncated, info = env.step(torch.tensor(env.action_space.sample()))
        if terminated.any():
            break
        assert "final_obs" not in info
    done = terminated | truncated
    assert torch.equal(info["_final_obs"], done) and not done.all()
    start = torch.tensor([1.25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], dtype=torch.float64)
    assert (obs[done] - start).abs().max() <= 5e-3
    assert not (info["final_obs"][done] - start).abs().max() <= 5e-3
    assert torch.equal(obs[~done], info["final_obs"][~done])
    assert (env.elapsed[done] == 0).all() and (env.elapsed[~done] > 0).all()


def test_time_limit_truncates_and_is_no_termination():
    """At the limit worlds are truncated, all at once here; a world that falls in that very step is terminated only."""
    env = make_vector_env("HalfCheetah", 3, max_episode_steps=4)
    env.reset(seed=0)
    ends = [env.step(torch.zeros(3, 6))[2:4] for _ in range(8)]
    assert [bool(t[1].all()) for t in ends] == [False, False, False, True] * 2
    assert not any(t[0].any() for t in ends)
    falling = make_vector_env("Hopper", 2, max_episode_steps=1)
    falling.reset(seed=0)
    falling.sim.qpos[0, 1] = 0.5
    _, _, terminated, truncated, _ = falling.step(torch.zeros(2, 3))
    assert terminated.tolist() == [True, False] and truncated.tolist() == [False, True]


def test_state_holds_the_values_around_the_step():
    """Fields are those before autoreset; ``prev_`` fields are those before the action, of a new episode its start."""
    env = make_vector_env("Hopper", 5)
    env.request(["torso_height", "prev_torso_height", "prev_joint_angles", "action"], dtype=None)
    obs, _ = env.reset(seed=2)
    generator, ended = torch.Generator().manual_seed(0), 0
    for _ in range(120):
        action = (2 * torch.rand((5, 3), generator=generator) - 1).float()
        transition = env.advance(action)
        state = transition.state
        assert list(state) == ["torso_height", "action", "prev_torso_height", "prev_joint_angles"]
        assert torch.equal(state["torso_height"], transition.final_obs[:, 0])
        assert torch.equal(state["prev_torso_height"], obs[:, 0])
        assert torch.equal(state["prev_joint_angles"], obs[:, 2:5])
        assert torch.equal(state["action"].float(), action)
        obs = transition.obs
        ended += int(transition.terminated.sum())
    assert ended > 2


def test_returned_tensors_do_not_change_later():
    """What a step returned stays as it was while the environment goes on: rollouts may keep it without copying."""
    env = make_vector_env("Ant", 2)
    env.request(["joint_angles", "torso_quat", "time", "prev_torso_position", "contact_forces", "foot_contact"])
    env.reset(seed=0)
    first = env.advance(torch.zeros(2, 8))
    kept = {name: value.clone() for name, value in first.state.items()}
    obs, fitness = first.obs.clone(), first.fitness.clone()
    for _ in range(5):
        env.advance(torch.ones(2, 8))
    assert all(torch.equal(first.state[name], value) for name, value in kept.items())
    assert torch.equal(first.obs, obs) and torch.equal(first.fitness, fitness)


def test_request_chooses_fields_and_their_dtype():
    """Exactly the fields asked for come, in the dtype asked for; flags stay bool."""
    env = make_vector_env("Hopper", 2)
    env.reset(seed=0)
    env.request(("pitch", "healthy", "prev_pitch"))
    state = env.advance(torch.zeros(2, 3)).state
    assert {n: v.dtype for n, v in state.items()} == {
        "pitch": torch.float32,
        "healthy": torch.bool,
        "prev_pitch": torch.float32,
    }
    with pytest.raises(UnknownNameError, match="did you mean 'pitch'"):
        env.request(["picth"])
    with pytest.raises(UnknownNameError):
        env.request(["prev_action"])
    env.request(())
    assert env.advance(torch.zeros(2, 3)).state == {}


def test_broken_physics_truncates_that_world_alone():
    """A NaN action ends its world as truncated and flagged, with finite numbers; the others take no notice."""
    env, sound = make_vector_env("Humanoid", 3), make_vector_env("Humanoid", 3)
    env.reset(seed=0)
    sound.reset(seed=0)
    action = torch.zeros(3, 17)
    broken_action = action.clone()
    broken_action[1] = float("nan")
    obs, reward, terminated, truncated, info = env.step(broken_action)
    their_obs, their_reward, *_ = sound.step(action)
    assert info["broken"].tolist() == [False, True, False] == truncated.tolist()
    assert not terminated.any() and obs.isfinite().all() and info["final_obs"].isfinite().all()
    others = torch.tensor([0, 2])
    assert torch.equal(obs[others], their_obs[others]) and torch.equal(reward[others], their_reward[others])
    assert not env.step(action)[4]["broken"].any()


def test_step_before_reset_is_refused():
    """Stepping a world that has no episode says to reset first."""
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        make_vector_env("Hopper", 1).step(torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "num_envs"),
        ({"render_mode": "human"}, "rgb_array"),
        ({"reward": "dense"}, "neither a file nor one of expert"),
        ({"reward": "/nowhere/reward.py"}, "/nowhere/reward.py"),
    ],
)
def test_bad_arguments_are_one_line_errors(arguments, message):
    """What cannot work is refused with the argument's name or value."""
    with pytest.raises(ConfigError, match=message) as error:
        make_vector_env("Hopper", **{"num_envs": 1, **arguments})
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="expected 2 numbers"):
        make_vector_env("Hopper", 2).reset(seed=[1])


def test_unknown_environment_lists_near_matches():
    """A misspelt environment is answered with the right spelling."""
    with pytest.raises(UnknownNameError, match=r"did you mean .*HalfCheetah"):
        make_vector_env("HalfCheeta", 1)


def test_rewards_are_chosen_by_name_or_given(tmp_path):
    """``expert``, ``sparse``, ``none``, a program's file, a function: each pays what it says."""
    env = make_vector_env("Hopper", 2, reward="none")
    env.reset(seed=0)
    _, reward, *_, info = env.step(torch.zeros(2, 3))
    assert reward.tolist() == [0.0, 0.0] and info["reward_components"] == {}

    mine = FunctionReward(("pitch", "prev_pitch"), lambda pitch, prev_pitch: RewardOutput(pitch - prev_pitch, {}))
    env = make_vector_env("Hopper", 2, reward=mine)
    obs, _ = env.reset(seed=0)
    following, reward, *_ = env.step(torch.zeros(2, 3))
    assert torch.equal(reward, following[:, 1] - obs[:, 1])
    env.request(["pitch"])
    with pytest.raises(ConfigError, match="prev_pitch"):
        env.step(torch.zeros(2, 3))

    path = tmp_path / "reward.py"
    path.write_text("def compute_reward(pitch: Tensor):\n    return 2.0 * pitch, {'lean': pitch}\n")
    env = make_vector_env("Hopper", 2, reward=str(path))
    env.reset(seed=0)
    obs, reward, *_, info = env.step(torch.zeros(2, 3))
    torch.testing.assert_close(reward, 2.0 * obs[:, 1].float())
    assert set(info["reward_components"]) == {"lean"}

    task = env.task
    assert choose_reward(task) is task.expert and choose_reward(task, "sparse") is task.sparse


def test_saved_environments_go_on_bit_for_bit():
    """An environment loaded from a save takes the same future as the one that was saved, resets included."""
    first = make_vector_env("Ant", 3, reward="sparse", max_episode_steps=30)
    rollout(first, 20, seeds=0)
    saved = first.save()
    second = make_vector_env("Ant", 3, reward="sparse", max_episode_steps=30)
    second.load(saved)
    futures = [rollout(env, 50, None, action_seed=9, first=False) for env in (first, second)]
    assert torch.equal(*futures) and futures[0][..., -1].any()


def test_gymnasium_makes_the_native_batch():
    """`gymnasium.make_vec` gives this environment, with Gymnasium's metadata, and its NumPy wrapper fits."""
    env = gym.make_vec("EnvReward/Walker2d-v0", num_envs=3, reward="sparse", max_episode_steps=2)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP and env.num_envs == 3
    pytest.importorskip("array_api_compat")
    from gymnasium.wrappers.vector import ArrayConversion, RecordEpisodeStatistics

    numpy_env = RecordEpisodeStatistics(ArrayConversion(env, env_xp=torch, target_xp=np))
    obs, _ = numpy_env.reset(seed=0)
    for _ in range(2):
        obs, reward, _, truncated, info = numpy_env.step(np.zeros((3, 6), dtype=np.float32))
    assert isinstance(obs, np.ndarray) and isinstance(reward, np.ndarray) and truncated.all()
    assert isinstance(info["final_obs"], np.ndarray) and info["episode"]["l"].tolist() == [2, 2, 2]


def test_numpy_and_torch_actions_are_the_same():
    """Actions may be NumPy arrays or tensors, float32 or float64."""
    outcomes = []
    for action in (np.full((2, 3), 0.5), np.full((2, 3), 0.5, np.float32), torch.full((2, 3), 0.5)):
        env = make_vector_env("Hopper", 2)
        env.reset(seed=0)
        outcomes.append(env.step(action)[0])
    assert torch.equal(outcomes[0], outcomes[1]) and torch.equal(outcomes[0], outcomes[2])


def test_actions_are_used_as_given():
    """The environment does not clip: the control cost is that of the action as it came."""
    env = make_vector_env("HalfCheetah", 1)
    env.reset(seed=0)
    _, _, _, _, info = env.step(torch.full((1, 6), 3.0))
    assert info["reward_components"]["reward_ctrl"].item() == pytest.approx(-0.1 * 6 * 9.0)
