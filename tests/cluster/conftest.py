"""Hosts on one machine for tests of clusters."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.cluster.hosts import Host, joined_hosts, reason_against


@pytest.fixture(scope="session")
def hosts() -> Callable[[int], AbstractContextManager[tuple[Host, ...]]]:
    """Makes hosts for a while: `with hosts(3) as (head, worker, other):`; skips where this machine cannot."""
    if reason := reason_against():
        pytest.skip(reason)
    return joined_hosts
