# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what changes, and why."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.direct_references import DirectUrl
from ansible_collections.stability.baseline.plugins.module_utils.environment_marks import (
    CHECKING,
    INSTALLING,
    Journal,
)
from ansible_collections.stability.baseline.plugins.module_utils.environment_plan import (
    Installed,
    Plan,
    State,
    Step,
    plan,
)
from ansible_collections.stability.baseline.plugins.module_utils.requirements import Pin
from hypothesis import given
from hypothesis import strategies as st

ONE = Pin("one", "1.0")
WHEEL = "https://example.org/one-1.0-py3-none-any.whl"
DIRECT = DirectUrl(WHEEL)


def planned(
    installed: Installed | None, journal: Journal | None = None, reinstall: str = "drifted", pin: Pin = ONE
) -> Plan:
    found = {} if installed is None else {"one": installed}
    return plan([pin], State(True, found, journal=journal), reinstall)


@pytest.mark.parametrize(
    ("installed", "before", "reason"),
    [
        (None, None, "missing"),
        (Installed(("0.9",)), "0.9", "version"),
        (Installed(("1.0.post1",)), "1.0.post1", "version"),
        (Installed(("1.0", "0.9")), "1.0, 0.9", "version"),
        (Installed(("",)), "unknown", "version"),
        (Installed(("1.0",), origin=DIRECT), "1.0", "wrong origin"),
        (Installed(("1.0",), stray=("a",), missing=("b",)), "1.0", "files missing"),
        (Installed(("1.0",), stray=("a",), changed=("b",)), "1.0", "files changed"),
        (Installed(("1.0",), stray=("a",)), "1.0", "stray files"),
        (Installed(("1.0",), changed=("a",), missing=("b",)), "1.0", "files missing"),
        (Installed(("1.0",), changed=("a",)), "1.0", "files changed"),
        (Installed(("0.9",), changed=("a",), missing=("b",), origin=DIRECT), "0.9", "version"),
    ],
)
def test_reasons(installed: Installed | None, before: str | None, reason: str) -> None:
    (step,) = planned(installed).steps
    assert (step.before, step.reason) == (before, reason)


@pytest.mark.parametrize("version", ["1.0", "1", "1.0.0", "1.0+local"])
def test_the_pinned_version_however_it_is_spelled_is_left_alone(version: str) -> None:
    assert planned(Installed((version,))) == Plan(False, (), (), False)
    assert not planned(Installed((version,))).changed


@pytest.mark.parametrize(
    ("origin", "reasons"), [(DIRECT, []), (None, ["wrong origin"]), (DirectUrl("https://x.org/"), ["wrong origin"])]
)
def test_a_direct_reference_wants_its_own_origin(origin: DirectUrl | None, reasons: list[str]) -> None:
    steps = planned(Installed(("1.0",), origin=origin), pin=Pin("one", "1.0", url=WHEEL)).steps
    assert [step.reason for step in steps] == reasons


@pytest.mark.parametrize(
    ("installed", "files"),
    [
        (Installed(("0.9",), changed=("c",), stray=("s",)), ("s",)),
        (Installed(("1.0",), missing=("m",), changed=("c",), stray=("s",)), ("m", "s")),
        (Installed(("1.0",), changed=("c",), stray=("s",)), ("c", "s")),
        (Installed(("1.0",), stray=("s",)), ("s",)),
    ],
)
def test_stray_files_are_named_whatever_the_reason(installed: Installed, files: tuple[str, ...]) -> None:
    result = planned(installed)
    assert result.steps[0].files == files
    assert result.unplanned([]) == result.unplanned(["s"]) == []
    assert result.unplanned(["b", "s", "a"]) == ["Removed files that no distribution brought: a, b."]


def test_drift_is_what_is_installed_and_touched() -> None:
    pins = [Pin("a", "1"), Pin("b", "1"), Pin("c", "1")]
    state = State(True, {"a": Installed(("1",)), "b": Installed(("2",))})
    assert plan(pins, state, "drifted").drift == ["b"]


def test_always() -> None:
    (step,) = planned(Installed(("1.0",)), reinstall="always").steps
    assert step.reason == "requested always"


