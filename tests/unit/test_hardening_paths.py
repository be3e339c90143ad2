# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths of a service its hardening denies, and what the messages say."""

from __future__ import annotations

import os
import socket
import tempfile

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import sandbox
from ansible_collections.stability.baseline.plugins.module_utils.hardening_paths import check_hardening_paths
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

#: A user that nothing belongs to.
STRANGER = "4242424"
HOME = "/home/someone"
FROZEN = {"hardening": "none", "directives": {"Service": {"ProtectSystem": "strict"}}}
HIDDEN_HOME = {"hardening": "none", "directives": {"Service": {"ProtectHome": "yes"}}}


def judged(version=252, **keys):
    one = {"name": "api", "user": STRANGER, "exec_start": ["/bin/true"], **keys}
    problems, warnings = check_hardening_paths(parse_services([one]), version)
    return [str(problem) for problem in problems], warnings


def options(lines):
    return [line.split(" (")[0].removeprefix("stability_services[0].") for line in lines]


@pytest.fixture
def folder(tmp_path):
    """Return a folder that everybody may write to; those above it are passable."""
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(0o777)
    return str(path)


def test_the_whole_message_about_a_hidden_path():
    assert judged(hardening="strict", exec_start=[f"{HOME}/app"]) == (
        [
            f'stability_services[0].exec_start[0] (api): found "{HOME}/app", which ProtectHome=yes (hardening: strict) hides; '
            "expected a path that the service can see. "
            "Move it out of /home, or show it with directives: {Service: {ProtectHome: read-only}}."
        ],
        [],
    )


def test_the_whole_message_about_a_folder_that_becomes_read_only(folder):
    assert judged(**FROZEN, working_directory=folder) == (
        [
            f'stability_services[0].working_directory (api): found "{folder}", where {STRANGER} may write, and which '
            "ProtectSystem=strict makes read-only; expected a decision whether the service writes there. "
            f'Add read_write_paths: ["{folder}"] if it writes there, '
            f'or directives: {{Service: {{ReadOnlyPaths: "{folder}"}}}} if it only reads.'
        ],
        [],
    )


@pytest.mark.parametrize(
    ("keys", "denied", "doubtful"),
    [
        ({"hardening": "none", "exec_start": [f"{HOME}/app"]}, [], []),
        ({"exec_start": [f"{HOME}/app"]}, [], []),
        ({"hardening": "strict", "exec_start": f"{HOME}/app --systemd-syntax"}, [], []),
        ({"hardening": "strict", "exec_start_pre": [["/bin/true"], [f"{HOME}/a"]]}, ["exec_start_pre[1][0]"], []),
        ({"hardening": "strict", "exec_reload": [f"{HOME}/a"]}, ["exec_reload[0][0]"], []),
        ({"hardening": "strict", "virtualenv": f"{HOME}/venv", "exec_start": [f"{HOME}/venv/bin/x"]}, ["virtualenv"], []),
        ({"hardening": "strict", "read_write_paths": [f"-{HOME}"]}, ["read_write_paths[0]"], []),
        ({"working_directory": "/tmp/nothing"}, ["working_directory"], []),
        ({"working_directory": "/tmp"}, [], []),
        ({"hardening": "strict", "environment_files": [f"{HOME}/env"], "credentials": {"key": f"{HOME}/key"}}, [], []),
        # Arguments and variables count where there is something on the host.
        ({"hardening": "strict", "exec_start": ["/bin/true", f"{HOME}/nothing"]}, [], []),
        ({"hardening": "strict", "exec_start": ["/bin/true", "/home", "--x=/home"]}, ["exec_start[1]"], []),
        ({"hardening": "strict", "exec_start": ["/bin/true", "--bind", "unix:/home"]}, ["exec_start[2]"], []),
        ({"hardening": "strict", "exec_start": ["/bin/true", "http://home/", "/dev/null"]}, [], []),
        ({"hardening": "strict", "environment": {"DATA": "/home"}}, ["environment.DATA"], []),
        ({"hardening": "strict", "environment": {"PYTHONPATH": "/usr:/home"}}, ["environment.PYTHONPATH"], []),
        ({"hardening": "strict", "environment": {"HOME": "/home"}}, [], ["environment.HOME"]),
        ({"hardening": "strict", "environment": {"PATH": "/home:/usr/bin"}}, [], ["environment.PATH"]),
        ({"hardening": "strict", "name": "api@", "instances": ["home"], "working_directory": "/%i"}, ["working_directory"], []),
        ({"hardening": "strict", "directives": {"Service": {"RootDirectory": "/srv"}}, "exec_start": [f"{HOME}/a"]}, [], []),
        ({"drop_in": True, "user": "root", "hardening": "strict", "working_directory": HOME}, ["working_directory"], []),
    ],
)  # fmt: skip
def test_what_is_hidden(keys, denied, doubtful):
    problems, warnings = judged(**keys)
    assert (options(problems), options(warnings)) == (denied, doubtful)


