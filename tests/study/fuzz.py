"""Bad words, files and ledgers by the thousand: each is refused in one line, at once, and nothing is written.

    python -m tests.study.fuzz --cases 2000 [--seed 0]

A case is a command line with at least one fault from a grammar of options, or a sound one that is given a damaged file
(claims, description, table, optimizer) or a damaged study. Hypothesis makes the cases, and a failure small. A case
passes if the command ends by itself with status 1 or 2, one line and no traceback on standard error, and the same files
as before; or if what is damaged does no harm and the command does what it should. Each case is a process of its own,
forked from one that has imported what the commands need; what would train ends there, for that is where a request has
passed every check. It needs Linux.
"""

import argparse
import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tests.study.fuzz_cases import SOURCES, cases
from tests.study.fuzz_damage import Case

ACCEPTED = 77
"""Status of a command line that has passed every check."""

SECONDS = 5.0
"""What a refusal may take; the table says how many took longer, a test does not ask."""

LONGEST = 60.0


@dataclass(frozen=True)
class Ending:
    """How a command has ended.

    Args:
        status: Negative for a signal.
        said: On standard error.
        seconds: From its words to its end.
        written: Names of what it has made or changed.
        findings: Lines on standard output of a command that is asked what is wrong, which answers there.
    """

    status: int
    said: str
    seconds: float
    written: list[str]
    findings: int = 0

    @property
    def fault(self) -> str | None:
        """What is wrong with it; None if it ended as it should."""
        if self.status in (0, ACCEPTED):
            return None if "Traceback" not in self.said else "a traceback"
        if self.status not in (1, 2):
            return f"status {self.status}"
        if "Traceback" in self.said:
            return "a traceback"
        if self.findings and not self.said:
            return f"wrote {self.written}" if self.written else None
        if self.said.count("\n") != 1 or not self.said.strip():
            return f"{self.said.count(chr(10))} lines"
        return f"wrote {self.written}" if self.written else None


def mains() -> dict[str, Callable[[Sequence[str]], int]]:
    """The commands by name; imports them and what they need, so that each case need not."""
    import analysis.ingest.__main__
    import analysis.report.__main__
    import analysis.report.write
    import study.command
    import study.ledger.__main__
    import study.run
    import study.tune.driver
    import trainables.training.probe  # noqa: F401 # what a plan needs

    def accept(*_: object, **__: object) -> None:
        os._exit(ACCEPTED)

    study.tune.driver.train = accept  # type: ignore[assignment]
    return {
        "run": study.run.main,
        "report": analysis.report.__main__.main,
        "ledger": study.ledger.__main__.main,
        "ingest": analysis.ingest.__main__.main,
    }


def listing(folder: pathlib.Path) -> dict[str, tuple[int, int]]:
    """All files and folders within, with size and time of the files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        found[str(path.relative_to(folder))] = (0, 0) if path.is_dir() else (state.st_size, state.st_mtime_ns)
    return found


def tried(case: Case, main: Callable[[Sequence[str]], int], study: pathlib.Path, scratch: pathlib.Path) -> Ending:
    """Give a command in a process and a folder of its own."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    (folder / "words.txt").write_text("words\n")
    (folder / "loop").symlink_to("loop")
    for name, source in SOURCES.items():
        (folder / name).write_bytes(case.files.get(name, source.read_bytes()))
    if case.damage:
        shutil.copytree(study, folder / "held")
        _fork(lambda: case.damage.apply(folder / "held"))  # threads of Arrow and polars would not survive a fork
    before, start = listing(folder), time.monotonic()
    status, said = _in_a_fork(folder, main, case.words, scratch / "printed")
    seconds, after = time.monotonic() - start, listing(folder)
    ours = {name for name in after if name.endswith(".lock")}
    written = sorted({name for name in {*before, *after} if before.get(name) != after.get(name)} - ours)
    shutil.rmtree(folder, ignore_errors=True)
    findings = len((scratch / "printed").read_text().splitlines()) if "check" in case.words else 0
    return Ending(status, said, seconds, written, findings)


def _fork(function: Callable[[], object]) -> None:
    """Call a function in a process of its own; its failure is ours."""
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:  # the child must end here
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, state = os.waitpid(child, 0)
    assert state == 0, "the damage could not be done"


def _in_a_fork(
    folder: pathlib.Path, main: Callable[[Sequence[str]], int], words: Sequence[str], printed: pathlib.Path
) -> tuple[int, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        _be_a_command(folder, main, words, writing, printed)
    os.close(writing)
    said, deadline = b"", time.monotonic() + LONGEST
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([reading], [], [], left)
        chunk = os.read(reading, 65536) if ready else b""
        if not chunk:
            break
        said += chunk
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL) if time.monotonic() >= deadline else None
    _, state = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(state), said.decode(errors="replace")


def _be_a_command(
    folder: pathlib.Path,
    main: Callable[[Sequence[str]], int],
    words: Sequence[str],
    said: int,
    printed: pathlib.Path,
) -> None:
    status = 70
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(said, 2)
        sys.stdout = printed.open("w", errors="backslashreplace")
        sys.stderr = os.fdopen(2, "w", errors="backslashreplace", closefd=False)
        os.environ.pop("RAY_ADDRESS", None)
        status = main(list(words))
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # that is what is looked for
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0)


def small_study(folder: pathlib.Path) -> None:
    """Train a study that is small and has every table."""
    words = [
        "--search",
        "random",
        "--dataset",
        "synthetic",
        "--optimizers",
        "sgd,adam",
        "--trials",
        "4",
        "--seeds",
        "1",
        "--confirm-seeds",
        "6",
        "--repeats",
        "1",
        "--no-sweep",
        "--output",
        str(folder / "held"),
    ]
    subprocess.run([sys.executable, "-m", "study.run", *words], check=True, capture_output=True, cwd=folder)
    shutil.rmtree(folder / "held" / "report")


def run_all(num_cases: int, seed: int) -> tuple[Counter[tuple[str, str]], list[float]]:
    """Try so many cases.

    Returns:
        Their number by kind and end ("refused", "accepted"), and the seconds of each.

    Raises:
        AssertionError: One fails; it is the smallest that Hypothesis finds.
    """
    commands = mains()
    counts: Counter[tuple[str, str]] = Counter()
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        scratch = pathlib.Path(name)
        small_study(scratch)

        @seeded(seed)
        @settings(
            max_examples=num_cases,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases())
        def passes(case: Case) -> None:
            ending = tried(case, commands[case.command], scratch / "held", scratch)
            assert ending.fault is None, f"{ending.fault}: {ending.said[-3000:]}"
            counts[case.kind, "accepted" if ending.status in (0, ACCEPTED) else "refused"] += 1
            seconds.append(ending.seconds)

        passes()
    return counts, seconds


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; prints a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.study.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    counts, seconds = run_all(options.cases, options.seed)
    print("| case | refused | harmless |\n|---|---|---|")
    for kind in sorted({kind for kind, _ in counts}):
        print(f"| {kind} | {counts[kind, 'refused']} | {counts[kind, 'accepted']} |")
    slow = sum(value > SECONDS for value in seconds)
    print(f"\n{len(seconds):,} cases, longest {max(seconds):.1f} s, {slow} over {SECONDS:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
