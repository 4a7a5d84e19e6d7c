"""Waiting for a condition, never for a while."""

import time


class TimedOut(AssertionError):
    """A condition did not come true in time; the message says which."""


def wait_until(condition, timeout, what, every=0.02):
    """Polls `condition` until it gives something true, and gives that.

    `what` may be a callable, asked when time is up, so that it can tell the last state.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise TimedOut(f"not within {timeout:g} s: {text}")
        time.sleep(every)
