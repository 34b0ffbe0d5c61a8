"""``envreward <verb>``: finds the verb's module, parses its options and runs it.

Each verb is a module of this package with a frozen dataclass ``Command`` (its fields are the options, its
docstring the help) that has a method ``run() -> int``. Only the called verb's module is imported, so that
``--help`` answers at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from envreward.errors import EnvRewardError, UnknownNameError

VERBS = {
    "design": "search for a reward: propose, verify, train, evaluate, report",
    "resume": "go on with a search that was stopped or killed",
    "runs": "list the searches on this machine",
    "show": "show one search: its candidates, scores, costs",
    "report": "write (or write again) a search's HTML report",
    "share": "write a search's prompts and answers to one file",
    "replay": "run a finished search again from its record, and compare",
    "train": "train one policy with the expert, the sparse or your own reward",
    "evaluate": "score a trained policy on fresh episodes",
    "video": "film a trained policy",
    "agent": "let a language model act in an environment, and record every step",
    "rescore": "compute any reward over recorded rollouts",
    "compare": "judge rewards: what they pay for, whether to trust them, how far apart they are",
    "check": "verify a reward program and say what is wrong with it",
    "machine": "write a reward machine (a finite automaton over facts) as a reward program",
    "envs": "list the environments, or describe one: fields, instruction, baselines",
    "designers": "list the reward-design methods, describe one, or compare two",
    "rewards": "list the forms of reward, or explain one: formula, source, options, known failures",
    "doctor": "say what works on this machine and how to mend what does not",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 130 interrupted, else the error's own code."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        if not args or args[0] in ("-h", "--help"):
            _write(_overview())
            return 0
        if args[0] in ("-V", "--version", "version"):
            from envreward import __version__

            _write(f"envreward {__version__}")
            return 0
        verb = args.pop(0)
        if verb not in VERBS:
            raise UnknownNameError("command", verb, VERBS)
        module = importlib.import_module(f"envreward.cli.{verb}")
        return int(_parse(module.Command, verb, args).run())
    except EnvRewardError as error:
        _write_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _write_error("interrupted")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # unwritable folder, full disk, missing file: one line, not a traceback
        where = f": {error.filename}" if error.filename else ""
        _write_error(f"{error.strerror or error}{where}")
        return 1


def _parse(form: type[Any], verb: str, args: Sequence[str]) -> Any:
    import tyro

    default = {}
    env = _last_value(args, "--env")
    if env is not None and hasattr(form, "for_task"):  # the task decides what the other options' defaults are
        default = {"default": form.for_task(env)}
    return tyro.cli(form, args=args, prog=f"envreward {verb}", config=(tyro.conf.AvoidSubcommands,), **default)


def _last_value(args: Sequence[str], option: str) -> str | None:
    """Return what the last ``option VALUE`` or ``option=VALUE`` gives, or ``None``."""
    found = None
    for word, following in zip(args, [*args, None][1:], strict=True):
        name, equals, value = word.partition("=")
        if name == option:
            found = value if equals else following
    return found


def _overview() -> str:
    lines = "\n".join(f"  {verb:<9} {text}" for verb, text in VERBS.items())
    return (
        "envreward: say what an agent should do; get a reward that teaches it, a policy that does it,\n"
        "and a report you can trust.\n\n"
        f"usage: envreward VERB [OPTIONS]\n\n{lines}\n\n"
        "Start with `envreward design --env Hopper` (no API key needed), or `envreward doctor`.\n"
        "`envreward VERB --help` explains each."
    )


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def _write_error(text: str) -> None:
    sys.stderr.write(f"envreward: error: {' '.join(text.split())}\n")


if __name__ == "__main__":
    sys.exit(main())
