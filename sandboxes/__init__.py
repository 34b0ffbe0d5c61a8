"""The `envreward.sandboxes` package; the folder stands at the top of the repository and is mapped by pyproject.toml."""

if __name__ != "envreward.sandboxes":  # a top-level `sandboxes` would shadow other distributions' packages of that name
    raise ImportError("import this package as envreward.sandboxes, not as sandboxes")
