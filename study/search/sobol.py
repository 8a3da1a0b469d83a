"""Space-filling points: a scrambled Sobol sequence for each optimizer, after its published setting."""

from study.search import Point, PointRequest, Proposal, SearchAlgorithm, published
from trainables.randomness import derive_seed


def sobol_point(request: PointRequest, index: int) -> Point:
    """Point `index`, from 0, of the optimizer's sequence; stateless, so a larger study continues the same one.

    Reference: Owen (1998), scrambling Sobol' points, https://doi.org/10.1006/jcom.1998.0487
    """
    from scipy.stats import qmc  # takes a second, which a finished study, a dry run or a refusal can do without

    engine = qmc.Sobol(len(request.space), rng=derive_seed(request.seed, "sobol"))
    if index:  # SciPy refuses to skip nothing
        engine.fast_forward(index)
    fractions = engine.random(1)[0]
    axes = sorted(request.space.items())
    return {name: axis.at(float(fraction)) for (name, axis), fraction in zip(axes, fractions, strict=True)}


def propose(request: PointRequest) -> Proposal:
    """The published setting first, then Sobol points."""
    if request.number == 0:
        return published(request)
    return Proposal(sobol_point(request, request.number - 1), "explore", "sobol")


SEARCH = SearchAlgorithm(propose=propose)
