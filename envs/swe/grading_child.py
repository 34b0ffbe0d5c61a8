"""What runs inside a sandbox when tests are graded: a supervisor, and one worker that it forks for each job.

The worker is where the graded code is imported, so nothing that the worker can reach may decide. The supervisor
never imports that code. It forks the worker, reads what the worker reports through a pipe, observes how it ends, kills
what it left running, and signs its findings with a key that no worker has ever had in its memory: the key's file is
opened and unlinked before the first fork, every worker closes it first of all, and the supervisor reads it only when
all workers are gone. The supervisor is not dumpable, so that a process of the same user can neither trace it nor open
its descriptors. A worker can end its supervisor; then there is no signature, and no verdict.

This file is run as a text (``python3 -I -S -c TEXT PLAN KEY RESULT``) and needs the standard library alone. The three
paths are relative to the repository, which is the current folder. The plan is JSON: ``framework`` ("pytest" or
"plain": functions named ``test_...`` of a module, called in order), ``roots`` (folders to import from), ``explain``
(whether pytest rewrites assertions), ``watched`` (files that graded code must leave alone), ``traced`` (files of which
to record the lines that each test executes) and ``jobs``: ``files`` to write (``null``: to delete; put back
afterwards), ``paths`` and ``tests`` to run (``null``: all in the paths), ``timeout_s``.
"""

from __future__ import annotations

import contextlib
import hmac
import importlib.util
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

KEPT = 32 * 1024
"""Bytes of a worker's output kept from its beginning, and as many from its end."""
MAX_REPORT = 32 * 1024 * 1024
"""Bytes that a worker may report before it is ended."""
MESSAGE = 2000
"""Characters of a failure's message that are kept."""
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36
_SPAWNING = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}
_GUARDED = (
    "_pytest.runner",
    "_pytest.reports",
    "_pytest.python",
    "_pytest.main",
    "_pytest.outcomes",
    "_pytest.skipping",
    "_pytest.unittest",
    "pluggy._hooks",
    "pluggy._callers",
    "pluggy._manager",
    "builtins",
)


