# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about how the source of an application logs: what breaks each of them, and what does not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_references import read_sources
from ansible_collections.stability.baseline.plugins.module_utils.audit_source_facts import Fault
from ansible_collections.stability.baseline.plugins.module_utils.audit_source_rules import SourceRules

IMPORTS = "import logging, logging.config, logging.handlers, os, sys\nfrom pathlib import Path\n"
#: Lines before the source of a case.
OFFSET = IMPORTS.count("\n")


def judged(folder: Path, sources: dict[str, str], distribution: str = "") -> list[Fault]:
    for name, source in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(source))
    rules = SourceRules()
    assert read_sources([str(folder)], (), rules).problems == ()
    return rules.judge(lambda modules: distribution)


def told(folder: Path, source: str) -> list[tuple[str, int]]:
    found = judged(folder, {"app.py": IMPORTS + textwrap.dedent(source)})
    return [(one.rule, one.line - OFFSET) for one in found]


@pytest.mark.parametrize(
    "source",
    [
        "logging.FileHandler('app.log')",
        "logging.FileHandler(filename='app.log')",
        "logging.handlers.RotatingFileHandler(f'/var/log/{os.getpid()}.log')",
        "logging.handlers.TimedRotatingFileHandler(os.path.join(FOLDER, 'app.log'))",
        "logging.handlers.WatchedFileHandler(Path(FOLDER) / 'app.log')",
        "from logging.handlers import RotatingFileHandler as Rotating; Rotating('app.log')",
        "logging.basicConfig(filename='app.log', level=logging.INFO)",
        "PLACE = 'app.log'; logging.FileHandler(PLACE)",
        "def setup(place='app.log'): logging.FileHandler(place)",
        "PLACE = FOLDER + '/app.log'; logging.FileHandler(os.path.expanduser(PLACE))",
        "def setup(to_file=True):\n    if to_file: logging.FileHandler('app.log')",
        "if os.environ.get('VERBOSE'): logging.FileHandler('app.log')",
        "from concurrent_log_handler import ConcurrentRotatingFileHandler as Rotating; Rotating('app.log')",
        "CONFIG = {'handlers': {'file': {'class': 'logging.FileHandler', 'filename': 'a'}}, 'root': {'handlers': ['file']}}",
        "from loguru import logger; logger.add('app.log')",
        "from loguru import logger; logger.add(Path('logs') / 'app.log')",
        "from loguru import logger; logger.add(place(), rotation='1 day')",
    ],
)
def test_what_logs_to_files(tmp_path: Path, source: str) -> None:
    assert told(tmp_path, source) == [("SB203", source.count("\n") + 1)]


@pytest.mark.parametrize(
    "source",
    [
        "logging.StreamHandler(sys.stdout)",
        "logging.FileHandler('/dev/stderr')",
        "logging.FileHandler(os.devnull)",
        "logging.FileHandler('/proc/self/fd/1')",
        "logging.basicConfig(filename=None, level='INFO')",
        # Whether, and which, is somebody else's decision.
        "def setup(place): logging.FileHandler(place)",
        "def setup(place=None):\n    if place: logging.FileHandler(place)",
        "def setup(place=None):\n    if not place: return\n    logging.FileHandler(place)",
        "PLACE = os.environ.get('LOG_FILE')\nif PLACE: logging.FileHandler(PLACE)",
        "def setup(folder=None):\n    if folder: logging.FileHandler(os.path.join(folder, 'app.log'))",
        "first, second = 'app.log', 'b'\nlogging.FileHandler(os.path.expanduser(place()))",
        "def setup(to_file=False):\n    if to_file: logging.FileHandler('app.log')",
        "class Own(logging.FileHandler):\n    pass",
        "def FileHandler(name): pass\nFileHandler('app.log')",
        "CONFIG = {'handlers': {'file': {'class': 'logging.FileHandler', 'filename': 'a'}}, 'root': {'handlers': ['other']}}",
        "from loguru import logger; logger.add(sys.stderr)",
        "from loguru import logger; logger.add(lambda message: None)",
        "from loguru import logger; logger.add(make_sink('name'))",
        "queue.add('app.log')",
    ],
)
def test_what_does_not_log_to_files(tmp_path: Path, source: str) -> None:
    assert told(tmp_path, source) == []


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("logging.basicConfig(level='INFO')\nlogging.basicConfig(level='DEBUG')", 2),
        ("logging.info('early')\nlogging.basicConfig(level='INFO')", 2),
        ("logging.basicConfig(level='INFO')\ndef main():\n    logging.basicConfig(level='DEBUG')", 3),
        ("def main():\n    logging.warning('early')\n    if sys.argv:\n        logging.basicConfig(level='INFO')", 4),
        ("if __name__ == '__main__':\n    logging.error('early')\n    logging.basicConfig(level='INFO')", 3),
        ("logging.basicConfig()\nlogging.getLogger(__name__).info('lost')\nlogger.info('lost')", 1),
        ("logging.basicConfig(format='%(message)s')\nlogging.info('lost')", 1),
    ],
)
def test_a_configuration_without_effect(tmp_path: Path, source: str, line: int) -> None:
    assert told(tmp_path, source) == [("SB204", line)]


