"""Named random streams, all derived from one seed."""

import hashlib


def derive_seed(seed: int, stream: str) -> int:
    """Seed of a stream named by any text, the same on every machine and Python version.

    Args:
        seed: Root of the stream; every integer is a seed, 0 included.
        stream: Name of the stream, unique among those that share the root.

    Returns:
        An integer from 0 to 2^63 - 1: torch and Arrow hold signed 64-bit numbers.
    """
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def replicate_seed(study_seed: int, *, fresh: bool, replicate: int) -> int:
    """Root of all streams of one replicate.

    It depends neither on the optimizer nor on the trial: replicate r of any two trials has the same
    initialisation and data order, so their difference is paired.

    Args:
        study_seed: Seed of the study.
        fresh: True for confirmation, whose seeds no tuning trial has seen.
        replicate: Number of the replicate, from 0.
    """
    return derive_seed(study_seed, f"{'confirm' if fresh else 'tuning'}/{replicate}")
