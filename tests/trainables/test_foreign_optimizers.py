"""Foreign optimizers are tried out in processes of their own, of which nothing comes back but what they declare."""

import sys

import pytest
import torch

from tests.user_optimizers import CHANGING_IMPORTS, HASHING_SGD, SGD, SHRINKING_SGD, faulty_sgd, own_sgd
from trainables.contract.foreign import declared
from trainables.optimizers import is_foreign, load_optimizer, load_optimizer_source
from trainables.training.probe import seconds_per_image_of


def test_what_an_optimizer_declares_comes_back_and_its_code_does_not():
    assert is_foreign("apart")
    assert not is_foreign("sgd")
    found = declared("apart", {"apart": f"torch = None\n{SHRINKING_SGD}"})
    there = load_optimizer_source("other", SHRINKING_SGD)
    for field in ("equation", "space", "published", "reference", "mixes_elements", "reduces_to"):
        assert getattr(found, field) == getattr(there, field)
    assert "user_optimizer_apart" not in sys.modules
    with pytest.raises(RuntimeError, match=r"Foreign code runs in processes of its own only\."):
        found.build([], generators=[], learning_rate=0.1)


@pytest.mark.parametrize(("line", "change"), CHANGING_IMPORTS.items())
def test_an_import_that_changes_torch_is_refused_and_changes_nothing_here(line, change):
    step = torch.optim.Adam.step
    with pytest.raises(
        ValueError, match=rf"Optimizer 'mine' must leave torch .* the import of its code changes {change};"
    ):
        declared("mine", {"mine": f"import torch\n{line}\n{SGD}"})
    assert torch.optim.Adam.step is step
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            own_sgd("torch.manual_seed(3)\nsuper().step()"),
            r"^Optimizer 'mine' must leave torch .* building it or a step of it changes the global random generator of",
        ),
        (
            SGD.replace("    return torch", "    import os; os._exit(3)\n    return torch"),
            r"but it has ended its process",
        ),
        (SGD + "\nraise KeyboardInterrupt\n", r"but it has ended its process|but it raises KeyboardInterrupt"),
        (
            SGD.replace("    return torch", "    raise ValueError('no')\n    return torch"),
            r"but raised ValueError\('no'\)",
        ),
    ],
)
def test_what_fails_where_it_is_tried_out_is_told_in_one_line(source, message):
    with pytest.raises(ValueError, match=message) as refusal:
        declared("mine", {"mine": source})
    assert "\n" not in str(refusal.value)


def test_an_optimizer_that_is_another_one_in_another_process_cannot_go_on():
    with pytest.raises(ValueError, match=r"Optimizer 'mine' must keep all that it remembers in its state_dict"):
        declared("mine", {"mine": HASHING_SGD}, resumes=True)


def test_an_optimizer_with_all_in_its_state_goes_on_in_another_process():
    assert declared("mine", {"mine": SGD}, resumes=True).space == load_optimizer("sgd").space


def test_a_grid_whose_ends_are_refused_is_told():
    with pytest.raises(ValueError, match=r"'mine' does not accept learning_rate=-1: Invalid learning rate"):
        declared("mine", {"mine": SGD}, {"learning_rate": [0.1, -1.0, 0.2]})


def test_how_fast_a_foreign_optimizer_trains_is_found_elsewhere():
    assert seconds_per_image_of("mine", {"mine": SGD}, 1, 4) > 0
    with pytest.raises(ValueError, match=r"^The optimizer 'mine' must train with its published setting, .*'enough'"):
        seconds_per_image_of("mine", {"mine": faulty_sgd("raise RuntimeError('enough')")}, 1, 4)
