"""The `envreward.designers` package; the folder stands at the top of the repository and is mapped by pyproject.toml."""

if __name__ != "envreward.designers":  # a top-level `designers` would shadow other distributions' packages of that name
    raise ImportError("import this package as envreward.designers, not as designers")
