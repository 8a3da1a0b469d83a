"""The ledger of a study: the only truth that reports, resumed runs and extensions read."""

from study.ledger.attempt import Attempt
from study.ledger.description import read_study, write_study
from study.ledger.lock import locked
from study.ledger.mirror.mirrored_ledger import MirroredLedger
from study.ledger.store import Ledger

__all__ = ["Attempt", "Ledger", "MirroredLedger", "locked", "read_study", "write_study"]
