# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pip, run by the interpreter of a virtual environment, as its user, with nothing secret in its arguments."""

from __future__ import annotations

import glob
import os
import re
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Optional

from .commands import EnvironmentFailure, Output, User, acting_as, run
from .dist_info import installed_distributions
from .environment_layout import sites_of
from .environment_lock import environment_key
from .environments import Environment
from .hard_links import break_link
from .masking import masked, secrets_in
from .names import normalised
from .pep440 import is_version, parse_version
from .pep508 import InvalidRequirement, parse_requirement

#: Without a cache, since pip takes from it what it built of a source archive before, whatever a build makes now. Byte code is
#: made afterwards, with the path that the environment will have.
_INSTALL = (
    *("install", "--force-reinstall", "--no-deps", "--no-input", "--disable-pip-version-check"),
    *("--no-cache-dir", "--no-compile"),
)
_MOST_LINES = 20
#: What pip and uv say of something that they build.
BUILT = re.compile(r"^\s*(?:Building wheel|Running setup\.py|Built |Building )", re.MULTILINE)
#: What pip says beside the point.
_NOISE = re.compile(
    r"(?:\[notice\]|DEPRECATION:|WARNING: (?:Running pip as|The script|There was an error checking|You are using))"
)
#: What pip says when it gives up on an address.
_UNREACHABLE = re.compile(r"Retrying \(Retry\(total=0|Could not fetch URL")
#: ``pip check`` says it in the same words from pip 20 to 26.
_WRONG_VERSION = re.compile(r"(?P<who>\S+) \S+ has requirement (?P<what>.+), but you have (?P<have>.+)\.\Z")
_NOT_INSTALLED = re.compile(r"(?P<who>\S+) \S+ requires (?P<what>.+), which is not installed\.\Z")
_NOT_SUPPORTED = re.compile(r"(?P<who>\S+) \S+ is not supported on this platform\.?\Z")


class PipFailure(EnvironmentFailure):
    """pip ended with an error; the text holds its last meaningful lines, masked."""


def _lines(output: Output) -> list[str]:
    lines = [line.rstrip() for line in (output.stdout + "\n" + output.stderr).splitlines()]
    return [line for line in lines if line.strip() and not _NOISE.match(line)]


def last_lines(output: Output) -> str:
    """Return the last 20 lines of what a program said."""
    return "\n".join(_lines(output)[-_MOST_LINES:])


def meaningful_lines(output: Output) -> str:
    """Return the end of what pip said, from its first error on, at most 20 lines.

    The last try to reach an index is kept: pip calls an index that is down "no matching distribution".
    """
    lines = _lines(output)
    errors = [index for index, line in enumerate(lines) if re.match(r"\s*(?:ERROR|error)\b", line)]
    chosen = lines[errors[0] :] if errors else lines
    retries = [line for line in lines[: errors[0]] if _UNREACHABLE.search(line)] if errors else []
    return "\n".join((retries[-1:] + chosen)[-_MOST_LINES:])


@dataclass(frozen=True)
class Conflict:
    """One line of ``pip check``; ``key`` is the same while one distribution lacks the same requirement."""

    text: str
    key: tuple[str, str, str]


def _canonical(requirement: str) -> str:
    """Return a requirement as every installer and version of pip would spell it, without its marker."""
    text = requirement.partition(";")[0]
    try:
        parsed = parse_requirement(text)
    except InvalidRequirement:
        return text.replace(" ", "")
    extras = f"[{','.join(parsed.extras)}]" if parsed.extras else ""
    return parsed.name + extras + ",".join(sorted(f"{clause.operator}{clause.text}" for clause in parsed.specifier))


def parse_conflicts(lines: Iterable[str]) -> list[Conflict]:
    """Return the conflicts among the lines of ``pip check``, in their order."""
    conflicts = []
    for line in lines:
        for kind, pattern in (("version", _WRONG_VERSION), ("missing", _NOT_INSTALLED), ("platform", _NOT_SUPPORTED)):
            match = pattern.match(line.strip())
            if match is not None:
                what = _canonical(match.groupdict().get("what", ""))
                conflicts.append(Conflict(line.strip(), (kind, normalised(match.group("who")), what)))
                break
    return conflicts


