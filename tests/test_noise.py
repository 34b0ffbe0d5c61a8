import numpy as np

from envreward import noise


def test_splitmix64_matches_the_published_generator():
    """The bits are SplitMix64's: the vectors are those of Vigna's splitmix64.c for seed 1234567."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert noise.splitmix64(np.array([1234567], dtype=np.uint64), 5)[0].tolist() == published


def test_numbers_depend_on_own_seed_and_episode_alone():
    """A world draws the same numbers whoever draws beside it, and others in its next episode."""
    seeds, episodes = np.array([7, 8, 9], dtype=np.uint64), np.array([0, 4, 0], dtype=np.uint64)
    crowd = noise.uniform_and_normal(noise.keys(seeds, episodes), 6)
    alone = noise.uniform_and_normal(noise.keys(seeds[1:2], episodes[1:2]), 6)
    assert all(np.array_equal(c[1:2], a) for c, a in zip(crowd, alone, strict=True))
    following = noise.uniform_and_normal(noise.keys(seeds[1:2], episodes[1:2] + np.uint64(1)), 6)
    assert not np.intersect1d(alone[0], following[0]).size


def test_no_two_of_a_grid_of_seeds_and_episodes_share_a_key():
    """Neighbouring seeds and episodes (seed + 1, episode) and (seed, episode + 1) are told apart."""
    seeds, episodes = np.meshgrid(np.arange(300, dtype=np.uint64), np.arange(300, dtype=np.uint64))
    assert len(np.unique(noise.keys(seeds.ravel(), episodes.ravel()))) == 90_000


def test_distributions_are_uniform_and_standard_normal():
    """Moments of 200,000 draws lie within five standard errors of the exact ones, and seeds are uncorrelated."""
    keys = noise.keys(np.arange(20_000, dtype=np.uint64), np.zeros(20_000, dtype=np.uint64))
    uniform, normal = noise.uniform_and_normal(keys, 10)
    count = uniform.size
    assert uniform.min() >= 0.0 and uniform.max() < 1.0
    assert abs(uniform.mean() - 0.5) < 5 * np.sqrt(1 / 12 / count)
    assert abs(uniform.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / count)
    assert abs(normal.mean()) < 5 / np.sqrt(count)
    assert abs(normal.var() - 1.0) < 5 * np.sqrt(2 / count)
    assert abs((normal**4).mean() - 3.0) < 5 * np.sqrt(96 / count)
    neighbours = np.corrcoef(uniform[:-1].ravel(), uniform[1:].ravel())[0, 1]
    kinds = np.corrcoef(uniform.ravel(), normal.ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(count) and abs(kinds) < 5 / np.sqrt(count)
