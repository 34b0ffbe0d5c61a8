import gymnasium as gym
import pytest
import torch

from envreward.vector_env import make_vector_env

pytestmark = pytest.mark.usefixtures("quick_kernels")


def make(num_envs, device="cpu", **kwargs):
    return make_vector_env("Hopper", num_envs, device=device, simulator="mujoco_warp", **kwargs)


def run(env, steps, seed=0, worlds=slice(None), first=True):
    """Act at random, the same way in every call; return observations and rewards ``[T, N, ...]``."""
    generator = torch.Generator().manual_seed(seed)
    if first:
        env.reset(seed=[3, 1, 4, 1][worlds])
    rows = []
    for _ in range(steps):
        action = 2.0 * torch.rand((4, 3), generator=generator)[worlds] - 1.0
        obs, reward, terminated, truncated, _ = env.step(action.to(env.device))
        rows.append(torch.cat((obs, reward[:, None], (terminated | truncated)[:, None].to(obs)), 1))
    return torch.stack(rows)


def test_all_of_an_environment_lives_on_its_device(device):
    """Whatever a step takes, returns and remembers is on the device, in float32; spaces say so, too."""
    env = make(3, device, reward="expert", max_episode_steps=4)
    assert env.single_observation_space.dtype == "float32" and env.observation_space.shape == (3, 11)
    env.request(env.task.fields)
    obs, _ = env.reset(seed=0)
    for _ in range(6):
        transition = env.advance(torch.zeros((3, 3), device=env.device))
        values = [*transition.state.values(), obs, transition.obs, transition.terminated, transition.truncated]
        values += [transition.success, transition.fitness, transition.broken, transition.first, env.elapsed]
        assert all(value.device.type == device for value in values)
        assert transition.obs.dtype == torch.float32
    env.close()


def test_resets_are_the_cpus(device):
    """The same seed starts the same episode as on the CPU, to rounding; so do all later ones."""
    warp, cpu = make(4, device), make_vector_env("Hopper", 4)
    for seed in ([5, 6, 7, 8], None):
        first, second = warp.reset(seed=seed)[0], cpu.reset(seed=seed)[0]
        assert float((first.cpu() - second).abs().max()) < 1e-6


def test_runs_repeat_and_worlds_are_their_own():
    """The same seeds give the same bits, alone or in a crowd, across ends of episodes."""
    first, again = run(make(4), 40), run(make(4), 40)
    alone = run(make(1), 40, worlds=slice(2, 3))
    assert torch.equal(first, again)
    assert first[:, 2, -1].sum() >= 1  # it fell and began again
    assert torch.equal(first[:, 2:3], alone)


def test_saved_environments_go_on_bit_for_bit():
    """Saving and loading in mid-episode changes nothing of what follows."""
    env, other = make(4), make(4)
    run(env, 25)
    saved = env.save()
    expected = run(env, 20, seed=1, first=False)
    run(other, 3, seed=2)
    other.load(saved)
    assert torch.equal(run(other, 20, seed=1, first=False), expected)


def test_one_world_is_a_plain_environment():
    """`gymnasium.make` takes the simulator, too, and gives NumPy."""
    env = gym.make("EnvReward/Hopper-v0", simulator="mujoco_warp")
    obs, _ = env.reset(seed=0)
    assert obs in env.observation_space and obs.dtype == "float32"
    obs, reward, *_ = env.step(env.action_space.sample())
    assert obs in env.observation_space and isinstance(reward, float)
    env.close()


def test_make_vec_takes_device_and_simulator():
    """`gymnasium.make_vec` hands both on."""
    env = gym.make_vec("EnvReward/Hopper-v0", num_envs=2, device="cpu", simulator="mujoco_warp")
    assert type(env.unwrapped.sim).__name__ == "MujocoWarp"
    env.close()


def test_pictures_are_the_cpus(device):
    """Rendering shows the state that the simulator is in."""
    warp, cpu = make(2, device), make_vector_env("Hopper", 2)
    for env in (warp, cpu):
        env.reset(seed=0)
    first, second = (torch.from_numpy(env.frame(1, width=64, height=64)).float() for env in (warp, cpu))
    assert first.std() > 5.0
    assert float((first - second).abs().mean()) < 1.0
    for env in (warp, cpu):
        env.close()
