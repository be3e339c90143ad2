# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates on what users get: the built tarball, its content, its installation, and Galaxy's own importer."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

from .context import Context, Done, Outcome
from .findings import Finding, GateError, Tree
from .sources import modules, roles

_COLLECTION = "stability.baseline"
#: Top-level names of the tarball; everything else is for developers.
_SHIPPED = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "extensions",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}
_NEVER_SHIPPED = re.compile(r"(?:^|/)(?:\..*|__pycache__|molecule|tests)(?:/|$)|\.py[co]$")
_COMPLAINT = re.compile(r"\[?(?:WARNING|ERROR|CRITICAL|DEPRECATION WARNING)\]?:|Traceback ")


def tarball(context: Context) -> Outcome:
    """Build from a checkout in which people have worked, look into it, install it, and use it from there."""
    built = _build(context)
    with tarfile.open(built) as archive:
        names = sorted(member.name for member in archive.getmembers() if member.isfile())
    problems = [str(finding) for finding in content_findings(names)]
    problems += _use(context, built)
    return Outcome(not problems, f"{len(names)} files", "\n".join(problems))


def importer(context: Context) -> Outcome:
    """Import the tarball as Galaxy does; its every warning and error counts."""
    built = _build(context)
    settings = context.work / "galaxy-importer.cfg"
    settings.write_text(
        f"[galaxy-importer]\nansible_local_tmp = {context.work / 'ansible-tmp'}\ntmp_root_dir = {context.work}\n"
    )
    variables = {"GALAXY_IMPORTER_CONFIG": str(settings)}
    done = context.run("python", "-m", "galaxy_importer.main", str(built), folder=context.work, variables=variables)
    good = done.code == 0 and not _complains(done.output) and (context.work / "importer_result.json").is_file()
    return Outcome(good, output=done.output)


def content_findings(names: list[str]) -> list[Finding]:
    """Return the files of a tarball that no user needs, and what is missing."""
    findings = [
        Finding("galaxy.yml", 1, f"{name} in the tarball", "only what users need", "Add it to build_ignore")
        for name in names
        if name.split("/")[0] not in _SHIPPED or _NEVER_SHIPPED.search(name)
    ]
    for name in ("README.md", "LICENSE", "meta/runtime.yml", "changelogs/changelog.yaml"):
        if name not in names:
            findings.append(
                Finding("galaxy.yml", 1, f"a tarball without {name}", "it to be there", "Take it out of build_ignore")
            )
    return findings


def _build(context: Context) -> Path:
    folder = context.copy_collection()
    _work_in(folder, context.tree)
    done = context.run("ansible-galaxy", "collection", "build", "--output-path", str(context.work), folder=folder)
    built = list(context.work.glob("*.tar.gz"))
    if done.code or len(built) != 1:
        raise GateError(f"the collection cannot be built:\n{done.output}")
    return built[0]


def _work_in(folder: Path, tree: Tree) -> None:
    """Leave behind what git ignores, one file for each pattern, as in a checkout that is in use."""
    for pattern in tree.text(".gitignore").split():
        name = pattern.strip("/").replace("*", "left")
        places = [folder / name] if pattern.startswith("/") else [folder / name, folder / "plugins/module_utils" / name]
        for place in places:
            file = place / "left" if pattern.endswith("/") else place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()


def _use(context: Context, built: Path) -> list[str]:
    """Install the tarball where no other collection is, and return what then does not work by full name."""
    home = context.work / "installed"
    variables = {"ANSIBLE_COLLECTIONS_PATH": str(home), "ANSIBLE_GALAXY_SERVER_LIST": ""}

    def run(*command: str) -> tuple[Done, str]:
        done = context.run(*command, folder=context.work, variables=variables)
        return done, f"`{' '.join(command)}` ended with {done.code}:\n{done.output}"

    done, problem = run(
        "ansible-galaxy", "collection", "install", "--offline", "--collections-path", str(home), str(built)
    )
    if done.code or _complains(done.output):
        return [problem]
    problems = []
    for kind, names in (("module", modules(context.tree)), ("role", roles(context.tree))):
        done, problem = run("ansible-doc", "--json", "--type", kind, *(f"{_COLLECTION}.{name}" for name in names))
        # A warning about ansible's own collections may stand before the document.
        documented = json.loads(done.output[done.output.find("{") :]) if done.code == 0 else {}
        problems += [
            f"no documentation of {name}. {problem}" for name in names if f"{_COLLECTION}.{name}" not in documented
        ]
    for path in context.tree.matching("playbooks/*.yml"):
        playbook = f"{_COLLECTION}.{path.split('/')[1].rsplit('.', 1)[0]}"
        done, problem = run("ansible-playbook", "--inventory", "localhost,", "--syntax-check", playbook)
        problems += [problem] if done.code or _complains(done.output) else []
    return problems


def _complains(output: str) -> bool:
    return any(_COMPLAINT.match(line) for line in output.splitlines())
