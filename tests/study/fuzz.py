"""Bad words, files and ledgers by the thousand: each is refused in one line, at once, and nothing is written.

    python -m tests.study.fuzz --cases 2000 [--seed 0]

A case is a command line with at least one fault from a grammar of options, or a sound one that is given a damaged file
(claims, description, table, optimizer) or a damaged study. Hypothesis makes the cases and makes a failure small. A case
passes if the command ends by itself with status 1 or 2, one line and no traceback on standard error, and the same files as
before; or if what is damaged does no harm and the command does what it should. Each case is a process of its own, forked
from one that has imported what the commands need; what would train ends there, for that is where a request has passed
every check. It needs Linux.
"""

import argparse
import contextlib
import io
import json
import os
import pathlib
import re
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
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).parents[2]
ACCEPTED = 77
"""Status of a command line that has passed every check."""

SECONDS = 5.0
"""What a refusal may take; the table says how many took longer, a test does not ask."""

LONGEST = 60.0

# -- words ------------------------------------------------------------------------------------------------------------

NO_NUMBERS = st.sampled_from(
    ["", " ", "-", "--", "nan", "inf", "-inf", "1e", "0x10", "1,5", "1 2", "one", "None", "true", "½", "\x00"[:0] + "é", "--trials", "{}"]
)  # fmt: skip
NO_COUNTS = st.one_of(NO_NUMBERS, st.sampled_from(["0", "-1", "1.5", "-0", "1e3", "99999999999999999999999999"]))
NO_AMOUNTS = st.one_of(NO_NUMBERS, st.sampled_from(["0", "-1", "-1e-300", "1e-9", "1e400"]))
NO_NAMES = st.sampled_from(["", ",", "sgd,,adam", "sgd,sgd", "SGD", "sdg", "nonsense", "sgd;adam", "../sgd", "sgd,nope", "a" * 300])
NO_FILES = st.sampled_from(["", "missing.py", "missing/x.py", ".", "/", "/dev/null", "/proc/self/mem", "words.txt/x", "a" * 300, "loop"])
NO_FOLDERS = st.sampled_from(["", "words.txt", "words.txt/x", "/proc/x", "/dev/null", "a" * 300, "loop/x", "s3:/x", "nope://x", "file://"])

FAULTS: dict[str, st.SearchStrategy[str]] = {
    "--search": st.sampled_from(["", "tpe", "Optuna", "random ", "../optuna", "__init__", "a" * 300]),
    "--optimizers": NO_NAMES,
    "--optimizer-file": NO_FILES,
    "--claims": NO_FILES,
    "--values": st.sampled_from(["", "sgd", "sgd.learning_rate", "sgd.learning_rate=", "sgd.learning_rate=a", "sgd.nope=1", "nope.x=1", "=", "sgd.learning_rate=nan"]),
    "--trials": NO_COUNTS,
    "--seeds": NO_COUNTS,
    "--confirm-seeds": st.one_of(NO_NUMBERS, st.sampled_from(["1", "5", "-6", "6.5", "1e2"])),
    "--max-confirm-seeds": st.one_of(NO_NUMBERS, st.sampled_from(["0", "3", "-6"])),
    "--repeats": NO_COUNTS,
    "--sweep-seeds": st.one_of(NO_NUMBERS, st.sampled_from(["-1", "1", "2.5"])),
    "--time-budget": NO_AMOUNTS,
    "--dataset": st.sampled_from(["", "mnist", "CIFAR10", "cifar10-mini ", "a" * 300]),
    "--train-images": NO_COUNTS,
    "--validation-images": NO_COUNTS,
    "--epochs": NO_COUNTS,
    "--batch-size": NO_COUNTS,
    "--precision": st.sampled_from(["", "fp16", "float64", "FLOAT32"]),
    "--seed": st.one_of(NO_NUMBERS, st.sampled_from(["-1", "1.5"])),
    "--lag": NO_COUNTS,
    "--address": st.sampled_from(["", "nowhere", "localhost", "127.0.0.1:1", "127.0.0.1:99999", "http://127.0.0.1:8265", "ray://x", ":", "[::1]:1"]),
    "--device": st.sampled_from(["", "tpu", "CPU", "cuda:0"]),
    "--cpus-per-trial": NO_AMOUNTS,
    "--gpus-per-trial": st.one_of(NO_NUMBERS, st.sampled_from(["-1", "1e-9"])),
    "--max-concurrent": NO_COUNTS,
    "--output": NO_FOLDERS,
    "--storage": st.sampled_from(["", "nope://x", "s3:/x", "words.txt", "a" * 300]),
    "--max-failures": st.one_of(NO_NUMBERS, st.sampled_from(["-1", "1.5"])),
    "--nonsense": st.sampled_from(["", "1"]),
    "--trial": st.just("3"),
}  # fmt: skip
"""By option, values that are never allowed."""

