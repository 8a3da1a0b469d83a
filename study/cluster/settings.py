"""Ray's settings for a while: it reads them from the environment, some of them once only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ray._raylet import Config  # type: ignore[attr-defined]


@contextmanager
def settings(**variables: str) -> Iterator[None]:
    """Within, Ray's settings are those of the environment and these."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    Config.initialize("")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        Config.initialize("")
