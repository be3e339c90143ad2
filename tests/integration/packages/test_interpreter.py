# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python outside of any virtual environment: PEP 668 is respected, the rest is rehearsed and then changed in place."""

from __future__ import annotations

import json

import pytest
from pip_pinned_environments import put_wheels, wheel

from plain_python import plain_python

#: A copy of the system's Python that nobody manages.
FOLDER = "/opt/plain"
PYTHON = f"{FOLDER}/bin/python3"
WHEELS = "/opt/plain-wheels"


@pytest.fixture(scope="module")
def plain(host, tmp_path_factory, wheelhouse):
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "one", "1")
    wheel(folder, "one", "2")
    wheel(folder, "one", "3", {"one.py": "import nothing_of_that_name\n"})
    wheel(folder, "one", "4", {"one.py": "other = 1\n"})
    wheel(folder, "two", "1", requires=["one<3"])
    wheel(folder, "three", "1")
    wheel(folder, "uses", "1", {"uses.py": "import one\n\ndef version():\n    return one.version\n"}, requires=["one"])
    (pip,) = wheelhouse.glob("pip-*.whl")
    (folder / pip.name).write_bytes(pip.read_bytes())
    put_wheels(host, folder, WHEELS)
    assert plain_python(host, FOLDER, f"{WHEELS}/{pip.name}") == PYTHON
    # The pip in Debian's ensurepip finds what it is made of below the prefix of its own Python.
    host.check(["mkdir", "-p", f"{FOLDER}/share"])
    host.check(["cp", "-r", "/usr/share/python-wheels", f"{FOLDER}/share/"])


def change(host, *pins, check=False, **options):
    arguments = {"interpreter": PYTHON, "pins": list(pins), "find_links": [WHEELS], "no_index": True, **options}
    return host.module("pip_pinned", arguments, check=check, diff=True)


def versions(host):
    listed = json.loads(host.check([PYTHON, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]))
    return {one["name"]: one["version"] for one in listed if one["name"] != "pip"}


def test_a_python_that_the_system_manages_is_refused(host):
    found = host.run("ls /usr/lib/python3*/EXTERNALLY-MANAGED").output.split()
    result = host.module("pip_pinned", {"interpreter": "/usr/bin/python3", "pins": ["one==1"]}, check=True)
    if host.spec.release == "bullseye":
        assert not found and result["msg"].startswith("interpreter: /usr/bin/python3 has no pip.")
    else:
        assert result["msg"] == (
            f'interpreter: found "/usr/bin/python3"; expected one that nobody else manages (PEP 668: {found[0]}). '
            "Write virtualenv: FOLDER and python: /usr/bin/python3 instead, which makes an environment of its own."
        )


def test_exactly_the_pins_are_changed_and_a_warning_says_how(host, plain):
    predicted = change(host, "one==1", "two==1", check=True)
    assert versions(host) == {}
    done = change(host, "one==1", "two==1")
    assert not done.get("failed"), done["msg"]
    for key in ("changed", "reinstalled", "diff"):
        assert predicted[key] == done[key]
    assert versions(host) == {"one": "1", "two": "1"}
    assert any("is not a virtual environment, so it was changed in place" in warning for warning in done["warnings"])
    again = change(host, "one==1", "two==1")
    assert (again["changed"], again["commands"], again["warnings"]) == (False, [], [])

    upgraded = change(host, "one==2")
    assert [step["name"] for step in upgraded["reinstalled"]] == ["one"]
    assert versions(host) == {"one": "2", "two": "1"}
    site = host.check([PYTHON, "-c", "import one; print(one.__file__)"]).strip()
    host.check(f"echo changed >> {site}")
    mended = change(host, "one==2")
    assert [(step["name"], step["reason"]) for step in mended["reinstalled"]] == [("one", "files changed")]


def test_what_fails_in_the_rehearsal_changes_nothing(host, plain):
    assert not change(host, "one==2", "two==1").get("failed")
    before = host.check(f"find {FOLDER} -name __pycache__ -prune -o -type f -printf '%p %s %T@\\n' | sort")
    for options, said in (
        (
            {},
            "pip check found conflicts that were not there before:\n- two 1 has requirement one<3, but you have one 3.",
        ),
        ({"pip_check": "ignore"}, "Imports that worked before and fail now:\n- one (one 3): ModuleNotFoundError"),
        (
            {
                "pip_check": "ignore",
                "imports": "ignore",
                "references": "ignore",
                "smoke_test": ["{python}", "-c", "import one"],
            },
            "smoke_test ended with status 1",
        ),
    ):
        failed = change(host, "one==3", **options)
        assert failed["msg"].startswith(said) and failed["msg"].endswith("\nNothing was changed."), failed["msg"]
        assert not failed["changed"]
    missing = change(host, "one==5")
    assert missing["msg"].startswith("pip failed:\n") and missing["msg"].endswith("\nNothing was changed.")
    assert before == host.check(f"find {FOLDER} -name __pycache__ -prune -o -type f -printf '%p %s %T@\\n' | sort")


def test_the_rehearsal_names_what_it_copied_and_takes_no_notice_of_odd_files(host, plain):
    assert not change(host, "one==1").get("failed")
    site = host.check([PYTHON, "-c", "import one, os; print(os.path.dirname(one.__file__))"]).strip()
    host.check(f"cd {site} && ln -sfn nowhere dangling && mkdir -p pack && rm -f pack/fifo && mkfifo pack/fifo")
    assert not change(host, "one==2", "uses==1").get("failed")
    failed = change(host, "one==4", pip_check="ignore")
    assert f"{site}/uses.py:4" in failed["msg"] and "/stability-pip-" not in failed["msg"], failed["msg"]
    assert {missing["source"] for missing in failed["missing_references"]} == {f"{site}/uses.py"}
    assert host.check([PYTHON, "-c", "import one; print(one.version)"]) == "2\n"


def test_conflicts_of_the_system_are_not_those_of_an_environment_that_sees_it(host, plain):
    """One without pip is made anew; the conflict was there before."""
    assert not change(host, "two==1", pip_check="ignore", imports="ignore").get("failed")
    host.check([PYTHON, "-m", "pip", "uninstall", "--yes", "--quiet", "one"])
    host.check([PYTHON, "-m", "venv", "--system-site-packages", "--without-pip", "/opt/sees/venv"])
    arguments = {"virtualenv": "/opt/sees/venv", "python": PYTHON, "pins": ["three==1"], "installer": "pip"}
    result = host.module("pip_pinned", {**arguments, "find_links": [WHEELS], "no_index": True})
    assert not result.get("failed"), result["msg"]
    conflict = "two 1 requires one, which is not installed."
    assert conflict in result["conflicts"]["before"] and conflict in result["conflicts"]["after"]


def test_a_python_of_a_virtual_environment_is_refused(host, plain):
    host.check([PYTHON, "-m", "venv", "--without-pip", f"{FOLDER}/venv"])
    result = host.module("pip_pinned", {"interpreter": f"{FOLDER}/venv/bin/python", "pins": []})
    assert result["msg"] == (
        f'interpreter: found "{FOLDER}/venv/bin/python"; expected a Python outside of any virtual environment. '
        "Name its folder with virtualenv."
    )
