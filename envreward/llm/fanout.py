"""Threads: answers asked for at once, one request each, as providers differ in whether they take ``n``; time limits."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from envreward.errors import BudgetExceededError, LLMError, LLMUnavailableError

from .base import NO_USAGE, Completion

logger = logging.getLogger("envreward.llm")

Ask = Callable[[str], Completion]
T = TypeVar("T")


def complete_each(
    ask: Ask, keys: Sequence[str], concurrency: int, arrived: Callable[[str, Completion], None] | None = None
) -> Completion:
    """Ask once per key and put the answers together in order of the keys.

    Args:
        ask: Asks for the one sample that a key names.
        keys: Names of the samples.
        concurrency: How many may be under way at once.
        arrived: Called in this thread with each sample the moment it is there.

    Returns:
        What came. A sample that kept failing, or whose request could have passed a cap, is missing and accounted for in
        ``failures``.

    Raises:
        LLMUnavailableError: A sample met a reason that holds for all; those under way are left to themselves.
        LLMError: Every sample failed.
        BudgetExceededError: No sample came, for lack of budget.
    """
    done: dict[str, Completion] = {}
    errors: list[LLMError | BudgetExceededError] = []
    for key, result in gather(ask, keys, concurrency):
        if isinstance(result, BaseException):
            errors.append(bearable(result))
            continue
        done[key] = result
        if arrived is not None:
            arrived(key, result)
    answers = tuple(answer for key in keys if key in done for answer in done[key].answers)
    if errors and not answers:
        raise next((e for e in errors if isinstance(e, BudgetExceededError)), errors[0])
    reasons = [*map(str, errors), *(reason for completion in done.values() for reason in completion.failures)]
    if errors:
        logger.warning("%d of %d answers are missing: %s", len(keys) - len(done), len(keys), reasons[0])
    return Completion(
        answers=answers,
        usage=sum((done[key].usage for key in keys if key in done), NO_USAGE),
        model=next((done[key].model for key in keys if key in done), ""),
        failures=tuple(dict.fromkeys(reasons)),
    )


def bearable(error: BaseException) -> LLMError | BudgetExceededError:
    """Return an error by which one answer is missing and others may still come; raise any other."""
    if isinstance(error, (LLMError, BudgetExceededError)) and not isinstance(error, LLMUnavailableError):
        return error
    raise error


def gather(ask: Callable[[str], T], keys: Sequence[str], concurrency: int) -> Iterator[tuple[str, T | BaseException]]:
    """Yield each key with its result or error as it arrives; closing the generator starts no further request.

    Once a limit is reached, nothing further is started either.

    Args:
        ask: Called with each key, from several threads; for ``concurrency`` 1 from this one and in order.
        keys: What is asked for.
        concurrency: How many may be under way at once.
    """
    if concurrency == 1 or len(keys) == 1:
        for key in keys:
            result = _attempt(ask, key)
            yield key, result
            if isinstance(result, BudgetExceededError):
                return  # the next would meet the same limit
        return
    waiting = deque(keys)
    results: queue.SimpleQueue[tuple[str, T | BaseException] | None] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                key = waiting.popleft()
            except IndexError:
                results.put(None)
                return
            results.put((key, _attempt(ask, key)))

    working = min(concurrency, len(keys))
    # Daemons: a request that hangs must hold up neither Ctrl-C nor the end of the program.
    for index in range(working):
        threading.Thread(target=work, name=f"llm-{index}", daemon=True).start()
    try:
        while working:
            item = results.get()
            if item is None:
                working -= 1
                continue
            if isinstance(item[1], BudgetExceededError):
                waiting.clear()
            yield item
    finally:
        waiting.clear()


def _attempt(ask: Callable[[str], T], key: str) -> T | BaseException:
    try:
        return ask(key)
    except Exception as error:  # the boundary between threads: raised again in the one that waits
        return error


def within(work: Callable[[], T], seconds: float) -> T:
    """Return ``work()``, or give it up after ``seconds``.

    HTTP clients limit the wait for each piece of an answer, not for the whole: a server that sends a byte now and then
    would hold a request for ever. The thread given up ends with its connection.

    Raises:
        TimeoutError: It took longer.
    """
    values: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(work())
        except BaseException as error:  # the boundary between threads: raised again below
            errors.append(error)

    thread = threading.Thread(target=run, name="llm-request", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not values:
        raise TimeoutError
    return values[0]