@pytest.mark.parametrize(
    ("journal", "reasons"),
    [
        (Journal(INSTALLING, {"one": "1.0"}), ["interrupted"]),
        (Journal(INSTALLING, {"two": "1.0"}), []),
        (Journal(CHECKING, {"one": "1.0"}), []),
    ],
)
def test_what_an_interrupted_run_was_installing(journal: Journal, reasons: list[str]) -> None:
    result = planned(Installed(("1.0",)), journal)
    assert [step.reason for step in result.steps] == reasons
    assert result.finish and result.changed


def test_an_environment_that_is_made_anew_gets_everything_it_held() -> None:
    pins = [Pin("one", "2.0"), Pin("three", "3.0")]
    result = plan(pins, State(False, rebuild={"one": "1.0", "two": "1.0"}), "drifted")
    assert result.create
    assert [(step.pin.line, step.before, step.reason) for step in result.steps] == [
        ("one==2.0", "1.0", "interpreter changed"),
        ("three==3.0", None, "missing"),
        ("two==1.0", "1.0", "interpreter changed"),
    ]


def test_each_change_has_its_line_in_the_diff() -> None:
    steps = (
        Step(Pin("a", "1"), None, "missing"),
        Step(Pin("b", "2", ("x",)), "1", "version"),
        Step(Pin("c", "3"), "3", "files changed", tuple(f"c/{number}.py" for number in range(12))),
        Step(Pin("d", "4", url=f"{WHEEL}#sha256=0"), "4", "wrong origin", (), "https://me:secret@example.org/d.whl"),
    )
    diff = Plan(True, steps, ("~lask",), True).diff("/opt/venv")
    assert diff["before"] == (
        "unfinished change\n~lask  # leftover of a killed pip\nb==1  # version\n"
        "c==3  # files changed: c/0.py, c/1.py, c/2.py, c/3.py, c/4.py, c/5.py, c/6.py, c/7.py, c/8.py, c/9.py and 2 more\n"
        "d==4 @ https://****@example.org/d.whl  # wrong origin\n"
    )
    assert (
        diff["after"] == "virtual environment /opt/venv\na==1  # missing\nb==2\nc==3\n" + f"d==4 @ {WHEEL}#sha256=0\n"
    )
    assert (diff["before_header"], diff["after_header"]) == ("/opt/venv", "/opt/venv")


def test_a_step_as_a_return_value() -> None:
    step = Step(Pin("c", "3"), "3", "files changed", tuple("abcdefghijklm"))
    expected = {"name": "c", "before": "3", "after": "3", "reason": "files changed", "files": list("abcdefghij")}
    assert step.result() == expected


@pytest.mark.parametrize(
    "change",
    [Plan(True, (), (), False), Plan(False, (Step(ONE, None, "missing"),), (), False), Plan(False, (), ("~x",), False)],
)
def test_what_counts_as_a_change(change: Plan) -> None:
    assert change.changed


VERSIONS = st.sampled_from(["1.0", "1", "2.0", "2.0+cpu", ""])
INSTALLED = st.builds(
    Installed,
    st.lists(VERSIONS, min_size=1, max_size=2).map(tuple),
    st.sampled_from([(), ("a",)]),
    st.sampled_from([(), ("b",)]),
    st.sampled_from([(), ("c",)]),
    st.sampled_from([None, DIRECT]),
)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1.0", "2.0"])),
    st.dictionaries(st.sampled_from("abcd"), INSTALLED),
    st.booleans(),
)
def test_carrying_a_plan_out_leaves_nothing_to_do(
    wanted: dict[str, str], found: dict[str, Installed], complete: bool
) -> None:
    pins = [Pin(name, version) for name, version in wanted.items()]
    first = plan(pins, State(complete, found if complete else {}), "drifted")
    assert {step.pin.name for step in first.steps} <= set(wanted), "only what is pinned is touched"
    after = {**found, **{step.pin.name: Installed((step.pin.version,)) for step in first.steps}}
    assert not plan(pins, State(True, after), "drifted").changed