SOUND: dict[str, list[str]] = {
    "--trials": ["3", "8"],
    "--seeds": ["1", "2"],
    "--confirm-seeds": ["0", "6"],
    "--repeats": ["1", "2"],
    "--epochs": ["1", "2"],
    "--batch-size": ["10"],
    "--train-images": ["100"],
    "--seed": ["0", "7"],
    "--optimizers": ["sgd", "sgd,adam"],
    "--output": ["new", "made/new"],
}

OTHERS: dict[str, st.SearchStrategy[list[str]]] = {
    "report": st.one_of(
        st.lists(st.one_of(NO_FOLDERS, NO_FILES), min_size=1, max_size=3),
        st.lists(st.sampled_from(["--claims", "--nope", "--output", "-x"]), min_size=1, max_size=2),
    ),
    "ledger": st.tuples(NO_FOLDERS, st.sampled_from(["check", "export", "nope", "", "--x"])).map(list),
    "ingest": st.one_of(
        st.lists(NO_FILES, max_size=3),
        st.tuples(st.just("tables"), st.just("--trials"), NO_FILES, st.just("--output"), NO_FOLDERS).map(list),
        st.tuples(st.just("optuna"), NO_FILES, st.just("--study"), NO_NAMES, st.just("--output"), st.just("new")).map(list),
        st.tuples(st.just("ray-tune"), NO_FOLDERS, st.just("--output"), st.just("new")).map(list),
    ),
}  # fmt: skip


@st.composite
def faulty_words(draw: st.DrawFn) -> "Case":
    """A command line of `study.run` with one to three faults among sound options."""
    faults = draw(st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=3, unique=True))
    sound = draw(st.lists(st.sampled_from(sorted(SOUND)), max_size=4, unique=True))
    words = [] if "--search" in faults else ["--search", draw(st.sampled_from(["random", "optuna", "sobol", "grid"]))]
    for option in sound:
        if option not in faults:
            words += [option, draw(st.sampled_from(SOUND[option]))]
    for option in faults:
        words += [option, draw(FAULTS[option])]
    return Case("words of study.run", "run", words)


@st.composite
def other_words(draw: st.DrawFn) -> "Case":
    """A command line of another command that names nothing that is there."""
    command = draw(st.sampled_from(sorted(OTHERS)))
    return Case(f"words of {command}", command, draw(OTHERS[command]))


# -- files ------------------------------------------------------------------------------------------------------------

