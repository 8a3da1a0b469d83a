"""The search algorithms, one file each; the file's name is the algorithm's name.

An algorithm is a function: it is asked for point `number` of one optimizer and sees nothing but the request, so the
same request always gets the same answer. Listing the names imports nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.plugins import Plugins
from trainables.spec import Hyperparameter

Point = Mapping[str, float]
"""A value for each hyperparameter."""


@dataclass(frozen=True)
class Observation:
    """A finished tuning trial: its point and its objective, the mean validation error over the replicates."""

    point: Point
    objective: float


@dataclass(frozen=True, kw_only=True)
class PointRequest:
    """What an algorithm may know when it is asked for a point.

    Args:
        number: Number of the point within its optimizer's tuning, from 0.
        space: Range of each hyperparameter.
        published: The setting that the optimizer's authors print.
        seed: Root of the optimizer's random streams; the same for all numbers.
        observations: Earlier trials, in number order, up to number - lag.
        values: For a grid, the values of each hyperparameter.
    """

    number: int
    space: Mapping[str, Hyperparameter]
    published: Point
    seed: int
    observations: Sequence[Observation] = ()
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """A point to train, the phase that it belongs to and what chose it."""

    point: Point
    phase: str
    sampler: str


@dataclass(frozen=True, kw_only=True)
class SearchAlgorithm:
    """One search algorithm.

    Args:
        propose: Answers a request.
        learns: Whether the point of a given number depends on earlier results; if so it waits for them.
        num_points: Number of points of one optimizer if the algorithm fixes it, from its values.
        name: What messages call it; its file leaves it to `load_search`, as it does `where`.
        where: File or package that it comes from, for messages.
    """

    propose: Callable[[PointRequest], Proposal]
    learns: Callable[[int], bool] = lambda _: False
    num_points: Callable[[Mapping[str, Sequence[float]]], int] | None = None
    name: str = "unnamed"
    where: str = "its file"


SEARCHES = Plugins(noun="search algorithm", package=__name__)


def search_names() -> list[str]:
    """Names of all search algorithms, in alphabetical order."""
    return SEARCHES.names()


def load_search(name: str) -> SearchAlgorithm:
    """The search algorithm of the given name; `study.queue.proposals` asks it and checks what it answers.

    Raises:
        ValueError: There is none, or it is not of the right form.
    """
    return replace(SEARCHES.load(name, "SEARCH", SearchAlgorithm), name=name, where=SEARCHES.where(name))


def published(request: PointRequest) -> Proposal:
    """The published setting, with which every search but a grid begins."""
    return Proposal(dict(request.published), "published", "published")
