"""What defines a study: its hash, its stored form and how two of them differ."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.ledger.sweep_design import NineRates
from study.spec import Identity, OptimizerDefinition, StudySpec
from trainables.optimizers import load_optimizer, optimizer_names
from trainables.spec import Hyperparameter

CHANGES = {
    "dataset": "cifar10",
    "num_train_images": 201,
    "num_validation_images": 1001,
    "num_evaluation_images": 41,
    "num_test_images": 1001,
    "batch_size": 21,
    "num_epochs": 3,
    "seed": 1,
    "num_seeds": 3,
    "search": "random",
    "lag": 7,
    "model": "another",
    "precision": "bf16",
    "shared_order": True,
    "repeat": 1,
    "own_seeds": True,
}


def test_the_hash_of_an_identity_stays_what_it_is(make_spec):
    """First twelve digits of the SHA-256 of the identity as JSON with sorted keys, written down on 2026-11-21.

    A change means that every study begun before is another one than the same command makes now. `shared_order`,
    `repeat` and `own_seeds` came later and count if they are chosen.
    """
    identity = make_spec().identity
    later = ("shared_order", "repeat", "own_seeds")
    fields = {key: value for key, value in dataclasses.asdict(identity).items() if key not in later}
    assert json.dumps(fields, sort_keys=True) == (
        '{"batch_size": 20, "dataset": "cifar10-mini", "lag": 8, "model": "simple_cnn", "num_epochs": 2, '
        '"num_evaluation_images": 40, "num_seeds": 2, "num_test_images": 1000, "num_train_images": 200, '
        '"num_validation_images": 1000, "precision": "float32", "search": "optuna", "seed": 0}'
    )
    assert identity.study_hash == "92bb8ff97631"


def test_the_table_of_changes_names_every_field_of_the_identity():
    assert set(CHANGES) == {field.name for field in dataclasses.fields(Identity)}


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_of_the_identity_changes_the_hash_and_is_named_as_the_difference(make_spec, field):
    old = make_spec().identity
    new = dataclasses.replace(old, **{field: CHANGES[field]})
    assert new.study_hash != old.study_hash
    difference = f"{field} is {json.dumps(getattr(old, field))}, not {json.dumps(CHANGES[field])}"
    assert old.differences(new) == [difference]


@given(
    num_trials=st.integers(1, 99),
    num_confirm_seeds=st.integers(0, 99),
    sweep=st.booleans(),
    optimizers=st.permutations(["sgd", "momentum", "sign"]),
)
def test_the_extent_changes_neither_hash_nor_identity(make_spec, num_trials, num_confirm_seeds, sweep, optimizers):
    small = make_spec()
    large = make_spec(
        num_trials=num_trials, num_confirm_seeds=num_confirm_seeds, sweep=sweep, optimizers=tuple(optimizers)
    )
    assert small.study_hash == large.study_hash
    assert small.differences(large) == []


def test_a_spec_survives_json(make_spec):
    spec = make_spec()
    assert StudySpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_runs_and_looks_beside_the_spec_are_left_aside(make_spec):
    spec = make_spec()
    assert StudySpec.from_dict({**spec.to_dict(), "runs": [{}], "looks": []}) == spec


@pytest.mark.parametrize("name", optimizer_names())
def test_the_definition_of_every_optimizer_survives_json(name):
    spec = load_optimizer(name)
    definition = OptimizerDefinition.of(spec, source="text", values={"learning_rate": [0.1, 0.2]})
    stored = json.loads(json.dumps(dataclasses.asdict(definition)))
    assert OptimizerDefinition.from_dict(stored) == definition
    assert definition.space == spec.space


@pytest.mark.parametrize("change", [{"unknown": 1}, {"lag": None}])
def test_a_stored_identity_with_other_fields_is_refused(make_spec, change):
    stored = make_spec().to_dict()
    if change == {"lag": None}:
        del stored["identity"]["lag"]
    else:
        stored["identity"] |= change
    with pytest.raises(TypeError, match=r"unknown|lag"):
        StudySpec.from_dict(stored)


def test_another_space_of_a_shared_optimizer_is_a_difference(make_spec):
    old = make_spec()
    wide = {"learning_rate": Hyperparameter(low=1e-6, high=1.0, scale="log")}
    changed = dataclasses.replace(old.optimizers["sgd"], space=wide)
    new = dataclasses.replace(old, optimizers={**old.optimizers, "sgd": changed})
    (difference,) = old.differences(new)
    assert difference.startswith('sgd.space is {"learning_rate": {"low": 0.0001')
    assert "..., not {" in difference, "long values are cut"


def test_another_source_of_an_own_optimizer_is_a_difference(make_spec):
    old = make_spec(optimizers=("sgd",))
    changed = dataclasses.replace(old.optimizers["sgd"], source="SPEC = 1")
    new = dataclasses.replace(old, optimizers={"sgd": changed})
    assert old.differences(new) == ['sgd.source is null, not "SPEC = 1"']


def test_a_corrected_reference_or_equation_is_no_difference(make_spec):
    old = make_spec(optimizers=("sgd",))
    changed = dataclasses.replace(old.optimizers["sgd"], reference="Kiefer & Wolfowitz (1952)", equation="the same")
    new = dataclasses.replace(old, optimizers={"sgd": changed})
    assert old.differences(new) == []
    assert old.extended(new).optimizers["sgd"] == changed


def test_a_study_of_a_release_that_knew_no_reductions_is_the_same_study_and_learns_them(make_spec):
    new = make_spec(optimizers=("noisy", "sgd"))
    stored = json.loads(json.dumps(new.to_dict()))
    for definition in stored["optimizers"].values():
        del definition["reduces_to"]
    old = StudySpec.from_dict(stored)
    assert old.optimizers["noisy"].reduces_to == {}
    assert old.study_hash == new.study_hash
    assert old.differences(new) == []
    assert old.extended(new).optimizers["noisy"].reduces_to == {"sgd": {"diffusion": 0.0}}


def test_a_tuple_of_values_equals_the_stored_list(make_spec):
    one, other = (
        make_spec(
            optimizers=("sgd",),
            definitions={"sgd": dataclasses.replace(make_spec().optimizers["sgd"], values={"learning_rate": values})},
        )
        for values in ((0.1, 0.2), [0.1, 0.2])
    )
    assert one.differences(other) == []


def test_a_study_grows_to_the_larger_of_both_extents(make_spec):
    old = make_spec(num_trials=5, num_confirm_seeds=6, sweep=True, optimizers=("momentum", "sgd"))
    new = make_spec(num_trials=3, num_confirm_seeds=8, sweep=False, optimizers=("sgd", "sign"))
    grown = old.extended(new)
    assert grown.extent.optimizers == ("momentum", "sgd", "sign")
    assert (grown.extent.num_trials, grown.extent.num_confirm_seeds, grown.extent.sweep) == (5, 8, True)
    assert set(grown.optimizers) == {"momentum", "sgd", "sign"}
    assert grown.study_hash == old.study_hash


@pytest.mark.parametrize(
    ("stored", "asked", "grown"),
    [
        ((True, None), (True, 12), (True, None)),
        ((True, None), (False, None), (True, None)),
        ((False, None), (True, 12), (True, 12)),
        ((True, 6), (True, 12), (True, 12)),
        ((True, 12), (False, None), (True, 12)),
    ],
)
def test_a_sweep_that_has_begun_keeps_its_design(make_spec, stored, asked, grown):
    """Without a number of seeds it is one of nine learning rates, as in studies of older releases."""
    old, new = (make_spec(sweep=sweep, num_sweep_seeds=seeds) for sweep, seeds in (stored, asked))
    extent = old.extended(new).extent
    assert (extent.sweep, extent.num_sweep_seeds) == grown
    assert old.study_hash == new.study_hash


def test_a_study_stored_before_there_was_a_choice_of_sweeps_has_nine_learning_rates(make_spec):
    stored = make_spec().to_dict()
    del stored["extent"]["num_sweep_seeds"]
    assert isinstance(StudySpec.from_dict(stored).sweep, NineRates)
