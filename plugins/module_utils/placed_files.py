# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of ours that processes of services read: the runtime, and the configurations of logging."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from . import service_logging
from .files import remove_file, sync_folder, write_files
from .manifest import digest_text
from .problems import InvalidInput, Problem
from .runtime_place import FOLDER, ROOT

if TYPE_CHECKING:
    from .services import Service

_PACKAGE = f"{FOLDER}/stability_runtime"
#: The folders that hold them.
PLACES = (FOLDER, _PACKAGE, service_logging.FOLDER)
_NAME = re.compile(r"(?:stability_runtime/)?[a-z_]+\.py\Z")
_SUFFIX = ".json"
#: Where Python puts what it has compiled.
_COMPILED = "__pycache__"


@dataclass(frozen=True)
class Placed:
    """A file to be written, or removed where ``after`` is ``None``; ``before`` is its text now, ``None`` where there is none.

    A path that ends with a slash is that of a folder to be removed.
    """

    path: str
    before: Optional[str]
    after: Optional[str]

    def __str__(self) -> str:
        if self.after is None:
            return f"remove {self.path}"
        return f"{'create' if self.before is None else 'replace'} {self.path}"

    @property
    def is_shown(self) -> bool:
        """Whether its text is of the user's making, and so is shown by a diff."""
        return self.path.startswith(f"{service_logging.FOLDER}/") and not self.path.endswith("/")


def read_placed() -> dict[str, str]:
    """Return the text of each file that is there, by path, and of each folder in which there is none: a killed run left that."""
    found = {}
    for folder in PLACES:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            path = f"{folder}/{name}"
            if name.endswith((".py", _SUFFIX)) and not os.path.isdir(path):
                with suppress(OSError), open(path, encoding="utf-8", errors="replace", newline="") as stream:
                    found[path] = stream.read()
    below = {*map(os.path.basename, PLACES), _COMPILED}
    for folder in (*PLACES, ROOT):
        if os.path.isdir(folder) and below.issuperset(os.listdir(folder)) and not any(map(_in(folder), found)):
            found[f"{folder}/"] = ""
    return found


def _in(folder: str) -> Callable[[str], bool]:
    return lambda path: path.startswith(f"{folder}/") and not path.endswith("/")


def wanted_files(services: Iterable[Service], runtime: Optional[Mapping[str, str]]) -> dict[str, str]:
    """Return the text of each file that ``services`` need, by path; ``runtime`` has the files of the runtime by their names.

    Raises :class:`InvalidInput` when a service needs the runtime, and nobody has handed it over.
    """
    wanted, present = {}, [service for service in services if not service.is_absent]
    for service in present:
        if service.logging_file:
            wanted[service.logging_file] = service.values["logging"].file
    users = [service for service in present if service.uses_runtime]
    if not users:
        return wanted
    if not runtime or not all(map(_NAME.match, runtime)):
        expected = f"the files of the runtime, which {users[0].name} needs"
        remedy = "Run the module by its name in a task, whose action hands them over"
        raise InvalidInput([Problem("runtime", "no files" if not runtime else "other files", expected, remedy)])
    return {**wanted, **{f"{FOLDER}/{name}": text for name, text in runtime.items()}}


def digests_of(wanted: Mapping[str, str]) -> dict[str, str]:
    """Return a digest of each file of logging by its path, and one of the whole runtime by that of its folder."""
    runtime = sorted((path, text) for path, text in wanted.items() if _is_of_runtime(path))
    found = {path: digest_text(text) for path, text in wanted.items() if not _is_of_runtime(path)}
    return {**found, FOLDER: digest_text(*(part for pair in runtime for part in pair))}


def changed_places(wanted: Mapping[str, str], found: Mapping[str, str]) -> set[str]:
    """Return what of :func:`digests_of` is there with another text: a process may have been started with that."""
    changed = {path for path, text in found.items() if wanted.get(path, text) != text}
    return {FOLDER if _is_of_runtime(path) else path for path in changed}


def _is_of_runtime(path: str) -> bool:
    return path.startswith(f"{FOLDER}/")


def to_write(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[Placed]:
    """Return the files that are not there as they are wanted."""
    return [Placed(path, found.get(path), text) for path, text in wanted.items() if found.get(path) != text]


def to_remove(
    wanted: Mapping[str, str], found: Mapping[str, str], services: Collection[str], runtime: bool
) -> list[Placed]:
    """Return the files that nobody needs any longer.

    ``services`` are those that go on without being looked at, ``runtime`` is whether one of them has the runtime.
    """
    keeps_runtime = runtime and not any(map(_is_of_runtime, wanted))
    kept = {service_logging.file_of(name) for name in services}
    return [
        Placed(path, text, None)
        for path, text in found.items()
        if not (path in wanted or path in kept or (keeps_runtime and _is_of_runtime(path)))
        and not (path.endswith("/") and any(one.startswith(path) for one in wanted))
    ]


def write(placed: Iterable[Placed]) -> None:
    """Write files; everybody may read them, whatever the umask of this process is."""
    texts = {one.path: one.after for one in placed if one.after is not None}
    for folder in (ROOT, *PLACES):
        if not os.path.isdir(folder) and any(path.startswith(f"{folder}/") for path in texts):
            os.mkdir(folder)
            os.chmod(folder, 0o755)
    write_files({path: text.encode("utf-8", "surrogateescape") for path, text in texts.items()})
    for path in filter(_is_of_runtime, texts):
        _compile(path)


def _compile(path: str) -> None:
    """Compile a file of the runtime for the Python of the system: a service may not write there, and would do so at each start."""
    folder, name = os.path.split(path)
    compiled = f"{folder}/{_COMPILED}/{name[: -len('.py')]}.{sys.implementation.cache_tag}.pyc"
    # Imported here: most runs write nothing, and compile all that they import.
    import py_compile

    mode = py_compile.PycInvalidationMode.TIMESTAMP
    with suppress(OSError, py_compile.PyCompileError):
        py_compile.compile(path, compiled, doraise=True, invalidation_mode=mode)
        os.chmod(os.path.dirname(compiled), 0o755)
        os.chmod(compiled, 0o644)


def remove(placed: Iterable[Placed]) -> None:
    """Remove files, and each folder in which nothing else is: what Python has compiled there goes first."""
    paths = [one.path for one in placed]
    names = {*map(os.path.basename, paths), *map(os.path.basename, PLACES), _COMPILED}
    folders = [
        one for one in (*reversed(PLACES), ROOT) if paths and os.path.isdir(one) and names.issuperset(os.listdir(one))
    ]
    for folder in folders:
        shutil.rmtree(f"{folder}/{_COMPILED}", ignore_errors=True)
    for path in paths:
        if not path.endswith("/"):
            remove_file(path)
    for folder in folders:
        with suppress(OSError):
            os.rmdir(folder)
            sync_folder(os.path.dirname(folder))


def restore(placed: Iterable[Placed]) -> None:
    """Write the texts from before again."""
    write_files({one.path: one.before.encode("utf-8", "surrogateescape") for one in placed if one.before is not None})
