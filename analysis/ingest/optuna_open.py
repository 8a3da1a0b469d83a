"""Opening a storage of Optuna, a database or a journal file, for reading: both hold JSON.

Optuna is loaded only when asked for.
"""

import logging
import pathlib
from typing import TYPE_CHECKING

from analysis.ingest.values import SourceError, listed
from analysis.lines import one_line

if TYPE_CHECKING:
    import optuna

SQLITE = "sqlite:///"


def open_storage(storage: str) -> "optuna.storages.BaseStorage":
    """Open a storage for reading.

    Raises:
        SourceError: It is missing, of a kind that is not read, or not one of Optuna's.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise SourceError(
            "storages of Optuna are read by Optuna, which is not installed; pip install optuna."
        ) from None
    if storage.startswith("redis:"):
        raise SourceError(
            "a storage is a database URL or the path of a journal file; Redis journals are not read, as they may hold "
            "pickles; copy the study into a file with optuna.copy_study."
        )
    path = pathlib.Path(storage.removeprefix(SQLITE))
    is_file = storage.startswith(SQLITE) or "://" not in storage
    if is_file and not path.is_file():
        raise SourceError(
            f"a storage is a URL such as sqlite:///FILE or the path of a journal file, {str(path)!r} is no file; "
            "correct it."
        )
    try:
        if not is_file:
            return optuna.storages.RDBStorage(storage)
        if storage.startswith(SQLITE):
            # Read only: opening it would otherwise add Optuna's tables to any database.
            return optuna.storages.RDBStorage(f"{SQLITE}file:{path.resolve()}?mode=ro&uri=true")
        return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    except Exception as error:
        # Drivers of databases raise classes of their own.
        logging.getLogger(__name__).debug("opening %s", storage, exc_info=True)
        raise SourceError(
            f"{storage!r} must be a storage of Optuna, it cannot be opened ({type(error).__name__}: "
            f"{one_line(str(error))[:200]}); `optuna storage upgrade` mends an old one."
        ) from None


def open_study(storage: "optuna.storages.BaseStorage", name: str) -> "optuna.Study":
    """A study of a storage.

    Raises:
        SourceError: There is no such study, or it has several objectives.
    """
    import optuna

    names = optuna.get_all_study_names(storage)
    if name not in names:
        held = f"must name one of {listed(names)}, got {name!r}" if names else "needs a storage of Optuna with a study"
        raise SourceError(f"--study {held}; correct it{'' if names else ', this one has none'}.")
    study = optuna.load_study(study_name=name, storage=storage)
    if len(study.directions) > 1:
        raise SourceError(
            f"study {name!r} has {len(study.directions)} objectives, one is needed; "
            "a ledger compares by validation error alone."
        )
    return study
