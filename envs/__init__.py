"""The `envreward.envs` package; the folder stands at the top of the repository and is mapped by pyproject.toml."""

if __name__ != "envreward.envs":  # a top-level `envs` would shadow other distributions' packages of that name
    raise ImportError("import this package as envreward.envs, not as envs")
