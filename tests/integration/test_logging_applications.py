# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers, frameworks and logging libraries with the runtime, and with the file of ``apply: file``: each record arrives once."""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.service_logging import file_of

import cgroups
import testhosts
from releases import RELEASES
from units import apply, wait_for
from wheelhouse import wheelhouse

WHEELS = Path(__file__).parents[1] / "data" / "logging_wheels.txt"
VENV = "/opt/logs/venv"
WORK = "/opt/logs/work"
NUMBERS = count(1)
STARTUP = {"logging": {"level": "INFO"}}
#: The program reads the file; {file} is its path.
FILED = {"logging": {"apply": "file"}, "environment": {"CONFIGURED": "{file}"}}
#: What each application does when it is asked for something.
ACT = """
import logging

def act():
    log = logging.getLogger("shop.orders")
    log.debug("silent")
    log.info("told")
    log.warning("warned\\nin two lines")
    try:
        raise ValueError("gone wrong")
    except ValueError:
        log.exception("failed")
"""
PROGRAMS = {
    "act.py": ACT,
    "flasked.py": "from act import act\nfrom flask import Flask\napp = Flask(__name__)\n@app.get('/')\ndef view():\n    act()\n    return 'x'\n",
    "fast.py": "from act import act\nfrom fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef view():\n    act()\n    return 'x'\n",
    "djangoed.py": """
import json, os
from act import act
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

def view(request):
    act()
    return HttpResponse("x")

CONSOLE = {"class": "logging.StreamHandler", "level": "WARNING"}
OWN = {"version": 1, "disable_existing_loggers": False, "handlers": {"console": CONSOLE}, "root": {"handlers": ["console"]}}
given = os.environ.get("CONFIGURED")
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, LOGGING=json.load(open(given)) if given else OWN, SECRET_KEY="x"
)
urlpatterns = [path("", view)]
app = get_wsgi_application()
""",
    "tasks.py": f"""
import json, os
from logging.config import dictConfig
from act import act
from celery import Celery
from celery.signals import setup_logging

app = Celery("tasks", broker="filesystem://")
folders = {{name: "{WORK}/queue" for name in ("data_folder_in", "data_folder_out")}}
app.conf.update(broker_transport_options=folders, worker_hijack_root_logger=False)

if "CONFIGURED" in os.environ:
    @setup_logging.connect
    def configure(**_others):
        dictConfig(json.load(open(os.environ["CONFIGURED"])))

@app.task
def work():
    act()
""",
    "plain.py": "import json, os\nfrom logging.config import dictConfig\nfrom act import act\n"
    "dictConfig(json.load(open(os.environ['CONFIGURED'])))\nact()\n",
}


@pytest.fixture(scope="module")
def host(make_host, release):
    wheels = wheelhouse(WHEELS, RELEASES[release])
    host = make_host(f"logging-{release}", release=release, wheelhouse=str(wheels))
    host.put("/etc/pip.conf", f"[global]\nno-index = true\nfind-links = {testhosts.WHEELHOUSE}\n")
    host.check(f"/usr/bin/python3 -m venv {VENV}")
    host.check(f"{VENV}/bin/pip install -q --no-deps {testhosts.WHEELHOUSE}/*.whl")
    for name, text in PROGRAMS.items():
        host.put(f"{WORK}/{name}", text)
    host.check(f"mkdir {WORK}/queue")
    return host


def deployed(host, command, **keys):
    """Deploy a command as a service that nothing has started yet, and return its name."""
    unit = f"logs-{next(NUMBERS)}"
    path = file_of(unit)
    variables = {name: text.replace("{file}", path) for name, text in keys.pop("environment", {}).items()}
    member = {
        "name": unit,
        "user": "root",
        "exec_start": command.replace("{bin}", f"{VENV}/bin").replace("{file}", path).split(" "),
        "working_directory": WORK,
        "environment": variables,
        "restart": "no",
        "hardening": "none",
        "state": "stopped",
        # Workers of Celery that get the signal as well may leave a lock behind for which its main process waits for ever.
        "directives": {"Service": {"KillMode": "mixed", "RemainAfterExit": "yes"}},
        **keys,
    }
    result = apply(host, [member])
    assert not result.get("failed"), result["msg"]
    return unit


@pytest.fixture
def service(host):
    """Return a function that starts a command as a service of its own, which ends with the test."""
    started = []

    def start(command, **keys):
        started.append(deployed(host, command, **keys))
        host.check(["systemctl", "start", started[-1]])
        return started[-1]

    yield start
    for unit in started:
        host.run(["systemctl", "stop", unit])


