# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys ``logging`` and ``probe``: what they add to a unit, and which files are written, kept and removed for them."""

from __future__ import annotations

import os

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import placed_files
from ansible_collections.stability.baseline.plugins.module_utils.drop_ins import Under, render_drop_in
from ansible_collections.stability.baseline.plugins.module_utils.manifest import Entry, Manifest, Started, digest_text
from ansible_collections.stability.baseline.plugins.module_utils.placed_files import (
    Placed,
    digests_of,
    read_placed,
    remove,
    to_remove,
    wanted_files,
    write,
)
from ansible_collections.stability.baseline.plugins.module_utils.preflight import check_lists
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.runtime_files import files
from ansible_collections.stability.baseline.plugins.module_utils.runtime_lines import (
    lines_below,
    overridden,
    sets_path,
)
from ansible_collections.stability.baseline.plugins.module_utils.runtime_place import FOLDER
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import render
from ansible_collections.stability.baseline.plugins.module_utils.unit_plan import plan_units
from ansible_collections.stability.baseline.plugins.module_utils.unit_run import diff
from ansible_collections.stability.baseline.plugins.module_utils.unit_state import Observed
from unit_data import UP

API = {"name": "api", "user": "api", "exec_start": ["/srv/api/bin/serve"]}
STARTUP = {"logging": {"level": "DEBUG"}}
PATH = f"Environment=PYTHONPATH={FOLDER}"
LEVEL = ["Environment=STABILITY_LOG_LEVEL=DEBUG", "Environment=STABILITY_LOG_FORMAT=text"]
SOCKETS = ["Environment=STABILITY_PROBE=/run/stability/%N", "RuntimeDirectory=stability/%N"]
UNSET = "UnsetEnvironment=RUNTIME_DIRECTORY"


def added(keys):
    """Return the lines that a unit file has with ``keys`` and has not without those of the runtime."""
    plain = {name: value for name, value in keys.items() if name not in ("logging", "probe")}
    with_keys, without = (
        render(parse_services([{**API, **one}])[0], 252).files[0].text.splitlines() for one in (keys, plain)
    )
    changed = [line.replace('"', "") for line in without if line not in with_keys]
    assert [line for line in changed if not line.startswith("Environment=PYTHONPATH")] == []
    return [line for line in with_keys if line not in without]


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ({"logging": {"apply": "file"}}, []),
        ({"probe": False}, []),
        (STARTUP, [PATH, *LEVEL, "Environment=STABILITY_IDENTIFIER=api"]),
        (
            {**STARTUP, "syslog_identifier": "the api 100%", "environment": {"PYTHONPATH": "/srv/a b:/c%"}},
            [
                f'Environment="PYTHONPATH={FOLDER}:/srv/a b:/c%%"',
                *LEVEL,
                'Environment="STABILITY_IDENTIFIER=the api 100%%"',
            ],
        ),
        (
            {**STARTUP, "directives": {"Service": {"SyslogIdentifier": "x-%p"}}},
            [PATH, *LEVEL, "Environment=STABILITY_IDENTIFIER=x-%p"],
        ),
        (
            {"logging": {"loggers": {"a": "ERROR", "b.c": "DEBUG"}, "format": "json"}},
            [
                *(PATH, "Environment=STABILITY_LOG_LEVEL=INFO", "Environment=STABILITY_LOG_FORMAT=json"),
                *('Environment="STABILITY_LOGGERS=a=ERROR b.c=DEBUG"', "Environment=STABILITY_IDENTIFIER=api"),
            ],
        ),
        ({"probe": True}, [PATH, *SOCKETS, UNSET]),
        ({"probe": "yes", "logging": {"apply": "file"}}, [PATH, *SOCKETS, UNSET]),
        (
            {"probe": True, "runtime_directory": ["a", "b/c"]},
            [PATH, SOCKETS[0], "Environment=RUNTIME_DIRECTORY=/run/a:/run/b/c", SOCKETS[1]],
        ),
        (
            {"probe": True, "directives": {"Service": {"RuntimeDirectory": ["a", "", "b"]}}},
            [PATH, SOCKETS[0], "Environment=RUNTIME_DIRECTORY=/run/b", SOCKETS[1]],
        ),
        ({"probe": True, "environment": {"RUNTIME_DIRECTORY": "/x"}}, [PATH, *SOCKETS]),
    ],
)
def test_what_the_keys_add_to_a_unit(keys, lines):
    assert added(keys) == lines


def test_the_instances_of_a_template_have_their_own_name_and_folder():
    keys = {"name": "w@", "instances": ["a"], "runtime_directory": "w/%i", **STARTUP, "probe": True}
    assert added(keys) == [
        *(PATH, *LEVEL, "Environment=STABILITY_IDENTIFIER=w@%i", SOCKETS[0]),
        *("Environment=RUNTIME_DIRECTORY=/run/w/%i", SOCKETS[1]),
    ]


