# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""uv as an installer, with the result that pip has.

uv writes some files through what is at their path. In a hard-link copy of an environment that would change the original,
so uv installs into an empty folder, and what it made there is moved into place: a move replaces a link, never a content.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Optional

from .commands import SYSTEM_PATH, EnvironmentFailure, Output, User, acting_as, run
from .dist_info import Distribution, installed_distributions, listed_files
from .environment_layout import sites_of
from .environments import Environment
from .names import normalised
from .pip_runner import BUILT, Pip, PipFailure, meaningful_lines, parse_conflicts

#: The oldest uv that has every option and variable used here.
OLDEST = (0, 5, 0)
#: Where uv works inside the environment: on its file system, so that files can be moved.
WORK_FOLDER = "stability-uv"
#: uv locks an environment with a file that it leaves there.
_LOCK = ".lock"
_CHECK_TIMEOUT = 60.0
_VERSION = re.compile(r"uv (\d+)\.(\d+)\.(\d+)")
#: All indexes are looked at, like pip does, instead of only the first one that has the project.
_INSTALL = (
    *("pip", "install", "--reinstall", "--no-deps", "--no-progress", "--link-mode", "hardlink"),
    *("--index-strategy", "unsafe-best-match"),
)
_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")

#: What ``uv pip check`` says, and how ``pip check`` says the same.
_WRONG_VERSION = re.compile(
    r"The package `(?P<who>[^`]+)` requires `(?P<what>[^`]+)`, but `(?P<have>[^`]+)` is installed"
)
_NOT_INSTALLED = re.compile(r"The package `(?P<who>[^`]+)` requires `(?P<what>[^`]+)`, but it's not installed")
_NOT_SUPPORTED = re.compile(r"The package `(?P<who>[^`]+)` was built for a different platform")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def candidates(virtualenv: str, user: User) -> list[str]:
    """Return where a uv is looked for: in the environment, on the system, in the user's own folder for programs."""
    folders = [os.path.join(virtualenv, "bin"), *SYSTEM_PATH.split(":"), os.path.join(user.home, ".local", "bin")]
    return [os.path.join(folder, "uv") for folder in folders]


def find_uv(virtualenv: str, user: User) -> tuple[str, list[str]]:
    """Return the first uv that the user can run and that is new enough, and why others are not taken.

    The path is empty when there is none.
    """
    unfit = []
    for path in candidates(virtualenv, user):
        with acting_as(user):
            there = os.access(path, os.X_OK, effective_ids=True) and os.path.isfile(path)
        if not there:
            continue
        try:
            output = run([path, "--version"], user, timeout=_CHECK_TIMEOUT)
        except EnvironmentFailure as failure:
            unfit.append(str(failure))
            continue
        match = _VERSION.match(output.stdout)
        if match is None:
            unfit.append(f"{path} does not say its version.")
        elif tuple(map(int, match.groups())) < OLDEST:
            unfit.append(f"{path} is {match.group()}.")
        else:
            return path, unfit
    return "", unfit


def conflicts_like_pip(text: str, versions: Mapping[str, str]) -> list[str]:
    """Return what ``uv pip check`` found in the words of ``pip check``; ``versions`` are those that are installed.

    What only uv looks for (the Python that a distribution requires) is left out.
    """
    lines = []
    for line in text.splitlines():
        for pattern in (_WRONG_VERSION, _NOT_INSTALLED, _NOT_SUPPORTED):
            match = pattern.match(line.strip())
            if match is None:
                continue
            parts = match.groupdict()
            who = f"{parts['who']} {versions.get(normalised(parts['who']), 'unknown')}"
            what = parts.get("what", "")
            name = _NAME.match(what)
            if "have" in parts:
                lines.append(
                    f"{who} has requirement {what}, but you have {name.group() if name else what} {parts['have']}."
                )
            elif what:
                lines.append(f"{who} requires {normalised(name.group()) if name else what}, which is not installed.")
            else:
                lines.append(f"{who} is not supported on this platform")
    return lines


def index_variables(environment: Environment) -> dict[str, str]:
    """Return the addresses of the indexes as uv's environment variables, which only root and the user can read."""
    variables = {"UV_DEFAULT_INDEX": environment.index_url, "UV_INDEX": " ".join(environment.extra_index_urls)}
    return {name: value for name, value in variables.items() if value}


