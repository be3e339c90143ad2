# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of packages: ways to change a virtual environment, each run with proof that it did its job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import releases
import wheelhouse
from case import Bar, Case, Contestant, ContestantError, Medians, Timed
from contestants import CHECKOUT, HERE, PLAYS, Runner
from host import BenchHost, bench_host
from measure import Plan, Sample
from wheels import project, write_wheels

RUNS = {
    "unchanged": "unchanged",
    "unhashed": "unchanged, hashing all files",
    "one_changed": "one changed",
    "changed": "all changed",
}
THREE = ("unchanged", "one_changed", "changed")
ROOT = "/opt/bench"
VENV, WHEELS = f"{ROOT}/venv", f"{ROOT}/wheels"
PIP, PYTHON = f"{VENV}/bin/pip", f"{VENV}/bin/python"
SIZE, LARGE = 100, 300
REPETITIONS = 5


def _ours(name: str, title: str, installer: str, gates: str, runs: tuple[str, ...] = THREE) -> Contestant:
    variables = (("bench_installer", installer), ("bench_gates", gates))
    return Contestant(name, title, str(PLAYS / "packages" / "pip_pinned.yml"), runs, variables=variables)


def _other(name: str, title: str) -> Contestant:
    return Contestant(name, title, str(PLAYS / "packages" / f"{name}.yml"), THREE)


METADATA = Contestant(
    "metadata",
    "play with one module that compares metadata",
    str(PLAYS / "packages" / "metadata.yml"),
    ("unchanged",),
    deploys=False,
)
OURS_UV = _ours("ours_uv", "`pip_pinned`, uv, without its gates", "uv", "false", tuple(RUNS))
OURS_PIP = _ours("ours_pip", "`pip_pinned`, pip, without its gates", "pip", "false")
OURS_GATES = _ours("ours_gates", "`pip_pinned`, uv, with all gates", "uv", "true")
PIP_BARE = _other("pip_bare", "command `pip install`")
UV_COMMAND = _other("uv_command", "commands `uv pip install` and `uv pip check`")
OTHERS = (
    _other("pip_command", "commands `pip install` and `pip check`"),
    _other("uv_sync", "commands `uv pip sync` and `uv pip check`"),
    _other("pip_sync", "commands `pip-sync` and `pip check`"),
    _other("pip_list", "`ansible.builtin.pip`, a list of names"),
    _other("pip_requirements", "`ansible.builtin.pip`, a requirements file"),
    _other("pip_force", "`ansible.builtin.pip`, `state: forcereinstall`"),
)
JUDGED = (OURS_UV, METADATA, UV_COMMAND, OURS_PIP, PIP_BARE)
#: What is measured at the large size.
LARGE_RUNS = {(OURS_UV.name, "unchanged"), (METADATA.name, "unchanged")}


def bars(seconds: Medians) -> list[Bar]:
    """Return the limits."""
    unchanged = seconds[OURS_UV.name, SIZE, "unchanged"]
    return [
        Bar(
            f"{SIZE} pins unchanged, at most 1.2 times the play that compares metadata",
            unchanged,
            1.2 * seconds[METADATA.name, SIZE, "unchanged"],
        ),
        Bar(
            f"{SIZE} pins unchanged with all files to be hashed, at most 2 s more",
            seconds[OURS_UV.name, SIZE, "unhashed"],
            unchanged + 2,
        ),
        Bar(
            f"{LARGE} pins unchanged, at most 1.3 times {SIZE}",
            seconds[OURS_UV.name, LARGE, "unchanged"],
            1.3 * unchanged,
        ),
        Bar(
            f"{SIZE} pins changed with uv, at most the commands of uv",
            seconds[OURS_UV.name, SIZE, "changed"],
            seconds[UV_COMMAND.name, SIZE, "changed"],
        ),
        Bar(
            f"{SIZE} pins changed with pip, at most the command pip install and 1.5 s",
            seconds[OURS_PIP.name, SIZE, "changed"],
            seconds[PIP_BARE.name, SIZE, "changed"] + 1.5,
        ),
        Bar(
            f"one of {SIZE} changed with pip, at most the command pip install and 1.5 s",
            seconds[OURS_PIP.name, SIZE, "one_changed"],
            seconds[PIP_BARE.name, SIZE, "one_changed"] + 1.5,
        ),
    ]


CASE = Case("packages", "pins", RUNS, METADATA.name, bars)


def plan(repetitions: int, *, quick: bool, full: bool) -> Plan:
    """Return what is measured; ``quick`` is what the bars need, ``full`` repeats everything equally often."""
    contestants = JUDGED if quick else (*JUDGED, OURS_GATES, *OTHERS)
    fewer = {(one.name, LARGE, run): 0 for one in contestants for run in RUNS if (one.name, run) not in LARGE_RUNS}
    if not full:
        fewer.update({(one.name, SIZE, run): 3 for one in OTHERS for run in RUNS})
    return Plan(contestants, (SIZE, LARGE), tuple(RUNS), repetitions, fewer)