REFUSED = [
    (
        {"environment": {"STABILITY_LOG_LEVEL": "INFO"}},
        ".environment.STABILITY_LOG_LEVEL (api): found a variable of the runtime; expected the key logging, which writes it. "
        "Take it out.",
    ),
    (
        {"environment": {"STABILITY_PROBE": "/run/x"}},
        ".environment.STABILITY_PROBE (api): found a variable of the runtime; expected the key probe, which writes it. Take it out.",
    ),
    (
        {"probe": True, "directives": {"Service": {"Environment": "A=1"}}},
        ".directives.Service.Environment (api): found a directive that takes the place of the runtime's variables; "
        "expected the key environment. Write the variables there.",
    ),
    (
        {"name": "w@", "probe": True, "instances": ["a", "b\\x2dc"]},
        '.instances (w@): found "b\\\\x2dc"; expected no backslash in the name of an instance with the probe. systemd 255 and newer '
        "does not start a unit with one in RuntimeDirectory=; rename it or take probe out.",
    ),
    (
        {"logging": {"apply": "file"}, "directives": {"Service": {"RootDirectory": "/srv/root"}}},
        ".logging (api): found a service with a root folder of its own; expected one that sees the folders of the host. "
        "What it needs is not in there; take one of the two out.",
    ),
]


@pytest.mark.parametrize(("keys", "problem"), REFUSED)
def test_what_does_not_go_together_with_it_is_refused(keys, problem):
    with pytest.raises(InvalidInput) as caught:
        parse_services([{**API, **keys}])
    assert str(caught.value) == f"stability_services[0]{problem}"


BELOW = """
[Service]
SyslogIdentifier=theirs
  RuntimeDirectory = vendor/%i
Environment=A=1 "B=PYTHONPATHS= x"
"""


def test_a_drop_in_has_it_only_where_it_is_written_out_and_keeps_what_the_unit_has():
    (plain,), (probed,) = (
        parse_services([{"name": "v", "drop_in": True, **keys}]) for keys in ({}, {"probe": True, **STARTUP})
    )
    below = Under("exec", lines=lines_below([BELOW]))
    assert "STABILITY" not in render_drop_in(plain, 252, below).files[0].text
    rendered = render_drop_in(probed, 252, below)
    lines = [
        PATH,
        *LEVEL,
        "Environment=STABILITY_IDENTIFIER=theirs",
        SOCKETS[0],
        "Environment=RUNTIME_DIRECTORY=/run/vendor/%i",
    ]
    text = rendered.files[0].text
    assert [line for line in text.splitlines() if line.startswith(("Env", "Runtime", "Unset"))] == [*lines, SOCKETS[1]]
    assert PATH in rendered.start


@pytest.mark.parametrize(
    ("line", "found"),
    [("PYTHONPATH=/a", True), ('A=1 "PYTHONPATH=/a b"', True), ("A=PYTHONPATH=/a", False), ("MYPYTHONPATH=/a", False)],
)
def test_a_path_of_the_unit_itself_is_seen(line, found):
    assert sets_path(lines_below([f"[Service]\nEnvironment={line}\n"])) is found


def test_a_file_of_variables_that_takes_the_place_of_what_the_keys_say_is_told(tmp_path):
    for name, text in (
        ("a", "STABILITY_LOG_LEVEL=ERROR\n"),
        ("b", " PYTHONPATH=/x\nSTABILITY_PROBE=\n"),
        ("c", "#PYTHONPATH=\n"),
    ):
        (tmp_path / f"{name}.env").write_text(text)
    services = parse_services([{**API, **STARTUP, "environment_files": [f"-{tmp_path}/*.env", f"{tmp_path}/gone"]}])
    assert overridden(services) == [
        f"api: {tmp_path}/a.env sets STABILITY_LOG_LEVEL, which counts instead of what its keys say.",
        f"api: {tmp_path}/b.env sets PYTHONPATH, STABILITY_PROBE, which counts instead of what its keys say. "
        "With another PYTHONPATH there is no runtime: move that to the key environment.",
    ]
    assert overridden(parse_services([{**API, "environment_files": [f"{tmp_path}/a.env"]}])) == []


RUNTIME = {"sitecustomize.py": "1", "stability_runtime/runtime_start.py": "2"}
PLACED = {f"{FOLDER}/{name}": text for name, text in RUNTIME.items()}
FILED = "/usr/local/lib/stability/logging/api.json"


def planned(keys, started=None, placed=None, others=(), with_runtime=(), listed=True):
    """Return the plan for one unit that is up and was started with ``started``, on a host with the files ``placed``."""
    (service,) = parse_services([{**API, **keys}])
    rendered = render(service, 252)
    wanted = wanted_files([service], RUNTIME)
    start = started or Started(
        digest_text(rendered.start), {path: digests_of(wanted)[path] for path in service.placed}, ""
    )
    entries = {**{f"{name}.service": Entry(name) for name in others}, "api.service": Entry("api", start)}
    observed = Observed(
        version=252, units={"api.service": UP}, files={"api.service": rendered.files[0].text},
        links={"api.service": frozenset({"multi-user.target.wants"})}, manifest=Manifest(entries), digests={}, generations={},
        own_units=frozenset(), accounts=(), strays=(), kept=frozenset(), packaged=frozenset(), staged=(), triggers={}, later={},
        now=5000.0, placed=wanted if placed is None else placed, with_runtime=frozenset(with_runtime),
    )  # fmt: skip
    return plan_units([service] if listed else [], {"api": rendered}, observed, placed=wanted if listed else {})