def test_the_value_of_a_variable_is_not_shown(folder):
    for keys in ({"hardening": "basic"}, FROZEN):
        problems, warnings = judged(**keys, environment={"DATA": folder})
        assert (problems, len(warnings)) == ([], 1)
        assert folder not in warnings[0]


def test_what_an_interpreter_needs_is_looked_for(tmp_path):
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    tool = programs / "tool"
    tool.write_text(f"#!{programs}/python\n")
    (programs / "python").symlink_to(f"{HOME}/python3")
    keys = {**HIDDEN_HOME, "exec_start": [str(tool)]}
    assert f'found "{tool}", which leads to "{HOME}/python3"' in judged(**keys)[0][0]
    (programs / "python").unlink()
    (programs / "python").symlink_to("/bin/true")
    assert judged(**keys) == ([], [])
    # A copied interpreter still needs the library of the one that it was copied from.
    (tmp_path / "venv" / "pyvenv.cfg").write_text(f"home = {HOME}/bin\nversion = 3.11\n")
    assert f'leads to "{HOME}/bin"' in judged(**keys)[0][0]
    assert options(judged(**keys, virtualenv=str(tmp_path / "venv"))[0]) == ["virtualenv"]


def test_what_the_user_may_not_enter_is_no_place_to_be_shown(monkeypatch):
    # A folder of pytest's own is shut for others.
    with tempfile.TemporaryDirectory() as homes:
        monkeypatch.setattr(sandbox, "_HOMES", (homes,))
        os.chmod(homes, 0o755)
        app = f"{homes}/someone/app"
        os.makedirs(app)
        (problem,) = judged(**HIDDEN_HOME, working_directory=app)[0]
        assert problem.endswith(
            f"Move it out of {homes}, or show it with directives: {{Service: {{ProtectHome: read-only}}}}."
        )
        os.chmod(app, 0o777)
        (problem,) = judged(**HIDDEN_HOME, working_directory=app)[0]
        assert problem.endswith(f', and add read_write_paths: ["{app}"] if it writes there.')
        os.chmod(f"{homes}/someone", 0o700)
        (problem,) = judged(**HIDDEN_HOME, working_directory=app)[0]
        assert problem.endswith(f"Move it out of {homes}/someone, which {STRANGER} may not enter.")


def test_a_decision_is_asked_for_only_where_there_is_none(folder):
    for decided in (
        {"read_write_paths": [folder]},
        {"read_write_paths": [f"{folder}/data"]},
        {"directives": {"Service": {"ProtectSystem": "strict", "ReadOnlyPaths": folder}}},
        {"sources": [folder]},
        {"virtualenv": folder},
        {"user": "root"},
        {"directives": {}},
    ):
        assert judged(**{**FROZEN, "working_directory": folder, **decided}) == ([], [])
    os.chmod(folder, 0o755)
    assert judged(**FROZEN, working_directory=folder) == ([], [])


def test_what_an_argument_names_may_be_written_to(folder):
    names = {}
    for name in ("data", "app.py", "shut"):
        names[name] = f"{folder}/{name}"
        with open(names[name], "w", encoding="utf-8"):
            pass
        os.chmod(names[name], 0o644 if name == "shut" else 0o666)
    problems, warnings = judged(**FROZEN, exec_start=["/bin/true", *names.values(), folder])
    assert (problems, options(warnings)) == ([], ["exec_start[1]", "exec_start[4]"])
    assert f'Add read_write_paths: ["{names["data"]}"] if it writes there' in warnings[0]


def test_a_socket_of_its_own_is_judged_by_its_folder(folder):
    path = f"{folder}/api.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    assert judged(**FROZEN, exec_start=["/bin/true", f"unix:{path}"]) == ([], [])
    os.chown(path, int(STRANGER) if os.geteuid() == 0 else -1, -1)
    user = STRANGER if os.geteuid() == 0 else str(os.geteuid())
    _problems, warnings = judged(**FROZEN, user=user, exec_start=["/bin/true", f"unix:{path}"])
    assert f'read_write_paths: ["{folder}"]' in warnings[0]


@pytest.mark.parametrize(
    ("version", "keys", "denied"),
    [
        (247, {}, ["credentials"]),
        (248, {}, []),
        (247, {"hardening": "none"}, []),
        (247, {"hardening": "none", "directives": {"Service": {"PrivateTmp": "no"}}}, []),
        (247, {"hardening": "none", "directives": {"Service": {"PrivateTmp": "yes"}}}, ["credentials"]),
        (247, {"exec_start_pre": None}, []),
        (247, {"credentials": {}}, []),
    ],
)
def test_credentials_come_too_late_for_early_commands(version, keys, denied):
    both = {"credentials": {"key": "/etc/key"}, "exec_start_pre": ["/bin/true"], **keys}
    both = {name: value for name, value in both.items() if value is not None}
    assert options(judged(version, **both)[0]) == denied
