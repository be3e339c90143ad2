# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every gate of our own can fail, and is content with what is right."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.tests.lint import (
    __main__ as runner,
)
from ansible_collections.stability.baseline.tests.lint import (
    artifact,
    defaults,
    documents,
    examples,
    layers,
    limits,
    links,
    markdown,
    sanity,
)
from ansible_collections.stability.baseline.tests.lint.documents import Row
from ansible_collections.stability.baseline.tests.lint.findings import Finding, Tree
from ansible_collections.stability.baseline.tests.matrix import matrix, page, records

HEADER = "# SPDX-License-Identifier: GPL-3.0-or-later\n"


def specification(*options: str) -> str:
    """Return argument specs with these options, one to a line."""
    return "argument_specs:\n  main:\n    options:\n" + "".join(f"      {option}\n" for option in options)


def module(documentation: str, examples_of_it: str) -> str:
    """Return the text of a module with options and examples."""
    return f'{HEADER}DOCUMENTATION = r"""\noptions:\n{documentation}"""\nEXAMPLES = r"""\n{examples_of_it}"""\n'


BOOLEAN = "stability_on: {type: bool, default: true}"
ON = {"roles/web/meta/argument_specs.yml": specification(BOOLEAN)}
PIN = module("  pins: {required: true}\n  python:\n", "- name: Pin\n  stability.baseline.pin: {pins: [a==1]}\n")
CORE = "plugins/module_utils/"

GOOD = [
    (defaults.check, {**ON, "roles/web/defaults/main.yml": "stability_on: true\n"}),
    (
        defaults.check,
        {"roles/web/meta/argument_specs.yml": specification("stability_on: {type: bool, required: true}")},
    ),
    (
        documents.check,
        {**ON, "roles/web/README.md": "| variable | default |\n| --- | --- |\n| `stability_on` | `true` |\n"},
    ),
    (
        documents.check,
        {"README.md": "| name | what |\n|---|---|\n| `stability.baseline.apply` | all |\n", "playbooks/apply.yml": ""},
    ),
    (examples.check, {"plugins/modules/pin.py": PIN}),
    (examples.check, {"a.md": "```yaml\nstability_services:\n  - {name: a, user: root, exec_start: [/bin/a]}\n```\n"}),
    (
        layers.check,
        {f"{CORE}a.py": "import json\nfrom . import b\nfrom .b import c\n", f"{CORE}b.py": "import os.path\n"},
    ),
    (layers.check, {"plugins/modules/a.py": "from ansible.module_utils import basic\nimport os\n"}),
    (layers.check, {"plugins/action/a.py": "from ansible.plugins.action import ActionBase\n"}),
    (limits.check, {"tests/a.py": f"{HEADER}def f():\n" + "    f()\n" * 49}),
    (limits.check, {"tests/a.py": f"{HEADER}try:\n    f()\nexcept OSError:\n    pass\n"}),
    (limits.check, {"a.md": "mktemp -d /tmp/a.XXXXXX; /opt/app/venv, /roots/a, a/work/b\n"}),
    (limits.check, {f"{CORE}a.py": f"{HEADER}run()  # pylint: " + "disable=ansible-bad-function\n"}),
    (
        links.check,
        {"a.md": "[b](d/b.md#two-words) [d](d) [x](https://example.org/x) `[c](c.md)`\n", "d/b.md": "# Two `words`\n"},
    ),
    (links.check, {"README.md": "| folder | what |\n|---|---|\n| `d/` | |\n", "d/a": "", ".ci/run": ""}),
]

