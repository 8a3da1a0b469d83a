"""Studies that are made up: what is measured is never trained."""

from study.spec import Extent, Identity, OptimizerDefinition, StudySpec
from trainables.optimizers import load_optimizer


def made_up_spec(extent: Extent, *, search: str, num_epochs: int, num_seeds: int) -> StudySpec:
    """A study of optimizers of the package, with the images of the default one."""
    identity = Identity(
        dataset="cifar10-mini", num_train_images=800, num_validation_images=1000, num_evaluation_images=160,
        num_test_images=1000, batch_size=10, num_epochs=num_epochs, seed=0, num_seeds=num_seeds, search=search, lag=8,
    )  # fmt: skip
    loaded = {name: load_optimizer(name) for name in extent.optimizers}
    definitions = {name: OptimizerDefinition.of(spec, source=None, values={}) for name, spec in loaded.items()}
    return StudySpec(identity=identity, extent=extent, optimizers=definitions)