def wanted(size: int, run: str) -> dict[str, str]:
    """Return the version of each distribution after a run."""
    newer = {"one_changed": 1, "changed": size}.get(run, 0)
    return {project(index): "2.0" if index < newer else "1.0" for index in range(size)}


def check_versions(contestant: Contestant, run: str, size: int, installed: Mapping[str, str]) -> None:
    """Raise :class:`ContestantError` unless exactly the wanted versions are installed."""
    expected = wanted(size, run)
    differing = sorted(name for name in {*expected, *installed} if expected.get(name) != installed.get(name))
    if differing:
        raise ContestantError(
            f"{contestant.name}, {run}: {len(differing)} distributions are wrong, such as {differing[0]}"
        )


def check_report(contestant: Contestant, run: str, timed: Timed) -> None:
    """Raise :class:`ContestantError` when the collection does not report what it did."""
    says = bool(timed.counts["changed"])
    if contestant.name.startswith("ours") and says != (run in ("one_changed", "changed")):
        raise ContestantError(f"{contestant.name}, {run}: it reports {timed.counts['changed']} changed tasks")


class Environments:
    """Times contestants at the change of a virtual environment, each run from the same one on."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.host = runner.host
        self.host.run("python3", "-m", "venv", VENV)
        self.host.run("python3", "-m", "venv", "/opt/pip-tools")
        tools = "--no-index --find-links /opt/wheelhouse --quiet pip-tools setuptools wheel"
        self.host.run("/opt/pip-tools/bin/pip", "install", *tools.split())
        self.host.run("cp", "-a", VENV, f"{ROOT}/bare")
        for size in (SIZE, LARGE):
            self._make(size)

    def _make(self, size: int) -> None:
        """Keep an environment with version 1 of all distributions."""
        for run in RUNS:
            lines = "".join(f"{name}=={version}\n" for name, version in wanted(size, run).items())
            self.host.write(self._requirements(size, run), lines)
        self.host.run("bash", "-c", f"rm -rf {VENV} && cp -a {ROOT}/bare {VENV}")
        options = f"--quiet --python {PYTHON} --compile-bytecode --no-index --find-links {WHEELS} --requirement"
        self.host.run("uv", "pip", "install", *options.split(), self._requirements(size, "unchanged"))
        self.host.run("mv", VENV, f"{ROOT}/full-{size}")

    def _requirements(self, size: int, run: str) -> str:
        return f"{ROOT}/requirements-{size}-{run}.txt"

    def _restore(self, size: int) -> None:
        """Bring the environment back, with no wheel unpacked in a cache of uv, as on a host that meets new versions."""
        leftovers = f"{VENV} {ROOT}/.venv.stability /var/lib/stability ~/.cache/uv"
        self.host.run("bash", "-c", f"rm -rf {leftovers} && cp -a {ROOT}/full-{size} {VENV} && sync -f {VENV}")

    def _installed(self) -> dict[str, str]:
        listed = self.host.run("bash", "-c", f"ls -d {VENV}/lib/python3*/site-packages/bench_dist*.dist-info")
        stems = [Path(path).name.removesuffix(".dist-info").rpartition("-") for path in listed.split()]
        return {name.replace("_", "-"): version for name, _dash, version in stems}

    def _time(self, contestant: Contestant, size: int, run: str) -> Timed:
        variables = {
            "bench_virtualenv": VENV,
            "bench_python": PYTHON,
            "bench_pip": PIP,
            "bench_wheels": WHEELS,
            "bench_requirements": self._requirements(size, run),
            "bench_pins": [f"{name}=={version}" for name, version in wanted(size, run).items()],
        }
        return self.runner.time(contestant, variables)

    def __call__(self, contestant: Contestant, size: int, runs: Sequence[str]) -> list[Sample]:
        """Time one contestant at one size, in each of ``runs``."""
        samples = []
        for run in runs:
            self._restore(size)
            if contestant.name.startswith("ours") and run != "unhashed":
                # On a host in use the run before has left the digests of all files.
                self._time(contestant, size, "unchanged")
            timed = self._time(contestant, size, run)
            check_versions(contestant, run, size, self._installed())
            check_report(contestant, run, timed)
            samples.append(Sample(CASE.name, contestant.name, size, run, timed.seconds, timed.counts["module_calls"]))
        return samples


@contextmanager
def host(name: str, folder: Path) -> Iterator[BenchHost]:
    """Start a host that has the wheels, uv and what pip-tools needs; it is removed at the end, whatever happens."""
    write_wheels(folder / "wheels", LARGE, SIZE)
    tools = wheelhouse.wheelhouse(HERE / "pip-tools.txt", releases.RELEASES[releases.DEFAULT_RELEASE])
    uv = CHECKOUT / ".cache" / "venv" / "bin" / "uv"
    mounts = (f"{folder}/wheels:{WHEELS}:ro", f"{uv.resolve()}:/usr/local/bin/uv:ro")
    with bench_host(name, folder, wheelhouse=str(tools), mounts=mounts) as started:
        yield started