BAD = [
    (defaults.check, {"roles/web/tasks/main.yml": ""}, "roles/web/meta/argument_specs.yml:1: found no such file"),
    (defaults.check, ON, "roles/web/defaults/main.yml:1: found no stability_on; expected stability_on: true"),
    (
        defaults.check,
        {**ON, "roles/web/defaults/main.yml": "---\nstability_on: false\n"},
        "roles/web/defaults/main.yml:2: found stability_on: false; expected true, the default of its argument specs",
    ),
    (
        defaults.check,
        {**ON, "roles/web/defaults/main.yml": 'stability_on: "true"\n'},
        'roles/web/defaults/main.yml:1: found stability_on: "true"; expected a value of type bool',
    ),
    (
        defaults.check,
        {
            "roles/web/meta/argument_specs.yml": specification("stability_on: {type: float, default: 1}"),
            "roles/web/defaults/main.yml": "stability_on: 1.0\n",
        },
        "found stability_on: 1.0; expected 1, the default",
    ),
    (
        defaults.check,
        {
            "roles/web/meta/argument_specs.yml": specification("stability_on: {type: int}"),
            "roles/web/defaults/main.yml": "stability_on: 1",
        },
        "roles/web/defaults/main.yml:1: found stability_on: 1; expected a default that the argument specs name, too",
    ),
    (
        defaults.check,
        {**ON, "roles/web/defaults/main.yml": "stability_on: true\nstability_off: 1\n"},
        "roles/web/defaults/main.yml:2: found the variable stability_off; expected only options of",
    ),
    (
        defaults.check,
        {"roles/web/meta/argument_specs.yml": specification("web_on: {type: bool, required: true}")},
        "roles/web/meta/argument_specs.yml:4: found the option web_on; expected public variables named stability_*",
    ),
    (
        defaults.check,
        {
            **ON,
            "roles/web/defaults/main.yml": "stability_on: true\n",
            "roles/zip/meta/argument_specs.yml": specification("stability_on: {type: bool, default: false}"),
            "roles/zip/defaults/main.yml": "stability_on: false\n",
        },
        "roles/zip/defaults/main.yml:1: found stability_on: false; expected true, as in roles/web/defaults/main.yml",
    ),
    (documents.check, ON, "roles/web/README.md:1: found no such table; expected a table whose first column is headed"),
    (
        documents.check,
        {**ON, "roles/web/README.md": "| variable | default |\n| --- | --- |\n| `stability_on` | `false` |\n"},
        "roles/web/README.md:3: found `stability_on`: default '`false`'; expected `true`, as in the code",
    ),
    (
        documents.check,
        {**ON, "roles/web/README.md": "| variable |\n| --- |\n| `stability_on` |\n| `stability_off` |\n"},
        "roles/web/README.md:4: found a row for stability_off; expected only what the code has as variable",
    ),
    (
        documents.check,
        {**ON, "roles/web/README.md": "| variable |\n| --- |\n| `stability_on` |\n| `stability_on` |\n"},
        "roles/web/README.md:4: found a second row for stability_on",
    ),
    (
        documents.check,
        {**ON, "roles/web/README.md": "\n| variable |\n| --- |\n"},
        "roles/web/README.md:2: found no row for stability_on; expected one row for each variable",
    ),
    (
        documents.check,
        {"a.md": "| option |\n|---|\n| `a` |\n"},
        "a.md:1: found a table headed `option` that belongs to nothing",
    ),
    (
        documents.check,
        {"README.md": "| name | what |\n|---|---|\n| `stability.baseline.drill` | all |\n", "playbooks/apply.yml": ""},
        "README.md:1: found no row for stability.baseline.apply",
    ),
    (
        examples.check,
        {"plugins/modules/pin.py": module("  pins:\n", "")},
        "plugins/modules/pin.py:6: found no EXAMPLES",
    ),
    (
        examples.check,
        {"plugins/modules/pin.py": PIN.replace("[a==1]", "[a==1], pythn: x")},
        "plugins/modules/pin.py:9: found stability.baseline.pin: pythn; expected one of pins, python",
    ),
    (
        examples.check,
        {"plugins/modules/pin.py": PIN.replace("pins: [a==1]", "python: x")},
        "plugins/modules/pin.py:9: found stability.baseline.pin without pins",
    ),
    (
        examples.check,
        {"plugins/modules/pin.py": PIN.replace("name: Pin", "when: true")},
        "plugins/modules/pin.py:9: found a task of stability.baseline.pin without name",
    ),
    (
        examples.check,
        {"a.md": "\n```yaml\n- name: Drill\n  stability.baseline.drill: {}\n```\n"},
        "a.md:4: found stability.baseline.drill; expected a module of this collection",
    ),
    (examples.check, {"a.md": "```yaml\na: [\n```\n"}, "a.md:2: found a.md is no YAML"),
    (
        examples.check,
        {"a.md": "```yaml\nall:\n  stability_services:\n    - {name: a, user: root, exec_strat: [/bin/a]}\n```\n"},
        "a.md:3: found an invalid list; expected one that the collection takes",
    ),
    (
        layers.check,
        {f"{CORE}a.py": "\nimport yaml\n"},
        f"{CORE}a.py:2: found an import of yaml; expected the standard library",
    ),
    (
        layers.check,
        {f"{CORE}a.py": "import tomllib\n"},
        "found an import of tomllib; expected the standard library of Python 3.9",
    ),
    (
        layers.check,
        {f"{CORE}a.py": "def f():\n    import distutils.core\n"},
        f"{CORE}a.py:2: found an import of distutils.core",
    ),
    (
        layers.check,
        {f"{CORE}a.py": "from ansible.module_utils.basic import AnsibleModule\n"},
        "found an import of ansible.module_utils.basic; expected the standard library",
    ),
    (
        layers.check,
        {f"{CORE}a.py": "import ansible_collections.stability.baseline.plugins.module_utils.b\n", f"{CORE}b.py": ""},
        "expected a relative import inside the core",
    ),
    (layers.check, {f"{CORE}a.py": "from .b import c\n"}, f"expected the file {CORE}b.py"),
    (layers.check, {f"{CORE}a.py": "def f(module):\n    module.fail_json()\n"}, f"{CORE}a.py:2: found fail_json"),
    (
        layers.check,
        {f"{CORE}a.py": "import importlib\nimportlib.import_module('b')\n"},
        f"{CORE}a.py:2: found import_module",
    ),
    (
        layers.check,
        {
            f"{CORE}a.py": "from . import b\n",
            f"{CORE}b.py": "from .c import d\n",
            f"{CORE}c.py": "def f():\n    from .a import g\n",
        },
        f"{CORE}c.py:2: found the circle a -> b -> c -> a; expected no circles",
    ),
    (
        layers.check,
        {"plugins/modules/a.py": "import requests\n"},
        "plugins/modules/a.py:1: found an import of requests",
    ),
    (
        layers.check,
        {"plugins/modules/a.py": "from ansible.plugins.action import ActionBase\n"},
        "plugins/modules/a.py:1: found an import of ansible.plugins.action; expected the standard library, ansible.module_utils or",
    ),
    (
        layers.check,
        {"tests/unit/test_a.py": "from ansible_collections.stability.baseline.plugins.modules import a\n"},
        "tests/unit/test_a.py:1: found an import of ansible_collections.stability.baseline.plugins.modules.a; expected no import of",
    ),
    (
        limits.check,
        {"tests/a.py": f"{HEADER}def f():\n" + "    f()\n" * 50},
        "tests/a.py:2: found 51 lines in f(); expected at most 50",
    ),
    (
        limits.check,
        {"tests/a.py": f"{HEADER}def main():\n" + "    f()\n" * 40},
        "tests/a.py:2: found 41 lines in main()",
    ),
    (limits.check, {"tests/a.py": HEADER + "f()\n" * 500}, "tests/a.py:501: found 501 lines; expected at most 500"),
    (limits.check, {"run": "#!/usr/bin/env bash\n" + "f\n" * 500}, "run:501: found 501 lines"),
    (limits.check, {"tests/a.py": "f()\n"}, "tests/a.py:1: found no licence; expected a header"),
    (
        limits.check,
        {"tests/a.py": f"{HEADER}try:\n    f()\nexcept (OSError, Exception):\n    pass\n"},
        "tests/a.py:4: found a broad except",
    ),
    (limits.check, {"tests/a.py": f"{HEADER}try:\n    f()\nexcept:\n    pass\n"}, "tests/a.py:4: found a broad except"),
    (
        limits.check,
        {"tests/a.py": f"{HEADER}with suppress(Exception):\n    f()\n"},
        "tests/a.py:2: found a broad suppress",
    ),
    (
        limits.check,
        {"tests/a.py": f"{HEADER}import pytest\n@pytest.mark.skipif(True)\ndef f(): ...\n"},
        "tests/a.py:3: found skipif",
    ),
    (limits.check, {"tests/a.py": f"{HEADER}from pytest import importorskip\n"}, "tests/a.py:2: found importorskip"),
    (
        limits.check,
        {"a.yml": "a: 1\n# " + "TO" + "DO later\n"},
        "a.yml:2: found " + "TO" + "DO; expected nothing left for later",
    ),
    (
        limits.check,
        {"a.yml": "index: https://" + "pypi" + ".org/simple\n"},
        "expected no host name of a package registry",
    ),
    (
        limits.check,
        {"a.sh": "/" + "root/.pyenv/bin/python\n"},
        "a.sh:1: found /" + "root/.; expected no path of one developer's machine",
    ),
    (limits.check, {"a.sh": "/" + "home/jo/src\n"}, "expected no path of one developer's machine"),
    (
        limits.check,
        {f"{CORE}a.py": f"{HEADER}run()  # pylint: " + "disable=no-member\n"},
        f"{CORE}a.py:2: found pylint: " + "disable=",
    ),
    (
        limits.check,
        {f"{CORE}a.py": f"{HEADER}# pylint: " + "disable-next=ansible-bad-function -- why\nrun()\n"},
        f"{CORE}a.py:2: found pylint: " + "disable-next=",
    ),
    (links.check, {"a.md": "\n[b](b.md)\n"}, "a.md:2: found a link to b.md; expected a file or folder of the project"),
    (links.check, {"d/a.md": "[b][1]\n\n[1]: a.md\n[2]: ../b.md\n"}, "d/a.md:4: found a link to ../b.md"),
    (
        links.check,
        {"a.md": "# One\n\n![b](#two)\n"},
        "a.md:3: found a link to #two; expected a heading of a.md with this anchor",
    ),
    (
        links.check,
        {"README.md": "# A\n", "d/a": ""},
        "README.md:1: found 0 tables headed `folder`; expected one map of the folders",
    ),
    (
        links.check,
        {"README.md": "| folder | what |\n|---|---|\n| `e/` | |\n", "d/a": ""},
        "README.md:3: found the folder e; expected folders that exist",
    ),
    (
        links.check,
        {"README.md": "| folder |\n|---|\n", "d/a": ""},
        "README.md:1: found no row for d/; expected a row for each",
    ),
]


