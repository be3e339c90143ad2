# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running pip_pinned, and making what it works on: virtual environments, wheels, an index."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import ansible

#: What the environment under test holds, and what it is changed to.
FLASK = {
    "flask": "3.0.3",
    "werkzeug": "3.0.4",
    "jinja2": "3.1.4",
    "markupsafe": "2.1.5",
    "itsdangerous": "2.2.0",
    "click": "8.1.7",
    "blinker": "1.8.2",
}
DJANGO = {"django": "4.2.16"}
LATER = {
    "click": "8.1.8",
    "django": "4.2.17",
    "pip": "24.3.1",
    "requests": "2.32.3",
    "certifi": "2024.8.30",
    "charset-normalizer": "3.4.0",
    "idna": "3.10",
    "pysocks": "1.7.1",
    "urllib3": "2.2.3",
}
OLDER = {"flask": "2.0.3", "werkzeug": "2.0.3"}
#: The Python of the environments, and that of the module where it is not the controller's own.
CHOSEN = os.environ.get("STABILITY_PYTHON", "")
PYTHON = CHOSEN or "/usr/bin/python3"
NOBODY = 65534
RUN_MODULE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.stability.baseline.plugins.module_utils import file_hashes
from ansible_collections.stability.baseline.plugins.modules import pip_pinned
file_hashes.ROOT_FOLDER = sys.argv[1]
with patch_module_args(json.load(sys.stdin)):
    pip_pinned.main()
"""
COLLECTIONS = Path(__file__).parents[3] / ".cache" / "collections"


def _memory():
    """Return a file system in memory from which programs may be started; ``None`` where there is none.

    An environment has two thousand files, and most tests begin with a new one.
    """
    folder = "/dev/shm"
    if not os.path.isdir(folder):
        return None
    status = os.statvfs(folder)
    enough = status.f_bavail * status.f_frsize > 1 << 30
    return folder if enough and not status.f_flag & os.ST_NOEXEC else None


MEMORY = _memory()


def _library():
    """Return a folder that holds ansible-core, and nothing else of what the controller's Python has."""
    folder = COLLECTIONS.parent / "library"
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (folder / "ansible").symlink_to(Path(ansible.__file__).parent)
    return folder


def hashes_of(virtualenv):
    """Return the folder in which the module remembers digests: not the machine's own."""
    return str(Path(virtualenv).parent / "hashes")


def process(virtualenv, check=False, diff=False, variables=None, prelude="", **options):
    """Start the module in a process group of its own; ``prelude`` is code that runs before it."""
    variables = variables or {}
    paths = ":".join(
        [str(COLLECTIONS), *([str(_library())] if CHOSEN else []), *filter(None, [variables.get("PYTHONPATH")])]
    )
    arguments = {"virtualenv": str(virtualenv), **options, "_ansible_check_mode": check, "_ansible_diff": diff}
    started = subprocess.Popen(
        [CHOSEN or sys.executable, "-c", prelude + RUN_MODULE, hashes_of(virtualenv)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **({"TMPDIR": MEMORY} if MEMORY else {}), **variables, "PYTHONPATH": paths},
        start_new_session=True,
    )
    started.stdin.write(json.dumps(arguments))
    started.stdin.close()
    started.stdin = None
    return started


def module(virtualenv, **options):
    """Run the module and return its result, with what it wrote to standard error as ``stderr``."""
    stdout, stderr = process(virtualenv, diff=True, **options).communicate()
    result = json.loads(stdout)
    result["warnings"] = [_text_of(warning) for warning in result.get("warnings", [])]
    return {**result, "stderr": stderr}


def _text_of(warning):
    """Return the text of a warning, which newer versions of ansible-core wrap."""
    return warning if isinstance(warning, str) else warning["event"]["msg"]


def put_wheels(host, wheels, folder):
    """Bring the wheels of a folder into one of a test host."""
    for path in wheels.glob("*.whl"):
        encoded = base64.b64encode(path.read_bytes()).decode()
        host.check(f"mkdir -p {folder} && base64 -d > {folder}/{path.name}", encoded)


def tree(path):
    """Return what lies below ``path``: kind, size and time of each file, without byte code."""
    found = {}
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in [*folders, *files]:
            entry = Path(folder) / name
            status = entry.lstat()
            shown = (entry.read_text(),) if name.startswith("stability-") else (status.st_size, status.st_mtime_ns)
            found[str(entry.relative_to(path))] = (status.st_mode, status.st_uid, *(() if entry.is_dir() else shown))
    return found


