"""A ledger from assembled rows: complete and readable, or absent."""

import hashlib
import json
import pathlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from analysis.drafts import drafts
from analysis.ingest.assemble import UNKNOWN, Assembled
from analysis.ingest.description import Description
from analysis.ingest.values import SourceError
from analysis.ledger import schema
from analysis.ledger.durable import write_part
from analysis.ledger.load import Ledger, load
from analysis.ledger.study import FORMAT_VERSION, LedgerError, description_crc32

PACKAGES = ("polars", "pyarrow")


def write(
    output: pathlib.Path,
    rows: Assembled,
    description: Description,
    *,
    source: str,
    sampler: str = UNKNOWN,
    notes: Sequence[str] = (),
    command: str,
) -> Ledger:
    """Write a study folder that the report reads.

    It is written beside its place, read back as the report does, and only then gets its name.

    Args:
        output: The folder, which must not be there yet.
        rows: What `assemble` returns.
        description: What the owner says of the study.
        source: Kind of the source: tables, ray-tune or optuna.
        sampler: What chose the tuning points, as the owner says.
        notes: What a reader of the report has to know about the source.
        command: The command line, for the provenance.

    Returns:
        The ledger as it was read back.

    Raises:
        SourceError: The folder is there already, or the rows break the schema.
        OSError: The folder cannot be written.
    """
    if output.exists():
        raise SourceError(f"--output must be a new folder, {str(output)!r} exists; choose another name or delete it.")
    output.parent.mkdir(parents=True, exist_ok=True)
    content = _study(rows, description, source, sampler, notes, command)
    try:
        with drafts([output]) as [draft]:
            draft.mkdir()
            text = json.dumps({**content, "crc32": description_crc32(content)}, indent=2, ensure_ascii=False) + "\n"
            (draft / "study.json").write_text(text, encoding="utf-8")
            names = {name for optimizer in rows.optimizers.values() for name in optimizer.space}
            _write_table(draft / "trials", rows.trials, schema.trials_schema(names, imported=True))
            _write_table(draft / "epochs", rows.epochs, schema.epochs_schema(imported=True))
            return load(draft)
    except (LedgerError, pa.ArrowException) as error:
        raise SourceError(str(error)) from None


def _write_table(folder: pathlib.Path, rows: Sequence[Mapping[str, Any]], expected: pa.Schema) -> None:
    """One file; none for no rows."""
    folder.mkdir()
    if rows:
        complete = [{name: row.get(name) for name in expected.names} for row in rows]
        write_part(pa.Table.from_pylist(complete, schema=expected), folder, "imported")


def _study(
    rows: Assembled, description: Description, source: str, sampler: str, notes: Sequence[str], command: str
) -> dict[str, Any]:
    identity = {
        **description.facts, "num_epochs": rows.num_epochs,
        "num_seeds": rows.num_seeds, "search": sampler,
    }  # fmt: skip
    canonical = json.dumps({**identity, "source": source}, sort_keys=True)
    optimizers = {
        name: {
            "equation": optimizer.equation,
            "space": {key: asdict(axis) for key, axis in optimizer.space.items()},
            "published": dict(optimizer.published),
            "reference": optimizer.reference,
            "source": None,
            "reduces_to": {simpler: dict(at) for simpler, at in optimizer.reduces_to.items()},
        }
        for name, optimizer in rows.optimizers.items()
    }
    return {
        "format_version": FORMAT_VERSION,
        "study_hash": hashlib.sha256(canonical.encode()).hexdigest()[:12],
        "imported": {"source": source, "notes": list(notes)},
        "identity": identity,
        "extent": {
            "optimizers": list(optimizers),
            "num_trials": rows.num_trials,
            "num_confirm_seeds": rows.num_confirm_seeds,
            "sweep": rows.has_sweep,
            "num_sweep_seeds": description.num_sweep_seeds if rows.has_sweep else None,
        },
        "optimizers": optimizers,
        "runs": [
            {
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "command": command,
                "commit": None,
                "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
                "hardware": {},
            }
        ],
        "looks": [],
    }