def tree_of(root: Path, files: dict[str, str]) -> Tree:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Tree.of_folder(root)


@pytest.mark.parametrize(("check", "files"), GOOD)
def test_content(tmp_path: Path, check: Callable[[Tree], list[Finding]], files: dict[str, str]) -> None:
    assert check(tree_of(tmp_path, files)) == []


@pytest.mark.parametrize(("check", "files", "message"), BAD)
def test_not_content(
    tmp_path: Path, check: Callable[[Tree], list[Finding]], files: dict[str, str], message: str
) -> None:
    findings = [str(finding) for finding in check(tree_of(tmp_path, files))]
    assert any(message in finding for finding in findings), findings


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("| `restart` | `Restart=` | `always`; jobs `on-failure` |", ""),
        ("| `restart` | `Restart=` | `always` |", "`restart`: default '`always`'; expected `on-failure`"),
        ("| `restart` | `RestartSec=` | `always` `on-failure` |", "directive '`RestartSec=`'; expected `Restart=`"),
        ("| `restart` |", "`restart`: default ''; expected `always`"),
    ],
)
def test_a_row_of_a_key_shows_its_directive_and_both_defaults(cells: str, message: str) -> None:
    (table,) = markdown.tables(f"| key | directive | default |\n| --- | --- | --- |\n{cells}\n")
    found = documents.compare("a.md", table, {"restart": Row(("always", "on-failure"), "Restart=")})
    assert message in " ".join(map(str, found)) and bool(found) == bool(message)


