# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime inside of services: records reach the journal in one piece, with priority and unit, however the process ends."""

from __future__ import annotations

import json
from itertools import count

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.runtime_place import FOLDER

from units import apply, service

NUMBERS = count(1)
PLAIN = "import logging, sys\n"
#: Ways in which a process ends right after its last record.
ENDS = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
    "SIGSEGV": "ctypes.string_at(0)",
    "_exit": "os._exit(3)",
    "exception": "raise ValueError('the end')",
}
NUMBERED = """
import ctypes, logging, os, signal, sys, time
log = logging.getLogger("app")
def work():
    for number in range(int(sys.argv[1])):
        log.warning("record %d", number)
    {end}
if sys.argv[2] == "worker":
    worker = os.fork()
    if not worker:
        work()
    os.waitpid(worker, 0)
else:
    work()
"""


#: Compares what records cost by the runtime with those that a handler of the standard library writes to the same place, in CPU time.
COST = """
import logging, sys, time
plain = logging.getLogger("plain")
plain.propagate = False
plain.addHandler(logging.StreamHandler(sys.stderr))
plain.handlers[0].setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
def cost(log):
    begun = time.thread_time()
    for number in range(200):
        log.warning("record %d of %s", number, "a comparison")
    return time.thread_time() - begun
least = {}
for turn in range(40):
    for log in (plain, logging.getLogger("ours")):
        least[log.name] = min(cost(log), least.get(log.name, 9.0))
        time.sleep(0.02)
logging.info("cost %.6f %.6f", least["ours"] / 200, least["plain"] / 200)
"""
#: Compares the start of a Python that logs with the runtime and without it.
START = """
import logging, os, subprocess, sys, time
without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
found = {"with": [], "without": []}
for turn in range(15):
    for name, environment in (("with", {}), ("without", without)):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import logging"], env=environment or None, check=True)
        found[name].append(time.perf_counter() - begun)
logging.info("start %.6f %.6f", min(found["with"]), min(found["without"]))
"""
#: Of a record, as a factor of what the standard library takes, and of a start, in seconds.
RECORD, BEGIN = 1.3, 0.015


@pytest.fixture
def prepared(host):
    if host.run(["test", "-e", f"{FOLDER}/sitecustomize.py"]).code:
        result = apply(host, [service("runtime-holder", logging={}, state="stopped")])
        assert not result.get("failed"), result["msg"]
    return host


def run(host, program, *arguments, **variables):
    """Run a program as a unit of its own until it ends, and return its records as the journal has them."""
    unit = f"runtime-{next(NUMBERS)}"
    path = f"/srv/{unit}.py"
    host.put(path, program)
    environment = {
        "PYTHONPATH": FOLDER,
        "PYTHONUNBUFFERED": "1",
        "STABILITY_LOG_LEVEL": "INFO",
        "STABILITY_IDENTIFIER": unit,
        **variables,
    }
    settings = [word for name, value in environment.items() for word in ("-E", f"{name}={value}")]
    command = [
        "systemd-run",
        "--quiet",
        "--wait",
        f"--unit={unit}",
        "-p",
        "Type=exec",
        "-p",
        f"SyslogIdentifier={unit}",
    ]
    host.run([*command, *settings, "/usr/bin/python3", path, *arguments])
    host.check(["journalctl", "--sync"])
    shown = host.check(f"journalctl --quiet --all --output=json --unit={unit} SYSLOG_IDENTIFIER={unit}")
    return [json.loads(line) for line in shown.splitlines()]


def told(records):
    return [(int(one["PRIORITY"]), one["MESSAGE"]) for one in records]


@pytest.mark.parametrize("place", ["main", "worker"])
@pytest.mark.parametrize("end", ENDS)
def test_every_record_is_of_its_unit_however_the_process_ends(prepared, end, place):
    for number in (1, 100):
        records = run(prepared, NUMBERED.format(end=ENDS[end]), str(number), place)
        expected = [(4, f"WARNING app: record {index}") for index in range(number)]
        assert [one for one in told(records) if "record" in one[1]] == expected


def test_a_record_has_the_priority_of_its_level_and_its_place_in_the_source(prepared):
    program = (
        PLAIN
        + "def work():\n    for level in (10, 20, 25, 30, 40, 50):\n        logging.log(level, 'at %d', level)\nwork()\n"
    )
    records = run(prepared, program, STABILITY_LOG_LEVEL="DEBUG")
    assert [priority for priority, _message in told(records)] == [7, 6, 5, 4, 3, 2]
    (one,) = [one for one in records if one["MESSAGE"].endswith("at 40")]
    assert (one["CODE_FUNC"], one["CODE_LINE"], one["LOGGER"]) == ("work", "4", "root")
    assert one["CODE_FILE"].startswith("/srv/runtime-") and one["_TRANSPORT"] == "journal"


