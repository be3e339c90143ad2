# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and aliases of units, the users and groups that they run as, the owners of their files."""

from __future__ import annotations

from units import applied, apply, properties, service, wait_for


def test_an_alias_is_made_and_taken_away_with_the_list(host):
    def named(**install):
        return [service("aliased", directives={"Install": install} if install else {})]

    def links():
        return host.run("find /etc/systemd/system -lname '*/aliased.service' -printf '%P\\n' | sort").output.split()

    applied(host, named())
    assert links() == ["multi-user.target.wants/aliased.service"]
    applied(host, named(Alias="aliased-two.service"))
    assert links() == ["aliased-two.service", "multi-user.target.wants/aliased.service"]
    applied(host, named())
    assert links() == ["multi-user.target.wants/aliased.service"]
    applied(host, named(WantedBy="", Alias="aliased-two.service"))
    assert links() == ["aliased-two.service"]
    applied(host, [{"name": "aliased", "state": "absent"}])
    assert links() == []


def test_a_colon_in_a_name_does_not_keep_the_others_from_being_verified(host):
    wrong = service("colon-beside", directives={"Service": {"Nice": "very"}})
    for services in ([wrong, service("colon:v2")], [service("colon:v2", directives={"Service": {"Nice": "very"}})]):
        message = apply(host, services)["msg"]
        assert "Failed to parse nice priority 'very'" in message
    assert message.startswith("colon:v2.service: found a diagnostic of systemd-analyze verify: colon:v2.service:")
    applied(host, [service("colon:v2")])
    assert properties(host, "colon:v2.service", "ActiveState") == ["active"]


def test_groups_are_made_whatever_the_order(host):
    applied(
        host,
        [
            service("grouped-one", user="mixed", group="mixed-other"),
            service("grouped-two", user="mixed", group="mixed"),
        ],
    )
    assert host.check(["id", "-gn", "mixed"]) == "mixed-other\n"
    refused = apply(host, [service("numbered", user="54320", group="54321")])["msg"]
    for index, kind in enumerate(("user", "group")):
        assert (
            f'services[0].{kind} (numbered): found "5432{index}", which is not there; expected a {kind} of the host. '
            "Make it before this run, or write a name."
        ) in refused


def test_a_foreign_unit_file_comes_back_with_its_owner_and_what_waited_for_its_restart_runs_again(host):
    path = "/etc/systemd/system/deployed.service"
    host.put(path, "[Service]\nExecStart=/bin/sh -c 'sleep 0.1; exit 1'\nRestart=always\nRestartSec=600\n", 0o664)
    host.check(f"chown daemon:daemon {path}; systemctl daemon-reload; systemctl start deployed")
    wait_for(lambda: properties(host, "deployed.service", "SubState") == ["auto-restart"])
    applied(host, [service("deployed")])
    removed = host.module("baseline_removed", {})
    assert not removed.get("failed"), removed.get("msg")
    assert host.check(["stat", "-c", "%U:%G %a", path]) == "daemon:daemon 664\n"
    # The process ends at once: what counts is that it was started, and waits for its restart again.
    wait_for(lambda: properties(host, "deployed.service", "SubState") == ["auto-restart"])
