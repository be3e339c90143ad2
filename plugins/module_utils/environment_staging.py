# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The staged copy of an environment: hard links to what does not change, and everything right for the path it will have.

A link shares the file with the live environment, so nothing may ever be written *into* a file of the copy. Installers remove a
file before they write it anew; what they edit in place (``.pth`` files) or what people do (scripts) is copied instead.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Optional

from .commands import User, acting_as
from .dist_info import Distribution
from .environment_marks import GENERATION_FILE, JOURNAL_FILE
from .environment_place import Place
from .files import STAGED

#: A small file at one of these places is copied: somebody may open it for writing.
_EDITED = (".pth", ".egg-link")
_SMALL = 1 << 16
#: What ``venv`` and installers make in an environment.
_MADE = {"bin", "include", "lib", "lib64", "pyvenv.cfg", "share", GENERATION_FILE, JOURNAL_FILE}
_LARGEST_TEXT = 1 << 20
#: The kernel's limit of a first line (older than 5.1), by which installers choose between the two forms of a script.
_LONGEST_FIRST_LINE = 127
#: In the copy: its scripts as they have to be as long as it is not at its path. Gone before the switch.
GATE_SCRIPTS = ".stability-gate"


class _Copy:
    """One copy of a tree; ``roots`` are the paths by which links in it may name the tree itself."""

    def __init__(self, source: str, roots: Iterable[str]) -> None:
        self.source = source
        self.roots = tuple(f"{root}/" for root in {source, *roots})
        self.chowns = os.geteuid() == 0

    def folder(self, source: str, target: str, copies: bool, without: Collection[str] = ()) -> None:
        """Copy what is in a folder; ``copies`` says that small files in it are not linked."""
        with os.scandir(source) as entries:
            for entry in entries:
                if entry.name in without:
                    continue
                path = os.path.join(target, entry.name)
                try:
                    self._entry(entry, path, copies)
                except FileNotFoundError:
                    # Byte code that a running program is just writing has a name for a moment only.
                    if os.path.lexists(entry.path):
                        raise
        self._like(source, target)

    def _entry(self, entry: os.DirEntry[str], path: str, copies: bool) -> None:
        if entry.is_symlink():
            self._symlink(entry, path)
        elif entry.is_dir(follow_symlinks=False):
            os.mkdir(path, 0o700)
            programs = entry.name == "bin" and os.path.dirname(entry.path) == self.source
            self.folder(entry.path, path, copies=programs)
        elif (copies or entry.name.endswith(_EDITED)) and entry.stat(follow_symlinks=False).st_size <= _SMALL:
            self._file(entry, path)
        else:
            try:
                os.link(entry.path, path, follow_symlinks=False)
            except OSError:
                self._file(entry, path)

    def _file(self, entry: os.DirEntry[str], path: str) -> None:
        if entry.is_file(follow_symlinks=False):
            shutil.copyfile(entry.path, path, follow_symlinks=False)
            self._like(entry.path, path)

    def _symlink(self, entry: os.DirEntry[str], path: str) -> None:
        """Copy a link; one that names the environment by its path becomes relative, else it would lead out of the copy."""
        leads_to = os.readlink(entry.path)
        for root in self.roots:
            if leads_to.startswith(root):
                inside = os.path.join(self.source, leads_to[len(root) :])
                leads_to = os.path.relpath(inside, os.path.dirname(entry.path))
        os.symlink(leads_to, path)
        self._like(entry.path, path)

    def _like(self, source: str, target: str) -> None:
        """Give ``target`` the owner, mode, times and extended attributes of ``source``."""
        if self.chowns:
            status = os.lstat(source)
            os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
        shutil.copystat(source, target, follow_symlinks=False)


def make_staged(place: Place, user: User, like: str = "") -> None:
    """Make the empty folder of the copy, which belongs to the user; ``like`` is a folder whose owner it gets instead."""
    status = os.stat(like) if like else None
    uid, gid = (status.st_uid, status.st_gid) if status else (user.uid, user.gid)
    with acting_as(place.actor()):
        os.mkdir(place.staged, 0o755)
    if os.geteuid() == 0:
        # Through a descriptor: where the user owns the folder above, a link could take its place.
        descriptor = os.open(place.staged, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, 0o755)
        finally:
            os.close(descriptor)


def copy_environment(place: Place, user: User) -> None:
    """Fill the folder of the copy with the live environment, as the user."""
    with acting_as(user):
        _Copy(place.target, (place.final,)).folder(place.target, place.staged, copies=True)


def copy_settings(place: Place, user: User) -> None:
    """Copy what is not of ``venv`` (``pip.conf``, folders of the user's) into a copy that is made from nothing."""
    with acting_as(user):
        _Copy(place.target, (place.final,)).folder(place.target, place.staged, copies=True, without=_MADE)


def in_copy(place: Place, path: str) -> str:
    """Return the path in the copy of what is at ``path`` in the live environment."""
    return os.path.join(place.staged, os.path.relpath(path, place.target))


def _final_text(content: bytes, staged: str, final: str) -> bytes:
    """Return the content of a file as the installer would have written it at the final path."""
    old, new = os.fsencode(staged), os.fsencode(final)
    trampoline = re.match(
        rb"#!/bin/sh\n'''exec' (['\"]?)" + re.escape(old) + rb"(/bin/[^\s'\"]+)\1 \"\$0\" \"\$@\"\n' '''\n", content
    )
    if trampoline is not None:
        line = b"#!" + new + trampoline[2] + b"\n"
        if len(line) <= _LONGEST_FIRST_LINE:
            content = line + content[trampoline.end() :]
    return content.replace(old, new)