def main(arguments: list[str]) -> None:
    """Carry out the plan and write the signed findings."""
    plan_path, key_path, result_path = arguments
    with open(plan_path, encoding="utf-8") as file:
        plan = json.load(file)
    os.unlink(plan_path)
    key = os.open(key_path, os.O_RDONLY | os.O_CLOEXEC)
    os.unlink(key_path)
    hardened = _harden()
    stdlib = list(sys.path)
    if plan["framework"] == "pytest":
        _preload(stdlib)
    jobs = [Job(plan, job, stdlib).run(key) for job in plan["jobs"]]
    text = json.dumps({"hardened": hardened, "jobs": jobs}).encode()
    signature = hmac.new(os.read(key, 64), text, "sha256").hexdigest()
    result = os.open(result_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(result, "wb") as out:
        out.write(signature.encode() + b"\n" + text)


def _harden() -> bool:
    """Close this process to others of its user, and become the parent of what its workers leave behind."""
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return all(prctl(*option, 0, 0, 0) == 0 for option in ((_PR_SET_DUMPABLE, 0), (_PR_SET_CHILD_SUBREAPER, 1)))


def _preload(stdlib: list[str]) -> None:
    """Import pytest from the trusted folders, before the repository is on the path."""
    sys.path[:] = [*stdlib, *_trusted()]
    import pytest  # noqa: F401

    # What pytest would import later, when a file of the repository could stand in its place.
    for name in ("_pytest.assertion.rewrite", "_pytest.monkeypatch", "unittest.mock", "pdb", "faulthandler"):
        importlib.import_module(name)


def _trusted() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


class Job:
    """One run of some tests in a process of their own."""

    def __init__(self, plan: dict[str, Any], job: dict[str, Any], stdlib: list[str]) -> None:
        self.plan, self.job, self.stdlib = plan, job, stdlib
        self.outcomes: dict[str, list[str]] = {}
        self.lines: dict[str, list[list[int]]] = {}
        self.notes: list[list[str]] = []
        self.collected: list[str] = []
        self.done: int | None = None
        self.head, self.tail, self.dropped = b"", b"", False

    def run(self, key: int) -> dict[str, Any]:
        """Run it and return the findings."""
        before = _replace(self.job["files"])
        report, report_end = os.pipe()
        output, output_end = os.pipe()
        began = time.monotonic()
        worker = os.fork()
        if worker == 0:
            try:
                for descriptor in (key, report, output):
                    os.close(descriptor)
                Worker(self.plan, self.job, self.stdlib, report_end).run(output_end)
            except BaseException:
                os.write(output_end, traceback.format_exc().encode())
            finally:
                os._exit(70)
        os.close(report_end)
        os.close(output_end)
        timed_out = self._follow(worker, report, output, began + self.job["timeout_s"])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        left = _sweep()
        _replace(before)
        return {
            "collected": self.collected,
            "outcomes": self.outcomes,
            "lines": self.lines,
            "notes": self.notes,
            "done": self.done,
            "exit_code": code,
            "timed_out": timed_out,
            "left": left,
            "output": self._text(),
            "wall_s": time.monotonic() - began,
        }

    def _text(self) -> str:
        middle = b"\n[... output left out ...]\n" if self.dropped else b""
        return (self.head + middle + self.tail).decode("utf-8", "replace")

    def _follow(self, worker: int, report: int, output: int, deadline: float) -> bool:
        """Read both pipes until the worker ends; return whether it ran out of time."""
        ended = os.pidfd_open(worker)
        pending, reported, timed_out = b"", 0, False
        open_pipes = [report, output]
        for pipe in open_pipes:
            os.set_blocking(pipe, False)
        gone = False
        while True:
            left = deadline - time.monotonic()
            if left <= 0 and not gone:
                timed_out = True
                break
            ready, _, _ = select.select([*open_pipes, *([] if gone else [ended])], [], [], 0 if gone else left)
            for pipe in ready:
                if pipe == ended:
                    gone = True
                    continue
                data = os.read(pipe, 65536)
                if not data:
                    open_pipes.remove(pipe)
                elif pipe == output:
                    self._keep(data)
                else:
                    reported += len(data)
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        self._hear(line)
            if reported > MAX_REPORT or (gone and not ready):
                break
        for descriptor in (ended, report, output):
            os.close(descriptor)
        return timed_out

    def _keep(self, data: bytes) -> None:
        room = KEPT - len(self.head)
        self.head += data[:room]
        self.tail += data[room:]
        if len(self.tail) > KEPT:
            self.tail, self.dropped = self.tail[-KEPT:], True

    def _hear(self, line: bytes) -> None:
        """Take one line of the worker's report; what makes no sense is evidence, not an error."""
        try:
            kind, *values = json.loads(line)
            if kind == "outcome":
                test, status, message = map(str, values)
                if test in self.outcomes and status != "error":
                    self.notes.append(["repeated-report", f"{test} was reported again, as {status}"])
                else:
                    self.outcomes[test] = [status, message]
            elif kind == "collected":
                self.collected += map(str, values[0])
            elif kind == "lines":
                self.lines[str(values[0])] = values[1]
            elif kind == "note":
                self.notes.append([str(values[0]), str(values[1])])
            elif kind == "done":
                self.done = int(values[0])
        except (ValueError, TypeError, IndexError):
            self.notes.append(["forged-report", repr(line[:200])])


def _replace(files: dict[str, str | None]) -> dict[str, str | None]:
    """Write or delete files; return what would undo it."""
    before: dict[str, str | None] = {}
    for path, text in files.items():
        try:
            with open(path, encoding="utf-8", newline="") as old:
                before[path] = old.read()
        except FileNotFoundError:
            before[path] = None
        if text is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        else:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as new:
                new.write(text)
    return before


def _sweep() -> int:
    """Kill every process that descends from this one; return how many there were."""
    killed: set[int] = set()
    while True:
        children = [pid for pid in _children() if pid not in killed]
        if not children:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, 0)[0]:
                    continue
            return len(killed)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)


def _children() -> Iterator[int]:
    """Yield this process's children; those of a child that dies become its own."""
    own = os.getpid()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == own:
                    yield int(name)