@pytest.mark.parametrize("keys", [{}, STARTUP, {"probe": True}, {"logging": {"apply": "file"}}])
def test_a_second_run_changes_nothing(keys):
    assert planned(keys).actions() == []


def test_a_new_version_of_the_runtime_restarts_who_has_it():
    plan = planned(STARTUP, placed={**PLACED, f"{FOLDER}/sitecustomize.py": "old", f"{FOLDER}/gone.py": "3"})
    assert plan.actions() == [
        f"replace {FOLDER}/sitecustomize.py",
        f"restart api.service: {FOLDER}",
        f"remove {FOLDER}/gone.py",
    ]
    assert planned({}, placed=PLACED, others=["b"], with_runtime=["b.service"]).actions() == []


def test_a_run_that_was_killed_after_the_runtime_was_written_is_finished():
    text = render(parse_services([{**API, **STARTUP}])[0], 252).start
    plan = planned(STARTUP, started=Started(digest_text(text), {FOLDER: "old"}, ""))
    assert plan.actions() == [f"restart api.service: {FOLDER}"]


def test_another_configuration_of_logging_restarts_and_is_shown():
    keys = {"logging": {"apply": "file", "level": "ERROR"}}
    plan = planned(keys, placed={FILED: "old\n"})
    assert plan.actions() == [f"replace {FILED}", f"restart api.service: {FILED}"]
    (part, others) = diff(plan)
    assert (part["before"], part["before_header"]) == ("old\n", FILED) and '"level": "ERROR"' in part["after"]
    assert others == {"prepared": f"! restart api.service: {FILED}\n"}


def test_what_nobody_reads_is_removed_last():
    other = FILED.replace("api", "b")
    plan = planned({}, placed={FILED: "{}", other: "{}", **PLACED})
    assert plan.actions() == [f"remove {path}" for path in (FILED, other, *PLACED)]
    # What is not listed goes on.
    assert planned({}, placed={FILED: "{}", other: "{}"}, others=["b"]).actions() == [f"remove {FILED}"]
    assert planned({}, placed={FILED: "{}", **PLACED}, with_runtime=["api.service"], listed=False).actions() == []


def test_the_runtime_must_be_handed_over():
    services = parse_services([{**API, "probe": True}])
    for runtime, found in ((None, "no files"), ({"../x.py": ""}, "other files")):
        with pytest.raises(InvalidInput) as caught:
            wanted_files(services, runtime)
        assert str(caught.value) == (
            f"runtime: found {found}; expected the files of the runtime, which api needs. "
            "Run the module by its name in a task, whose action hands them over."
        )
    assert set(wanted_files(services, files())) == {f"{FOLDER}/{name}" for name in files()}


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, False),
        ({"logging": {"apply": "file"}}, False),
        (STARTUP, True),
        ({"probe": True}, True),
        ({"state": "absent"}, False),
    ],
)
def test_the_controller_says_whether_the_runtime_is_needed(keys, found):
    assert check_lists([{**API, **keys}], []).uses_runtime is found


def test_files_are_written_for_all_to_read_and_removed_with_their_folders(tmp_path, monkeypatch):
    root = str(tmp_path / "stability")
    places = tuple(path.replace("/usr/local/lib/stability", root) for path in placed_files.PLACES)
    monkeypatch.setattr(placed_files, "ROOT", root)
    monkeypatch.setattr(placed_files, "PLACES", places)
    monkeypatch.setattr(placed_files, "FOLDER", places[0])
    monkeypatch.setattr(placed_files.service_logging, "FOLDER", places[2])
    paths = [f"{places[0]}/sitecustomize.py", f"{places[1]}/runtime_start.py", f"{places[2]}/api.json"]
    before = os.umask(0o077)
    try:
        write([Placed(path, None, "a = 1\n") for path in paths])
    finally:
        os.umask(before)
    assert read_placed() == dict.fromkeys(paths, "a = 1\n")
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.joinpath("stability").rglob("*")}
    assert modes == {0o755, 0o644} and len(list(tmp_path.rglob("*.pyc"))) == 2
    remove([Placed(path, "a = 1\n", None) for path in paths[2:]])
    assert sorted(name.name for name in (tmp_path / "stability").iterdir()) == ["python"]
    remove([Placed(path, "a = 1\n", None) for path in paths[:2]])
    assert list(tmp_path.iterdir()) == []
    # What a run leaves that is killed in between.
    os.makedirs(f"{places[1]}/__pycache__")
    left = read_placed()
    assert list(left) == [f"{places[0]}/", f"{places[1]}/", f"{root}/"]
    assert [str(one) for one in to_remove({}, left, (), False)] == [f"remove {path}" for path in left]
    assert to_remove({paths[1]: ""}, left, (), False) == []
    remove(to_remove({}, left, (), False))
    assert list(tmp_path.iterdir()) == []
