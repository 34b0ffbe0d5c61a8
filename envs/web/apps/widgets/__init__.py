"""Widgets: small pages with one thing to do, from seeded templates; the first steps of a web agent."""
