"""The cases of fuzz.py: a grammar of options with faults, damaged files, damaged studies."""

import pathlib
import re
from collections.abc import Sequence

from hypothesis import strategies as st

from tests.study.fuzz_damage import Case, Damage

NO_NUMBERS = st.sampled_from(
    [
        "",
        " ",
        "-",
        "--",
        "nan",
        "inf",
        "-inf",
        "1e",
        "0x10",
        "1,5",
        "1 2",
        "one",
        "None",
        "true",
        "½",
        "é",
        "--trials",
        "{}",
    ]
)
NO_COUNTS = st.one_of(NO_NUMBERS, st.sampled_from(["0", "-1", "1.5", "-0", "1e3", "99999999999999999999999999"]))
NO_AMOUNTS = st.one_of(NO_NUMBERS, st.sampled_from(["0", "-1", "-1e-300", "1e-9", "1e400"]))
NO_NAMES = st.sampled_from(
    ["", ",", "sgd,,adam", "sgd,sgd", "SGD", "sdg", "nonsense", "sgd;adam", "../sgd", "sgd,nope", "a" * 300]
)
NO_FILES = st.sampled_from(
    ["", "missing.py", "missing/x.py", ".", "/", "/dev/null", "/proc/self/mem", "words.txt/x", "a" * 300, "loop"]
)
NO_FOLDERS = st.sampled_from(
    ["", "words.txt", "words.txt/x", "/proc/x", "/dev/null", "a" * 300, "loop/x", "s3:/x", "nope://x", "file://"]
)

FAULTS: dict[str, st.SearchStrategy[str]] = {
    "--search": st.sampled_from(["", "tpe", "Optuna", "random ", "../optuna", "__init__", "a" * 300]),
    "--optimizers": NO_NAMES,
    "--optimizer-file": NO_FILES,
    "--claims": NO_FILES,
    "--values": st.sampled_from(
        [
            "",
            "sgd",
            "sgd.learning_rate",
            "sgd.learning_rate=",
            "sgd.learning_rate=a",
            "sgd.nope=1",
            "nope.x=1",
            "=",
            "sgd.learning_rate=nan",
        ]
    ),
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
    "--address": st.sampled_from(
        [
            "",
            "nowhere",
            "localhost",
            "127.0.0.1:1",
            "127.0.0.1:99999",
            "http://127.0.0.1:8265",
            "ray://x",
            ":",
            "[::1]:1",
        ]
    ),
    "--device": st.sampled_from(["", "tpu", "CPU", "cuda:0"]),
    "--cpus-per-trial": NO_AMOUNTS,
    "--gpus-per-trial": st.one_of(NO_NUMBERS, st.sampled_from(["-1", "1e-9"])),
    "--max-concurrent": NO_COUNTS,
    "--output": NO_FOLDERS,
    "--storage": st.sampled_from(["", "nope://x", "s3:/x", "words.txt", "a" * 300]),
    "--max-failures": st.one_of(NO_NUMBERS, st.sampled_from(["-1", "1.5"])),
    "--nonsense": st.sampled_from(["", "1"]),
    "--trial": st.just("3"),
}
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
        st.tuples(st.just("optuna"), NO_FILES, st.just("--study"), NO_NAMES, st.just("--output"), st.just("new")).map(
            list
        ),
        st.tuples(st.just("ray-tune"), NO_FOLDERS, st.just("--output"), st.just("new")).map(list),
    ),
}


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


VALUES = st.sampled_from(
    [
        "nan",
        "inf",
        "-1",
        "0",
        "1e308",
        "1e999",
        "99999999999999999999",
        '""',
        '"x"',
        "[]",
        "{}",
        "true",
        "'",
        '"""',
        "\x01",
        "\u202e",
        "=cmd()",
        "a" * 300,
    ]
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file with one to three faults: bytes or lines deleted, doubled, put in or cut off, words exchanged."""
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
    content = draw(damaged(SOURCES[name].read_bytes()))
    return Case(f"damaged {name}", command, list(words), {name: content})


SOURCES = {
    path.name: path
    for folder in (pathlib.Path(__file__).with_name("fuzz_sources"), pathlib.Path(__file__).parents[2] / "examples")
    for path in folder.iterdir()
    if path.is_file()
}
"""Sound files by name, which are damaged."""

RUN = ["--search", "random", "--output", "new", "--optimizers", "sgd,adam"]
INGEST = [
    "tables",
    "--trials",
    "trials.csv",
    "--epochs",
    "epochs.csv",
    "--description",
    "study.toml",
    "--output",
    "new",
]

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**12), 10**12),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from(["\x00", "<script>", "=1+1", "../..", "a" * 300, 10**400, -1, 0, 1e308]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=3,
)


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


def cases() -> st.SearchStrategy[Case]:
    """Every kind of case; cheap ones are more often drawn than those that take seconds."""
    return st.one_of(
        faulty_words(),
        faulty_words(),
        faulty_words(),
        faulty_words(),
        faulty_words(),
        faulty_words(),
        other_words(),
        other_words(),
        faulty_file("lion.toml", "run", [*RUN, "--claims", "lion.toml"]),
        faulty_file("lion.py", "run", [*RUN, "--optimizer-file", "lion.py"]),
        faulty_file("study.toml", "ingest", INGEST),
        faulty_file("trials.csv", "ingest", INGEST),
        faulty_file("epochs.csv", "ingest", INGEST),
        faulty_study(),
        faulty_study(),
        faulty_study(),
    )
