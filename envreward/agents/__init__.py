"""Agents on tasks: episodes of language models, oracles and policies, the record of them, and any reward over it."""
