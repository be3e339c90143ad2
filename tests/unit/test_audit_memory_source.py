# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about what the source of an application keeps in memory: what breaks each of them, and what does not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_references import read_sources
from ansible_collections.stability.baseline.plugins.module_utils.audit_source_facts import Fault
from ansible_collections.stability.baseline.plugins.module_utils.audit_source_rules import SourceRules

IMPORTS = "import asyncio, functools, gc, logging, os, shutil, traceback, warnings, weakref\nfrom functools import lru_cache\n"
#: Lines before the source of a case.
OFFSET = IMPORTS.count("\n")


def judged(folder: Path, sources: dict[str, str]) -> list[Fault]:
    for name, source in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(source))
    rules = SourceRules()
    assert read_sources([str(folder)], (), rules).problems == ()
    return rules.judge()


def told(folder: Path, source: str) -> list[tuple[str, str, int]]:
    found = judged(folder, {"app.py": IMPORTS + textwrap.dedent(source)})
    return [(one.rule, one.severity, one.line - OFFSET) for one in found]


def finalizer(body: str, more: str = "") -> str:
    return f"class Held:\n    def __del__(self):\n        {body}\n{textwrap.indent(more, '    ')}"


@pytest.mark.parametrize(
    "body",
    [
        "self.count -= 1",
        "library.free(self.pointer)",
        "self.release()",
        "del self.parts",
        "self.backend.forget(self)",
        "self.client.close_soon(self)",
    ],
)
def test_a_finalizer_is_told_of(tmp_path: Path, body: str) -> None:
    assert told(tmp_path, finalizer(body)) == [("SB301", "", 2)]


@pytest.mark.parametrize(
    "source",
    [
        finalizer("pass"),
        finalizer("return"),
        finalizer("raise NotImplementedError"),
        finalizer("'''It does nothing.'''"),
        # It tells who forgets, and is only the net below.
        finalizer(
            "warnings.warn('unclosed', ResourceWarning, source=self); self.close()",
            "def close(self): self.file.close()",
        ),
        finalizer("self._warn('unclosed', ResourceWarning)"),
        # It can only be replaced.
        "import io\nclass Stream(io.RawIOBase):\n    def __del__(self):\n        self.detach()\n",
        "def __del__(self):\n    self.count -= 1\n",
        "class Held:\n    def close(self):\n        logging.info('closed')\n",
        "SYNC = False\n" + finalizer("if SYNC: self.file.close()"),
        "if os.name == 'nt':\n" + textwrap.indent(finalizer("self.file.close()"), "    "),
    ],
)
def test_what_is_no_finalizer_or_a_harmless_one(tmp_path: Path, source: str) -> None:
    assert told(tmp_path, source) == []


@pytest.mark.parametrize(
    ("source", "severity", "line", "text"),
    [
        (finalizer("logging.info('gone')"), "", 3, "Held.__del__ logs; give Held close(), "),
        (finalizer("self.logger.debug('gone')"), "", 3, "Held.__del__ logs; "),
        (finalizer("os.remove(self.path)"), "", 3, "Held.__del__ calls os.remove(); "),
        (finalizer("shutil.rmtree(self.folder)"), "", 3, "Held.__del__ calls shutil.rmtree(); "),
        (
            finalizer("self.task = asyncio.create_task(self.aclose())"),
            "",
            3,
            "Held.__del__ calls asyncio.create_task(); give Held __aexit__",
        ),
        (
            finalizer("self.file.close()"),
            "",
            3,
            "Held.__del__ calls self.file.close(); give Held close(), and use it by contextlib.closing",
        ),
        (finalizer("self.pool.terminate()"), "", 3, "Held.__del__ calls self.pool.terminate(); "),
        (finalizer("self.close()"), "info", 3, "Held.__del__ calls self.close(); use Held by contextlib.closing"),
        (
            finalizer("self.close()", "def close(self): self.file.close()"),
            "info",
            3,
            "Held.__del__ calls self.close(), which calls self.file.close(); use Held by contextlib.closing",
        ),
        (
            finalizer("self.file.close()", "def __exit__(self, *error): self.file.close()"),
            "info",
            3,
            "Held.__del__ calls self.file.close(); use Held by with, several by contextlib.ExitStack",
        ),
        (
            finalizer("self.file.close()", "async def __aexit__(self, *error): self.file.close()"),
            "info",
            3,
            "Held.__del__ calls self.file.close(); use Held by async with",
        ),
        # What is worse counts, also where it is closed.
        (
            finalizer("self.close()", "def close(self):\n    self.file.close()\n    print('closed')\n"),
            "",
            3,
            "Held.__del__ calls self.close(), which calls print(); use Held by contextlib.closing",
        ),
        (
            "class Held:\n    async def __del__(self):\n        await self.file.close()\n",
            "",
            2,
            "Held.__del__ is async, nothing of it is ever run; give Held __aexit__, and use it by async with",
        ),
    ],
)
def test_what_a_finalizer_must_not_do(tmp_path: Path, source: str, severity: str, line: int, text: str) -> None:
    (found,) = judged(tmp_path, {"app.py": IMPORTS + source})
    assert (found.rule, found.severity, found.line - OFFSET) == ("SB302", severity, line)
    assert found.text.startswith(text)


