"""Meta-World v3 (McLean et al. 2025, arXiv:2505.11289): its models, its tasks computed in batches."""
