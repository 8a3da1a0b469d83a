"""One colour, dash and shape per optimizer, by its place in the study; told apart by colour-blind readers."""

from collections.abc import Iterable
from dataclasses import dataclass

# Okabe & Ito's palette without its yellow, which is too pale for lines on white, then Tol's dark hues.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255", "#999933", "#666666")
DASHES = ((1, 0), (8, 2), (2, 2), (8, 2, 2, 2), (5, 3), (12, 3))


@dataclass(frozen=True)
class Palette:
    """The look of each optimizer, in the order of the study."""

    colours: dict[str, str]
    dashes: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, optimizers: Iterable[str]) -> "Palette":
        """Colours in order; after the last colour they start again with the next dash."""
        names = list(optimizers)
        return cls(
            colours={name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)},
            dashes={name: DASHES[(place + place // len(COLOURS)) % len(DASHES)] for place, name in enumerate(names)},
        )
