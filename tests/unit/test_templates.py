# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Template units: one unit file, and a service of its own for each instance."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services
from ansible_collections.stability.baseline.plugins.module_utils.unit_files import RetryWindow, render
from ansible_collections.stability.baseline.plugins.module_utils.unit_names import (
    drop_in_of,
    is_drop_in,
    is_instance,
    is_template,
    template_of,
    unescaped,
    with_instance,
)

WORKER = {
    "name": "worker@",
    "user": "api",
    "instances": ["mail", "a-b"],
    "exec_start": ["/srv/venv/bin/python", "-m", "worker", "%i", "100%", "%%i", "%h/$HOME"],
    "environment": {"LITERAL": "%i", "FORMAT": "%H:%I"},
    "environment_files": ["-/etc/worker/%i.env"],
    "working_directory": "/srv/%i",
    "restart_on": ["/srv/%I/code"],
    "health": {"http": "http://127.0.0.1/%i"},
}
WRITTEN = [
    "Description=worker@%i",
    "SyslogIdentifier=worker@%i",
    'ExecStart=:/srv/venv/bin/python -m worker "%i" "100%%" "%%%i" "%%h/$HOME"',
    'Environment="LITERAL=%%i"',
    'Environment="FORMAT=%%H:%%I"',
    "EnvironmentFile=-/etc/worker/%i.env",
    "WorkingDirectory=/srv/%i",
]
NAMES = [
    ("worker@mail.service", "worker@.service", True, False),
    ("worker@a@b.timer", "worker@.timer", True, False),
    ("worker@.service", "worker@.service", False, True),
    ("api.service", "api.service", False, False),
    ("worker@.service.d/50-stability.conf", "worker@.service.d/50-stability.conf", False, False),
    ("worker@x@.y.service", "worker@.service", True, False),
]


@pytest.mark.parametrize(("unit", "template", "instance", "is_one"), NAMES)
def test_names_of_units(unit, template, instance, is_one):
    assert (template_of(unit), is_instance(unit)) == (template, instance)
    assert is_template(unit) is is_one


def test_names_of_drop_ins():
    assert drop_in_of("a.service") == "a.service.d/50-stability.conf"
    assert (is_drop_in("a.service.d/50-stability.conf"), is_drop_in("a.service")) == (True, False)


@pytest.mark.parametrize(
    ("escaped", "text"),
    [("mail", "mail"), ("srv-data", "srv/data"), ("a\\x2db", "a-b"), ("caf\\xc3\\xa9", "café"), ("é", "é")],
)
def test_an_unescaped_instance_is_what_systemd_makes_of_it(escaped, text):
    assert unescaped(escaped) == text
    assert with_instance("%i %I", escaped) == f"{escaped} {text}"


def test_the_unit_file_keeps_the_specifiers_of_the_instance_and_no_other():
    (service,) = parse_services([WORKER])
    rendered = render(service, 252)
    assert [file.name for file in rendered.files] == ["worker@.service"]
    lines = rendered.files[0].text.splitlines()
    assert [line for line in WRITTEN if line not in lines] == []


def test_each_instance_is_a_service_of_its_own():
    (service,) = parse_services([WORKER])
    mail, escaped = service.processes
    assert [one.unit for one in service.processes] == ["worker@mail.service", "worker@a-b.service"]
    assert {one.entry for one in service.processes} == {"worker@"}
    assert mail.watched_paths == ["/etc/worker/mail.env", "/srv/mail/code"]
    assert escaped.watched_paths == ["/etc/worker/a-b.env", "/srv/a/b/code"]
    assert mail.health.http == "http://127.0.0.1/mail"
    assert mail.values["environment"] == WORKER["environment"]


def test_a_template_without_instances_starts_nothing():
    (service,) = parse_services([{**WORKER, "instances": []}])
    assert service.processes == ()


def test_a_template_job_has_a_timer_for_each_instance():
    job = {"name": "report@", "user": "api", "exec_start": ["/bin/true"], "on_calendar": "daily", "instances": "x"}
    (service,) = parse_services([job])
    rendered = render(service, 252, RetryWindow(60.0, 1))
    assert [file.name for file in rendered.files] == ["report@.service", "report@.timer"]
    assert "Description=Timer of report@%i.service" in rendered.files[1].text
    assert [one.switched_unit for one in service.processes] == ["report@x.timer"]
