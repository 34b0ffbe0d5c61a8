"""Single faults in well-tested packages, each made by one edit and known to break some but not all of their tests."""
