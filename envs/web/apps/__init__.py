"""Apps: sites written on the kit, each with its tasks."""
