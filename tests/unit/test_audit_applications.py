# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which source a unit runs, by the command that starts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_applications import Allowance, application_of
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Process, Unit

TREE = {
    "main.py": "import helper, os\nfrom pack.part import name\n",
    "helper.py": "    import late  # in a function\n",
    "late.py": "",
    "unused.py": "",
    "wsgi.py": "from . import nothing\n",
    "pack/__init__.py": "",
    "pack/part.py": "",
    "pack/test_part.py": "",
    "pack/tests/more.py": "",
    "pack/sub/deep.py": "",
    "pack/not-imported/script.py": "",
    "pack/node_modules/tool.py": "",
    "pack/venv/pyvenv.cfg": "",
    "pack/venv/lib.py": "",
    "other/site/portal/app.py": "import helper\n",
    "outside/found.py": "",
    "installed/thing.py": "",
    "installed/thing-1.dist-info/METADATA": "",
}
PACK = {"pack/__init__.py", "pack/part.py", "pack/sub/deep.py"}
#: What is imported is looked for where the program was started, too.
PORTAL = {"other/site/portal/app.py", "helper.py", "late.py"}
MAIN = {"main.py", "helper.py", "late.py", *PACK}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("application")
    for name, text in TREE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def found(root: Path, command: str, cwd: str = "", **variables: str) -> set[str]:
    venv = root / "venv"
    words = [word.replace("VENV", str(venv)).replace("ROOT", str(root)) for word in command.split()]
    process = Process(
        11, 60.0, tuple(words), {name: value.replace("ROOT", str(root)) for name, value in variables.items()}
    )
    properties = {"WorkingDirectory": cwd or str(root)}
    running = application_of([Unit("api.service", properties, process=process)], str(venv), Allowance())
    titled = Process(11, 60.0, ("gunicorn: master [pack:app]",), process.variables)
    shown = Unit("api.service", properties, process=titled, commands=(" ".join(words),))
    assert application_of([shown], str(venv), Allowance()) == running
    assert not running.left
    return {str(Path(path).relative_to(root)) for path in running.files}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("VENV/bin/python main.py", MAIN),
        ("VENV/bin/python3.11 -u -W ignore ROOT/main.py pack:app", MAIN),
        ("VENV/bin/python helper.py", {"helper.py", "late.py"}),
        ("VENV/bin/python -m pack", PACK),
        ("VENV/bin/python -um pack.part", PACK),
        ("VENV/bin/python -m main", MAIN),
        ("VENV/bin/python -m nothing", set()),
        ("VENV/bin/python -c import/main", set()),
        ("VENV/bin/python -Im pack", set()),
        ("VENV/bin/python -P main.py", set()),
        ("VENV/bin/python nothing.py", set()),
        ("VENV/bin/python", set()),
        ("VENV/bin/gunicorn wsgi:app", {"wsgi.py"}),
        ("VENV/bin/python VENV/bin/gunicorn --bind localhost:8000 pack.part:make()", PACK),
        ("VENV/bin/gunicorn --bind unix:/run/pack.sock --worker-class pack_workers.Worker pack.part", PACK),
        ("VENV/bin/gunicorn --chdir ROOT/other/site portal.app:app", PORTAL),
        ("VENV/bin/uvicorn --app-dir=other/site portal.app:app", PORTAL),
        ("VENV/bin/python -m gunicorn wsgi:app", {"wsgi.py"}),
        ("VENV/bin/celery -A pack worker", PACK),
        ("VENV/bin/flask --app=wsgi run", {"wsgi.py"}),
        ("VENV/bin/gunicorn wsgiref.simple_server:demo_app", set()),
        ("VENV/bin/streamlit run main.py", MAIN),
        ("/bin/sh main.py", set()),
    ],
)
def test_source_is_found_by_the_command(root: Path, command: str, expected: set[str]) -> None:
    assert found(root, command) == expected


def test_the_working_directory_and_pythonpath_are_looked_into(root: Path) -> None:
    target = "VENV/bin/gunicorn portal.app:app"
    assert found(root, target) == set()
    assert found(root, target, f"{root}/other/site") == {"other/site/portal/app.py"}
    assert found(root, target, f"{root}/other/site", PYTHONPATH="ROOT:") >= {"other/site/portal/app.py", "helper.py"}
    assert found(root, "VENV/bin/python -m found", "/", PYTHONPATH="ROOT/outside") == {"outside/found.py"}
    # What holds distributions is no application.
    assert found(root, "VENV/bin/python -m thing", PYTHONPATH="ROOT/installed") == set()
    assert found(root, "VENV/bin/python -m thing", f"{root}/installed") == set()
    assert found(root, "VENV/bin/gunicorn pack:app", "~") == set()


def test_modules_beside_the_source_are_its_own(root: Path) -> None:
    unit = Unit("api.service", {"WorkingDirectory": str(root)}, commands=(f"{root}/venv/bin/gunicorn wsgi:app",))
    own = application_of([unit], f"{root}/venv", Allowance()).own
    assert own >= {"main", "helper", "unused", "wsgi", "pack", "other"}


@pytest.mark.parametrize(
    ("allowance", "files"),
    [(Allowance(files=2), 2), (Allowance(size=len(TREE["main.py"])), 1), (Allowance(files=0), 0)],
)
def test_no_more_is_looked_at_than_is_allowed(root: Path, allowance: Allowance, files: int) -> None:
    unit = Unit("api.service", {"WorkingDirectory": str(root)}, commands=(f"{root}/venv/bin/python main.py",))
    application = application_of([unit, unit], f"{root}/venv", allowance)
    assert len(application.files) == files and application.left == {str(root): None}


def test_a_folder_of_many_files_is_not_walked_to_its_end(root: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(6000):
        (tmp_path / "data" / f"file{number}.txt").touch()
    (tmp_path / "data" / "zero").mkdir()
    (tmp_path / "data" / "zero" / "one.py").touch()
    unit = Unit("api.service", {"WorkingDirectory": str(tmp_path)}, commands=(f"{root}/venv/bin/python -m data",))
    application = application_of([unit], f"{root}/venv", Allowance())
    assert not application.files and application.left == {str(tmp_path): None}