class Worker:
    """The process that imports the graded code and runs its tests."""

    def __init__(self, plan: dict[str, Any], job: dict[str, Any], stdlib: list[str], report: int) -> None:
        self.plan, self.job, self.stdlib, self.report = plan, job, stdlib, report
        self.wanted = None if job["tests"] is None else set(job["tests"])
        self.test = ""

    def say(self, *message: Any) -> None:
        """Report to the supervisor."""
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self.report, data) :]

    def run(self, output: int) -> None:
        """Run the tests and leave; the exit code is pytest's: 0 where all passed, 1 where some did not."""
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        trusted = _trusted()
        os.environ.pop("PYTHONPATH", None)
        os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "120"}
        sys.dont_write_bytecode = True
        here = os.getcwd()
        roots = [os.path.normpath(os.path.join(here, root)) for root in self.plan["roots"]]
        sys.path[:] = [*self.stdlib, *roots, *trusted]
        sys.argv = ["pytest"]
        before = _fingerprint()
        if self.plan["watched"]:
            sys.addaudithook(_watch(here, set(self.plan["watched"]), os.getppid(), self.say))
        if self.plan["traced"]:
            sys.addaudithook(self._note_spawning)
        code = self._pytest() if self.plan["framework"] == "pytest" else self._plain()
        if changed := _changed(before, _fingerprint()):
            self.say("note", "patches-pytest", ", ".join(changed[:8]))
        sys.stdout.flush()
        sys.stderr.flush()
        self.say("done", code)
        os._exit(code)

    def _note_spawning(self, event: str, arguments: Any) -> None:
        """An audit hook: report a test that starts another process, whose lines cannot be recorded."""
        if self.test and event in _SPAWNING:
            self.say("note", "spawns", self.test)

    def _pytest(self) -> int:
        import pytest

        assertions = "rewrite" if self.plan["explain"] else "plain"
        options = ["-p", "no:cacheprovider", "-p", "no:terminal", "-s", f"--assert={assertions}", "--rootdir=."]
        options.append("--continue-on-collection-errors")  # a broken file must not hide the others' tests
        options += ["-o", "addopts=", "--import-mode=prepend"]
        recorder: Any = Recorder(self)
        if self.plan["traced"]:

            @pytest.hookimpl(wrapper=True)
            def traced_call(item: Any) -> Any:
                with self.traced(item.nodeid):
                    return (yield)

            recorder.pytest_runtest_call = traced_call
        return int(pytest.main([*options, *self.job["paths"]], plugins=[recorder]))

    def _plain(self) -> int:
        failed = 0
        for path in self.job["paths"]:
            try:
                tests = _functions(path)
            except BaseException as error:
                if isinstance(error, SystemExit):
                    raise  # whoever leaves at import has left
                failed += 1
                self.say("outcome", path, "error", _short("".join(traceback.format_exception(error))))
                continue
            tests = {name: test for name, test in tests.items() if self.wanted is None or name in self.wanted}
            self.say("collected", list(tests))
            for name, test in tests.items():
                status, message = "passed", ""
                try:
                    with self.traced(name):
                        test()
                except Exception as error:
                    failed += 1
                    status, message = "failed", _short("".join(traceback.format_exception(error)))
                self.say("outcome", name, status, message)
        return 1 if failed else 0

    @contextlib.contextmanager
    def traced(self, test: str) -> Iterator[None]:
        """Record the lines of the traced files that run inside, and report them for a test."""
        numbers = {os.path.abspath(path): index for index, path in enumerate(self.plan["traced"])}
        if not numbers:
            yield
            return
        lines: set[tuple[int, int]] = set()

        def local(frame: FrameType, event: str, argument: Any) -> Any:
            lines.add((numbers[frame.f_code.co_filename], frame.f_lineno))
            return local

        def entered(frame: FrameType, event: str, argument: Any) -> Any:
            return local(frame, event, argument) if frame.f_code.co_filename in numbers else None

        self.test = test
        sys.settrace(entered)
        try:
            yield
        finally:
            sys.settrace(None)
            self.test = ""
            self.say("lines", test, sorted(lines))


def _functions(path: str) -> dict[str, Callable[[], None]]:
    """Import a test module from its file; return its test functions by id, in order of definition."""
    name = os.path.splitext(path)[0].replace("/", ".")
    spec = importlib.util.spec_from_file_location(name, os.path.abspath(path))
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return {f"{path}::{key}": value for key, value in vars(module).items() if key.startswith("test_")}


