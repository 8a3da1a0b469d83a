import os
import subprocess
import sys

import pytest

SAY = (
    "from study.display.console import new_console; "
    "from study.display.announce import compile_convolutions as f; f(new_console())"
)


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        (
            "absent-compiler",
            "Note: there is no C compiler 'absent-compiler'; install one, or name it in CC; "
            "training by torch alone takes two to three times as long.\n",
        ),
        ("cc", ""),
    ],
)
def test_a_missing_compiler_is_told_before_hours_of_training(compiler, said):
    done = subprocess.run(
        [sys.executable, "-c", SAY], env={**os.environ, "CC": compiler}, capture_output=True, text=True, check=True
    )
    assert done.stdout == said
