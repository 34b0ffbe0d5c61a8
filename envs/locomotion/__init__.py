"""Locomotion: Gymnasium's MuJoCo robots, their published tasks and instruction tasks on them."""
