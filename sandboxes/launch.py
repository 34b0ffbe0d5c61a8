"""Runs inside a sandbox, before the command: sets its limits, gives up root, and becomes the command.

Started as ``python -I -S -c <this file> <settings as JSON> <argv...>``, so that it needs nothing but the standard
library and no file of its own. Exit codes 125 to 127 mean that the command could not be started, as in shells.
"""

import ctypes
import json
import os
import resource
import signal
import sys


def main() -> None:
    """Apply the settings and replace this process by the command."""
    settings, argv = json.loads(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is not None:
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        if settings["parent"] is not None:
            libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() != settings["parent"]:
                os._exit(125)
    if settings["handshake"] is not None:
        # By now all that makes the sandbox die with its parent is in place; the parent answers only if it still lives.
        os.write(settings["handshake"], b"r")
        if os.read(settings["handshake"], 1) != b"g":
            os._exit(125)
        os.close(settings["handshake"])
    if settings["uid"] is not None:
        os.setgroups([])
        os.setresgid(settings["uid"], settings["uid"], settings["uid"])
        os.setresuid(settings["uid"], settings["uid"], settings["uid"])
    os.chdir(settings["folder"])  # only now: it may be open to that user alone
    for name, value in settings["limits"].items():
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python's start-up ignores these, and exec would keep that
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        os._exit(126 if isinstance(error, PermissionError) else 127)


if __name__ == "__main__":
    main()
