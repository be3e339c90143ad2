# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime does no harm to a Python that starts with it, whatever its age: all that this machine has are tried."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from matrix import pythons

FOUND = {version: pythons.find(version) for version in (f"3.{minor}" for minor in range(6, 15))}
ALL = {version: python for version, python in FOUND.items() if python} or {"ours": sys.executable}
NEW = {version: python for version, python in ALL.items() if version not in ("3.6", "3.7")}
SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
one = interpreters.create()
(interpreters.exec if hasattr(interpreters, "exec") else interpreters.run_string)(one, "import sys")
interpreters.destroy(one)
print("done")
"""


def environment(runtime: Path, *more: Path, **variables: str) -> dict[str, str]:
    path = os.pathsep.join(map(str, (runtime, *more)))
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "STABILITY_LOG_LEVEL": "INFO", **variables}


def run(python: str, program: str, variables: dict[str, str], shell: str = 'exec "$@"') -> tuple[int, str, str]:
    done = subprocess.run(
        ["sh", "-c", shell, "sh", python, "-c", program], env=variables, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("version", ALL)
def test_another_sitecustomize_runs_on_each_python(runtime: Path, tmp_path: Path, version: str) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.found = 1\n")
    program = "import sys; print(sys.found)"
    assert run(ALL[version], program, environment(runtime, tmp_path)) == (0, "1\n", "")


@pytest.mark.parametrize("version", ALL)
def test_a_python_without_an_output_for_errors_starts(runtime: Path, tmp_path: Path, version: str) -> None:
    variables = environment(runtime, STABILITY_PROBE=str(tmp_path / "missing"))
    assert run(ALL[version], "print('up')", variables, 'exec "$@" 2>&-') == (0, "up\n", "")


@pytest.mark.parametrize("version", NEW)
def test_a_signal_that_a_program_waits_for_is_not_taken_by_the_probe(
    runtime: Path, tmp_path: Path, version: str
) -> None:
    program = (
        "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nprint(int(signal.sigwait([signal.SIGTERM])))"
    )
    variables = environment(runtime, STABILITY_PROBE=str(tmp_path))
    assert run(NEW[version], program, variables) == (0, f"{int(signal.SIGTERM)}\n", "")


@pytest.mark.parametrize("version", NEW)
def test_a_subinterpreter_may_end(runtime: Path, tmp_path: Path, version: str) -> None:
    variables = environment(runtime, STABILITY_PROBE=str(tmp_path))
    code, output, _errors = run(NEW[version], SUBINTERPRETER, variables)
    assert (code, output) == (0, "done\n")


def test_a_server_that_gives_up_its_rights_and_forks_complains_once(runtime: Path, tmp_path: Path) -> None:
    program = (
        "import os, shutil, sys\nshutil.rmtree(os.environ['STABILITY_PROBE'])\n"
        "for _ in range(2):\n    if os.fork() == 0:\n        if os.fork() == 0:\n            os._exit(0)\n"
        "        os.wait()\n        os._exit(0)\n    os.wait()\n"
    )
    folder = tmp_path / "probe"
    folder.mkdir()
    code, _output, errors = run(sys.executable, program, environment(runtime, STABILITY_PROBE=str(folder)))
    # Each child of the first process is told of once, none of theirs.
    assert (code, errors.count("stability: this process cannot be asked: FileNotFoundError")) == (0, 2)
