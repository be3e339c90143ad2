# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a record is lost: what is said of a real logging, in a process of its own, and whether the record is lost there at all."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import runtime_canary
from ansible_collections.stability.baseline.plugins.module_utils.canary_causes import cause_of, level_name

BEGIN = "import logging, logging.config, logging.handlers, sys\n"
END = "\nimport json\nprint(json.dumps(canary('token')))\n"
DICT = "logging.config.dictConfig({'version': 1, 'root': {'level': 'INFO', 'handlers': ['h']}, 'handlers': {'h': %s}, **%s})"
STREAM = "{'class': 'logging.StreamHandler'}"


def observe(program):
    """Return the tree of a process that has run a program, and what of its canary came out on stderr."""
    source = inspect.getsource(runtime_canary) + BEGIN + program + END
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


def is_shown(shown, level, name):
    return runtime_canary.text("token", level, name) in shown


@pytest.mark.parametrize(
    ("program", "name", "level", "cause"),
    [
        ("", "root", "INFO", "the level of the root logger is WARNING, as nobody has set it"),
        ("logging.basicConfig()", "root", "INFO", "the level of the root logger is WARNING"),
        (
            "logging.basicConfig(level='INFO')\nlogging.disable(logging.WARNING)",
            "root",
            "WARNING",
            "logging.disable(WARNING) is in effect",
        ),
        (
            f"logging.getLogger('old').setLevel('INFO')\n{DICT % (STREAM, '{}')}",
            *("old", "ERROR"),
            "the logger is disabled: dictConfig() and fileConfig() do that to those that they do not name (disable_existing_loggers)",
        ),
        (
            "logging.basicConfig(level='INFO')\nlogging.getLogger('a').setLevel('ERROR')\nlogging.getLogger('a.b').propagate = True\n"
            "logging.getLogger('a.b').addHandler(logging.StreamHandler(sys.stderr))",
            *("a.b", "WARNING"),
            "the level of the logger a is ERROR",
        ),
        (
            "logging.basicConfig(level='INFO')\nlogging.getLogger('a').addFilter(lambda record: False)",
            *("a", "INFO"),
            "a filter of the logger holds it back",
        ),
        (
            "logging.root.setLevel('INFO')",
            "root",
            "INFO",
            "there is no handler, and without one only WARNING and above are shown",
        ),
        (
            "logging.root.setLevel('INFO')\nlogging.lastResort = None\nlogging.raiseExceptions = False",
            "root",
            "ERROR",
            "there is no handler",
        ),
        (
            "logging.basicConfig(level='INFO')\nlogging.getLogger('a').propagate = False\nlogging.lastResort = None",
            *("a", "ERROR"),
            "a passes nothing on (propagate=False), and there is no handler",
        ),
        (
            DICT % ("{'class': 'logging.StreamHandler', 'level': 'ERROR'}", "{}"),
            *("root", "INFO"),
            "StreamHandler of root has the level ERROR (SB205)",
        ),
        (
            "logging.basicConfig(level='INFO')\nlogging.root.handlers[0].addFilter(lambda record: False)",
            *("root", "INFO"),
            "StreamHandler of root has a filter",
        ),
        (
            "logging.basicConfig(filename='/dev/null', level='INFO')",
            *("root", "INFO"),
            "FileHandler of root writes to /dev/null (SB203)",
        ),
        (
            "logging.basicConfig(stream=open('/dev/null', 'w'), level='INFO')",
            *("root", "INFO"),
            "StreamHandler of root writes to /dev/null",
        ),
        (
            "import io\nlogging.basicConfig(stream=io.StringIO(), level='INFO')",
            *("root", "INFO"),
            "StreamHandler of root writes it to a stream (without a descriptor) that does not bring it to the journal",
        ),
        (
            "logging.raiseExceptions = False\ns = open('/dev/null', 'w')\nlogging.basicConfig(stream=s, level='INFO')\ns.close()",
            *("root", "INFO"),
            "StreamHandler of root has a stream that is closed",
        ),
        (
            "logging.basicConfig(level='INFO', handlers=[logging.handlers.MemoryHandler(99, flushLevel=99)])",
            *("root", "INFO"),
            "MemoryHandler of root keeps records until somebody takes them",
        ),
        (
            "import queue\nlogging.basicConfig(level='INFO', handlers=[logging.handlers.QueueHandler(queue.Queue())])",
            *("root", "INFO"),
            "QueueHandler of root keeps records until somebody takes them",
        ),
        (
            "logging.basicConfig(level='INFO', handlers=[logging.NullHandler()])",
            *("root", "INFO"),
            "NullHandler of root takes it elsewhere",
        ),
        (
            "logging.basicConfig(level='INFO', filename='/dev/null')\nh = logging.StreamHandler()\nh.setLevel('CRITICAL')\n"
            "logging.getLogger('a').addHandler(h)",
            *("a", "INFO"),
            "StreamHandler of a has the level CRITICAL (SB205); FileHandler of root writes to /dev/null (SB203)",
        ),
    ],
)
def test_the_cause_is_found_where_the_record_is_lost(program, name, level, cause):
    tree, shown = observe(program)
    assert not is_shown(shown, level, name)
    assert cause_of(tree, name, level) == cause


def test_a_record_that_arrives_at_stderr_is_said_to_go_there():
    tree, shown = observe("logging.basicConfig(level=15)\nlogging.getLogger('a.b').setLevel('INFO')")
    assert is_shown(shown, "INFO", "root") and is_shown(shown, "INFO", "a.b") and not is_shown(shown, "DEBUG", "a.b")
    assert cause_of(tree, "a.b", "INFO").startswith("StreamHandler of root writes it to a stream (pipe:[")
    assert cause_of(tree, "root", "DEBUG") == "the level of the root logger is 15"


def test_levels_without_a_name_are_numbers():
    assert (level_name(20), level_name(25)) == ("INFO", "25")
