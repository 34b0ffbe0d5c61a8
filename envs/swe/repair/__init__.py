"""Repair: small functions with one or two injected bugs, to be mended by single edits while tests run in process."""