@pytest.mark.parametrize(
    "source",
    [
        # Its handler goes to stderr, which is fine.
        "logging.basicConfig(level=logging.INFO)\nlogging.info('arrives')",
        "logging.basicConfig(level='INFO')\nlogging.basicConfig(level='DEBUG', force=True)",
        "logging.basicConfig(level='INFO')\nlogging.basicConfig(**options)",
        "logging.basicConfig(level='INFO', handlers=[])\nlogging.basicConfig(level='DEBUG')",
        "if sys.argv:\n    logging.basicConfig(level='INFO')\nelse:\n    logging.basicConfig(level='DEBUG')",
        "if sys.argv:\n    logging.basicConfig(level='INFO')\nlogging.basicConfig(level='DEBUG')",
        "try:\n    logging.basicConfig(encoding='utf-8', level='INFO')\nexcept ValueError:\n    logging.basicConfig(level='INFO')",
        "def first():\n    logging.basicConfig(level='INFO')\ndef second():\n    logging.basicConfig(level='DEBUG')",
        "logging.info('early')\nlogging.root.handlers.clear()\nlogging.basicConfig(level='INFO')",
        "logging.getLogger('app').info('early')\nlogging.basicConfig(level='INFO')",
        "logging.basicConfig(level='INFO')\nlogging.info('configures nothing any more')",
        # The level is set in another way, or nothing is lost.
        "logging.basicConfig()\nlogging.getLogger().setLevel('INFO')\nlogging.info('arrives')",
        "logging.basicConfig()\nlogger = logging.getLogger('app')\nlogger.setLevel('INFO')\nlogger.info('arrives')",
        "logging.basicConfig()\nlogging.root.level = 20\nlogging.info('arrives')",
        "logging.basicConfig()\nlogging.config.dictConfig(read())\nlogging.info('arrives')",
        "logging.basicConfig()\nlogging.warning('arrives')",
        "logging.basicConfig(**options)\nlogging.info('arrives')",
    ],
)
def test_a_configuration_with_effect(tmp_path: Path, source: str) -> None:
    assert told(tmp_path, source) == []


def test_a_level_that_another_file_sets_is_one(tmp_path: Path) -> None:
    source = "import logging\nlogging.basicConfig()\nlogging.info('text')\n"
    assert [one.rule for one in judged(tmp_path, {"app.py": source})] == ["SB204"]
    assert judged(tmp_path, {"more.py": "import logging\nlogging.getLogger().setLevel(20)\n"}) == []


LOGGER = "logger = logging.getLogger('app')\nlogger.setLevel(logging.DEBUG)\n"
HANDLER = "handler = logging.StreamHandler()\n"
ADDED = "logger.addHandler(handler)\n"
QUIET = f"{HANDLER}handler.setLevel(logging.ERROR)\n{ADDED}"


