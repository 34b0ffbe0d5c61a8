"""Commands that measure EnvReward against bars and peers; results and tables are in ``results/``."""