def new_conflicts(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Return the lines of ``pip check`` in ``after`` whose conflict was not there ``before``, whatever the versions."""
    known = {conflict.key for conflict in parse_conflicts(before)}
    return [conflict.text for conflict in parse_conflicts(after) if conflict.key not in known]


def index_variables(environment: Environment) -> dict[str, str]:
    """Return the options for the index as pip's environment variables, which only root and the user can read."""
    variables = {
        "PIP_INDEX_URL": environment.index_url,
        "PIP_EXTRA_INDEX_URL": " ".join(environment.extra_index_urls),
        "PIP_FIND_LINKS": " ".join(environment.find_links),
        "PIP_NO_INDEX": "1" if environment.no_index else "",
    }
    return {name: value for name, value in variables.items() if value}


@contextmanager
def workspace(user: User, virtualenv: str) -> Iterator[str]:
    """Yield a folder of the user's own for temporary files, and remove it and those of killed runs afterwards."""
    parent, prefix = tempfile.gettempdir(), f"stability-pip-{environment_key(virtualenv)}-"
    with acting_as(user):
        for stale in glob.glob(os.path.join(glob.escape(parent), f"{prefix}*")):
            status = os.lstat(stale)
            if stat.S_ISDIR(status.st_mode) and status.st_uid == user.uid:
                shutil.rmtree(stale, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
    try:
        yield folder
    finally:
        with acting_as(user):
            shutil.rmtree(folder, ignore_errors=True)


class Worker(NamedTuple):
    """Who runs a program, and the folder for temporary files."""

    user: User
    temporary: str


class Pip:
    """The pip of one environment; ``commands`` collects what was run, masked.

    It works in ``virtualenv``, the staged copy, or where none is named in the environment itself.
    """

    #: What messages call it.
    name = "pip"

    def __init__(
        self, environment: Environment, user: User, temporary: str, held: Sequence[int] = (), virtualenv: str = ""
    ) -> None:
        self._environment = environment
        self._virtualenv = virtualenv or environment.virtualenv
        self._python = os.path.join(self._virtualenv, "bin", "python")
        self._user = user
        self._temporary = temporary
        self._held = held
        addresses = (environment.index_url, *environment.extra_index_urls)
        proxies = [value for name, value in os.environ.items() if name.lower().endswith("_proxy")]
        self._secrets = secrets_in([*addresses, *proxies])
        self.commands: list[str] = []
        #: Whether something was built from its source, which may have been told where it is built for.
        self.built = False

    def masked(self, text: str) -> str:
        """Return ``text`` without credentials."""
        return masked(text, self._secrets)

    def run(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        timeout: Optional[float] = None,
        worker: Optional[Worker] = None,
    ) -> Output:
        """Run a program as the user of the environment, or as ``worker``, and keep it among the commands.

        A program with a ``timeout`` (seconds) does not inherit the lock: what it leaves behind must not hold it.
        """
        self.commands.append(self.masked(shlex.join(argv)))
        held = () if timeout else self._held
        user, temporary = worker or Worker(self._user, self._temporary)
        return run(argv, user, {"TMPDIR": temporary, **variables}, timeout, held)

    def _break_links(self) -> None:
        """Make files of the environment's own of the ``.pth`` files, the only ones that installers change in place."""
        sites = os.path.join(glob.escape(self._virtualenv), "lib*", "python*", "site-packages")
        with acting_as(self._user):
            for path in glob.glob(os.path.join(sites, "*.pth")):
                break_link(path)

    def _change(self, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        self._break_links()
        argv = [self._python, "-I", "-B", "-m", "pip", *arguments]
        output = self.run(argv, {"PIP_NO_COLOR": "1", "PIP_USER": "0", **variables})
        self.built = self.built or BUILT.search(output.stdout + output.stderr) is not None
        if output.status:
            raise PipFailure(self.masked(meaningful_lines(output)) or f"pip ended with status {output.status}.")

    def _written(self, lines: Sequence[str]) -> str:
        """Write a requirements file that only the user can read, and return its path."""
        path = os.path.join(self._temporary, "requirements.txt")
        with acting_as(self._user):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write("".join(f"{line}\n" for line in lines))
        return path

    def install(self, lines: Sequence[str], require_hashes: bool) -> None:
        """Install the requirements in one run, without their dependencies. Raises :class:`PipFailure`."""
        variables = index_variables(self._environment)
        if require_hashes:
            variables["PIP_REQUIRE_HASHES"] = "1"
        self._change([*_INSTALL, *self._way_to_build(), "-r", self._written(lines)], variables)

    def _way_to_build(self) -> list[str]:
        """Return the option without which an old pip, where no ``wheel`` is installed, lets ``setup.py`` install.

        Nothing would record the files then. pip 23.1 does of itself what the option asks for.
        """
        with acting_as(self._user):
            found = installed_distributions(sites_of(self._virtualenv))
        pip = found.get("pip", [])
        version = pip[0].version if len(pip) == 1 else ""
        old = is_version(version) and parse_version(version) < parse_version("23.1")
        return ["--use-pep517"] if old and "wheel" not in found else []

    def uninstall(self, names: Sequence[str]) -> None:
        """Remove distributions. Raises :class:`PipFailure`."""
        self._change(["uninstall", "--yes", "--no-input", "--disable-pip-version-check", *names], {})

    def check(self) -> Optional[list[str]]:
        """Return the lines of ``pip check``, which writes nothing; ``None`` when it could not check."""
        argv = [self._python, "-I", "-B", "-m", "pip", "check", "--disable-pip-version-check"]
        output = self.run(argv, {})
        conflicts = [conflict.text for conflict in parse_conflicts(output.stdout.splitlines())]
        return conflicts if conflicts or output.status == 0 else None
