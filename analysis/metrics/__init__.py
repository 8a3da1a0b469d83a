"""What is measured on a run. One family is one file, one metric is one function.

A metric takes a `Run` and returns a number; `@metric` declares its unit, which direction is better and what a
diverged replicate scores. `@pair_metric` is for numbers that two runs of one seed have only together. Every file of
this folder is discovered: `METRICS` and `PAIR_METRICS` hold them by name.
"""

from importlib import import_module
from pkgutil import iter_modules

from analysis.metrics.base import Metric, PairMetric, Run, Setup, measure, metric, pair_metric, runs_of

_modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
_entries = [entry for module in _modules for entry in vars(module).values() if isinstance(entry, (Metric, PairMetric))]
METRICS: dict[str, Metric] = {entry.name: entry for entry in _entries if isinstance(entry, Metric)}
PAIR_METRICS: dict[str, PairMetric] = {entry.name: entry for entry in _entries if isinstance(entry, PairMetric)}

if len(METRICS | PAIR_METRICS) < len(_entries):
    raise ImportError(f"Two metrics share a name: {sorted(entry.name for entry in _entries)}")

__all__ = [
    "METRICS",
    "PAIR_METRICS",
    "Metric",
    "PairMetric",
    "Run",
    "Setup",
    "measure",
    "metric",
    "pair_metric",
    "runs_of",
]
