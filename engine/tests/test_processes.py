# SPDX-License-Identifier: Apache-2.0
"""Trainings with helping processes: what they find is the same, whatever becomes of the helpers."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere trainings have one process")

BEGIN = """
import hashlib, os, signal, time
from personalize_local.recipes.common import processes
here = os.getpid()
"""


def printed(script: str) -> str:
    """What a script prints in a process of its own, whose threads nobody else knows."""
    line = [sys.executable, "-c", BEGIN + textwrap.dedent(script)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_training_with_helpers_makes_the_same_model() -> None:
    script = """
    import tempfile
    from pathlib import Path
    from engine.tests.planted import cycle_rows, snapshot
    from personalize_local.recipes import training
    from personalize_local.recipes.config import TrainingConfig
    from personalize_local.recipes.user_personalization.training import SharedCounts
    world = snapshot(Path(tempfile.mkdtemp()), cycle_rows(users=110))
    for count in (1, 3):
        processes.allow(count)
        made = training.train("aws-user-personalization", world, TrainingConfig(), SharedCounts()).model
        print(hashlib.sha256(b"".join(array.tobytes() for array in made.rankers.arrays().values())).hexdigest())
    """
    alone, helped = printed(script).split()
    assert alone == helped


def test_what_a_killed_helper_leaves_is_done_all_the_same_and_in_order() -> None:
    script = """
    def double(number):
        if number == 4 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number
    processes.allow(3)
    print(processes.spread(double, 7))
    """
    assert printed(script) == f"{[0, 2, 4, 6, 8, 10, 12]}\n"


def test_an_error_is_raised_here_and_no_helper_is_left() -> None:
    script = """
    def double(number):
        if number == 1:
            raise ValueError("odd")
        return 2 * number
    processes.allow(2)
    try:
        processes.spread(double, 4)
    except ValueError as error:
        print(error)
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("alone")
    """
    assert printed(script) == "odd\nalone\n"


def test_helpers_end_with_their_parent() -> None:
    """The parent is killed while a helper works; the pipe that both hold is closed when both are gone."""
    script = """
    def wait(number):
        if os.getpid() != here:
            while True:
                time.sleep(0.01)
        os.kill(here, signal.SIGKILL)
    processes.allow(2)
    processes.spread(wait, 2)
    """
    line = [sys.executable, "-c", BEGIN + textwrap.dedent(script)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode < 0
