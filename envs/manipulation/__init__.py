"""Robot manipulation: Meta-World on batched MuJoCo, and ManiSkill."""
