import hashlib
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import urllib.error

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.data import cifar10, cifar10_mini
from trainables.data.dataset import Dataset, as_tensor, check_dataset, load_dataset, normalize
from trainables.data.sizes import DATASETS, SplitSizes

BINARY_MD5 = cifar10._BINARY_MD5
PICKLE_MD5 = cifar10._PICKLE_MD5


@pytest.fixture(scope="module")
def mini() -> Dataset:
    return load_dataset("cifar10-mini")


@pytest.fixture(scope="module")
def full_dir() -> pathlib.Path:
    if not (directory := os.environ.get("CIFAR10_DIR")):
        pytest.skip("CIFAR10_DIR does not name a directory with cifar-10-batches-bin, all 60,000 images")
    return pathlib.Path(directory)


@pytest.fixture(scope="module")
def full(full_dir) -> Dataset:
    return load_dataset("cifar10", data_dir=full_dir)


def image_hashes(images: np.ndarray) -> list[str]:
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


def parts(dataset: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        part: (getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels"))
        for part in ("train", "validation", "test", "train_evaluation")
    }


def assert_has_the_declared_form(dataset: Dataset) -> None:
    assert dataset.sizes == DATASETS[dataset.name]
    for part, count in dataset.sizes._asdict().items():
        images, labels = parts(dataset)[part]
        assert images.shape == (count, 3, 32, 32)
        assert images.dtype == labels.dtype == np.uint8
        assert np.bincount(labels).tolist() == [count // 10] * 10
    for images, labels in parts(dataset).values():
        assert images.flags.c_contiguous
        assert labels.flags.c_contiguous
        assert not images.flags.writeable
        assert not labels.flags.writeable


def test_mini_set_has_the_declared_form(mini):
    assert_has_the_declared_form(mini)


def test_mini_file_is_at_most_14_megabytes():
    assert cifar10_mini._FILE.stat().st_size <= 14_000_000


def test_no_image_of_the_mini_set_is_there_twice(mini):
    hashes = image_hashes(np.concatenate([mini.train_images, mini.validation_images, mini.test_images]))
    assert len(set(hashes)) == len(hashes) == 6_000


def test_mini_images_look_like_photographs(mini):
    """Neighbouring pixels agree, in rows and in columns: no axis was mixed up on the way through the picture."""
    images = mini.train_images.astype(float)
    for axis in (2, 3):
        neighbours = np.abs(np.diff(images, axis=axis)).mean()
        assert neighbours < 0.3 * np.abs(images - images[::-1]).mean()


def test_full_set_has_the_declared_form(full):
    assert_has_the_declared_form(full)


def test_validation_is_the_last_500_of_each_class_in_file_order(full, full_dir):
    source = cifar10.load_cifar10(full_dir, download=False)
    for label in range(10):
        of_class = source.train_images[source.train_labels == label]
        for part, expected in (("train", of_class[:-500]), ("validation", of_class[-500:])):
            images, labels = parts(full)[part]
            assert sorted(image_hashes(images[labels == label])) == sorted(image_hashes(expected))
    assert np.array_equal(full.test_images, source.test_images)
    assert np.array_equal(full.test_labels, source.test_labels)


def test_mini_set_is_the_first_images_of_each_class(mini, full_dir):
    source = cifar10.load_cifar10(full_dir, download=False)
    for label in range(10):
        train = image_hashes(source.train_images[source.train_labels == label][:500])
        test = image_hashes(source.test_images[source.test_labels == label][:100])
        assert sorted(image_hashes(mini.train_images[mini.train_labels == label])) == sorted(train[:400])
        assert sorted(image_hashes(mini.validation_images[mini.validation_labels == label])) == sorted(train[400:])
        assert image_hashes(mini.test_images[mini.test_labels == label]) == test


@pytest.mark.slow
def test_mini_file_can_be_made_again(full_dir, tmp_path):
    path = tmp_path / "made.webp"
    cifar10_mini.make_cifar10_mini(full_dir, path)
    assert np.array_equal(cifar10_mini._decode(path), cifar10_mini._decode(cifar10_mini._FILE))
    with pytest.raises(FileExistsError):
        cifar10_mini.make_cifar10_mini(full_dir, path)


def test_pickles_give_the_same_images_as_the_binary_release(full, full_dir, tmp_path, monkeypatch):
    """The pickles are made here of the binary release, so the MD5s are replaced; the rest is the real path."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for binary in BINARY_MD5:
        records = np.fromfile(full_dir / "cifar-10-batches-bin" / binary, dtype=np.uint8).reshape(-1, 3073)
        batch = {"data": records[:, 1:], "labels": records[:, 0].tolist()}
        (folder / pathlib.Path(binary).stem).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}, protocol=2))
    replace_pickle_md5(folder, monkeypatch)

    for directory in (tmp_path, folder):
        pickles = load_dataset("cifar10", data_dir=directory)
        for part, (images, labels) in parts(full).items():
            assert np.array_equal(parts(pickles)[part][0], images)
            assert np.array_equal(parts(pickles)[part][1], labels)


def test_pickles_of_old_numpy_are_read_without_a_warning(tmp_path, monkeypatch):
    """Old NumPy wrote the align flag of a dtype as the number 0; NumPy 2.4.0 warns of that, 2.4.6 does not."""

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    images = np.arange(20 * 3072).astype(np.uint8).reshape(20, 3072)
    for name in PICKLE_MD5:
        with (folder / name).open("wb") as file:
            pickler = pickle._Pickler(file, protocol=2)
            pickler.dispatch_table = {type(np.dtype(np.uint8)): lambda _: (np.dtype, ("u1", 0, 1))}
            pickler.dump({"data": images, "labels": [3] * 20, "label_names": []})
    replace_pickle_md5(folder, monkeypatch)

    source = cifar10.load_cifar10(tmp_path, download=False)
    assert np.array_equal(source.test_images, images.reshape(20, 3, 32, 32))
    assert source.train_images.shape == (100, 3, 32, 32)
    assert source.train_labels.tolist() == [3] * 100


def replace_pickle_md5(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(cifar10, "_PICKLE_MD5", md5)
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{i}", md5[f"data_batch_{i}"]] for i in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})


def test_published_md5s_are_those_of_torchvision():
    from torchvision.datasets import CIFAR10

    theirs = dict(CIFAR10.train_list + CIFAR10.test_list) | {CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}
    assert theirs == PICKLE_MD5


class CreatesAFile:
    """Unpickling it creates the file `path`."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


@pytest.mark.parametrize("download", [False, True])
def test_a_foreign_pickle_is_refused_unopened(tmp_path, download):
    folder, evidence = tmp_path / "cifar-10-batches-py", tmp_path / "evidence"
    folder.mkdir()
    content = pickle.dumps(CreatesAFile(evidence))
    for name in PICKLE_MD5:
        (folder / name).write_bytes(content)
    given = hashlib.md5(content).hexdigest()
    message = rf"data_batch_1 must have MD5 {PICKLE_MD5['data_batch_1']}, got {given}; delete .*cifar-10-batches-py"
    for function in (check_dataset, load_dataset):
        with pytest.raises(ValueError, match=message):
            function("cifar10", data_dir=tmp_path, download=download)
    assert not evidence.exists()
    pickle.loads(content)
    assert evidence.exists(), "the pickle would not have shown that it was opened"


def test_one_corrupt_byte_in_the_binary_release_is_refused(full_dir, tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    shutil.copytree(full_dir / "cifar-10-batches-bin", folder)
    check_dataset("cifar10", data_dir=tmp_path)
    check_dataset("cifar10", data_dir=folder)
    with (folder / "data_batch_4.bin").open("r+b") as file:
        file.seek(1_234_567)
        byte = file.read(1)[0]
        file.seek(1_234_567)
        file.write(bytes([byte ^ 1]))
    for function in (check_dataset, load_dataset):
        with pytest.raises(
            ValueError, match=rf"data_batch_4\.bin must have MD5 {BINARY_MD5['data_batch_4.bin']}, got "
        ):
            function("cifar10", data_dir=tmp_path)


def test_a_foreign_binary_file_is_named_with_both_md5s(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "data_batch_1.bin").write_bytes(b"")
    given = "d41d8cd98f00b204e9800998ecf8427e"  # the MD5 of nothing
    with pytest.raises(
        ValueError, match=rf"data_batch_1\.bin must have MD5 {BINARY_MD5['data_batch_1.bin']}, got {given}"
    ):
        check_dataset("cifar10", data_dir=folder)


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / "cifar-10-batches-bin").mkdir()
    with pytest.raises(ValueError, match=r"data_batch_1\.bin must be a readable file with MD5 .*, got: No such file"):
        check_dataset("cifar10", data_dir=tmp_path)


def test_a_directory_without_cifar10_is_refused_with_both_cures(tmp_path):
    message = r"must hold cifar-10-batches-bin or cifar-10-batches-py, got .*; unpack https://.* or add --download"
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match=message):
            check_dataset("cifar10", data_dir=directory)
    check_dataset("cifar10", data_dir=tmp_path / "absent", download=True)
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_data_directory(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(ValueError, match=r"must be a directory, got the file .*; pick another --data-dir"):
        check_dataset("cifar10", data_dir=path, download=True)


def test_a_failed_download_is_one_line(tmp_path, monkeypatch):
    def no_network(*_args: object, **_options: object) -> None:
        raise urllib.error.URLError("Name or service\nnot known")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", no_network)
    with pytest.raises(
        ValueError, match=r"could not be fetched from https://.*Name or service not known.*; mend"
    ) as failure:
        load_dataset("cifar10", data_dir=tmp_path, download=True)
    assert "\n" not in str(failure.value)
    assert failure.value.__suppress_context__


@pytest.mark.parametrize("function", [check_dataset, load_dataset])
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("mnist", {}, "Unknown dataset 'mnist'; choose one of cifar10-mini, cifar10, synthetic."),
        ("cifar10", {}, "add --data-dir DIR"),
        ("cifar10", {"download": True}, "add --data-dir DIR"),
        (
            "cifar10-mini",
            {"data_dir": pathlib.Path("images")},
            "comes with the package, got --data-dir images; leave it",
        ),
        ("synthetic", {"download": True}, "has no images, got --download; leave it out"),
        ("cifar10-mini", {"download": True}, "comes with the package, got --download; leave it out"),
    ],
)
def test_arguments_without_meaning_are_refused(function, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(name, **arguments)


def test_a_truncated_mini_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "truncated.webp"
    path.write_bytes(cifar10_mini._FILE.read_bytes()[:-1])
    monkeypatch.setattr(cifar10_mini, "_FILE", path)
    for function in (check_dataset, load_dataset):
        with pytest.raises(
            ValueError, match=rf"truncated\.webp must have MD5 {cifar10_mini._FILE_MD5}, got .*; install"
        ):
            function("cifar10-mini")
    monkeypatch.setattr(cifar10_mini, "_FILE_MD5", hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(ValueError, match=r"truncated\.webp must be decoded as WebP, got: .*; install Pillow"):
        load_dataset("cifar10-mini")


def test_a_mini_file_that_decodes_differently_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "lossy.webp"
    with Image.open(cifar10_mini._FILE) as picture:
        picture.save(path, quality=50, method=0)
    monkeypatch.setattr(cifar10_mini, "_FILE", path)
    monkeypatch.setattr(cifar10_mini, "_FILE_MD5", hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(ValueError, match=rf"must decode to pixels with SHA-256 {cifar10_mini._PIXELS_SHA256}, got "):
        load_dataset("cifar10-mini")


def test_loading_twice_gives_the_same_order(mini):
    for part, (images, labels) in parts(load_dataset("cifar10-mini")).items():
        assert np.array_equal(parts(mini)[part][0], images)
        assert np.array_equal(parts(mini)[part][1], labels)


def test_order_is_fixed_for_good(mini):
    """Labels as first committed. A change means that rows of older studies were trained on other subsets."""
    assert mini.train_labels[:12].tolist() == [2, 9, 2, 6, 0, 3, 7, 8, 2, 9, 1, 6]
    assert mini.validation_labels[:12].tolist() == [8, 2, 6, 2, 3, 6, 1, 3, 7, 6, 3, 0]


def test_order_is_random(mini):
    """The classes of a prefix are mixed: chi-squared with 9 degrees of freedom, mean 9, deviation sqrt(18)."""
    for labels in (mini.train_labels[:1_000], mini.validation_labels[:500]):
        expected = len(labels) / 10
        chi_squared = ((np.bincount(labels, minlength=10) - expected) ** 2 / expected).sum()
        assert chi_squared < 9 + 5 * np.sqrt(18)


def test_subsets_are_nested(mini):
    small, large = mini.subset(500), mini.subset(1_000)
    assert small.sizes == SplitSizes(train=500, validation=250, test=1_000)
    assert large.sizes == SplitSizes(train=1_000, validation=500, test=1_000)
    for part in ("train", "validation"):
        (images, labels), (more_images, more_labels) = parts(small)[part], parts(large)[part]
        assert np.array_equal(images, more_images[: len(images)])
        assert np.array_equal(labels, more_labels[: len(labels)])


@pytest.mark.parametrize(
    ("asked", "num_evaluation_images"),
    [((None,), 1_000), ((4_000,), 1_000), ((1_000,), 500), ((9,), 4), ((5,), 2), ((100, 7), 7), ((None, 160), 160)],
)
def test_losses_are_compared_on_equally_many_images(mini, asked, num_evaluation_images):
    subset = mini.subset(*asked)
    assert len(subset.validation_images) == len(subset.train_evaluation_images) == num_evaluation_images
    assert len(subset.validation_labels) == len(subset.train_evaluation_labels) == num_evaluation_images
    assert np.array_equal(subset.train_evaluation_images, subset.train_images[:num_evaluation_images])


def test_subsets_share_the_memory_of_the_whole(mini):
    subset = mini.subset(100)
    assert np.shares_memory(subset.train_evaluation_images, mini.train_images)
    assert np.shares_memory(subset.validation_images, mini.validation_images)


@pytest.mark.parametrize("num_train_images", [-1, 0, 4, 4_001])
def test_a_subset_that_cannot_be_is_refused(mini, num_train_images):
    message = rf"--train-images must be from 5 to 4000, got {num_train_images};"
    with pytest.raises(ValueError, match=message):
        mini.subset(num_train_images)
    with pytest.raises(ValueError, match=message):
        DATASETS["cifar10-mini"].subset(num_train_images)


@pytest.mark.parametrize(("train", "validation", "most"), [(50, 0, 50), (50, 51, 50), (None, 1_001, 1_000)])
def test_validation_images_that_cannot_be_are_refused(mini, train, validation, most):
    message = rf"--validation-images must be from 1 to {most}, got {validation};"
    with pytest.raises(ValueError, match=message):
        mini.subset(train, validation)


def test_a_dataset_checks_its_arrays(mini):
    arrays = {key: value for key, value in vars(mini).items() if key != "name"}
    with pytest.raises(TypeError, match="must be uint8, got float64"):
        Dataset(name="wrong", **{**arrays, "test_images": np.zeros((1_000, 3, 32, 32))})
    with pytest.raises(ValueError, match=r"train images and labels must have shapes \(N, 3, 32, 32\) and \(N,\)"):
        Dataset(name="wrong", **{**arrays, "train_labels": mini.test_labels})
    with pytest.raises(ValueError, match="validation must not be larger than training"):
        Dataset(
            name="wrong", **{**arrays, "train_images": mini.train_images[:9], "train_labels": mini.train_labels[:9]}
        )


def test_a_dataset_travels_with_its_arrays_out_of_band_and_read_only(mini):
    """As through Ray's object store: buffers beside the pickle, mapped read-only at the other end."""
    buffers: list[pickle.PickleBuffer] = []
    content = pickle.dumps(mini, protocol=5, buffer_callback=buffers.append)
    assert len(content) < 2_000
    received = pickle.loads(content, buffers=[bytes(buffer) for buffer in buffers])
    assert not received.train_images.flags.writeable
    assert np.array_equal(received.train_images, mini.train_images)


def test_a_read_only_array_becomes_a_tensor_without_copy_or_warning(mini):
    torch.set_warn_always(True)  # else torch would keep silent because it warned before
    try:
        tensor = as_tensor(mini.train_images)
    finally:
        torch.set_warn_always(False)
    assert tensor.dtype == torch.uint8
    assert tensor.data_ptr() == mini.train_images.ctypes.data


def test_normalization_is_that_of_the_article(mini):
    from torchvision.transforms import Compose, Normalize, ToTensor

    transform = Compose([ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
    theirs = torch.stack([transform(Image.fromarray(image.transpose(1, 2, 0))) for image in mini.train_images[:64]])
    ours = normalize(as_tensor(mini.train_images[:64]))
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2**-22)  # two roundings of numbers up to 2


def test_normalization_reaches_both_ends_and_leaves_the_bytes_alone():
    pixels = torch.tensor([0, 255], dtype=torch.uint8)
    assert normalize(pixels).tolist() == [-1.0, 1.0]
    assert pixels.tolist() == [0, 255]


def test_the_data_check_needs_no_torch():
    script = (
        "import sys; from trainables.data.dataset import check_dataset; check_dataset('cifar10-mini'); "
        "print(sorted({'torch', 'torchvision', 'ray'} & set(sys.modules)))"
    )
    root = pathlib.Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