def test_methods_that_call_each_other_are_followed_so_far_only(tmp_path: Path) -> None:
    source = finalizer("self.one()", "def one(self): self.two()\ndef two(self): self.one()\n")
    assert told(tmp_path, source) == [("SB301", "", 2)]


@pytest.mark.parametrize(
    ("source", "severity", "line"),
    [
        ("gc.disable()", "", 1),
        ("gc.set_threshold(0)", "", 1),
        ("gc.set_threshold(0, 10)", "", 1),
        ("from gc import disable\ndisable()", "", 2),
        ("def start():\n    gc.disable()", "", 2),
        ("if os.environ.get('FAST'):\n    gc.disable()", "info", 2),
        ("gc.disable()\ndef idle():\n    gc.collect()", "info", 1),
        ("gc.freeze()", "info", 1),
        ("def start():\n    gc.collect()\ngc.freeze()", "info", 3),
        ("while True:\n    gc.collect()\n    gc.freeze()", "", 3),
        ("gc.set_debug(gc.DEBUG_SAVEALL)", "", 1),
        ("gc.set_debug(gc.DEBUG_LEAK | gc.DEBUG_STATS)", "", 1),
    ],
)
def test_a_collector_that_is_off(tmp_path: Path, source: str, severity: str, line: int) -> None:
    assert told(tmp_path, source) == [("SB303", severity, line)]


@pytest.mark.parametrize(
    "source",
    [
        "gc.disable()\ntry:\n    work()\nfinally:\n    gc.enable()",
        "gc.disable()\natexit.register(gc.enable)",
        "gc.set_threshold(50_000, 20, 20)",
        # Before a fork, as it is meant.
        "def pre_fork(server, worker):\n    gc.collect()\n    gc.freeze()",
        "gc.freeze()\ntry:\n    spawn()\nfinally:\n    gc.unfreeze()",
        "gc.set_debug(gc.DEBUG_STATS)",
        "gc.set_debug(gc.DEBUG_SAVEALL)\ncheck()\ngc.set_debug(0)",
        "gc.collect()",
        "menu.disable()\nmenu.freeze()  # gc",
    ],
)
def test_a_collector_that_is_on_or_frozen_as_is_meant(tmp_path: Path, source: str) -> None:
    assert told(tmp_path, source) == []


def method(mark: str, arguments: str = "self", head: str = "class Held:") -> str:
    return f"{head}\n    @{mark}\n    def find({arguments}):\n        return 1\n"


@pytest.mark.parametrize(
    ("source", "severity", "text"),
    [
        (method("functools.cache"), "", "keeps every Held that it was called on; write functools.cached_property"),
        (method("lru_cache(maxsize=None)"), "", "keeps every Held"),
        (method("lru_cache(None)", "self, key"), "", "write a function of the module"),
        (method("lru_cache"), "info", "keeps up to 128 Held"),
        (method("lru_cache()"), "info", "keeps up to 128 Held"),
        (method("functools.lru_cache(maxsize=100)"), "info", "keeps up to 100 Held"),
        (method("property\n    @lru_cache(maxsize=None)"), "", "keeps every Held"),
        (method("lru_cache(None)", head="class Held(NamedTuple):"), "", "keeps every Held"),
    ],
)
def test_a_cache_on_a_method(tmp_path: Path, source: str, severity: str, text: str) -> None:
    (found,) = judged(tmp_path, {"app.py": IMPORTS + source})
    assert (found.rule, found.severity, text in found.text) == ("SB308", severity, True)