def test_the_guides_are_compared_with_the_core() -> None:
    rows = documents.expected_tables(Tree(Path(), ()))
    assert rows == {}
    service, environment = documents.service_rows(), documents.environment_rows()
    assert service["restart_sec"] == Row(("5s", "1min"), "RestartSec=") and service["name"] == Row()
    assert environment["reinstall"] == Row(("drifted",)) and environment["pins"] == Row()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], ""),
        (
            ["Makefile"],
            "galaxy.yml:1: found Makefile in the tarball; expected only what users need. Add it to build_ignore.",
        ),
        (["plugins/modules/__pycache__/a.pyc"], "found plugins/modules/__pycache__/a.pyc in the tarball"),
        (["roles/web/molecule/default/molecule.yml"], "in the tarball"),
        (["docs/.hidden"], "found docs/.hidden in the tarball"),
    ],
)
def test_development_files_in_the_tarball_are_found(names: list[str], message: str) -> None:
    needed = ["README.md", "LICENSE", "meta/runtime.yml", "changelogs/changelog.yaml", "plugins/modules/a.py"]
    found = " ".join(map(str, artifact.content_findings([*needed, *names])))
    assert message in found and bool(found) == bool(message)
    assert "a tarball without LICENSE" in str(artifact.content_findings(["README.md"])[0])


