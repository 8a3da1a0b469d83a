"""The table of optimizers as it stands in the README, from what each declares about itself."""

import re
from collections.abc import Mapping

from trainables.optimizers import DEFAULTS, OPTIMIZERS, load_optimizer
from trainables.spec import Hyperparameter

HEAD = ("| name | update | searched | published setting | by default |", "|---|---|---|---|---|")
TABLE = re.compile(rf"^{re.escape(HEAD[0])}\n(\|.*\n)+", re.MULTILINE)


def table() -> str:
    """The optimizers of this folder as a table in Markdown, those of a study by default first.

    Those of installed packages are left out, so that the table is the same everywhere.
    """
    names = OPTIMIZERS.names_in_folder()
    order = [*DEFAULTS, *(name for name in names if name not in DEFAULTS)]
    return "\n".join([*HEAD, *(_row(name) for name in order)]) + "\n"


def replace_table(text: str) -> str:
    """`text` with this table in place of the one that it holds.

    Raises:
        ValueError: It holds none, or several.
    """
    if (count := len(TABLE.findall(text))) != 1:
        raise ValueError(f"The text must hold one table that begins with {HEAD[0]!r}, got {count}; add or remove one.")
    return TABLE.sub(lambda _: table(), text)


def _row(name: str) -> str:
    spec = load_optimizer(name)
    cells = (
        f"`{name}`",
        spec.equation.replace("|", "\\|"),
        "; ".join(f"{key} {_range(axis)}" for key, axis in spec.space.items()),
        _setting(spec.published),
        "yes" if name in DEFAULTS else "no",
    )
    return f"| {' | '.join(cells)} |"


def _range(axis: Hyperparameter) -> str:
    if axis.scale == "log_complement":
        return f"1 − ({_number(1 - axis.high)} … {_number(1 - axis.low)})"
    return f"{_number(axis.low)} … {_number(axis.high)}" + (" linear" if axis.scale == "linear" else "")


def _setting(published: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {_number(value)}" for key, value in published.items())


def _number(value: float) -> str:
    """Six digits, 1e-4 instead of 0.0001 or 1e-04; the difference of two numbers is rid of its rounding."""
    text = f"{value:.6g}"
    if 0 < abs(value) < 1e-3:
        digits, _, exponent = f"{value:.5e}".partition("e")
        text = f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return text