def told(host, unit, logger="shop.orders"):
    """Return the priority and the text of the records that the unit has in the journal, those of ``act`` alone."""
    host.check(["journalctl", "--sync"])
    shown = host.check(f"journalctl --quiet --all --output=json --unit={unit}")
    records = [json.loads(line) for line in shown.splitlines()]
    own = [(int(one["PRIORITY"]), one["MESSAGE"]) for one in records if one.get("_SYSTEMD_UNIT") == f"{unit}.service"]
    return [one for one in own if logger in one[1]]


def asked(host, port):
    """Ask a server once, as soon as it answers."""
    program = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/', timeout=5).read()"
    wait_for(lambda: host.run(["/usr/bin/python3", "-c", program]).code == 0)


def check_arrived_once(host, unit):
    """Check that the three records of ``act`` arrive once, whole and with the priority of their levels."""
    wait_for(lambda: len(told(host, unit)) >= 3)
    records = told(host, unit)
    texts = [text for _priority, text in records]
    assert [priority for priority, _text in records] == [6, 4, 3], records
    assert texts[:2] == ["INFO shop.orders: told", "WARNING shop.orders: warned\nin two lines"]
    assert texts[2].startswith("ERROR shop.orders: failed\nTraceback ") and "ValueError: gone wrong" in texts[2]


@pytest.mark.parametrize(
    "command",
    [
        "{bin}/gunicorn --bind=127.0.0.1:8101 --workers=2 flasked:app",
        "{bin}/gunicorn --bind=127.0.0.1:8101 --preload flasked:app",
        "{bin}/gunicorn --bind=127.0.0.1:8101 --worker-class=uvicorn.workers.UvicornWorker fast:app",
        "{bin}/uvicorn --port=8101 fast:app",
        "{bin}/uvicorn --port=8101 --workers=2 fast:app",
    ],
)
def test_records_of_a_web_application_arrive_once_with_their_priority(host, service, command):
    unit = service(command, **STARTUP)
    asked(host, 8101)
    check_arrived_once(host, unit)


def test_records_of_a_task_arrive_once_with_their_priority(host, service):
    unit = service("{bin}/celery --app=tasks worker --concurrency=2 --loglevel=INFO", **STARTUP)
    host.check(f"cd {WORK} && {VENV}/bin/python -c 'import tasks; tasks.work.delay()'")
    check_arrived_once(host, unit)


def test_what_a_django_site_says_of_logging_wins(host, service):
    unit = service("{bin}/gunicorn --bind=127.0.0.1:8101 djangoed:app", **STARTUP)
    asked(host, 8101)
    host.check(["systemctl", "stop", unit])
    shown = host.check(f"journalctl --quiet -o cat --unit={unit}")
    assert shown.count("told") == 0 and shown.count("failed") == 1 and shown.count("warned") == 1


@pytest.mark.parametrize(
    "command",
    [
        "{bin}/gunicorn --bind=127.0.0.1:8101 --log-config-json={file} flasked:app",
        "{bin}/uvicorn --port=8101 --log-config={file} fast:app",
        "{bin}/gunicorn --bind=127.0.0.1:8101 djangoed:app",
        "{bin}/celery --app=tasks worker --pool=solo",
        "{bin}/python plain.py",
    ],
)
def test_with_the_file_each_record_arrives_once_in_lines(host, service, command):
    unit = service(command, **FILED)
    if "8101" in command:
        asked(host, 8101)
    elif "celery" in command:
        host.check(f"cd {WORK} && {VENV}/bin/python -c 'import tasks; tasks.work.delay()'")

    def lines():
        shown = host.check(f"journalctl --sync; journalctl --quiet -o cat --unit={unit}").splitlines()
        return [line for line in shown if line.startswith(("INFO shop", "WARNING shop", "ERROR shop", "in two"))]

    expected = ["INFO shop.orders: told", "WARNING shop.orders: warned", "in two lines", "ERROR shop.orders: failed"]
    wait_for(lambda: len(lines()) >= len(expected))
    assert lines() == expected


