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
from dataclasses import replace
from typing import Optional

from .commands import EnvironmentFailure, User, acting_as
from .dist_info import Distribution, Row, installed_distributions, is_compiled, is_row, listed_files
from .environment_layout import sites_of
from .environment_marks import GENERATION_FILE, JOURNAL_FILE
from .environment_place import Place
from .files import STAGED
from .own_files import recorded_paths, to_carry_over

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
    """One copy of a tree; ``roots`` are the paths by which links in it may name the tree itself.

    ``outside`` collects the links to folders outside of the tree, which are left out: what is written below one of them would be
    written there. ``groups`` collects what was copied with another group than it has, by source.
    """

    def __init__(self, source: str, roots: Iterable[str]) -> None:
        self.source = source
        self.roots = tuple(f"{root}/" for root in {source, *roots})
        self.outside: dict[str, str] = {}
        self.groups: dict[str, str] = {}

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

    def one(self, source: str, target: str) -> None:
        """Copy a single file, link or folder."""
        with os.scandir(os.path.dirname(source)) as entries:
            for entry in entries:
                if entry.path == source:
                    self._entry(entry, target, copies=True)

    def _entry(self, entry: os.DirEntry[str], path: str, copies: bool) -> None:
        if entry.is_symlink():
            self._symlink(entry, path)
        elif entry.is_dir(follow_symlinks=False):
            os.mkdir(path, 0o700)
            programs = entry.name == "bin" and os.path.dirname(entry.path) == self.source
            self.folder(entry.path, path, copies=programs)
        elif (copies or entry.name.endswith(_EDITED)) and entry.stat(follow_symlinks=False).st_size <= _SMALL:
            self._file(entry, path)
            if entry.name.endswith(".pth"):
                self._name_whole_paths(entry, path)
        else:
            try:
                os.link(entry.path, path, follow_symlinks=False)
            except OSError:
                self._file(entry, path)

    def _file(self, entry: os.DirEntry[str], path: str) -> None:
        if entry.is_file(follow_symlinks=False):
            shutil.copyfile(entry.path, path, follow_symlinks=False)
            self._like(entry.path, path)

    def _outside(self, folder: str, named: str) -> str:
        """Return the whole path of what ``named`` says in a folder of the tree, empty where it stays inside of the tree."""
        joined = os.path.join(folder, named)
        # A link that says a whole path is left as it is, even where a folder on the way is a link itself.
        whole = (
            named
            if named.startswith("/")
            else os.path.join(os.path.realpath(os.path.dirname(joined)), os.path.basename(joined))
        )
        return "" if os.path.normpath(f"{whole}/").startswith(f"{self.source}/") or whole == self.source else whole

    def _symlink(self, entry: os.DirEntry[str], path: str) -> None:
        """Copy a link; one that names the environment by its path becomes relative, else it would lead out of the copy.

        One that leads out of the environment names the whole path: the copy is not where the environment is.
        """
        leads_to = os.readlink(entry.path)
        for root in self.roots:
            if leads_to.startswith(root):
                inside = os.path.join(self.source, leads_to[len(root) :])
                leads_to = os.path.relpath(inside, os.path.dirname(entry.path))
        outside = self._outside(os.path.dirname(entry.path), leads_to)
        if outside and os.path.isdir(entry.path):
            self.outside[path] = outside
            return
        os.symlink(outside or leads_to, path)
        self._like(entry.path, path)

    def _name_whole_paths(self, entry: os.DirEntry[str], path: str) -> None:
        """Let a ``.pth`` file of the user's own name whole paths where a line leads out of the environment (see site)."""
        folder = os.path.dirname(entry.path)
        with open(entry.path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            lines = stream.read().splitlines(keepends=True)
        whole = [self._whole_line(folder, line) for line in lines]
        if whole != lines and entry.path not in recorded_paths(installed_distributions([folder])):
            _replace(path, "".join(whole).encode("utf-8", "surrogateescape"))
            self._like(entry.path, path)

    def _whole_line(self, folder: str, line: str) -> str:
        named = line.strip()
        if not named or named.startswith(("#", "import ", "import\t", "/")):
            return line
        outside = self._outside(folder, os.path.normpath(named))
        return line.replace(named, outside) if outside else line

    def _like(self, source: str, target: str) -> None:
        """Give ``target`` the owner, mode, times and extended attributes of ``source``."""
        status = os.lstat(source)
        if os.geteuid() == 0:
            os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
        elif status.st_gid != os.lstat(target).st_gid:
            try:
                os.chown(target, -1, status.st_gid, follow_symlinks=False)
            except PermissionError:
                self.groups[source] = target
        shutil.copystat(source, target, follow_symlinks=False)

    def give_groups(self, user: User) -> None:
        """Give what was copied the groups in which the user is not: root can, with nothing but these as a further right."""
        if os.geteuid() != 0 or not self.groups:
            return
        groups = {os.lstat(source).st_gid for source in self.groups}
        with acting_as(replace(user, groups=(*user.groups, *groups))):
            for source, target in self.groups.items():
                os.chown(target, -1, os.lstat(source).st_gid, follow_symlinks=False)
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


def copy_environment(place: Place, user: User, without: Collection[str] = ()) -> dict[str, str]:
    """Fill the folder of the copy with the live environment, as the user.

    Returns the links to folders outside of the environment, which the copy gets by :func:`put_links` when nothing is written to
    it any more.
    """
    copy = _Copy(place.target, (place.final,))
    with acting_as(user):
        copy.folder(place.target, place.staged, copies=True, without=without)
    copy.give_groups(user)
    return copy.outside


def copy_settings(place: Place, user: User) -> dict[str, str]:
    """Do so with what is not of ``venv`` (``pip.conf``, folders of the user's), into a copy that is made from nothing."""
    return copy_environment(place, user, without=_MADE)


def carry_over(place: Place, user: User, site: str) -> dict[str, str]:
    """Copy what users have put where ``venv`` and installers write into a copy that was made anew; ``site`` is its own.

    Returns the links to folders outside, as :func:`copy_environment` does.
    """
    copy = _Copy(place.target, (place.final,))
    with acting_as(user):
        sites = sites_of(place.target)
        found = to_carry_over(place.target, sites, os.path.relpath(site, place.staged), installed_distributions(sites))
        for source, name in found.items():
            target = os.path.join(place.staged, name)
            if os.path.lexists(target):
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            copy.one(source, target)
    copy.give_groups(user)
    return copy.outside


def put_links(links: Mapping[str, str], place: Place, user: User) -> None:
    """Give the copy its links to folders outside.

    Raises :class:`EnvironmentFailure` where the installer has made a folder there: it would have written to the one outside.
    """
    with acting_as(user):
        for path, leads_to in links.items():
            if os.path.lexists(path):
                name = os.path.join(place.final, os.path.relpath(path, place.staged))
                raise EnvironmentFailure(
                    f"{name} is a link to {leads_to}, outside of the environment, and what is installed brings files that would be "
                    "written there. Make it a folder of its own, or link to single files."
                )
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(leads_to, path)


def restore_file(live: str, path: str, row: Row) -> None:
    """Take a file of the live environment into the copy, where it is the one that was recorded. Called as the user."""
    if not is_compiled(path) and is_row(live, row):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            os.link(live, path, follow_symlinks=False)
        except OSError:
            shutil.copy2(live, path)


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
            program = re.sub(rb'([\\"$`])', rb"\\\1", own + match[1])
            head = b"#!/bin/sh\n'''exec' \"" + program + b'" "$0" "$@"\n' + b"' '''\n"
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


def _candidates(staged: str, sites: Sequence[str], built: Iterable[Distribution]) -> Iterable[str]:
    """Yield the paths of the files in which installers write the path of the environment, and of those that were built for it."""
    for distribution in built:
        folder = os.path.dirname(distribution.path)
        for name in listed_files(distribution):
            path = os.path.normpath(os.path.join(folder, name))
            if path.startswith(f"{staged}/lib") and not is_compiled(path) and os.path.lexists(path):
                yield path
    yield os.path.join(staged, "pyvenv.cfg")
    programs = os.path.join(staged, "bin")
    for folder, wanted in ((programs, ("",)), *((site, _EDITED) for site in sites)):
        for name in sorted(os.listdir(folder)):
            if name.endswith(wanted):
                yield os.path.join(folder, name)


def relocate(
    staged: str,
    final: str,
    sites: Sequence[str],
    distributions: Iterable[Distribution],
    built: Iterable[Distribution] = (),
) -> list[str]:
    """Let everything in the copy that names its path name the final one; return the paths of what was rewritten.

    ``RECORD`` of the distributions is brought up to date; ``built`` are those that may name it anywhere. What is no text is left
    as it is. Called as the user.
    """
    rewritten: dict[str, bytes] = {}
    for path in dict.fromkeys(_candidates(staged, sites, built)):
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_TEXT:
            continue
        with open(path, "rb") as stream:
            content = stream.read()
        if os.fsencode(staged) in content and b"\0" not in content:
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
