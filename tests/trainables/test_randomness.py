import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.randomness import derive_seed, replicate_seed


@pytest.mark.parametrize(
    ("seed", "stream", "expected"),
    [
        (0, "noise", 5127903134280592399),
        (1, "initialization", 8653144596304801240),
        (-1, "noise", 3113397782752582813),
        (7, "tuning/0", 4323766697004725452),
        (7, "confirm/0", 6677881956710621296),
    ],
)
def test_seeds_are_the_same_for_good(seed, stream, expected):
    """Half of the first 16 hexadecimal digits of, for example, `printf 0/noise | sha256sum`.

    A change means that no older study can be repeated or extended.
    """
    assert derive_seed(seed, stream) == expected


def test_replicate_seeds_are_the_same_for_good():
    assert replicate_seed(7, fresh=False, replicate=0) == derive_seed(7, "tuning/0")
    assert replicate_seed(7, fresh=True, replicate=0) == derive_seed(7, "confirm/0")


@given(st.integers(), st.text(max_size=20))
def test_every_integer_and_text_make_a_seed_that_torch_accepts(seed, stream):
    derived = derive_seed(seed, stream)
    assert 0 <= derived < 2**63
    assert torch.Generator().manual_seed(derived).initial_seed() == derived


def test_zero_is_a_seed():
    assert len({derive_seed(seed, "noise") for seed in (0, 1, -1)}) == 3
    assert derive_seed(0, "noise") != derive_seed(0, "initialization")


def test_tuning_and_confirmation_share_no_seed():
    seeds = [
        replicate_seed(study, fresh=fresh, replicate=replicate)
        for study in range(5)
        for fresh in (False, True)
        for replicate in range(200)
    ]
    assert len(set(seeds)) == len(seeds)