LIBRARIES = {
    "structlog": (
        "import logging, structlog\nlog = structlog.get_logger('shop.orders')\nlog.debug('silent')\nlog.info('told', order=7)\n"
        "logging.getLogger('shop.orders').warning('warned')\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('failed')\n",
        [(6, "INFO shop.orders: told order=7"), (4, "WARNING shop.orders: warned"), (3, "ERROR shop.orders: failed\nTraceback ")],
    ),
    "structlog, configured": (
        "import structlog\nstructlog.configure(processors=[structlog.processors.JSONRenderer()])\n"
        "structlog.get_logger().warning('shop.orders', a=1)\n",
        [(6, '{"a": 1, "event": "shop.orders"}')],
    ),
    "loguru": (
        "import logging\nfrom loguru import logger\nlogger.debug('shop.orders silent')\nlogger.bind(order=7).info('shop.orders told')\n"
        "logging.getLogger('shop.orders').warning('warned')\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    logger.exception('shop.orders failed')\n",
        [(6, "INFO __main__: shop.orders told order=7"), (4, "WARNING shop.orders: warned"),
         (3, "ERROR __main__: shop.orders failed\nTraceback ")],
    ),
    "loguru, with a queue": (
        "import sys\nfrom loguru import logger\nlogger.remove()\nlogger.add(sys.stderr, format='{message}', enqueue=True)\n"
        "for number in range(50):\n    logger.warning('shop.orders {}', number)\n",
        [(6, f"shop.orders {number}") for number in range(50)],
    ),
    "loguru takes all": (
        "import logging\nfrom loguru import logger\nclass Intercept(logging.Handler):\n    def emit(self, record):\n"
        "        logger.opt(exception=record.exc_info).log(record.levelname, record.getMessage())\n"
        "logging.basicConfig(handlers=[Intercept()], level='INFO', force=True)\nlogging.error('shop.orders once')\n",
        [(3, "ERROR __main__: shop.orders once")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("used", LIBRARIES)
def test_libraries_take_the_same_way_unless_they_are_configured(host, service, used):
    program, expected = LIBRARIES[used]
    host.put(f"{WORK}/library.py", program)
    unit = service("{bin}/python library.py", **STARTUP)
    wait_for(lambda: host.run(["systemctl", "show", "-p", "SubState", "--value", unit]).output.strip() != "running")
    found = told(host, unit)
    assert len(found) == len(expected), found
    for (priority, text), (wanted, begin) in zip(found, expected, strict=True):
        assert priority == wanted and text.startswith(begin), found


LOG = "logging.getLogger('app').warning('record %d', number)"
#: Ways of logging: keys, what is done first, and how one record is made.
WAYS = {
    "startup": (STARTUP, "", LOG),
    "startup in JSON": ({"logging": {"format": "json"}}, "", LOG),
    "file": (
        FILED,
        "from logging.config import dictConfig\ndictConfig(json.load(open(os.environ['CONFIGURED'])))",
        LOG,
    ),
    "structlog": (STARTUP, "import structlog", "structlog.get_logger('app').warning(f'record {number}')"),
    "loguru": (STARTUP, "from loguru import logger", "logger.warning(f'record {number}')"),
}
ENDS = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)",
    "SIGSEGV": "ctypes.string_at(0)",
    "_exit": "os._exit(3)",
}
NUMBERED = "import ctypes, json, logging, os, signal, time\n{first}\nfor number in range(300):\n    {record}\n{end}\n"
#: The memory of the process that allocates more.
CAP = {"memory_max": "96M", "memory_swap_max": "0"}


def check_numbered(host, way, end, **cap):
    """Check that a process that makes numbered records and then ends in some way has left all of them in the journal."""
    keys, first, record = WAYS[way]
    path = f"{WORK}/numbered-{next(NUMBERS)}.py"
    host.put(path, NUMBERED.format(first=first, record=record, end=end))
    unit = deployed(host, f"{{bin}}/python {path}", **keys, **cap, directives={})
    host.run(["systemctl", "start", "--wait", unit])
    shown = host.check(f"journalctl --sync; journalctl --quiet --all -o cat --unit={unit} SYSLOG_IDENTIFIER={unit}")
    numbers = [int(word) for word in re.findall(r"record (\d+)", shown)]
    assert numbers == list(range(300))


@pytest.mark.drawn(6)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ENDS)
def test_no_record_is_lost_at_the_end_of_a_process(host, way, end):
    check_numbered(host, way, ENDS[end])


@pytest.mark.needs(cgroups.MEMORY_LIMITS)
@pytest.mark.parametrize("way", WAYS)
def test_no_record_is_lost_when_a_process_takes_more_memory_than_it_may(host, way):
    check_numbered(host, way, "bytearray(300 << 20)", **CAP)
