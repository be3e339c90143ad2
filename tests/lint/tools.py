# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates that are a tool with its settings."""

from __future__ import annotations

from collections.abc import Callable

from .context import Context, Outcome
from .findings import Finding
from .sources import modules, roles

_CORE = "ansible_collections.stability.baseline.plugins.module_utils"


def _tool(*command: str) -> Callable[[Context], Outcome]:
    def run(context: Context) -> Outcome:
        done = context.run(*command)
        return Outcome(done.code == 0, output=done.output)

    return run


ruff = _tool("ruff", "check", "--output-format", "concise", ".")
ruff_format = _tool("ruff", "format", "--diff", ".")


def yamllint(context: Context) -> Outcome:
    """Check every YAML file, ansible-lint's and yamllint's own settings as well."""
    files = context.tree.matching("*.yml", "*.yaml", ".ansible-lint")
    done = context.run("yamllint", "--strict", "--format", "parsable", *files)
    return Outcome(done.code == 0, f"{len(files)} files", done.output)


def shellcheck(context: Context) -> Outcome:
    """Check every shell script."""
    scripts = context.tree.shell_scripts()
    done = context.run("shellcheck", "--external-sources", *scripts)
    return Outcome(done.code == 0, f"{len(scripts)} scripts", done.output)


def mypy(context: Context) -> Outcome:
    """Check the types of the core."""
    done = context.run(
        "mypy",
        "--strict",
        "--namespace-packages",
        "--explicit-package-bases",
        "--no-error-summary",
        "--package",
        _CORE,
        variables={"MYPYPATH": str(context.tree.root / ".cache/collections")},
    )
    return Outcome(done.code == 0, output=done.output)


def ansible_lint(context: Context) -> Outcome:
    """Check a copy, so that nothing but the project's files is looked at and nothing is left in the checkout."""
    folder = context.copy_collection()
    done = context.run(
        "ansible-lint",
        "--nocolor",
        "--format",
        "pep8",
        folder=folder,
        variables={"ANSIBLE_COLLECTIONS_PATH": str(context.work)},
    )
    return Outcome(done.code == 0, output=done.output)


def changelog(context: Context) -> Outcome:
    """Check the fragments, and that everything public is named in one or in the releases."""
    done = context.run("antsibull-changelog", "lint")
    tree = context.tree
    texts = "\n".join(tree.text(path) for path in tree.matching("changelogs/fragments/*", "changelogs/changelog.yaml"))
    playbooks = [path.split("/")[1].rsplit(".", 1)[0] for path in tree.matching("playbooks/*.yml")]
    findings = [
        Finding(
            "changelogs/fragments", 1, f"no word of {name}", f"an entry that begins with `{name} - `", "Add a fragment"
        )
        for name in sorted({*roles(tree), *modules(tree), *playbooks})
        if f"{name} - " not in texts
    ]
    lines = [*map(str, findings), *([done.output] if done.code else [])]
    return Outcome(not lines, output="\n".join(lines))