def pythons_argv():
    """Return the argument lists of all Python processes, as any user of the machine can read them."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if "python" in argv:
                found.add(argv)
    return found


def pins(**changed):
    """Return the pins of the Flask environment with some versions changed; ``None`` leaves one out."""
    versions = {**FLASK, **changed}
    return [f"{name}=={version}" for name, version in versions.items() if version]


def changes(result):
    return {step["name"]: (step["before"], step["after"], step["reason"]) for step in result["reinstalled"]}


def applied(virtualenv, **options):
    """Let check mode predict, run, hold the two against each other, and run again: nothing changes then."""
    before = tree(virtualenv)
    predicted = module(virtualenv, check=True, **options)
    assert tree(virtualenv) == before, "check mode touched the environment"
    result = module(virtualenv, **options)
    assert not result.get("failed"), result["msg"]
    for key in ("changed", "reinstalled", "created", "leftovers", "finished", "diff"):
        assert predicted[key] == result[key], key
    again = module(virtualenv, **options)
    assert (again["changed"], again["reinstalled"], again["commands"]) == (False, [], [])
    assert again["diff"]["before"] == again["diff"]["after"] == ""
    return result


def refused(virtualenv, **options):
    """Run, expect a failure that leaves everything as it was, and return its message."""
    before = tree(virtualenv)
    result = module(virtualenv, **options)
    assert result["failed"] and not result.get("changed")
    assert tree(virtualenv) == before
    assert not (work_folder(virtualenv) / "staged").exists()
    assert "Traceback" not in result["msg"] + result["stderr"]
    return result["msg"]


def generation(virtualenv):
    return json.loads((virtualenv / "stability-generation.json").read_text())["generation"]


def work_folder(virtualenv):
    """Return the folder beside an environment in which a change is prepared."""
    return virtualenv.parent / f".{virtualenv.name}.stability"


def runs(virtualenv, code):
    """Return what a program in the environment prints."""
    argv = [virtualenv / "bin" / "python", "-I", "-c", code]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def wait_for(when, started):
    """Wait until ``when()`` is true while the module is at work."""
    deadline = time.monotonic() + 60
    while not when():
        assert started.poll() is None and time.monotonic() < deadline, "the moment was missed"
        time.sleep(0.002)


def killed(virtualenv, when, **options):
    """Start the module, and kill it and everything it started as soon as ``when()`` is true."""
    started = process(virtualenv, **options)
    wait_for(when, started)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()


def wheel(folder, name, version, files=None, requires=()):
    """Write a wheel with one module, and more ``files``, to ``folder`` and return its path."""
    info = f"{name}-{version}.dist-info"
    required = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    contents = {
        f"{name}.py": f"version = {version!r}\n",
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    Path(folder).mkdir(exist_ok=True)
    archive = Path(folder) / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as stream:
        for path, text in contents.items():
            stream.writestr(path, text)
    return archive


def source_archive(folder, name, version, backend):
    """Write a source distribution that builds itself with ``backend`` (the text of a Python module), without a network."""
    source = Path(folder) / f"{name}-{version}"
    source.mkdir()
    (source / "backend.py").write_text(backend)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (source / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    shutil.make_archive(str(source), "gztar", folder, source.name)


def archive_of(wheelhouse, name, version):
    """Return the path of a wheel in a wheelhouse."""
    start = f"{name.replace('-', '_')}-{version}-"
    (found,) = [path for path in wheelhouse.iterdir() if path.name.lower().startswith(start)]
    return found


def digest_of(wheelhouse, name, version):
    """Return the SHA-256 of a wheel in a wheelhouse."""
    return hashlib.sha256(archive_of(wheelhouse, name, version).read_bytes()).hexdigest()


def site_of(virtualenv):
    """Return the ``site-packages`` folder of an environment."""
    (site,) = virtualenv.glob("lib/python*/site-packages")
    return site


def make_environment(path, bare, wheelhouse, versions):
    """Make an environment with ``versions`` from a bare one by hand, as the tests' starting point."""
    shutil.copytree(bare, path, symlinks=True)
    pins = [f"{name}=={version}" for name, version in versions.items()]
    argv = [
        path / "bin" / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "-q",
        "install",
        "--no-deps",
        "--no-compile",
    ]
    subprocess.run([*argv, "--no-index", "--find-links", wheelhouse, *pins], check=True)
    (path / "stability-generation.json").write_text('{"generation": "first"}\n')
    return path


def download(folder, python, *versions):
    """Download a wheel for each of ``versions`` (without any: all that most tests need) with the pip of ``python``, once."""
    sets = versions or (FLASK, DJANGO, LATER, OLDER)
    pins = list(dict.fromkeys(f"{name}=={version}" for pinned in sets for name, version in pinned.items()))
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout
    key = hashlib.sha256(repr((pins, version)).encode()).hexdigest()[:16]
    target = folder / f"pip-pinned-{key}"
    if not target.exists():
        building = folder / f"pip-pinned-{key}.building-{os.getpid()}"
        for first in range(2):
            # Two versions of one distribution cannot be asked for in one run.
            names = {pin.split("==")[0]: pin for pin in (pins if first else reversed(pins))}
            argv = [
                python,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "-q",
                "download",
                "--no-deps",
                "--only-binary",
                ":all:",
            ]
            subprocess.run([*argv, "-d", building, *names.values()], check=True)
        building.rename(target)
    return target


class Index:
    """A package index on the loopback interface that wants a user and a password."""

    def __init__(self, wheels, password):
        self.wheels = Path(wheels)
        self.expected = "Basic " + base64.b64encode(f"me:{password}".encode()).decode()
        self.users = set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        """The index's address without credentials."""
        return f"http://127.0.0.1:{self.server.server_port}/simple"

    def close(self):
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    def _handler(self):
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                given = self.headers.get("Authorization", "")
                if given.startswith("Basic "):
                    index.users.add(base64.b64decode(given[6:]).decode().split(":")[0])
                if given != index.expected:
                    return self._answer(401, b"who are you?", "text/plain")
                if self.path.endswith(".whl"):
                    return self._answer(
                        200, (index.wheels / Path(self.path).name).read_bytes(), "application/octet-stream"
                    )
                links = "".join(f'<a href="/wheels/{path.name}">{path.name}</a>' for path in index.wheels.glob("*.whl"))
                return self._answer(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")

            def _answer(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Say nothing."""

        return Handler