@pytest.mark.parametrize(
    ("source", "severity"),
    [
        (LOGGER + QUIET, ""),
        (LOGGER.replace("'app'", "") + QUIET, ""),
        (LOGGER + QUIET.replace("logging.ERROR", "'WARNING'"), ""),
        (LOGGER + QUIET.replace("logging.ERROR", "logging.INFO"), "info"),
        (
            LOGGER
            + QUIET
            + QUIET.replace("handler =", "second =").replace("handler.", "second.").replace("(handler", "(second"),
            "",
        ),
        (LOGGER + QUIET + "logger.propagate = False\nlogging.basicConfig(level='INFO')\n", ""),
        ("def setup():\n" + textwrap.indent(LOGGER + QUIET, "    "), ""),
    ],
)
def test_handlers_that_hold_back_what_their_logger_lets_through(tmp_path: Path, source: str, severity: str) -> None:
    found = judged(tmp_path, {"app.py": IMPORTS + source})
    assert [(one.rule, one.severity) for one in found] == [("SB205", severity)]


@pytest.mark.parametrize(
    "source",
    [
        LOGGER + HANDLER + ADDED,
        LOGGER + QUIET.replace("logging.ERROR", "logging.DEBUG"),
        LOGGER + QUIET.replace("logging.ERROR", "LEVEL"),
        # Another handler lets them through.
        LOGGER + QUIET + "logger.addHandler(logging.StreamHandler())\n",
        LOGGER + QUIET + "second = logging.StreamHandler()\nlogger.addHandler(second)\n",
        LOGGER + QUIET + "for one in more():\n    logger.addHandler(one)\n",
        LOGGER + QUIET + "def more(one):\n    logger.addHandler(one)\n",
        LOGGER + QUIET + "logging.basicConfig(level='DEBUG')\n",
        LOGGER + QUIET + "logging.root.addHandler(make())\n",
        LOGGER + QUIET + "logging.warning('makes the root logger have a handler')\n",
        LOGGER + QUIET + "if sys.argv:\n    handler.setLevel(logging.DEBUG)\n",
        LOGGER + QUIET + "def verbose():\n    handler.setLevel(logging.DEBUG)\n",
        "logger = logging.getLogger('app')\n" + QUIET,
        LOGGER + "handler = logging.NullHandler()\nhandler.setLevel(40)\n" + ADDED,
    ],
)
def test_handlers_that_do_not(tmp_path: Path, source: str) -> None:
    assert told(tmp_path, source) == []


def configuration(handlers: str, loggers: str, more: str = "") -> str:
    return (
        f"logging.config.dictConfig({{'version': 1, 'handlers': {{{handlers}}}, 'loggers': {{{loggers}}}, {more}}})\n"
    )


STDERR = "'class': 'logging.StreamHandler'"
ROOT = "'root': {'level': 'INFO', 'handlers': ['loud']}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (
            configuration(f"'one': {{{STDERR}, 'level': 'ERROR'}}", "'app': {'level': 'INFO', 'handlers': ['one']}"),
            True,
        ),
        (
            configuration(
                f"'one': {{{STDERR}, 'level': 'ERROR'}}", "", "'root': {'level': 'INFO', 'handlers': ['one']}"
            ),
            True,
        ),
        (
            configuration(f"'one': {{{STDERR}, 'level': 'INFO'}}", "'app': {'level': 'INFO', 'handlers': ['one']}"),
            False,
        ),
        (configuration(f"'one': {{{STDERR}}}", "'app': {'level': 'INFO', 'handlers': ['one']}"), False),
        (configuration(f"'one': {{{STDERR}, 'level': LEVEL}}", "'app': {'level': 'INFO', 'handlers': ['one']}"), False),
        (
            configuration("'one': {'()': make, 'level': 'ERROR'}", "'app': {'level': 'INFO', 'handlers': ['one']}"),
            False,
        ),
        (configuration(f"'one': {{{STDERR}, 'level': 'ERROR'}}", "'app': {'level': 'INFO', 'handlers': names}"), False),
        (configuration(f"'one': {{{STDERR}, 'level': 'ERROR'}}", "'app': {'level': 'INFO'}"), False),
    ],
)
def test_levels_in_a_literal_configuration(tmp_path: Path, source: str, found: bool) -> None:
    assert [rule for rule, _line in told(tmp_path, source)] == (["SB205"] if found else [])