class Recorder:
    """A pytest plugin that reports each test's outcome."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def pytest_configure(self, config: Any) -> None:
        """Set how failures are told; the option is the terminal plugin's, which is off."""
        config.option.tbstyle = "short" if self._worker.plan["explain"] else "native"

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep the tests that are wanted, and report them."""
        wanted = self._worker.wanted
        if wanted is not None:
            items[:] = [item for item in items if item.nodeid in wanted]
        self._worker.say("collected", [item.nodeid for item in items])

    def pytest_collectreport(self, report: Any) -> None:
        """Report a file that cannot be collected."""
        if report.failed:
            self._worker.say("outcome", report.nodeid, "error", _short(str(report.longrepr)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Report a test's call, or the setup or teardown that failed or skipped it."""
        if report.when == "call":
            expected = hasattr(report, "wasxfail")
            status = {"passed": "passed", "failed": "failed", "skipped": "skipped"}[report.outcome]
            status = {"skipped": "xfailed", "passed": "xpassed"}.get(status, status) if expected else status
        elif report.outcome == "passed":
            return
        else:
            status = "skipped" if report.outcome == "skipped" else "error"
            status = "xfailed" if hasattr(report, "wasxfail") else status
        message = "" if status == "passed" else _short(str(report.longrepr))
        self._worker.say("outcome", report.nodeid, status, message)


def _short(text: str) -> str:
    return text if len(text) <= MESSAGE else f"{text[: MESSAGE // 4]}\n[...]\n{text[-3 * MESSAGE // 4 :]}"


def _fingerprint() -> dict[str, int]:
    """Return what pytest's machinery and the builtins consist of, by name."""
    found: dict[str, int] = {}
    for module in _GUARDED:
        for name, value in list(vars(sys.modules[module]).items()) if module in sys.modules else ():
            found[f"{module}.{name}"] = id(value)
            if getattr(value, "__module__", None) == module:
                if isinstance(value, type):
                    found |= {f"{module}.{name}.{key}": _identity(item) for key, item in list(vars(value).items())}
                else:
                    found[f"{module}.{name}"] = _identity(value)
    return {name: value for name, value in found.items() if not name.endswith(("__", "._", "_abc_impl"))}


def _changed(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Return what was replaced, and what was added to a class; modules may gain names."""
    replaced = [name for name, value in after.items() if before.get(name, value) != value]
    new = (name.rpartition(".") for name in after.keys() - before.keys())
    added = [f"{owner}.{name}" for owner, _, name in new if owner in before and not name.startswith("_")]
    return sorted([*replaced, *added])


def _identity(value: Any) -> int:
    """Return a number that changes when a function is replaced, or its code is."""
    return hash((id(value), id(getattr(value, "__code__", None))))


def _watch(here: str, watched: set[str], supervisor: int, say: Callable[..., None]) -> Callable[[str, Any], None]:
    """Return an audit hook that reports what the repository's code does to the tests or to the supervisor."""
    changing = {"os.remove", "os.rename", "os.truncate", "os.chmod", "os.link", "os.symlink"}
    told: set[tuple[str, str]] = set()
    busy = False

    def tell(name: str, evidence: str) -> None:
        if (name, evidence) not in told:
            told.add((name, evidence))
            say("note", name, evidence)

    def culprit() -> str | None:
        """Return the innermost file of Python code at work, if it is the repository's and no test."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename.startswith(("<frozen", "<string>")):
            frame = frame.f_back
        path = os.path.relpath(frame.f_code.co_filename, here) if frame is not None else ".."
        return None if path.startswith("..") or path in watched else path

    def hook(event: str, arguments: Any) -> None:
        nonlocal busy
        if busy or not (event == "open" or event in changing or event == "os.kill"):
            return
        busy = True
        try:
            if event == "os.kill":
                if arguments[0] in (supervisor, -1):
                    tell("attacks-supervisor", f"signal {arguments[1]} to process {arguments[0]}")
                return
            if not isinstance(arguments[0], (str, bytes)):
                return
            path = os.path.relpath(os.path.join(here, os.fsdecode(arguments[0])), here)
            if path not in watched or (by := culprit()) is None:
                return
            reading = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
            tell("reads-tests" if reading else "writes-tests", f"{by} {'reads' if reading else 'changes'} {path}")
        finally:
            busy = False

    return hook


if __name__ == "__main__":
    main(sys.argv[1:])