def write_gate_scripts(place: Place, staged: str) -> None:
    """Write the scripts of the copy so that they start its own interpreter, for what finds them by ``PATH``.

    The ones in ``bin`` name the final path, where the old environment still is. Called as the user.
    """
    folder, programs = os.path.join(staged, GATE_SCRIPTS), os.path.join(staged, "bin")
    own = os.fsencode(programs) + b"/"
    named = os.fsencode("|".join(re.escape(f"{root}/bin/") for root in (place.final, place.target)))
    pattern = re.compile(rb"(?:#!|#!/bin/sh\n'''exec' ['\"]?)(?:" + named + rb")([^\s'\"]+)[^\n]*\n(?:' '''\n)?")
    remove_gate_scripts(staged)
    os.mkdir(folder, 0o755)
    for name in sorted(os.listdir(programs)):
        path = os.path.join(programs, name)
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_TEXT:
            continue
        with open(path, "rb") as stream:
            content = stream.read()
        match = pattern.match(content)
        if match is not None:
            # The form for long paths, whatever their length is.
            head = b"#!/bin/sh\n'''exec' " + own + match[1] + b' "$0" "$@"\n' + b"' '''\n"
            _replace(os.path.join(folder, name), head + content[match.end() :], mode=0o755)


def remove_gate_scripts(staged: str) -> None:
    """Remove what :func:`write_gate_scripts` wrote. Called as the user."""
    with suppress(FileNotFoundError):
        shutil.rmtree(os.path.join(staged, GATE_SCRIPTS))


def _replace(path: str, content: bytes, mode: Optional[int] = None) -> None:
    """Write a file anew, with another inode, and ``mode`` or the mode it has."""
    waiting = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{STAGED}")
    with suppress(FileNotFoundError):
        os.unlink(waiting)
    with open(waiting, "xb") as stream:
        stream.write(content)
    os.chmod(waiting, stat.S_IMODE(os.lstat(path).st_mode) if mode is None else mode)
    os.rename(waiting, path)


def _candidates(staged: str, sites: Sequence[str]) -> Iterable[str]:
    """Yield the paths of the files in which installers write the path of the environment."""
    yield os.path.join(staged, "pyvenv.cfg")
    programs = os.path.join(staged, "bin")
    for folder, wanted in ((programs, ("",)), *((site, _EDITED) for site in sites)):
        for name in sorted(os.listdir(folder)):
            if name.endswith(wanted):
                yield os.path.join(folder, name)


def relocate(staged: str, final: str, sites: Sequence[str], distributions: Iterable[Distribution]) -> list[str]:
    """Let everything in the copy that names its path name the final one; return the paths of what was rewritten.

    ``RECORD`` of the distributions is brought up to date. Called as the user.
    """
    rewritten: dict[str, bytes] = {}
    for path in _candidates(staged, sites):
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_TEXT:
            continue
        with open(path, "rb") as stream:
            content = stream.read()
        if os.fsencode(staged) in content:
            rewritten[path] = _final_text(content, staged, final)
            _replace(path, rewritten[path])
    for distribution in distributions if rewritten else ():
        if distribution.recorded:
            _update_record(distribution, rewritten)
    return list(rewritten)


def _update_record(distribution: Distribution, rewritten: Mapping[str, bytes]) -> None:
    folder, record = os.path.dirname(distribution.path), os.path.join(distribution.path, "RECORD")
    with open(record, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        lines = stream.read().splitlines(keepends=True)
    names = {os.path.basename(path) for path in rewritten}
    changed = False
    for index, line in enumerate(lines):
        name = line.rsplit(",", 2)[0]
        recorded = next(csv.reader([name]), [name])[0] if name.startswith('"') else name
        if os.path.basename(recorded) not in names:
            continue
        content = rewritten.get(os.path.normpath(os.path.join(folder, recorded)))
        if content is not None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            ending = line[len(line.rstrip("\r\n")) :]
            lines[index] = f"{name},sha256={digest},{len(content)}{ending}"
            changed = True
    if changed:
        _replace(record, "".join(lines).encode("utf-8", "surrogateescape"))


#: Makes byte code of the files named in a list, one a line, for the path that they will have; with many, on each processor.
#: ``compileall`` by command would not do several at once, and cannot be told another path before Python 3.9.
_COMPILE = """import compileall, itertools, os, sys

def main(staged, final, listed):
    with open(listed, encoding="utf-8", errors="surrogateescape") as stream:
        paths = stream.read().splitlines()
    folders = [os.path.dirname(final + path[len(staged):]) for path in paths]
    work = (compileall.compile_file, paths, folders, *map(itertools.repeat, (True, None, 2)))
    try:
        if len(paths) < 200:
            raise NotImplementedError
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor() as pool:
            list(pool.map(*work, chunksize=20))
    except (ImportError, NotImplementedError, OSError):
        list(map(*work))

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


def compile_command(place: Place, paths: Iterable[str], folder: str) -> list[str]:
    """Return the command that makes byte code of the files at ``paths`` in the copy, with their final paths in it.

    Its script and its list are written to ``folder``. Files that are no valid Python stay without byte code, as with pip.
    Called as the user.
    """
    script, listed = os.path.join(folder, "compile.py"), os.path.join(folder, "sources.txt")
    lines = "".join(f"{path}\n" for path in paths if "\n" not in path)
    for path, text in ((script, _COMPILE), (listed, lines)):
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
    return [os.path.join(place.staged, "bin", "python"), "-I", "-B", script, place.staged, place.final, listed]