@pytest.mark.parametrize(("propagate", "found"), [("False", True), ("True", False)])
def test_records_that_go_on_to_the_root_logger_of_a_configuration(tmp_path: Path, propagate: str, found: bool) -> None:
    handlers = f"'one': {{{STDERR}, 'level': 'ERROR'}}, 'loud': {{{STDERR}}}"
    source = configuration(handlers, f"'app': {{'level': 'INFO', 'handlers': ['one'], 'propagate': {propagate}}}", ROOT)
    assert [rule for rule, _line in told(tmp_path, source)] == (["SB205"] if found else [])


STDLIB = "import logging\nlogger = logging.getLogger(__name__)\nlogger.warning('text')\n"
LOGURU = "from loguru import logger\nlogger.info('text')\n"
STRUCTLOG = "import structlog\nlog = structlog.get_logger()\nlog.info('text')\n"
INTERCEPT = "import logging\nfrom loguru import logger\nclass Intercept(logging.Handler):\n    pass\n"


@pytest.mark.parametrize(
    ("sources", "distribution", "found"),
    [
        ((LOGURU, STDLIB), "", [("SB206", "")]),
        ((STRUCTLOG, STDLIB), "", [("SB206", "")]),
        ((LOGURU,), "urllib3", [("SB206", "")]),
        ((LOGURU, STDLIB, "import logging\nlogging.basicConfig(level='INFO')\n"), "", [("SB206", "info")]),
        (
            (LOGURU, STDLIB, "import logging\nroot = logging.getLogger()\nroot.addHandler(make())\n"),
            "",
            [("SB206", "info")],
        ),
        (("import logging\nlogging.getLogger('urllib3').setLevel(30)\n" + LOGURU,), "", []),
        (("import logging\n" + LOGURU + "logging.info('text')\n",), "", [("SB206", "")]),
        ((LOGURU,), "", []),
        ((STDLIB,), "urllib3", []),
        ((LOGURU, STDLIB, INTERCEPT), "", []),
        ((LOGURU, STDLIB, LOGURU + "import logging\nlogger.add(logging.StreamHandler())\n"), "", []),
        (
            (
                STRUCTLOG,
                STDLIB,
                "import structlog\nstructlog.configure(logger_factory=structlog.stdlib.LoggerFactory())\n",
            ),
            "",
            [],
        ),
        ((STRUCTLOG, STDLIB, "from structlog.stdlib import ProcessorFormatter\n"), "", []),
    ],
)
def test_two_libraries_and_what_joins_them(
    tmp_path: Path, sources: tuple[str, ...], distribution: str, found: list[tuple[str, str]]
) -> None:
    files = {f"part{number}.py": source for number, source in enumerate(sources)}
    assert [(one.rule, one.severity) for one in judged(tmp_path, files, distribution)] == found


CAUGHT = "    try:\n        work()\n    except OSError as error:\n        print({})\n"


@pytest.mark.parametrize(
    "source",
    [
        "def work():\n    print('[INFO] started')\n",
        "def work():\n    print(f'ERROR: {work}')\n",
        "def work():\n    print('WARNING: %s is old' % work)\n",
        "def work():\n" + CAUGHT.format("f'it failed: {error}'"),
        "def work():\n" + CAUGHT.format("'it failed', error"),
        "async def work():\n" + CAUGHT.format("'it failed: ' + str(error)"),
        "def work():\n" + CAUGHT.format("'it failed'"),
    ],
)
def test_prints_that_are_records(tmp_path: Path, source: str) -> None:
    files = {"app.py": source, "more.py": STDLIB}
    assert [one.rule for one in judged(tmp_path, files)] == ["SB209"]


