"""The report at the end of a run, by a process of its own: the memory that drawing takes is gone when it ends."""

import pathlib
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from analysis.report.write import Report, write_report


def report_apart(directory: pathlib.Path) -> Report:
    """What `write_report` does and raises.

    Raises:
        OSError: The process has ended before the report was whole.
    """
    # Ctrl-C reaches all processes of a terminal; it is for the driver to answer.
    context, ignore = get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    try:
        with ProcessPoolExecutor(1, mp_context=context, initializer=signal.signal, initargs=ignore) as process:
            return process.submit(write_report, directory).result()
    except BrokenProcessPool:
        raise OSError(
            "the process that wrote the report was ended from outside, perhaps for its memory; what is stored stays. "
            f"Write the report again with: python -m analysis.report {directory}"
        ) from None
