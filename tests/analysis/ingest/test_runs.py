"""A run of a source that is not what it should be is refused in one line that says where it stands."""

import re

import numpy as np
import pytest

from analysis.ingest.runs import SourceRun
from analysis.ingest.values import SourceError
from analysis.ledger.schema import PHASES

GOOD = {"origin": "line 3", "optimizer": "sgd", "phase": "explore", "hyperparameters": {"learning_rate": 0.1}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": 3}, "optimizer must be a name, got 3"),
        ({"phase": "wild"}, f"phase must be one of {', '.join(PHASES)}, got 'wild'"),
        ({"hyperparameters": [1]}, "hyperparameters must be a mapping of names to numbers, got [1]"),
        (
            {"hyperparameters": {"learning_rate": "0.1"}},
            "learning_rate of hyperparameters must be a number, or none, got '0.1'",
        ),
        ({"seed": "0"}, "seed must be a whole number of at most 63 bits, or none, got '0'"),
        ({"seed": 2**63}, f"seed must be a whole number of at most 63 bits, or none, got {2**63}"),
        ({"replicate": 0.5}, "replicate must be a whole number of at most 63 bits, or none, got 0.5"),
        ({"final": {"test_error": True}}, "test_error of final must be a number, or none, got True"),
        ({"final": None}, "final must be a mapping of names to numbers, got None"),
        ({"epochs": 3}, "epochs must be a sequence of mappings, got 3"),
        ({"epochs": [{}, {"seconds": "1"}]}, "seconds of epoch 2 must be a number, or none, got '1'"),
        ({"epochs": [0.5]}, "epoch 1 must be a mapping of names to numbers, got 0.5"),
    ],
)
def test_a_run_says_what_it_must_be(fields, message):
    with pytest.raises(SourceError, match=f"^line 3: {re.escape(message)}; mend the source\\.$"):
        SourceRun(**GOOD | fields)


def test_what_is_not_known_may_be_left_out():
    run = SourceRun(
        **GOOD | {"hyperparameters": {"learning_rate": None}, "epochs": [{"steps": None}], "seed": np.int64(1)}
    )
    assert run.seed == 1
