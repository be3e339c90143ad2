# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run scenarios on real hosts, several at a time; one line for each, and the log of each that fails.

Without arguments these are the sample of ``tests/matrix/matrix.yml``: each scenario once, some on its release, some on one other
that is drawn by the seed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.stability.baseline.tests.matrix import matrix

import cgroups
from releases import RELEASES

MOLECULE = Path(__file__).resolve().parents[1]
CHECKOUT = MOLECULE.parent
HOSTS = CHECKOUT / "tests" / "hosts" / "hosts"
FOLDER = CHECKOUT / ".cache" / "molecule"
PREFIX = f"molecule-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}-"
CLOSING = re.compile(r"=+ ([^=\n]*\b(?:passed|failed|error)[^=\n]* in [\d.]+s[^=\n]*) =+")
"""The line with which pytest ends."""
LEFT_OUT = re.compile(r"^not run: .*", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One scenario on one release; its host's name is unique to this checkout and process."""

    scenario: str
    release: str

    @property
    def host(self) -> str:
        """Name of the test host."""
        return f"{PREFIX}{os.getpid()}-{self.scenario}-{self.release}"

    @property
    def folder(self) -> Path:
        """Where Molecule keeps the inventory and what the runs reported."""
        return FOLDER / self.host

    @property
    def log(self) -> Path:
        """Where everything that Molecule prints goes."""
        return FOLDER / f"{self.host}.log"

    def forget(self) -> None:
        """Remove the folder and the log."""
        shutil.rmtree(self.folder)
        self.log.unlink()

    def command(self, keep: bool) -> list[str]:
        """Return the command that runs this case; ``keep`` leaves its host in place."""
        base = ["molecule", "--base-config", str(MOLECULE / "base" / "config.yml")]
        return [*base, "test", "--scenario-name", self.scenario, "--destroy", "never" if keep else "always"]

    def environment(self) -> dict[str, str]:
        """Return the environment that Molecule, Ansible and the tests need."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "MOLECULE_", "PYTHON"))
        }
        return {
            **kept,
            "PATH": f"{CHECKOUT / '.cache' / 'venv' / 'bin'}:{kept.get('PATH', '/usr/bin:/bin')}",
            "MOLECULE_PROJECT_DIRECTORY": str(CHECKOUT),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(self.folder),
            "STABILITY_HOST": self.host,
            "STABILITY_RELEASE": self.release,
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }


class Cases:
    """Runs cases; all that run can be stopped at once."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.running: dict[Case, subprocess.Popen[bytes]] = {}

    def run(self, case: Case) -> tuple[int, str, float]:
        """Run one case; return Molecule's exit status, its log and the seconds it took."""
        begun = time.monotonic()
        case.folder.mkdir(parents=True)
        with case.log.open("wb") as stream:
            self.running[case] = subprocess.Popen(
                case.command(self.keep),
                cwd=CHECKOUT,
                env=case.environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
            status = self.running[case].wait()
        return status, case.log.read_text(errors="replace"), time.monotonic() - begun

    def stop(self) -> None:
        """Kill what runs and remove its hosts and folders."""
        for process in self.running.values():
            # Each worker of Ansible leads a session of its own: killing a process group would not reach it.
            for pid in tree(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.running:
            subprocess.run([str(HOSTS), "down", *(case.host for case in self.running)], check=True)
        for case in self.running:
            case.forget()


def tree(root: int) -> list[int]:
    """Return the ids of a process and of all processes below it."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.splitlines())}

    def below(pid: int) -> list[int]:
        return [pid] + [found for child, parent in parents.items() if parent == pid for found in below(child)]

    return below(root)


def remove_leftovers() -> None:
    """Remove the hosts and folders of runs of this checkout that were killed."""
    listed = subprocess.run([str(HOSTS), "list"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in listed.splitlines()]
    owned = [name for name in names if name.startswith(PREFIX) and not _alive(name)]
    if owned:
        subprocess.run([str(HOSTS), "down", *owned], check=True)
    for path in FOLDER.glob(f"{PREFIX}*"):
        if not _alive(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _alive(name: str) -> bool:
    return Path("/proc", name.removeprefix(PREFIX).partition("-")[0]).exists()


def cases(found: matrix.Matrix, scenarios: list[str], releases: list[str]) -> list[Case]:
    """Return the cases of these scenarios on these releases; without both, those of the sample."""
    if scenarios or releases:
        return [Case(name, place) for place in releases or found.releases for name in scenarios or found.scenarios]
    seed = os.environ.get("STABILITY_SEED") or str(random.SystemRandom().randrange(2**32))
    other = random.Random(seed).choice([place for place in found.releases if place != found.sample.release])
    print(f"molecule: {other} is drawn (STABILITY_SEED={seed} repeats it)")
    places = {True: other, False: found.sample.release}
    return [Case(name, places[name in found.sample.scenarios]) for name in found.scenarios]


def report(case: Case, status: int, log: str, seconds: float) -> None:
    """Print one line about a case, and before it the whole log when it failed."""
    if status:
        print(log)
    verdict = "FAILED" if status else "passed"
    # Ansible shows a failed task's text more than once.
    counts = "; ".join(dict.fromkeys(CLOSING.findall(log))) or "no test was run"
    print(f"molecule: {case.scenario} on {case.release}: {verdict}, {seconds:.0f} s ({counts})", flush=True)
    for line in dict.fromkeys(LEFT_OUT.findall(log)):
        print(f"molecule: {line}", flush=True)


def run_all(cases: list[Case], jobs: int, keep: bool) -> int:
    """Run all cases and report each as it ends; return how many failed."""
    runner = Cases(keep)
    failures = 0
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = {pool.submit(runner.run, case): case for case in cases}
        for future in as_completed(futures):
            case = futures[future]
            status, log, seconds = future.result()
            del runner.running[case]
            report(case, status, log, seconds)
            failures += status != 0
            if keep:
                print(f"molecule: look inside: {HOSTS.relative_to(CHECKOUT)} exec {case.host} -- bash; {case.log}")
            else:
                case.forget()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        runner.stop()
    return failures


def runnable(wanted: list[Case]) -> list[Case]:
    """Return the cases that this machine can run; the others are printed."""
    obstacles = {case: cgroups.obstacle(RELEASES[case.release]) for case in wanted}
    for case, obstacle in obstacles.items():
        if obstacle:
            print(f"molecule: not run: {case.scenario} on {case.release}: {obstacle}")
    return [case for case in wanted if not obstacles[case]]


def main() -> int:
    """Run what the command line asks for; return 1 when a case failed."""
    found = matrix.load()
    parser = argparse.ArgumentParser(prog="molecule/run", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(found.scenarios)}; all when none is named")
    parser.add_argument("--release", action="append", choices=found.releases, help="all when none is named")
    parser.add_argument("--jobs", type=int, default=4, help="scenarios at a time (default: 4)")
    parser.add_argument("--keep", action="store_true", help="leave hosts and logs in place, until the next run")
    options = parser.parse_args()
    unknown = sorted(set(options.scenario) - set(found.scenarios))
    if unknown:
        parser.error(f"scenario: found {', '.join(unknown)}; expected one of {', '.join(found.scenarios)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    remove_leftovers()
    wanted = runnable(cases(found, options.scenario, options.release or []))
    print(
        f"molecule: {len(wanted)} scenarios, {options.jobs} at a time; logs in {FOLDER.relative_to(CHECKOUT)}",
        flush=True,
    )
    begun = time.monotonic()
    try:
        failures = run_all(wanted, options.jobs, options.keep)
    except KeyboardInterrupt:
        return 130
    word = f"{failures} failed, " if failures else ""
    print(f"molecule: {word}{len(wanted) - failures} passed in {time.monotonic() - begun:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
