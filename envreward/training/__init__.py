"""Training: a population of policies in one batch, in a sandbox, or Stable-Baselines3 in its place."""