def report(folder: Path, name: str, inside: str) -> None:
    text = f'<testsuites><testsuite><testcase classname="sanity" name="{name}">{inside}</testcase></testsuite></testsuites>'
    (folder / f"{name}.xml").write_text(text)


def test_a_skipped_sanity_test_is_a_failure_and_one_without_files_is_none(tmp_path: Path) -> None:
    report(tmp_path, "pep8", "")
    report(tmp_path, "pylint", '<failure message="a">b</failure>')
    report(tmp_path, "pslint-python-3.13", "<skipped>No tests applicable.</skipped>")
    report(tmp_path, "import-python-3.9", "<skipped>Skipping: it could not be found.</skipped>")
    results = sanity.read_results(tmp_path)
    assert results.passed == ("pep8",) and results.failed == ("pylint",) and results.inapplicable == ("pslint",)
    assert sanity.missing(["import", "pep8", "pylint", "pslint", "yamllint"], results) == [
        "the test import left no result",
        "the test yamllint left no result",
        "the test import-python-3.9: Skipping: it could not be found. (skipped: install what it needs)",
    ]


def test_warnings_of_ansible_test_count_but_for_the_locale() -> None:
    harmless = 'WARNING: Using locale "C.UTF-8" instead of "en_US.UTF-8".\nWARNING: Reviewing previous 1 warning(s):\nRunning\n'
    assert sanity.warnings(harmless) == []
    assert sanity.warnings(f'{harmless}WARNING: Required program "shellcheck" not found.\n') == [
        'a warning counts as a failure: WARNING: Required program "shellcheck" not found.'
    ]


def test_an_ignore_file_fails_the_sanity_gate(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, {"tests/sanity/ignore-2.19.txt": "a\n"})
    outcome = sanity.sanity(runner.Context(tree, tmp_path / "work", tmp_path / "cache"))
    assert not outcome.good and outcome.output.startswith("tests/sanity/ignore-2.19.txt:1: found an ignore file")


def test_the_runner_shows_what_failed_and_leaves_ignored_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree_of(tmp_path, {f"{CORE}a.py": f"{HEADER}import yaml\n", f"{CORE}b.py": "import yaml\n", ".gitignore": "b.py\n"})
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STABILITY_CACHE", str(tmp_path / ".git/cache"))
    monkeypatch.setattr("sys.argv", ["run", "layers", "limits"])
    assert runner.main() == 1
    shown = capsys.readouterr().out
    assert "FAILED  1 findings" in shown and "limits" in shown and "ok" in shown
    assert shown.count("found an import of yaml") == 1 and shown.endswith("lint: failed: layers\n")
    monkeypatch.setattr("sys.argv", ["run", "limits"])
    assert runner.main() == 0


def test_a_folder_that_is_no_checkout_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STABILITY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.argv", ["run", "links"])
    assert runner.main() == 1
    assert "lint: git cannot list the files of" in capsys.readouterr().err


def test_what_is_said_to_be_tested_is_what_the_records_say(tmp_path: Path) -> None:
    passed = records.Record(records.PASSED, "2026-01-02", "c", "d", 7, 5, 60, passed=3)
    (tmp_path / "docs").mkdir()
    records.save({"molecule/services/trixie": passed}, tmp_path / records.PATH)
    found = records.load(tmp_path / records.PATH)
    claim = page.claim(matrix.load(), found)
    good = {str(page.PATH): page.render(matrix.load(), found), "README.md": f"# A\n\n{claim}\n"}
    assert documents.tested(tree_of(tmp_path, good)) == []
    edited = documents.tested(tree_of(tmp_path, {str(page.PATH): "by hand\n"}))
    assert [str(finding).partition(":1: ")[0] for finding in edited] == ["docs/matrix.md"]
    old = documents.tested(tree_of(tmp_path, {**good, "README.md": "Tested on Debian 12.\n"}))
    assert "Debian 13" in str(old[0]) and len(old) == 1
    (tmp_path / records.PATH).unlink()
    assert documents.tested(Tree.of_folder(tmp_path)) == []
