# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports to make pages from, as an audit makes them: one of a few hosts as people have them, and one of very many.

Run as a program it makes the pictures of the documents again: ``PYTHONPATH=.cache/collections .cache/venv/bin/python tests/integration/report_pages.py``.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Finding
from ansible_collections.stability.baseline.plugins.module_utils.audit_rules import RULES
from ansible_collections.stability.baseline.plugins.module_utils.report import MOST_SAMPLES, Moment, build
from ansible_collections.stability.baseline.plugins.module_utils.report_html import html

from browser import PHONE, Browser

MIB = 1024 * 1024
DAY = 86_400
#: When the last report was made.
NOW = 1_795_086_400
UNITS = ("api", "web", "worker@1", "worker@2", "scheduler", "billing", "mail-queue", "imports", "metrics", "search")
VENV = "/opt/shop/venv"
#: What is installed on the hosts of the small report.
INSTALLED = {
    **{"click": "8.1.7", "django": "5.1.4", "gunicorn": "23.0.0", "jinja2": "3.1.4", "packaging": "24.2"},
    **{"requests": "2.32.3", "sqlparse": "0.5.3", "urllib3": "2.2.3"},
}


def moment(days_ago: float = 0) -> Moment:
    """Return a time before that of the last report."""
    seconds = int(NOW - days_ago * DAY)
    return Moment(seconds, datetime.fromtimestamp(seconds, UTC).isoformat())


def finding(identifier: str, subject: str, seen: str, mend: Any = None, **keys: Any) -> dict[str, Any]:
    """Return a finding as ``baseline_info`` has it."""
    return Finding(identifier, subject, seen, mend, **keys).result()


def service(unit: str, memory: int | None = 80 * MIB, restarts: int = 0, **keys: Any) -> dict[str, Any]:
    """Return a service as ``baseline_info`` has it."""
    usual = {
        "ours": True,
        "state": "active",
        "virtualenv": VENV,
        "age": 60_000,
        "memory_high": None,
        "memory_max": None,
    }
    return {"unit": unit, "memory": memory, "restarts": restarts, **usual, **keys}


def host(services: Sequence[Mapping[str, Any]], findings: Sequence[Mapping[str, Any]], **keys: Any) -> dict[str, Any]:
    """Return what a host returned."""
    environments = [{"virtualenv": VENV, "python": "3.11.2", "distributions": INSTALLED}]
    parts = {"services": list(services), "findings": list(findings), "environments": environments, "unseen": []}
    return {"version": 1, "systemd": 252, "root": True, **parts, **keys}


def entry(name: str, **keys: Any) -> dict[str, Any]:
    """Return what mends a service."""
    return {"stability_services": [{"name": name, "drop_in": True, **keys}]}


def _shop_findings(day: int) -> dict[str, list[dict[str, Any]]]:
    """Return the findings of each host: what was there from the beginning, and what has come on the last day."""
    api, web, worker, report = "shop-api.service", "shop-web.service", "shop-worker.service", "shop-report.service"
    limit = "StartLimitBurst=5 within StartLimitIntervalSec=10s, at RestartSec=100ms"
    unbuffered = "the process has neither PYTHONUNBUFFERED nor -u"
    waiver = {"until": "2027-01-31", "reason": "It is replaced in January, see the roadmap"}
    found = {
        "app1.example.com": [
            finding("SB101", api, "Restart=on-failure", entry("shop-api", restart="always")),
            finding("SB103", api, limit, entry("shop-api", start_limit_interval_sec=0)),
            finding("SB401", VENV, "django 5.1.4 requires sqlparse>=0.3.1, and sqlparse 0.2.4 is installed"),
            finding("SB102", api, "RestartSec=100ms", entry("shop-api", restart_sec="5s")),
            finding("SB202", worker, unbuffered, entry("shop-worker", environment={"PYTHONUNBUFFERED": "1"})),
            finding("SB304", api, "MemoryMax=infinity"),
        ],
        "app2.example.com": [
            finding("SB202", worker, unbuffered, entry("shop-worker", environment={"PYTHONUNBUFFERED": "1"})),
            finding("SB107", report, "shop-report.timer is disabled", waived=waiver),
        ],
        "db-tools.example.com": [
            finding(
                "SB104",
                "backup.service",
                "/etc/systemd/system/backup.service:9: Unknown key name 'Restrat' in section 'Service'",
            ),
            finding(
                "SB403",
                VENV,
                "ipython==8.30.0",
                {"stability_environments": [{"virtualenv": VENV, "pins": ["ipython==8.30.0"]}]},
            ),
        ],
        "batch.example.com": [finding("SB304", "nightly.service", "MemoryMax=infinity")],
        "edge1.example.com": [],
    }
    if day:
        seen = "6 restarts within 10 minutes, and it says activating"
        found["app1.example.com"].insert(
            0, finding("SB106", web, seen, location={"file": "/opt/shop/src/shop/settings.py", "line": 41})
        )
        found["app2.example.com"].insert(
            0, finding("SB405", api, "the process is 86102 s old, and /opt/shop/venv was changed 3712 s ago")
        )
    else:
        found["edge1.example.com"].append(finding("SB201", "proxy.service", "StandardError=null"))
    return found


