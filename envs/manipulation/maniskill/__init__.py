"""ManiSkill 3's tabletop tasks: its own simulator, observations, success tests and rewards, batched over CPU worlds."""
