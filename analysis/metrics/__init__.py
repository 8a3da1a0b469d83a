"""What is measured on a run. One family is one file, one metric is one function.

A metric takes a `Run` and returns a number; `@metric` declares its unit, which direction is better and what a
diverged replicate scores. Every file of this folder is discovered: `METRICS` holds them by name.
"""

from importlib import import_module
from pkgutil import iter_modules

from analysis.metrics.base import Metric, Run, measure, metric

_modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
_metrics = [entry for module in _modules for entry in vars(module).values() if isinstance(entry, Metric)]
METRICS: dict[str, Metric] = {entry.name: entry for entry in _metrics}

if len(METRICS) < len(_metrics):
    raise ImportError(f"Two metrics share a name: {sorted(entry.name for entry in _metrics)}")

__all__ = ["METRICS", "Metric", "Run", "measure", "metric"]