def _shop(day: int, last: int) -> dict[str, Any]:
    found = _shop_findings(int(day == last))
    leak = service("shop-api.service", (150 + 11 * day) * MIB, memory_high=420 * MIB, memory_max=512 * MIB)
    loop = service(
        "shop-web.service", 96 * MIB, 2 + 3 * max(0, day - last + 3), state="activating" if day == last else "active"
    )
    noise = random.Random(day)
    others = [
        service("shop-worker.service", noise.randrange(180, 230) * MIB, int(day > 9), memory_max=320 * MIB),
        service("shop-report.service", None, state="inactive"),
    ]
    old = {
        "environments": [
            {
                "virtualenv": VENV,
                "python": "3.11.2",
                "distributions": {**INSTALLED, "sqlparse": "0.2.4", "jinja2": "3.1.3"},
            }
        ]
    }
    fine = [service(f"{name}.service", noise.randrange(40, 60) * MIB) for name in ("proxy", "metrics")]
    return {
        "app1.example.com": host([leak, loop, *others], found["app1.example.com"], **old),
        "app2.example.com": host(
            [{**leak, "memory": 190 * MIB}, service("shop-web.service", 101 * MIB), *others], found["app2.example.com"]
        ),
        "batch.example.com": host(
            [service("nightly.service", None, state="inactive", virtualenv=None)],
            found["batch.example.com"],
            environments=[],
        ),
        "db-tools.example.com": host(
            [service("backup.service", None, state="inactive")],
            found["db-tools.example.com"],
            root=False,
            unseen=["the environment of the processes of other users (not root)"],
        ),
        "edge1.example.com": host(fine, found["edge1.example.com"]),
        "edge2.example.com": {
            "msg": "Failed to connect to the host via ssh: connect to host edge2.example.com port 22: No route to host"
        },
    }


def shop_report(days: int = 24) -> dict[str, Any]:
    """Return the report of six hosts, after so many days of reports."""
    report: dict[str, Any] | None = None
    for day in range(days):
        report = build(_shop(day, days - 1), moment(days - 1 - day), report)
    assert report is not None
    return report


def _some_findings(unit: str, chance: random.Random) -> Iterator[dict[str, Any]]:
    name = unit.rpartition(".")[0]
    for rule in chance.sample(RULES, 3):
        waived = {"until": "2027-06-30", "reason": "accepted"} if chance.random() < 0.03 else None
        mend = entry(name, restart="always", restart_sec="5s") if chance.random() < 0.6 else None
        seen = f"{rule.id} seen {chance.randrange(10**6)} s ago in /etc/systemd/system/{unit}.d/override.conf"
        yield finding(rule.id, unit, seen, mend, waived=waived)


def large_report(hosts: int = 200, services: int = 20) -> dict[str, Any]:
    """Return a report of many hosts, three findings for a service and thirty samples of each; always the same."""
    chance = random.Random(1)
    results = {}
    for number in range(hosts):
        units = [f"{UNITS[one % len(UNITS)]}-{one:02d}.service" for one in range(services)]
        found = [one for unit in units for one in _some_findings(unit, chance)]
        listed = [service(unit, chance.randrange(20, 900) * MIB, memory_max=1000 * MIB) for unit in units]
        distributions = {f"project-{one}": f"1.{chance.choice((0, 0, 0, 1))}" for one in range(30)}
        environments = [{"virtualenv": VENV, "python": "3.11.2", "distributions": distributions}]
        results[f"node{number:03d}.example.com"] = host(listed, found, environments=environments)
    report = build(results, moment(), build({}, moment(1)))
    for one in report["hosts"]:
        for unit in one["services"]:
            level = unit["memory"]
            unit["history"] = [
                [NOW - (MOST_SAMPLES - 1 - day) * DAY, level + chance.randrange(60) * MIB, day // 7]
                for day in range(MOST_SAMPLES)
            ]
            _time, unit["memory"], unit["restarts"] = unit["history"][-1]
    return report


def main() -> None:
    """Make the pictures of the documents."""
    folder = Path(__file__).parents[2] / "docs" / "images"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work, Browser() as browser:
        page = Path(work, "report.html")
        page.write_text(html(shop_report()), encoding="utf-8")
        for name, size in (("report.png", (1280, 1400)), ("report-phone.png", (PHONE[0], 1300))):
            browser.screen(*size)
            browser.open(page.as_uri())
            browser.picture(folder / name)
            print(folder / name, (folder / name).stat().st_size)


if __name__ == "__main__":
    main()