def _common_variables() -> dict[str, str]:
    variables = {"NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
    if "SSL_CERT_FILE" not in os.environ and any(os.path.exists(path) for path in _CERTIFICATES):
        # Like pip, trust whom the host trusts.
        variables["UV_NATIVE_TLS"] = "1"
    return variables


def move_into(source: str, target: str) -> None:
    """Move everything in ``source`` to the same place in ``target``; a file there is replaced, not written to."""
    for name in os.listdir(source):
        made, place = os.path.join(source, name), os.path.join(target, name)
        if os.path.isdir(made) and not os.path.islink(made):
            if os.path.isdir(place):
                move_into(made, place)
                continue
            with suppress(FileNotFoundError):
                os.unlink(place)
        os.replace(made, place)


def compiled_files(distribution: Distribution) -> list[str]:
    """Return the byte code of the modules of a distribution, which uv leaves where other distributions have some, too."""
    stems: dict[str, set[str]] = {}
    for path in listed_files(distribution):
        folder, name = os.path.split(path)
        if name.endswith(".py"):
            stems.setdefault(folder, set()).add(name[:-3])
    found = []
    for folder, names in stems.items():
        cache = os.path.join(os.path.dirname(distribution.path), folder, "__pycache__")
        if os.path.isdir(cache):
            found += [os.path.join(cache, name) for name in os.listdir(cache) if name.partition(".")[0] in names]
    return found


class Uv(Pip):
    """uv, working on one environment, which needs no pip inside."""

    name = "uv"

    def __init__(
        self,
        environment: Environment,
        user: User,
        temporary: str,
        held: Sequence[int] = (),
        virtualenv: str = "",
        program: str = "",
    ) -> None:
        super().__init__(environment, user, temporary, held, virtualenv)
        self._program = program or find_uv(self._virtualenv, user)[0] or "uv"
        self._work = os.path.join(self._virtualenv, WORK_FOLDER)

    def _installed(self, virtualenv: str) -> dict[str, list[Distribution]]:
        with acting_as(self._user):
            return installed_distributions(sites_of(virtualenv))

    def _uv(self, arguments: Sequence[str], variables: Mapping[str, str]) -> Output:
        """Run uv on the environment; the file with which it locked it is taken away again."""
        lock = os.path.join(self._virtualenv, _LOCK)
        with acting_as(self._user):
            locked_before = os.path.lexists(lock)
        output = self.run([self._program, *arguments, "--python", self._python], {**_common_variables(), **variables})
        if not locked_before:
            with acting_as(self._user), suppress(FileNotFoundError):
                os.unlink(lock)
        return output

    def _change(self, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        self._break_links()
        output = self._uv(arguments, variables)
        self.built = self.built or BUILT.search(output.stdout + output.stderr) is not None
        if output.status:
            raise PipFailure(self.masked(meaningful_lines(output)) or f"uv ended with status {output.status}.")

    def _clear(self) -> None:
        with acting_as(self._user):
            if os.path.lexists(self._work):
                shutil.rmtree(self._work)

    def _sources(self) -> list[str]:
        """Return the options that say where distribution archives are, less what is secret.

        The host's own settings of uv count only where none are given here that they would contradict.
        """
        environment = self._environment
        given = environment.index_url or environment.no_index
        return [*(["--no-config"] if given else []), *(["--no-index"] if environment.no_index else [])]

    def install(self, lines: Sequence[str], require_hashes: bool) -> None:
        """Install the requirements in one run, without their dependencies. Raises :class:`PipFailure`.

        Nothing in the environment is touched before uv has everything in its folder. Its cache lies there too and goes with
        it, so that nothing built earlier is used.
        """
        hashed = require_hashes or any(" --hash=" in line for line in lines)
        made = os.path.join(self._work, "made")
        arguments = [*_INSTALL, *self._sources(), *(["--require-hashes"] if hashed else [])]
        links = [f"--find-links {place}" for place in self._environment.find_links]
        self._clear()
        try:
            with acting_as(self._user):
                os.mkdir(self._work, 0o700)
            arguments += ["--cache-dir", os.path.join(self._work, "cache"), "--prefix", made]
            arguments += ["-r", self._written([*links, *lines])]
            self._change(arguments, index_variables(self._environment))
            self._replace(made)
        finally:
            self._clear()

    def _replace(self, made: str) -> None:
        """Remove what is installed under the names of what was made, however it is, and move that into place."""
        names = sorted(self._installed(made))
        before = self._installed(self._virtualenv)
        with acting_as(self._user):
            stale = [path for name in names for one in before.get(name, []) for path in compiled_files(one)]
        self.uninstall(names)
        try:
            with acting_as(self._user):
                for path in stale:
                    with suppress(FileNotFoundError):
                        os.unlink(path)
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(made, _LOCK))
                move_into(made, self._virtualenv)
        except OSError as error:
            raise PipFailure(f"{error.filename2 or error.filename}: {error.strerror}.") from None

    def uninstall(self, names: Sequence[str]) -> None:
        """Remove distributions. Raises :class:`PipFailure`."""
        self._change(["pip", "uninstall", "--no-config", "--no-cache", *names], {})

    def check(self) -> Optional[list[str]]:
        """Return the conflicts that ``uv pip check`` finds, in the words of pip; ``None`` when it could not check."""
        output = self._uv(["pip", "check", "--no-config", "--no-cache"], {})
        said = output.stdout + "\n" + output.stderr
        versions = {name: found[0].version for name, found in self._installed(self._virtualenv).items()}
        if output.status not in (0, 1) or (output.status and "The package `" not in said):
            return None
        return [conflict.text for conflict in parse_conflicts(conflicts_like_pip(said, versions))]
