"""What the parts of the study cost, measured: `python -m benchmarks` runs them all and stores one table.

A part is a module of this package with a function `rows` that measures and returns one mapping for each quantity, with
the keys of `ROW`; the module's name is the part's name. `rows` may take any of the keywords `small` (sizes for a trial
run), `repetitions` (None: its own number) and `data_dir` (where the full CIFAR-10 is, None: nowhere). Modules that
begin with an underscore are no parts.
"""

import statistics
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

ROW = ("benchmark", "case", "quantity", "unit", "median", "low", "high", "repetitions")
"""Part, what was measured, in which unit; median, smallest and largest over the repetitions, and their number."""


def row(benchmark: str, case: str, quantity: str, unit: str, values: Sequence[float]) -> Row:
    """One row of the table from what the repetitions gave."""
    spread = (statistics.median(values), min(values), max(values), len(values))
    return dict(zip(ROW, (benchmark, case, quantity, unit, *spread), strict=True))