@pytest.mark.parametrize(
    "source",
    [
        method("functools.cached_property"),
        method("staticmethod\n    @lru_cache(None)", "key"),
        method("classmethod\n    @lru_cache(None)", "cls"),
        method("lru_cache(None)", "cls"),
        method("lru_cache(None)", ""),
        method("lru_cache(0)"),
        method("lru_cache(16)"),
        method("lru_cache(maxsize=SIZE)"),
        method("lru_cache", head="class SessionManager:"),
        method("lru_cache(None)", head="class Held(enum.Enum):"),
        method("lru_cache(None)", head="class Held(type):"),
        method("lru_cache(None)", head="class Held(metaclass=Singleton):"),
        method("lru_cache(None)") + "    _instance = None\n",
        method("lru_cache(None)") + "held = Held()\n",
        # The entries of equal values are shared, and there is a bound.
        method("lru_cache", head="class Held(NamedTuple):"),
        method("lru_cache", head="@dataclass(frozen=True)\nclass Held:"),
        method("lru_cache") + "    def __hash__(self):\n        return 1\n",
        "@lru_cache(None)\ndef find(key):\n    return key\n",
        method("cache"),
        "class Held:\n    def find(self):\n        @lru_cache(None)\n        def inner(key):\n            return key\n        return inner(1)\n",
    ],
)
def test_a_cache_that_keeps_no_object(tmp_path: Path, source: str) -> None:
    assert told(tmp_path, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "SEEN = []\ndef work(request):\n    SEEN.append(request)",
        "SEEN = []\ndef work():\n    SEEN.append(bytes(1000))",
        "SEEN = []\ndef work(name):\n    SEEN.append({'name': name})",
        "SEEN: list[str] = []\nasync def work(name):\n    SEEN.append(f'{name}!')",
        "SEEN = set()\ndef work(user_id):\n    SEEN.add(user_id)\n    return len(SEEN)",
        "SEEN = {}\ndef work(session):\n    SEEN[session.id] = 1\n    return SEEN.get(session.id)",
        "SEEN = {}\nclass Handler:\n    def work(self, sid, message):\n        SEEN.setdefault(sid, message)",
        "from collections import defaultdict\nSEEN = defaultdict(list)\ndef work(client, text):\n    SEEN[client].append(text)",
        "SEEN = {}\nimport time\ndef work():\n    SEEN[time.time()] = 1",
    ],
)
def test_a_collection_that_only_grows(tmp_path: Path, source: str) -> None:
    ((rule, severity, _line),) = told(tmp_path, source)
    assert (rule, severity) == ("SB308", "")


@pytest.mark.parametrize(
    "source",
    [
        "SEEN = []\ndef work(request):\n    SEEN.append(request)\n    SEEN.pop(0)",
        "SEEN = []\ndef work(request):\n    SEEN.append(request)\n    del SEEN[:-10]",
        "SEEN = []\ndef work(request):\n    SEEN.append(request)\n    SEEN[:] = SEEN[-10:]",
        "SEEN = []\ndef work(request):\n    if len(SEEN) < 10:\n        SEEN.append(request)",
        "SEEN = []\ndef work(request):\n    global SEEN\n    SEEN.append(request)",
        "SEEN = []\ndef work(request):\n    SEEN.append(request)\n    flush(SEEN)",
        "SEEN = []\ndef work(request):\n    SEEN.append(request)\n    return SEEN",
        "from collections import deque\nSEEN = deque(maxlen=10)\ndef work(request):\n    SEEN.append(request)",
        "SEEN = {}\ndef work(SEEN, request):\n    SEEN[request] = 1",
        # There are only so many of these.
        "SEEN = []\nSEEN.append(request)",
        "SEEN = {}\ndef register(session):\n    SEEN[session] = 1",
        "SEEN = {}\ndef work(session):\n    def inner():\n        SEEN[session] = 1\n    return inner",
        "SEEN = {}\ndef work(name):\n    SEEN[name] = 1",
        "SEEN = set()\ndef _log_once(message):\n    SEEN.add(message)",
        "SEEN = ['first']\ndef work(request):\n    SEEN.append(request)",
        "def work(request):\n    seen = []\n    seen.append(request)",
    ],
)
def test_a_collection_that_has_a_bound_or_is_not_of_the_module(tmp_path: Path, source: str) -> None:
    assert told(tmp_path, source) == []


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("import app\napp.SEEN.clear()\n", False),
        ("from app import SEEN\ndef done(request):\n    del SEEN[request]\n", False),
        ("from app import SEEN\nprint(SEEN)\n", True),
    ],
)
def test_another_file_may_take_out_of_a_collection(tmp_path: Path, more: str, found: bool) -> None:
    source = "SEEN = {}\ndef work(request):\n    SEEN[request] = 1\n"
    for name in ("a.py", "z.py"):
        assert bool(judged(tmp_path, {"app.py": source, name: more})) is found
        (tmp_path / name).unlink()


CAUGHT = "    try:\n        work()\n    except ValueError as error:\n        {}\n"


@pytest.mark.parametrize(
    ("source", "severity"),
    [
        ("SEEN = []\ndef run():\n" + CAUGHT.format("SEEN.append(error)"), ""),
        ("SEEN = []\ndef run(name):\n" + CAUGHT.format("SEEN.append((name, error))"), ""),
        ("SEEN = {}\ndef run(name):\n" + CAUGHT.format("SEEN[name] = error"), ""),
        ("LAST = None\ndef run():\n    global LAST\n" + CAUGHT.format("LAST = error"), "info"),
        (
            "class Held:\n    def __init__(self):\n        self.seen = []\n    def run(self):\n"
            + textwrap.indent(CAUGHT.format("self.seen.append(error)"), "    "),
            "info",
        ),
    ],
)
def test_an_exception_that_is_kept(tmp_path: Path, source: str, severity: str) -> None:
    (found,) = [one for one in judged(tmp_path, {"app.py": IMPORTS + source}) if "keeps the exception" in one.text]
    assert (found.rule, found.severity) == ("SB308", severity)


