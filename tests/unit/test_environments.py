# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list stability_environments."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.environments import (
    KEYS,
    MODULE_KEYS,
    Environment,
    parse_environment,
    parse_environments,
)
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput, Problem
from hypothesis import given
from hypothesis import strategies as st

VENV = "/opt/api/venv"
SHA = "a" * 64


def item(**keys: Any) -> dict[str, Any]:
    return {"virtualenv": VENV, "pins": [], **keys}


def problems_of(raw: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_environments(raw)
    return str(caught.value).split("\n")


def test_everything_that_may_be_said() -> None:
    (environment,) = parse_environments(
        [
            {
                "virtualenv": "/opt//api/venv/",
                "python": "/usr/bin/python3.11",
                "run_as": "api",
                "pins": ["Flask==3.0.3", "requests[socks]==2.32.3"],
                "requirements": "/opt/api/lock.txt",
                "requirements_content": "# lock\nclick==8.1.7\n",
                "reinstall": "always",
                "pip_check": "strict",
                "imports": "ignore",
                "installer": "uv",
                "locked": "yes",
                "smoke_test": ["{python}", "-m", "pytest"],
                "stop_before_switch": "false",
                "index_url": "https://me:secret@example.org/simple",
                "extra_index_urls": ["https://example.net/simple"],
                "find_links": "/opt/wheelhouse",
                "no_index": "yes",
                "require_hashes": "False",
                "state": "present",
            }
        ]
    )
    assert environment.virtualenv == VENV
    assert [pin.requirement for pin in environment.pins] == ["flask==3.0.3", "requests[socks]==2.32.3", "click==8.1.7"]
    assert (environment.no_index, environment.require_hashes, environment.locked) == (True, False, True)
    assert environment.find_links == ("/opt/wheelhouse",)
    assert (environment.imports, environment.installer) == ("ignore", "uv")
    assert environment.option("pins") == "stability_environments[0].pins"
    assert environment.smoke_test == ("{python}", "-m", "pytest")


def test_defaults() -> None:
    assert parse_environments([item()]) == [Environment("stability_environments[0]", VENV)]
    assert parse_environments(None) == parse_environments([]) == []


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("x", 'stability_environments: found "x"; expected a list of environments. Write a list of mappings.'),
        (["x"], 'stability_environments[0]: found "x"; expected a mapping. Write virtualenv and pins.'),
        (
            [{"pins": []}],
            "stability_environments[0].virtualenv: found nothing; expected the folder of the virtual environment. "
            "Add the key virtualenv.",
        ),
        (
            [{"virtualenv": VENV}],
            "stability_environments[0].pins: found nothing; expected pins, requirements or requirements_content. "
            "Say what it must hold; pins: [] for nothing.",
        ),
        (
            [item(pinz=["a==1"])],
            "stability_environments[0].pinz: found an unknown key; expected a key of an environment. Did you mean pins.",
        ),
        (
            [item(zzz=1)],
            f"stability_environments[0].zzz: found an unknown key; expected a key of an environment. "
            f"The keys are {', '.join(key for key in KEYS if key not in MODULE_KEYS)}.",
        ),
        (
            [item(interpreter="/usr/bin/python3")],
            "stability_environments[0].interpreter: found an option of the module alone; expected a key of an environment. "
            "Name a virtual environment with virtualenv, or call the module pip_pinned.",
        ),
        (
            [item(gates_as="api")],
            "stability_environments[0].gates_as: found an option of the module alone; expected a key of an environment. "
            "Take it out: it is the user and group of the first service of stability_services that runs there.",
        ),
        (
            [item(stop_before_switch="later")],
            'stability_environments[0].stop_before_switch: found "later"; expected true or false. Write true or false.',
        ),
        (
            [item(run_as=None)],
            "stability_environments[0].run_as: found no value; expected a value. Write one or take the key out.",
        ),
        (
            [item(virtualenv="/")],
            'stability_environments[0].virtualenv: found "/"; expected the folder of a virtual environment. '
            "Write its path, such as /opt/app/venv.",
        ),
        (
            [item(virtualenv="/opt/my app")],
            'stability_environments[0].virtualenv: found "/opt/my app"; expected a path without blanks. '
            "Scripts of an environment name its path in their first line; rename it.",
        ),
        (
            [item(virtualenv="venv")],
            'stability_environments[0].virtualenv: found "venv"; expected an absolute path. Write the whole path from /.',
        ),
        (
            [item(pins="a==1")],
            'stability_environments[0].pins: found "a==1"; expected a list of requirements. '
            "Write a list, one requirement in each entry.",
        ),
        (
            [item(pins=["a==1", 1.1])],
            "stability_environments[0].pins[1]: found 1.1; expected text. Quote it, so that YAML leaves it as text.",
        ),
        (
            [item(pins=[{"flask": "3.0.3"}])],
            'stability_environments[0].pins[0]: found {"flask": "3.0.3"}; expected text. Write name==version, without a colon.',
        ),
        (
            [item(requirements_content=1.0)],
            "stability_environments[0].requirements_content: found 1.0; expected text. Quote it, so that YAML leaves it as text.",
        ),
        (
            [item(no_index="maybe")],
            'stability_environments[0].no_index: found "maybe"; expected true or false. Write true or false.',
        ),
        (
            [item(run_as=1000)],
            "stability_environments[0].run_as: found 1000; expected text. Quote it, so that YAML leaves it as text.",
        ),
        (
            [item(index_url="example.org/simple")],
            'stability_environments[0].index_url: found "example.org/simple"; expected the address of an index: https://…, '
            "http://… or file://…. Write the whole address, without blanks.",
        ),
        (
            [item(extra_index_urls=["https://u:s3cret@example.org/a b"])],
            'stability_environments[0].extra_index_urls[0]: found "https://****@example.org/a b"; expected the address of an index: '
            "https://…, http://… or file://…. Write the whole address, without blanks.",
        ),
        (
            [item(find_links=["https://u:s3cret@example.org/wheels"])],
            'stability_environments[0].find_links[0]: found "https://****@example.org/wheels"; expected a place without credentials. '
            "Give what needs credentials as index_url or extra_index_urls.",
        ),
        (
            [item(find_links="wheels")],
            'stability_environments[0].find_links: found "wheels"; expected an absolute path or an address. '
            "Write the whole path or address, without blanks.",
        ),
        (
            [item(smoke_test="pytest")],
            'stability_environments[0].smoke_test: found "pytest"; expected a list of text that is not empty. '
            "Write the program and its arguments as a list.",
        ),
        (
            [item(smoke_test=["pytest"])],
            'stability_environments[0].smoke_test[0]: found "pytest"; expected an absolute path, or {python}. '
            "Write the whole path from /.",
        ),
        (
            [item(state="absent")],
            'stability_environments[0].state: found "absent"; expected one of present, rolled_back. Choose one of them.',
        ),
        (
            [item(pins=["a==1", "A==2"])],
            'stability_environments[0].pins[1]: found "a==2"; expected the version of stability_environments[0].pins[0] (a==1). '
            "Pin each project once.",
        ),
        (
            [item(pins=["a==1"], require_hashes=True)],
            'stability_environments[0].pins[0]: found "a==1"; expected a hash (require_hashes is set). Add --hash=sha256:<digits>.',
        ),
        (
            [item(), item(virtualenv="/opt//api/venv/")],
            f'stability_environments[1].virtualenv: found "{VENV}"; expected an environment of its own '
            "(stability_environments[0] has this one). Make one item of the two.",
        ),
    ],
)
def test_what_may_not_be_said(raw: object, message: str) -> None:
    assert problems_of(raw) == [message]