@pytest.mark.parametrize(
    "source",
    [
        "def work():\n    print('hello')\n",
        "def work():\n    print(1)\n",
        "print('[INFO] of a script')\n",
        "if __name__ == '__main__':\n    print('[INFO] started')\n",
        "def show_work():\n    print('INFO: all of it')\n",
        "def main():\n    print('ERROR: no file')\n",
        "def work(verbose):\n    if verbose:\n        print('[INFO] started')\n",
        "import sys\ndef work():\n    print('ERROR: no', file=sys.stderr)\n",
        "def work(**options):\n    if options.get('verb'):\n        print('[INFO] started')\n",
        "import argparse\ndef work():\n    print('ERROR: no such option')\n",
        "import sys\ndef work():\n    print('ERROR: no', sys.argv[1])\n",
        "RED = '\\033[91m'\ndef work():\n    print('ERROR: no')\n",
        "from termcolor import colored\ndef work():\n    print('ERROR: ' + colored('no', 'red'))\n",
        "from rich import print\ndef work():\n    print('[INFO] started')\n",
        "def work():\n" + CAUGHT.format("error"),
        "def work():\n" + CAUGHT.format("'something'"),
        "def work():\n" + CAUGHT.format("f'stopped by {error}'").replace("OSError", "KeyboardInterrupt"),
        "def work():\n" + CAUGHT.format("f'not installed: {error}'").replace("OSError", "(OSError, ImportError)"),
    ],
)
def test_prints_that_are_meant(tmp_path: Path, source: str) -> None:
    assert judged(tmp_path, {"app.py": source, "more.py": STDLIB}) == []


@pytest.mark.parametrize(
    ("source", "more", "found"),
    [
        ("def work():\n    print('[INFO] started')\n", "", True),
        ("def work():\n    print('[INFO] started')\n", "import argparse\n", False),
        ("def work():\n    print('[INFO] started')\n", f"import argparse\n{STDLIB}", True),
        ("def work():\n" + CAUGHT.format("'it failed', error"), "", False),
        ("def work():\n" + CAUGHT.format("'it failed', error"), LOGURU, True),
    ],
)
def test_where_nothing_logs_only_what_has_a_level_is_a_record(
    tmp_path: Path, source: str, more: str, found: bool
) -> None:
    rules = {one.rule for one in judged(tmp_path, {"app.py": source, "more.py": more})}
    assert ("SB209" in rules) is found


@pytest.mark.parametrize(
    "name", ["__main__.py", "cli.py", "commands/work.py", "pack/diagnose.py", "examples/app.py", "tests/test_app.py"]
)
def test_command_line_tools_tests_and_examples_may_print(tmp_path: Path, name: str) -> None:
    assert judged(tmp_path, {"app.py": STDLIB, name: "def work():\n    print('[INFO] started')\n"}) == []


def test_many_of_a_file_are_one_finding(tmp_path: Path) -> None:
    (found,) = judged(tmp_path, {"app.py": "import logging\n\n" + "logging.FileHandler('app.log')\n" * 3})
    seen = f"{tmp_path}/app.py:3: FileHandler writes records into a file (and 2 more in this file)"
    assert (found.line, found.number, found.seen) == (3, 3, seen)


def test_a_broken_file_is_told_of_and_one_without_interest_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import logging\nlogging.basicConfig(\n")
    (tmp_path / "other.py").write_text("nothing of interest (\n")
    (problem,) = read_sources([str(tmp_path)], (), SourceRules()).problems
    assert problem.startswith(f"{tmp_path}/broken.py was not checked for how it logs and what it keeps: line 2: ")