@pytest.mark.parametrize(
    "source",
    [
        "SEEN = []\ndef run():\n" + CAUGHT.format("SEEN.append(str(error))"),
        "SEEN = []\ndef run():\n" + CAUGHT.format("SEEN.append(error.with_traceback(None))"),
        "SEEN = []\ndef run():\n" + CAUGHT.format("SEEN.append(error)") + "    raise SEEN.pop()\n",
        "LAST = None\ndef run():\n    global LAST\n"
        + CAUGHT.format("LAST = error").replace("ValueError", "ImportError"),
        "def run():\n    seen = []\n" + CAUGHT.format("seen.append(error)"),
        "def run():\n    last = None\n" + CAUGHT.format("last = error") + "    raise last\n",
        "class Held:\n    def run(self):\n" + textwrap.indent(CAUGHT.format("self.last = error"), "    "),
    ],
)
def test_an_exception_that_is_not_kept_or_alone(tmp_path: Path, source: str) -> None:
    assert not any("exception" in one.text for one in judged(tmp_path, {"app.py": IMPORTS + source}))


def finalized(given: str, more: str = "") -> str:
    return f"class Held:\n    def __init__(self):\n        weakref.finalize({given})\n{textwrap.indent(more, '    ')}"


CLEAN = "def clean(self): pass\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (finalized("self, self.clean", CLEAN), True),
        (finalized("self, clean, self"), True),
        (finalized("self, clean, [self]"), True),
        (finalized("self, lambda: self.clean()"), True),
        (finalized("self, functools.partial(clean, self)"), True),
        (finalized("self.file, self.clean", CLEAN), True),
        ("def hold(one):\n    def clean():\n        one.close()\n    weakref.finalize(one, clean)\n", True),
        (finalized("self, self.clean", f"@staticmethod\n{CLEAN}"), False),
        (finalized("self, self.clean", f"@classmethod\n{CLEAN}"), False),
        (finalized("self, clean, self.path"), False),
        (finalized("self, os.close, self.descriptor"), False),
        (finalized("self, clean, weakref.ref(self)"), False),
        (finalized("self, lambda self: None, 1"), False),
        ("def hold(one):\n    def clean():\n        os.remove(path)\n    weakref.finalize(one, clean)\n", False),
    ],
)
def test_a_finalizer_that_holds_its_object(tmp_path: Path, source: str, found: bool) -> None:
    assert [rule for rule, _severity, _line in told(tmp_path, source)] == (["SB308"] if found else [])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("asyncio.create_task(work())", True),
        ("asyncio.ensure_future(work())", True),
        ("asyncio.get_running_loop().create_task(work())", True),
        ("self.loop.create_task(work())", True),
        ("task = asyncio.create_task(work())", False),
        ("tasks.add(asyncio.create_task(work()))", False),
        ("await asyncio.create_task(work())", False),
        ("group.create_task(work())", False),
        ("asyncio.create_task(work())  # noqa: RUF006", False),
        ("asyncio.create_task(work())  # noqa", False),
        ("asyncio.create_task(work())  # noqa: E501", True),
        ("loop.create_task(work()); loop.run_forever()", False),
    ],
)
def test_a_task_that_nobody_keeps(tmp_path: Path, line: str, found: bool) -> None:
    source = f"async def run(self, loop, group, tasks):\n    {line}\n"
    assert told(tmp_path, source) == ([("SB308", "info", 2)] if found else [])


def test_many_of_a_kind_are_one_finding_for_each_file_and_the_worst_is_told(tmp_path: Path) -> None:
    caches = "    @lru_cache\n    def one(self): pass\n    @lru_cache(None)\n    def two(self): pass\n"
    source = f"class Held:\n{caches}async def run():\n    asyncio.create_task(run())\n    asyncio.create_task(run())\n"
    first, second = judged(tmp_path, {"app.py": IMPORTS + source})
    assert (first.line - OFFSET, first.number, first.severity) == (4, 2, "")
    assert (second.line - OFFSET, second.number, second.severity) == (7, 2, "info")


@pytest.mark.parametrize("name", ["tests/test_app.py", "examples/app.py", "docs/conf.py", "setup.py"])
def test_what_no_service_runs_is_left_out(tmp_path: Path, name: str) -> None:
    assert judged(tmp_path, {name: "import gc\ngc.disable()\n"}) == []