def test_every_problem_at_once() -> None:
    raw = [
        item(pins=["flask", "click==8.1.7", "x>1"], requirements_content="# lock\n-e .\n", no_index="maybe"),
        {"virtualenv": VENV, "pin": []},
    ]
    assert [line.split(":")[0] for line in problems_of(raw)] == [
        "stability_environments[0].no_index",
        "stability_environments[0].pins[0]",
        "stability_environments[0].pins[2]",
        "stability_environments[0].requirements_content, line 2",
        "stability_environments[1].pin",
        "stability_environments[1].pins",
        "stability_environments[1].virtualenv",
    ]


def test_two_versions_under_different_markers_are_left_to_the_host() -> None:
    parse_environments([item(pins=["a==1; python_version < '3.9'", "a==2; python_version >= '3.9'"])])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"virtualenv": VENV}, "interpreter: found virtualenv as well; expected one of the two. Take one of them out."),
        (
            {"python": "/usr/bin/python3"},
            "python: found interpreter as well; expected a virtual environment. Take python out.",
        ),
        (
            {"state": "rolled_back"},
            "state: found rolled_back; expected present, since nothing is kept of an interpreter's distributions. "
            "Pin the versions to go back to.",
        ),
        (
            {"gates_as": "api:web"},
            "gates_as: found interpreter as well; expected a virtual environment. Take gates_as out.",
        ),
        (
            {"installer": "uv"},
            "installer: found uv; expected auto or pip, since uv does not rehearse. Take installer out.",
        ),
    ],
)
def test_what_has_no_meaning_for_an_interpreter(options: dict[str, Any], message: str) -> None:
    problems: list[Problem] = []
    parse_environment({"interpreter": "/usr/bin/python3", "pins": [], **options}, "", problems)
    assert [str(problem) for problem in problems] == [message]


def test_a_module_names_its_options_bare() -> None:
    problems: list[Problem] = []
    assert parse_environment({"virtualenv": VENV, "pins": ["flask"]}, "", problems) is None
    assert [problem.option for problem in problems] == ["pins[0]"]
    environment = parse_environment({"virtualenv": VENV, "requirements": "/lock.txt"}, "", [])
    assert environment is not None and environment.option("requirements") == "requirements"


def test_the_keys_of_the_module_are_known() -> None:
    assert set(MODULE_KEYS) <= set(KEYS)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=5,
)


@given(st.one_of(VALUES, st.lists(st.dictionaries(st.sampled_from([*KEYS, "x", "1"]), VALUES, max_size=5), max_size=3)))
def test_any_value_is_read_or_refused_in_words(raw: object) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        parse_environments(raw)
    except InvalidInput as invalid:
        problems = invalid.problems
    assert all(str(problem).startswith("stability_environments") for problem in problems)
