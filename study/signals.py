"""SIGINT and SIGTERM: an end that loses nothing."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STANDARD_ERROR = 2


class StopRequest:
    """Turns SIGINT and SIGTERM into a graceful end; a second signal ends the process at once.

    Attributes:
        signal: Number of the signal that has come, or None.
        resume: The command that goes on, which a second signal prints.
        watched: Whether somebody else does so as soon as this process ends (`study.watcher`).
    """

    def __init__(self, resume: str = "the same command") -> None:
        self.signal: int | None = None
        self.resume, self.watched = resume, False
        self._tuning = False

    def listen(self) -> dict[int, Any]:
        """Handle the signals from now on; returns the handlers before, by signal."""
        return {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals within."""
        previous = self.listen()
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def tuning(self) -> Iterator[None]:
        """Within, a signal lets Tune end by itself instead of raising KeyboardInterrupt."""
        previous = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        self._tuning = True
        try:
            yield
        finally:
            self._tuning = False
            signal.signal(signal.SIGUSR1, previous)

    def answer(self) -> int:
        """Tell the user of the end.

        Returns:
            The exit status.
        """
        print(f"Stopped; go on with: {self.resume}", file=sys.stderr)
        return 128 + (self.signal or signal.SIGINT)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            if not self.watched:  # not by `print`, which the signal may have come in the midst of
                os.write(STANDARD_ERROR, f"\nStopped at once; go on with: {self.resume}\n".encode())
            os._exit(128 + number)
        self.signal = number
        if not self._tuning or signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:  # Tune does not listen yet
            raise KeyboardInterrupt
        # Tune ends gracefully on SIGUSR1, as on SIGINT, but has no answer to SIGTERM.
        signal.raise_signal(signal.SIGUSR1)
