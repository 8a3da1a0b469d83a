"""A ledger whose committed files are put below a URI as well."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence

from study.ledger.attempt import Attempt
from study.ledger.mirror.mirror import Mirror
from study.ledger.rows import Row
from study.ledger.store import Ledger
from study.queue.tasks import Outcome
from study.spec import StudySpec


class MirroredLedger(Ledger):
    """Every method that stores something ends when the URI has it; what fails there is in the folder all the same.

    Args:
        directory: The study's directory on this machine.
        spec: The study.
        mirror: The URI; it has been fetched.
        continues: Whether trials that are cut off go on from checkpoints.
    """

    def __init__(self, directory: pathlib.Path, spec: StudySpec, mirror: Mirror, *, continues: bool = False) -> None:
        super().__init__(directory, spec, continues=continues)
        self._mirror = mirror

    def recover(self) -> list[str]:
        """As `Ledger.recover`."""
        notes = super().recover()
        self._mirror.align()
        return [*self._mirror.notes, *notes]

    def commit(self, attempt: Attempt, trials: Sequence[Row]) -> None:
        """As `Ledger.commit`; threads may do it for several attempts at once."""
        super().commit(attempt, trials)
        self._mirror.put(attempt.name)

    def merge(self) -> None:
        """As `Ledger.merge`, after everything has been put: a merged file holds no row that the URI never had."""
        self._mirror.align()
        super().merge()
        self._mirror.align()

    def store_timings(self, rows: Sequence[Row]) -> None:
        """As `Ledger.store_timings`."""
        super().store_timings(rows)
        self._mirror.align()

    def record_run(
        self,
        run: Row,
        claims: Mapping[str, object] | None = None,
        error_plan: Mapping[str, object] | None = None,
    ) -> None:
        """As `Ledger.record_run`; from then on a run on another machine notices that it is not alone."""
        super().record_run(run, claims, error_plan)
        self._mirror.align()

    def record_look(self, num_confirm_seeds: int, repeated: Iterable[Outcome] = ()) -> None:
        """As `Ledger.record_look`."""
        super().record_look(num_confirm_seeds, repeated)
        self._mirror.align()
