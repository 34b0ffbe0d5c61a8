"""Software engineering: repositories to repair, in process, behind `bubblewrap`, or in Docker containers."""