def test_many_lines_and_a_long_one_are_one_record_each(prepared):
    program = PLAIN + "logging.error('one\\ntwo\\n')\nlogging.info('x' * 3_000_000)\nlogging.info('\\udce9 \\u20ac')\n"
    records = run(prepared, program)
    assert [message for _priority, message in told(records)][:1] == ["ERROR root: one\ntwo\n"]
    assert len(records[1]["MESSAGE"]) == len("INFO root: ") + 3_000_000
    assert told(records)[2] == (6, "INFO root: \\udce9 €")


def test_what_nobody_has_caught_is_one_record(prepared):
    program = """
import asyncio, logging, threading, warnings
class Odd:
    def __del__(self):
        raise ValueError("in del")
def fail(text):
    raise ValueError(text)
async def forget():
    asyncio.ensure_future(lost())
    await asyncio.sleep(0.1)
async def lost():
    fail("in a task")
warnings.warn("old")
threading.Thread(target=fail, args=("in a thread",), name="worker-1").start()
odd = Odd()
del odd
asyncio.run(forget())
fail("in main")
"""
    records = told(run(prepared, program))
    assert sorted(priority for priority, _message in records) == [2, 3, 3, 3, 4]
    for priority, text, begin in (
        (4, "UserWarning: old", "WARNING py.warnings: "),
        (3, "in a thread", "ERROR uncaught: Uncaught exception in worker-1\nTraceback"),
        (3, "in del", "ERROR uncaught: Exception ignored"),
        (3, "in a task", "ERROR asyncio: Task exception was never retrieved"),
        (2, "in main", "CRITICAL uncaught: Uncaught exception\nTraceback"),
    ):
        (message,) = [message for found, message in records if found == priority and text in message]
        assert message.startswith(begin)


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("logging.basicConfig(level='WARNING', format='%(message)s')", [(4, "warned")]),
        ("logging.basicConfig()", [(6, "INFO:app:told"), (4, "WARNING:app:warned")]),
        ("logging.basicConfig(stream=sys.stdout, force=True)", [(6, "INFO:app:told"), (4, "WARNING:app:warned")]),
        (
            "logging.config.dictConfig({'version': 1, 'root': {'level': 'INFO', 'handlers': ['h']}, 'handlers': "
            "{'h': {'class': 'logging.StreamHandler'}}})",
            [(6, "told"), (4, "warned")],
        ),
        ("logging.basicConfig(filename='/dev/null')", []),
        ("logging.getLogger('app').setLevel('ERROR')", []),
        ("sys.stderr = open('/dev/null', 'w')", [(6, "INFO app: told"), (4, "WARNING app: warned")]),
    ],
)
def test_the_application_has_the_last_word(prepared, configured, expected):
    program = f"{PLAIN}import logging.config\n{configured}\nlog = logging.getLogger('app')\nlog.info('told')\nlog.warning('warned')\n"
    assert told(run(prepared, program)) == expected


def test_levels_of_loggers_and_one_line_of_json(prepared):
    program = PLAIN + "logging.getLogger('noisy.part').info('no')\nlogging.getLogger('quiet').debug('yes %s', 'é\\n')\n"
    variables = {"STABILITY_LOGGERS": "noisy=WARNING quiet=DEBUG", "STABILITY_LOG_FORMAT": "json"}
    (record,) = run(prepared, program, **variables)
    found = json.loads(record["MESSAGE"])
    assert (found["level"], found["logger"], found["message"]) == ("DEBUG", "quiet", "yes é\n")
    assert record["PRIORITY"] == "7" and "\n" not in record["MESSAGE"]


def test_another_sitecustomize_still_runs(prepared):
    prepared.put("/srv/other/sitecustomize.py", "import sys\nsys.found = 1\n")
    program = PLAIN + "logging.info('%s %s', sys.found, [entry for entry in sys.path if 'stability' in entry])\n"
    assert told(run(prepared, program, PYTHONPATH=f"{FOLDER}:/srv/other")) == [(6, "INFO root: 1 []")]


def test_a_service_that_writes_to_a_file_does_so_in_lines_as_they_were(prepared):
    prepared.put("/srv/filed.py", PLAIN + "logging.info('plain\\nline')")
    settings = f"-p StandardError=file:/srv/filed.log -E PYTHONPATH={FOLDER} -E STABILITY_LOG_LEVEL=INFO"
    prepared.check(f"rm -f /srv/filed.log; systemd-run --quiet --wait {settings} /usr/bin/python3 /srv/filed.py")
    assert prepared.read("/srv/filed.log") == "INFO root: plain\nline\n"


