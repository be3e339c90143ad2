# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python source files: where they are, reading and parsing them with whatever Python this is."""

from __future__ import annotations

import ast
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

#: Larger files are data that somebody wrote as Python.
LARGEST = 8 << 20
_SKIPPED = ("__pycache__", "node_modules")
_SUFFIX = ".py"


class UnreadableSource(ValueError):
    """A source file that cannot be read or parsed; the text says why."""


@dataclass(frozen=True)
class SourceFile:
    """A source file; ``root`` is the folder of its source tree."""

    path: str
    root: str


def _walk(root: str, unread: list[str]) -> Iterator[SourceFile]:
    def tell(error: OSError) -> None:
        unread.append(f"{error.filename} was not checked for references: {error.strerror}")

    for folder, folders, names in os.walk(root, onerror=tell):
        if "pyvenv.cfg" in names and folder != root:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        for name in sorted(names):
            if name.endswith(_SUFFIX) and not name.startswith("."):
                yield SourceFile(os.path.join(folder, name), root)


def source_files(sources: Iterable[str], unread: Optional[list[str]] = None) -> list[SourceFile]:
    """Return the source files in folders, and the files among ``sources``, each once; ``unread`` gets what could not be listed.

    Virtual environments, hidden folders, ``node_modules`` and ``__pycache__`` are left out; links to folders are not followed.
    """
    found: dict[str, SourceFile] = {}
    for source in sources:
        if os.path.isdir(source):
            for file in _walk(source, [] if unread is None else unread):
                found.setdefault(file.path, file)
        else:
            found.setdefault(source, SourceFile(source, os.path.dirname(source)))
    return list(found.values())


def read_source(path: str) -> bytes:
    """Return the content of a source file. Raises :class:`UnreadableSource`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableSource("it is no file")
            if status.st_size > LARGEST:
                raise UnreadableSource(f"it has more than {LARGEST >> 20} MiB")
            return stream.read()
    except OSError as error:
        raise UnreadableSource(error.strerror or "it cannot be read") from None


def parse_source(content: bytes) -> ast.Module:
    """Return the syntax tree of a source file's content. Raises :class:`UnreadableSource`.

    The syntax is that of the Python that runs this; a newer one, or a broken file, is a reason like any other.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(content)
        except SyntaxError as error:
            raise UnreadableSource(
                f"line {error.lineno}: {error.msg}" if error.lineno is not None else error.msg
            ) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise UnreadableSource(str(error) or "it is nested too deeply") from None


def _is_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "__init__.py"))


def package_of(path: str) -> tuple[str, ...]:
    """Return the package that a file's relative imports start from: the folders above it that are packages."""
    parts: list[str] = []
    folder = os.path.dirname(os.path.abspath(path))
    while _is_package(folder):
        folder, name = os.path.split(folder)
        if not name:
            break
        parts.insert(0, name)
    return tuple(parts)


class OwnModules:
    """Which top-level names are modules of a source tree itself: those win over installed ones."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool] = {}

    def has(self, file: SourceFile, name: str) -> bool:
        """Whether an import of ``name`` in ``file`` finds a module of the tree.

        It is looked for where a program may have been started: in the folders from that of the file up to the root, as far
        as they are no packages themselves.
        """
        folder = os.path.dirname(file.path)
        while True:
            if not _is_package(folder) and self._holds(folder, name):
                return True
            above = os.path.dirname(folder)
            if folder == file.root or above == folder or not folder.startswith(file.root):
                return False
            folder = above

    def _holds(self, folder: str, name: str) -> bool:
        key = (folder, name)
        if key not in self._known:
            path = os.path.join(folder, name)
            self._known[key] = os.path.isfile(f"{path}{_SUFFIX}") or _is_package(path)
        return self._known[key]
