"""Small repositories of several files with one fault."""
