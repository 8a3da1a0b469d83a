"""Which nodes have our packages as they are here, asked of a real node."""

import time
from dataclasses import replace

import pytest

from study.cluster.nodes import nodes
from study.cluster.packages import PackageCheck

pytestmark = pytest.mark.usefixtures("cluster")


def test_a_node_counts_once_it_has_said_that_it_has_the_same():
    there = []
    check = PackageCheck(lambda: there)
    assert check.nodes() == []
    there = nodes()
    check.wait(there[0].address)
    assert check.nodes() == there
    there = []
    assert check.nodes() == []


def test_a_node_that_has_gone_before_it_could_answer_is_no_obstacle():
    (here,) = nodes()
    gone = replace(here, id="a" * len(here.id), address="10.0.0.1")
    there = [gone, here]
    check = PackageCheck(lambda: there)
    start = time.monotonic()
    while here not in check.nodes():
        assert time.monotonic() - start < 60
        time.sleep(0.05)
    there = [here]
    check.wait()
    assert check.nodes() == [here]


def test_a_node_that_lacks_a_package_is_refused(tmp_path, monkeypatch):
    package = tmp_path / "only_here"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    check = PackageCheck(nodes, ("study", "only_here"))
    with pytest.raises(ValueError, match=r"^Every node needs .* but [\d.]+ has no only_here; install the same there"):
        check.wait()
