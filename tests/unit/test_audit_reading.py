# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd's tools print, told apart by unit."""

from __future__ import annotations

from ansible_collections.stability.baseline.plugins.module_utils.audit_reading import diagnostics_of, programs_in

PRINTED = """\
/etc/systemd/system/api.service:7: Unknown key name 'StartLimitIntervalSec' in section 'Service', ignoring.
/etc/systemd/system/web.service.d/limit.conf:2: Failed to parse MemoryMax= value, ignoring: 512 MB
web.service: Command /opt/web/run is not executable: Permission denied
other.service: Something else
/etc/systemd/system/api.service:7: Unknown key name 'StartLimitIntervalSec' in section 'Service', ignoring.
"""


def test_diagnostics_are_those_of_the_unit_or_of_a_file_of_it() -> None:
    assert diagnostics_of(PRINTED, ["api.service", "web.service", "b.service"]) == {
        "api.service": (
            "/etc/systemd/system/api.service:7: Unknown key name 'StartLimitIntervalSec' in section 'Service', ignoring.",
        ),
        "web.service": (
            "/etc/systemd/system/web.service.d/limit.conf:2: Failed to parse MemoryMax= value, ignoring: 512 MB",
            "web.service: Command /opt/web/run is not executable: Permission denied",
        ),
        "b.service": (),
    }


def test_programs_are_told_apart_whatever_the_words_of_a_command_hold() -> None:
    printed = (
        "ExecStart={ path=/lib/systemd/systemd-journald ; argv[]=/lib/systemd/systemd-journald ; pid=0 }\nId=systemd-journald.service\n\n"
        "Id=before.service\n\n"
        "ExecStart={ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 -c a\n\nb\nno_property ; ignore_errors=no ; pid=0 }\n"
        "Id=api.service\n"
        "\n"
        "Id=gone.service\n"
        "\n"
        "ExecStart={ path=/opt/one ; argv[]=/opt/one ; ignore_errors=no ; pid=0 }\n"
        "ExecStart={ path=/opt/two ; argv[]=/opt/two { path=/x ; argv[]=y } ; ignore_errors=no ; pid=0 }\n"
        "Id=setup.service\n"
    )
    programs = [[], ["/usr/bin/python3"], [], ["/opt/one", "/opt/two"]]
    found = programs_in(printed)
    assert [[one.program for one in unit] for unit in found] == programs
    assert found[1][0].shown == "/usr/bin/python3 -c a\n\nb\nno_property"
    # systemd 262 prints Id first.
    first = (
        "Id=systemd-journald.service\nExecStart={ path=/lib/systemd/systemd-journald ; argv[]=x ; pid=0 }\n\n"
        "Id=before.service\n\n"
        "Id=api.service\nExecStart={ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 -c a\n\nb ; pid=0 }\n\n"
        "Id=gone.service\n\n"
        "Id=setup.service\nExecStart={ path=/opt/one ; argv[]=/opt/one ; pid=0 }\nExecStart={ path=/opt/two ; argv[]= ; pid=0 }\n"
    )
    assert [[one.program for one in unit] for unit in programs_in(first)] == programs
    # A word with such a line ends what is seen of a command.
    (cut,) = programs_in(first.partition("\n\nId=before")[0].replace("argv[]=x", "argv[]=x\nId=y"))
    assert cut == []
