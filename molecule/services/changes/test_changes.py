# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change after the other: each restarts exactly the services that it concerns, once, as check mode said before."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

DAEMONS = ["web.service", "worker.service", "crasher.service", "capped.service"]
UNITS = [*DAEMONS, "report.timer", "broken-report.timer"]


@dataclass(frozen=True)
class Change:
    """What is changed, in the variables or by a command on the host; what that restarts, and what each then says."""

    restarts: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    command: str = "true"


BY_HAND = (
    "sed --in-place -e s/^Restart=always/Restart=no/ -e s/COLOUR=green/COLOUR=blue/ /etc/systemd/system/worker.service"
    " && systemctl daemon-reload"
)
CHANGES = {
    "value": Change({"worker.service": "colour green"}, variables={"colour": "green"}),
    "environment file": Change(
        {"web.service": "greeting goodbye"}, command="echo GREETING=goodbye > /etc/shop/web.env"
    ),
    "credential": Change({"capped.service": "secret two"}, command="echo two > /etc/shop/secret"),
    "path of restart_on": Change({"crasher.service": "worker is up"}, command="echo two > /etc/shop/rules/first.txt"),
    "pin": Change({"web.service": "click 8.1.8", "worker.service": "worker is up"}, variables={"click": "8.1.8"}),
    "unit changed by hand": Change(
        {"worker.service": "colour green"}, command=f"{BY_HAND} && systemctl restart worker"
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_restarts_what_it_concerns_once(node, deployment, change):
    node.run(change.command)
    before = {unit: node.show(unit, "InvocationID", "MainPID", "NRestarts") for unit in DAEMONS}
    since = node.now()
    deployment.keep(change.variables)
    run = deployment.predicted()
    assert sorted(run.all("restarted")) == sorted(change.restarts)
    assert (run.all("started"), run.all("stopped")) == ([], [])
    after = {unit: node.show(unit, "InvocationID", "MainPID", "NRestarts") for unit in DAEMONS}
    assert {unit for unit in DAEMONS if before[unit] != after[unit]} == set(change.restarts)
    assert node.starts(UNITS, since) == {unit: int(unit in change.restarts) for unit in UNITS}
    for unit, text in change.restarts.items():
        said = [record for record in node.records(since, f"_SYSTEMD_UNIT={unit}") if text in record]
        assert len(said) == 1, f"{unit} did not say {text!r} once"


def test_a_unit_changed_by_hand_is_put_right(node):
    assert node.show("worker.service", "Restart", "NeedDaemonReload") == ["always", "no"]
