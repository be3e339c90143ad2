# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of services: what a process is watched for, hidden names, and lists that became text on their way."""

from __future__ import annotations

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from ansible_collections.stability.baseline.plugins.module_utils.services import parse_services

BASE = {"name": "api", "user": "api", "exec_start": ["/opt/api/venv/bin/gunicorn", "app:app"]}


def messages(raw):
    with pytest.raises(InvalidInput) as refused:
        parse_services(raw)
    return [str(problem) for problem in refused.value.problems]


def test_watched_paths_are_the_files_a_process_was_started_with():
    service = parse_services(
        [{**BASE, "environment_files": ["-/etc/a"], "credentials": {"b": "/etc/b"}, "restart_on": "/srv"}]
    )[0]
    assert service.watched_paths == ["/etc/a", "/etc/b", "/srv"]


@pytest.mark.parametrize(("name", "shown"), [(True, "true"), (1, "1"), (1.5, "1.5")])
def test_the_name_of_a_credential_that_yaml_took_for_something_else_is_to_be_quoted(name, shown):
    assert messages([{**BASE, "credentials": {name: "/etc/a"}}]) == [
        f"stability_services[0].credentials (api): found {shown}; expected a name of letters, digits and _.-. "
        "Quote it, so that YAML leaves it as text."
    ]


def test_a_hidden_name_is_refused():
    assert messages([{**BASE, "name": ".api"}]) == [
        'stability_services[0].name (.api): found ".api"; expected a name that does not begin with a dot. '
        "systemd reads no hidden files when it boots; rename the service."
    ]


def test_a_list_that_a_date_made_text_of_says_so():
    """ansible-core 2.18 and older: a template whose result cannot be read back as Python's own syntax stays text."""
    assert messages("[{'name': 'api', 'umask': datetime.date(2024, 1, 1)}]") == [
        "stability_services: found \"[{'name': 'api', 'umask': datetime.date(2024, 1, 1)}]\"; expected a list of services. "
        "Quote the dates in it; before ansible-core 2.19 one without quotes makes text of the whole list."
    ]