VALUES = st.sampled_from(
    ["nan", "inf", "-1", "0", "1e308", "1e999", "99999999999999999999", '""', '"x"', "[]", "{}", "true", "'", '"""', "\x01", "\u202e", "=cmd()", "a" * 300]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file with one to three faults: bytes or lines deleted, doubled or put in, numbers and words exchanged, cut off."""
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["delete", "double", "insert", "cut", "line", "value", "value", "value"]))
        first = draw(st.integers(0, max(len(content) - 1, 0)))
        last = min(first + draw(st.integers(1, 40)), len(content))
        if kind == "delete":
            content = content[:first] + content[last:]
        elif kind == "double":
            content = content[:last] + content[first:]
        elif kind == "insert":
            content = content[:first] + draw(st.binary(min_size=1, max_size=8)) + content[first:]
        elif kind == "cut":
            content = content[:first]
        elif kind == "line":
            lines = content.splitlines(keepends=True)
            if lines:
                del lines[draw(st.integers(0, len(lines) - 1))]
            content = b"".join(lines)
        else:
            content = with_value(content, draw(st.integers(0, 10_000)), draw(VALUES).encode())
    return content


def with_value(content: bytes, place: int, value: bytes) -> bytes:
    """The content with another value in the place of a word, which are counted around."""
    words = list(re.finditer(rb"[\w.+-]+", content))
    if not words:
        return content + value
    word = words[place % len(words)]
    return content[: word.start()] + value + content[word.end() :]


@st.composite
def faulty_file(draw: st.DrawFn, name: str, command: str, words: Sequence[str]) -> "Case":
    """A sound command line whose file is damaged."""
    content = draw(damaged((SOURCES / name).read_bytes()))
    return Case(f"damaged {name}", command, list(words), {name: content})


SOURCES = pathlib.Path(__file__).with_name("fuzz_sources")
"""Sound files, which are damaged."""

RUN = ["--search", "random", "--output", "new", "--optimizers", "sgd,adam"]
INGEST = ["tables", "--trials", "trials.csv", "--epochs", "epochs.csv", "--description", "study.toml", "--output", "new"]

# -- ledgers ----------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(), st.text(max_size=6),
        st.sampled_from(["\x00", "<script>", "=1+1", "../..", "a" * 300, 10**400, -1, 0, 1e308]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=3,
)  # fmt: skip

CELLS: dict[str, list[Any]] = {
    "number": [float("nan"), float("inf"), -1.0, 1.5, 1e308, None],
    "count": [-1, 0, 10**15, 2**62, None],
    "text": ["", "\x00", "no/such", "<b>", "=1", "a" * 5000, None],
}


@st.composite
def faulty_study(draw: st.DrawFn) -> "Case":
    """A stored study in which a value, a row or a file is damaged, under a command that reads it."""
    command, words = draw(
        st.sampled_from([("report", ["held"]), ("ledger", ["held", "check"]), ("ledger", ["held", "export", "out"])])
    )
    kind = draw(st.sampled_from(["json", "json", "json", "cell", "cell", "cell", "row", "bytes", "file"]))
    seed = draw(st.integers(0, 10**6))
    value = draw(JSON) if kind == "json" else None
    return Case(f"damaged study, {kind}", command, words, damage=Damage(kind, seed, value))


@dataclass(frozen=True)
class Damage:
    """What is done to a study.

    Args:
        kind: Of file, and of damage.
        place: Chooses the place, counted around.
        value: What a place of `study.json` gets.
    """

    kind: str
    place: int
    value: Any

    def apply(self, study: pathlib.Path) -> None:
        """Damage a study."""
        if self.kind == "json":
            content = json.loads((study / "study.json").read_text())
            places = list(_places(content))
            holder, key = places[self.place % len(places)]
            holder[key] = self.value
            (study / "study.json").write_text(json.dumps(content))
            return
        parts = sorted(path for path in study.rglob("*") if path.is_file())
        if self.kind in ("bytes", "file"):
            path = parts[self.place % len(parts)]
            content = path.read_bytes()
            cut = self.place % max(len(content), 1)
            path.write_bytes(b"" if self.kind == "file" else content[:cut] + b"\xff\x00" + content[cut + 2 :])
            return
        parts = [path for path in parts if path.suffix == ".parquet"]
        path = parts[self.place % len(parts)]
        rows = pl.read_parquet(path)
        path.unlink()
        (rows := self._changed(rows)).write_parquet(path.with_name(path.name.split(".")[0] + ".parquet"))

    def _changed(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self.kind == "row":
            return pl.concat([rows, rows.head(1)]) if self.place % 2 else rows.head(max(rows.height - 1, 0))
        column = rows.columns[self.place % rows.width]
        dtype, row = rows[column].dtype, (self.place // rows.width) % rows.height
        group = "number" if dtype.is_float() else "count" if dtype.is_integer() else "text"
        if dtype not in (pl.String,) and group == "text":
            return rows.drop(column)
        values = rows[column].to_list()
        values[row] = CELLS[group][self.place % len(CELLS[group])]
        return rows.with_columns(pl.Series(column, values, dtype=dtype, strict=False))


def _places(node: Any) -> "Any":
    """Every holder and key within JSON."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(items):
        yield node, key
        yield from _places(value)


# -- a case -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What is tried: the kind for the table, the command, its words, and what lies in the folder where it is given."""

    kind: str
    command: str
    words: Sequence[str]
    files: dict[str, bytes] = field(default_factory=dict)
    damage: Damage | None = None


@dataclass(frozen=True)
class Ending:
    """How a command has ended; `status` is negative for a signal."""

    status: int
    said: str
    seconds: float
    written: list[str]

    @property
    def fault(self) -> str | None:
        """What is wrong with it; None if it ended as it should."""
        if self.status in (0, ACCEPTED):
            return None if "Traceback" not in self.said else "a traceback"
        if self.status not in (1, 2):
            return f"status {self.status}"
        if "Traceback" in self.said:
            return "a traceback"
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
    for name in SOURCES.iterdir():
        (folder / name.name).write_bytes(case.files.get(name.name, name.read_bytes()))
    if case.damage:
        shutil.copytree(study, folder / "held")
        _fork(lambda: case.damage.apply(folder / "held"))  # threads of Arrow and polars would not survive a fork
    before, start = listing(folder), time.monotonic()
    status, said = _in_a_fork(folder, main, case.words)
    seconds, after = time.monotonic() - start, listing(folder)
    ours = {name for name in after if name.endswith(".lock")}
    written = sorted({name for name in {*before, *after} if before.get(name) != after.get(name)} - ours)
    shutil.rmtree(folder, ignore_errors=True)
    return Ending(status, said, seconds, written)


def _fork(function: Callable[[], object]) -> None:
    """Call a function in a process of its own; its failure is ours."""
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:  # noqa: BLE001 # the child must end here
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, state = os.waitpid(child, 0)
    assert state == 0, "the damage could not be done"


def _in_a_fork(folder: pathlib.Path, main: Callable[[Sequence[str]], int], words: Sequence[str]) -> tuple[int, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        _be_a_command(folder, main, words, writing)
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


def _be_a_command(folder: pathlib.Path, main: Callable[[Sequence[str]], int], words: Sequence[str], out: int) -> None:
    status = 70
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = io.StringIO(), os.fdopen(2, "w", errors="backslashreplace", closefd=False)
        os.environ.pop("RAY_ADDRESS", None)
        status = main(list(words))
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 # that is what is looked for
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0)


# -- the table --------------------------------------------------------------------------------------------------------


def cases() -> st.SearchStrategy[Case]:
    """Every kind of case; cheap ones are more often drawn than those that take seconds."""
    return st.one_of(
        faulty_words(), faulty_words(), faulty_words(), faulty_words(), faulty_words(), faulty_words(),
        other_words(), other_words(),
        faulty_file("lion.toml", "run", [*RUN, "--claims", "lion.toml"]),
        faulty_file("lion.py", "run", [*RUN, "--optimizer-file", "lion.py"]),
        faulty_file("study.toml", "ingest", INGEST),
        faulty_file("trials.csv", "ingest", INGEST),
        faulty_file("epochs.csv", "ingest", INGEST),
        faulty_study(), faulty_study(), faulty_study(),
    )  # fmt: skip


def small_study(folder: pathlib.Path) -> None:
    """Train a study that is small and has every table."""
    words = [
        "--search", "random", "--dataset", "synthetic", "--optimizers", "sgd,adam", "--trials", "4", "--seeds", "1",
        "--confirm-seeds", "6", "--repeats", "1", "--no-sweep", "--output", str(folder / "held"),
    ]  # fmt: skip
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