def test_a_tool_whose_output_somebody_reads_is_left_alone(prepared):
    tool = "import logging; logging.getLogger('lib').info('no'); logging.warning('yes')"
    program = (
        f"import logging, subprocess, sys\ndone = subprocess.run([sys.executable, '-c', {tool!r}], capture_output=True, text=True)\n"
        "logging.info('%r', done.stderr)\n"
    )
    assert told(run(prepared, program)) == [(6, r"INFO root: 'WARNING:root:yes\n'")]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        # The application's own handler below the root logger is all that there is without the runtime.
        (
            "log = logging.getLogger('shop')\nlog.addHandler(logging.StreamHandler())\nlog.error('once')\nlogging.error('root')",
            [(3, "once"), (3, "ERROR root: root")],
        ),
        (
            "class Odd:\n    def write(self, text): sys.stderr.write(text)\n    def flush(self): pass\n"
            "    def fileno(self): raise NotImplementedError\n"
            "logging.basicConfig(stream=Odd(), format='%(message)s')\nlogging.error('odd')",
            [(6, "odd")],
        ),
        (
            "class Old:\n    def find_module(self, name, path=None): pass\nsys.meta_path.insert(0, Old())\n"
            "try:\n    import loguru\nexcept ImportError:\n    logging.error('not there')",
            [(3, "ERROR root: not there")],
        ),
        (
            "import zipfile\nwith zipfile.ZipFile('/tmp/app.zip', 'w') as app:\n"
            "    app.writestr('structlog.py', 'def is_configured(): return False')\n    app.writestr('after.py', 'done = 1')\n"
            "sys.path.insert(0, '/tmp/app.zip')\nimport structlog, after\n"
            "logging.error('%s %s', after.done, structlog.__loader__ is structlog.__spec__.loader)",
            [(3, "ERROR root: 1 True")],
        ),
    ],
)
def test_what_applications_do_works_as_without_it(prepared, program, expected):
    found = told(run(prepared, PLAIN + program))
    assert [
        one for one in found if not one[1].startswith("stability: structlog is not joined with logging: ")
    ] == expected


def test_whatever_fails_in_it_is_one_line(prepared):
    program = PLAIN + "logging.warning('on')\n"
    (failed, went_on) = told(run(prepared, program, STABILITY_LOG_LEVEL="LOUD"))
    assert failed[1].startswith("stability: the runtime has no effect: ValueError: no level has the name LOUD")
    assert went_on[1] == "WARNING:root:on"


def test_a_program_that_closes_all_descriptors_keeps_its_own(prepared):
    program = PLAIN + (
        "import os, socket\nlogging.info('before')\nos.closerange(3, 64)\n"
        "ours, other = socket.socketpair()\nlogging.info('after')\nother.setblocking(False)\n"
        "try:\n    logging.info('got %r', other.recv(9))\nexcept BlockingIOError:\n    logging.info('got nothing')\n"
    )
    assert [message for _priority, message in told(run(prepared, program))] == [
        "INFO root: before", "INFO root: after", "INFO root: got nothing",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "program", ["pass", "import logging", "import logging; logging.error('x')", "import os; os.fork()"]
)
@pytest.mark.parametrize("variables", ["STABILITY_LOG_LEVEL=INFO", "STABILITY_PROBE=/run/ends"])
def test_a_program_ends_as_without_it(prepared, program, variables):
    settings = f"-p RuntimeDirectory=ends -E PYTHONPATH={FOLDER} -E {variables} -E PYTHONFAULTHANDLER=1"
    done = prepared.run(f'systemd-run --quiet --wait {settings} /usr/bin/python3 -c "{program}"')
    assert done.code == 0, (done, prepared.check("journalctl -o cat -n 30"))


def measured(host, program, name):
    records = told(run(host, program))
    assert [1 for _priority, message in records if f" {name} " in message] == [1], records
    (text,) = [message for _priority, message in records if f" {name} " in message]
    print(text)
    ours, theirs = text.split()[-2:]
    return float(ours), float(theirs)


def test_a_record_costs_little_more_than_a_line_on_stderr(prepared):
    ours, theirs = measured(prepared, COST, "cost")
    assert ours <= RECORD * theirs


def test_a_program_begins_hardly_later(prepared):
    ours, theirs = measured(prepared, START, "start")
    assert ours - theirs <= BEGIN
