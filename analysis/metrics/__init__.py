"""What is measured on a run. One family is one file, one metric is one function.

A metric takes a `Run` and returns a number; `@metric` declares its unit, which direction is better and what a
diverged replicate scores. `@pair_metric` is for numbers that two runs of one seed have only together. Every file of
this folder is discovered, and those of installed packages: `METRICS` and `PAIR_METRICS` hold them by name.
"""

from collections.abc import Iterable

from analysis.metrics._base import Clock, Metric, PairMetric, Run, Setup, measure, metric, pair_metric, runs_of
from analysis.plugins import PluginError, Plugins

FAMILIES = Plugins(noun="family of metrics", package=__name__)

METRICS: dict[str, Metric]
PAIR_METRICS: dict[str, PairMetric]


def find_metrics(families: Iterable[str]) -> tuple[dict[str, Metric], dict[str, PairMetric]]:
    """The metrics of some families by name, those of one run and those of two.

    Raises:
        ValueError: A family cannot be loaded, has no metric, or has a metric of an earlier one.
    """
    found: dict[str, Metric | PairMetric] = {}
    owners: dict[str, str] = {}
    for family in families:
        module, where = FAMILIES.module(family), FAMILIES.where(family)
        own = {entry.name: entry for entry in vars(module).values() if isinstance(entry, (Metric, PairMetric))}
        if not own:
            raise PluginError(f"{where} must define a function with @metric or @pair_metric, got none.")
        if both := sorted(name for name in set(own) & set(found) if own[name] is not found[name]):
            raise PluginError(
                f"{where} must name its metrics anew, {both[0]!r} is taken by {owners[both[0]]}; rename it."
            )
        found |= own
        owners = dict.fromkeys(own, where) | owners
    return (
        {name: entry for name, entry in found.items() if isinstance(entry, Metric)},
        {name: entry for name, entry in found.items() if isinstance(entry, PairMetric)},
    )


def __getattr__(name: str) -> object:
    # Found when first asked for: files of metrics import this package, which could not be whole before they are.
    if name not in ("METRICS", "PAIR_METRICS"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The folder's own come first, so that of two with one name that of a package is refused.
    own = FAMILIES.names_in_folder()
    families = [*own, *(family for family in FAMILIES.names() if family not in own)]
    globals()["METRICS"], globals()["PAIR_METRICS"] = find_metrics(families)
    return globals()[name]


__all__ = [
    "METRICS",
    "PAIR_METRICS",
    "Clock",
    "Metric",
    "PairMetric",
    "Run",
    "Setup",
    "measure",
    "metric",
    "pair_metric",
    "runs_of",
]
