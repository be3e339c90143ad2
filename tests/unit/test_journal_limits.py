# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits in effect: what the host has against them, and which records they remove when they are taken over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.journal_config import Configuration
from ansible_collections.stability.baseline.plugins.module_utils.journal_plan import plan_absence
from ansible_collections.stability.baseline.plugins.module_utils.journal_settings import parse_settings, render
from ansible_collections.stability.baseline.plugins.module_utils.journal_state import Taken
from ansible_collections.stability.baseline.plugins.module_utils.journal_storage import Usage
from journal_hosts import CHANGED, GIB, NEW, host, instance, plan


def test_a_journal_larger_than_its_new_limit_is_told_once():
    large = {"usage": Usage(allocated=3 * GIB, files=30)}
    settings = {"system_max_use": "1G"}
    found, _problems = plan(host(**large), settings)
    assert found.warnings == [
        "system_max_use (1G) is less than the 3.0G that the journal has: journald removes its oldest records."
    ]
    text = render(parse_settings(settings), 252).text
    assert plan(host(instance(text=text), **large), settings)[0].warnings == []


REMOVES = "journald removes its oldest records."
CONF = "/etc/systemd/journald.conf.d/20-theirs.conf"
OLD = Usage(allocated=6 * GIB, files=120, age=50 * 86400.0)


def under(*lines, namespace="", text=None, **values):
    """Return a journald that runs under somebody else's drop-in, which sorts before ours."""
    path = CONF.replace("journald.conf", f"journald@{namespace}.conf" if namespace else "journald.conf")
    others = Configuration(((path, "\n".join(["[Journal]", *lines])),), CHANGED)
    configuration = others.with_own(namespace, text)
    taken = Taken("i1", configuration.digest, "m1") if text else None
    return replace(
        instance(namespace, text), **{"configuration": configuration, "taken": taken, "alone": False, **values}
    )


@pytest.mark.parametrize(
    ("found", "settings", "values", "expected"),
    [
        pytest.param(
            NEW,
            {},
            {},
            [
                f"journald's own SystemMaxUse= (4.0G) is less than the 6.0G that the journal has: {REMOVES}",
                f"journald's own SystemMaxFiles= (100) is less than the 120 files that the journal has: {REMOVES}",
            ],
            id="journald's own",
        ),
        pytest.param(under("SystemMaxUse=10G", "SystemMaxFiles=0"), {}, {}, [], id="somebody else has given room"),
        pytest.param(
            under("SystemMaxUse=5G", "SystemMaxFiles=119", "MaxRetentionSec=4w"),
            {},
            {},
            [
                f"SystemMaxUse=5G of {CONF} is less than the 6.0G that the journal has: {REMOVES}",
                f"SystemMaxFiles=119 of {CONF} is less than the 120 files that the journal has: {REMOVES}",
                f"MaxRetentionSec=4w of {CONF} is less than the 50.0 days of the oldest record of the journal: {REMOVES}",
            ],
            id="an edit of somebody else that the restart puts in force",
        ),
        pytest.param(
            NEW,
            {"system_max_use": "6G", "system_max_files": 40, "max_retention_sec": "20d", "max_file_sec": "1d"},
            {},
            [
                f"system_max_files (40) is less than the 120 files that the journal has: {REMOVES}",
                f"max_retention_sec (20d) is less than the 50.0 days of the oldest record of the journal: {REMOVES}",
            ],
            id="ours",
        ),
        pytest.param(
            NEW,
            {"system_max_use": "8G", "system_max_files": 200, "system_keep_free": "60G"},
            {},
            [
                "system_keep_free (60G) is more than the 50.0G that is free below /var/log/journal: the journal does not "
                "grow any more, and its oldest records make room for new ones."
            ],
            id="free",
        ),
        pytest.param(
            replace(NEW, stored=Usage(), volatile=Usage(allocated=GIB / 4, files=3)),
            {"runtime_max_use": "64M"},
            {"is_left": True, "is_stored": False},
            [f"runtime_max_use (64M) is less than the 256.0M that the journal in memory has: {REMOVES}"],
            id="in memory, before it is flushed",
        ),
        pytest.param(
            replace(NEW, stored=Usage(allocated=GIB, files=3), volatile=Usage(allocated=GIB / 4, files=3)),
            {"runtime_max_use": "512M", "system_max_use": "1G"},
            {"is_left": True},
            [f"system_max_use (1G) is less than the 1.2G that the journal has: {REMOVES}"],
            id="with what is flushed to it",
        ),
        pytest.param(NEW, {"storage": "volatile"}, {}, [], id="what is stored already stays with storage volatile"),
    ],
)
def test_every_limit_that_removes_records_when_it_is_taken_over_is_told(found, settings, values, expected):
    found = found if found.stored.files or found.volatile.files else replace(found, stored=OLD)
    assert plan(host(found, **values), settings)[0].warnings == expected
    without = replace(found, stored=Usage(), volatile=Usage())
    assert plan(host(without, **values), settings)[0].warnings == []


def test_a_namespace_that_loses_records_is_told():
    found, _problems = plan(host(instance(), instance("web", text=None, taken=None, stored=OLD)), namespaces=["web"])
    assert [warning.split(" has:")[0] for warning in found.warnings] == [
        "journald's own SystemMaxUse= (4.0G) is less than the 6.0G that the journal of the namespace web",
        "journald's own SystemMaxFiles= (100) is less than the 120 files that the journal of the namespace web",
    ]


def test_what_goes_with_our_settings_is_told():
    text = render(parse_settings({"system_max_use": "20G", "system_max_files": 0}), 252).text
    observed = host(instance(text=text, stored=OLD), instance("web", text=text, stored=OLD))
    assert plan(observed, {"system_max_use": "20G", "system_max_files": 0}, ["web"])[0].warnings == []
    default = f"journald's own SystemMaxUse= (4.0G) is less than the 6.0G that the journal has: {REMOVES}"
    warnings = plan_absence(observed).warnings
    assert warnings[0] == default
    assert warnings[2] == default.replace("the journal has", "the journal of the namespace web has")
    assert len(warnings) == 4
    kept = under("SystemMaxUse=20G", "SystemMaxFiles=0", text=text, stored=OLD)
    assert plan_absence(host(kept)).warnings == []


DAY = 86400.0
RETENTION = {"max_retention_sec": "100d", "max_file_sec": "1d"}
#: A journal that grows by 1 GiB in ten days.
GROWING = Usage(allocated=GIB, written=GIB, seconds=10 * DAY)
REACHED = "It can never be reached; write less."
MEASURED = "expected a time whose records the size can hold (the journal has 1.0G of 10.0 days, so {} hold {} days)."


@pytest.mark.parametrize(
    ("settings", "usage", "expected"),
    [
        ({"system_max_use": "100G"}, Usage(), []),
        ({"system_max_use": "60G", "system_keep_free": "40G"}, Usage(), []),
        (
            {"system_max_use": "101G"},
            Usage(),
            [f'system_max_use: found "101G"; expected a size that the file system of /var/log/journal (100.0G) has room for. {REACHED}'],
        ),
        (
            {"system_max_use": "61G", "system_keep_free": "40G"},
            Usage(),
            [
                'system_max_use: found "61G"; expected a size that the file system of /var/log/journal (100.0G) has room for, '
                f"of which system_keep_free (40G) stays free. {REACHED}"
            ],
        ),
        (
            {"system_keep_free": "1T"},
            Usage(),
            [f'system_keep_free: found "1T"; expected a size that the file system of /var/log/journal (100.0G) has room for. {REACHED}'],
        ),
        ({"system_max_file_size": "2G"}, Usage(), []),
        (
            {"system_max_file_size": "3G"},
            Usage(),
            [
                'system_max_file_size: found "3G"; expected at most half of what journald lets the journal grow to '
                "(4.0G, as system_max_use is not set). Lower it, or set system_max_use."
            ],
        ),
        ({"system_max_use": "10G", **RETENTION}, GROWING, []),
        ({"system_max_use": "9G"}, GROWING, []),
        (
            {"system_max_use": "9G", **RETENTION},
            GROWING,
            [f'max_retention_sec: found "100d"; {MEASURED.format("9.0G", "90.0")} Raise system_max_use to at least 10.0G, or write a shorter time.'],
        ),
        (
            RETENTION,
            GROWING,
            [f'max_retention_sec: found "100d"; {MEASURED.format("4.0G", "40.0")} Raise system_max_use to at least 10.0G, or write a shorter time.'],
        ),
        # Six days are no week.
        ({"system_max_use": "1G", **RETENTION}, Usage(GIB, GIB, 6 * DAY), []),
        ({"system_max_use": "900T", "storage": "auto"}, Usage(), None),
    ],
)  # fmt: skip
def test_what_the_host_has_no_room_for_is_refused(settings, usage, expected):
    observed = host(NEW, usage=usage)
    problems = [str(problem) for problem in plan(observed, settings)[1]]
    if expected is None:
        assert len(problems) == 1
        # A journal that stays in memory has no such limit.
        assert plan(replace(observed, has_folder=False), settings)[1] == []
    else:
        assert problems == expected


def test_a_journal_that_grows_faster_than_it_did_is_told_and_holds_nothing_up():
    settings = {"system_max_use": "9G", **RETENTION}
    text = render(parse_settings(settings), 252).text
    found, problems = plan(host(instance(text=text), usage=GROWING), settings)
    assert (problems, found.changed) == ([], False)
    assert [warning.split(":")[0] for warning in found.warnings] == ["max_retention_sec"]
    for ours, changed, namespaces in (
        (text, settings, ["web"]),
        (text, {**settings, "line_max": "1M"}, []),
        (f"# an older version\n{text}", settings, []),
    ):
        new = [instance(name, text=None, taken=None) for name in namespaces]
        found, problems = plan(host(instance(text=ours), *new, usage=GROWING), changed, namespaces)
        assert (problems, found.changed) == ([], True)
        assert [warning.split(":")[0] for warning in found.warnings] == ["max_retention_sec"]
    _found, problems = plan(host(instance(text=text), usage=GROWING), {**settings, "system_max_use": "8G"})
    assert [problem.option for problem in problems] == ["max_retention_sec"]


THEIRS = f"of {CONF}"


@pytest.mark.parametrize(
    ("lines", "settings", "usage", "expected"),
    [
        (
            ["SystemKeepFree=40G"],
            {"system_max_use": "61G"},
            Usage(),
            ['system_max_use: found "61G"; expected a size that the file system of /var/log/journal (100.0G) has room for, '
             f"of which SystemKeepFree=40G {THEIRS} stays free. {REACHED}"],
        ),
        (
            ["SystemMaxUse=61G"],
            {"system_keep_free": "40G"},
            Usage(),
            ['system_keep_free: found "40G"; expected a size that the file system of /var/log/journal (100.0G) has room for, '
             f"of which SystemMaxUse=61G {THEIRS} is for the journal. {REACHED}"],
        ),
        (["SystemMaxUse=61G", "SystemKeepFree=40G"], {}, Usage(), []),
        (["SystemMaxUse=10G"], {"system_max_file_size": "3G"}, Usage(), []),
        (
            ["SystemMaxUse=4G"],
            {"system_max_file_size": "3G"},
            Usage(),
            [f'system_max_file_size: found "3G"; expected at most half of SystemMaxUse=4G {THEIRS}. '
             "journald would let the journal grow to twice that; lower it."],
        ),
        (
            ["SystemMaxFileSize=3G"],
            {"system_max_use": "5G"},
            Usage(),
            [f'system_max_use: found "5G"; expected at least twice SystemMaxFileSize=3G {THEIRS}. '
             "journald would let the journal grow to twice that; raise it."],
        ),
        (
            ["MaxFileSec=1d"],
            {"max_retention_sec": "4w", "max_file_sec": "2d"},
            Usage(),
            [],
        ),
        (
            ["MaxRetentionSec=1d"],
            {"max_file_sec": "2d"},
            Usage(),
            [f'max_file_sec: found "2d"; expected more than 0 and less than MaxRetentionSec=1d {THEIRS}. '
             "journald removes a file with all its records once the first one is too old."],
        ),
        (["SystemMaxUse=11G"], RETENTION, GROWING, []),
        (
            ["SystemMaxUse=9G"],
            RETENTION,
            GROWING,
            [f'max_retention_sec: found "100d"; {MEASURED.format("9.0G", "90.0")} Raise system_max_use to at least 10.0G, or write a shorter time.'],
        ),
        (
            ["MaxRetentionSec=100d"],
            {"system_max_use": "9G"},
            GROWING,
            [f'system_max_use: found "9G"; expected a size that can hold the records of MaxRetentionSec=100d {THEIRS} (the journal '
             "has 1.0G of 10.0 days, so 9.0G hold 90.0 days). Raise system_max_use to at least 10.0G, or write a shorter time."],
        ),
        (["MaxRetentionSec=100d"], {}, GROWING, []),
        (["SystemMaxUse=wrong"], {"system_max_use": "61G"}, Usage(), []),
    ],
)  # fmt: skip
def test_the_host_is_asked_for_what_is_in_effect_whoever_has_set_it(lines, settings, usage, expected):
    assert [str(problem) for problem in plan(host(under(*lines), usage=usage), settings)[1]] == expected


def test_a_later_file_that_contradicts_a_setting_or_takes_its_place():
    def judged(settings, *lines):
        later = Configuration((("/etc/systemd/journald.conf.d/99-x.conf", "\n".join(["[Journal]", *lines])),))
        return [str(problem) for problem in plan(host(replace(NEW, configuration=later)), settings)[1]]

    assert judged({"system_max_use": "900T"}, "SystemMaxUse=1G") == []
    assert judged(RETENTION, "MaxFileSec=200d") == [
        'max_retention_sec: found "100d"; expected more than MaxFileSec=200d of /etc/systemd/journald.conf.d/99-x.conf. '
        "journald removes a file with all its records once the first one is too old."
    ]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"runtime_max_use": "512M"}, []),
        ({"runtime_max_use": "2G"}, [f'runtime_max_use: found "2G"; expected a size that the file system of /run/log/journal (1.0G) has room for. {REACHED}']),
        (
            {"runtime_max_file_size": "64M"},
            [
                'runtime_max_file_size: found "64M"; expected at most half of what journald lets the journal grow to '
                "(102.4M, as runtime_max_use is not set). Lower it, or set runtime_max_use."
            ],
        ),
        (
            {"runtime_max_use": "512M", "max_retention_sec": "20d", "max_file_sec": "1d"},
            [
                'max_retention_sec: found "20d"; expected a time whose records the size can hold (the journal in memory has '
                "512.0M of 10.0 days, so 512.0M hold 10.0 days). Raise runtime_max_use to at least 1.0G, or write a shorter time."
            ],
        ),
    ],
)  # fmt: skip
def test_a_volatile_journal_is_held_against_the_memory(settings, expected):
    usage = Usage(allocated=GIB / 2, written=GIB / 2, seconds=10 * DAY, files=5)
    observed = host(replace(NEW, volatile=usage), is_stored=False)
    assert [str(problem) for problem in plan(observed, {"storage": "volatile", **settings})[1]] == expected


def test_the_files_of_a_journal_can_be_too_few_for_its_retention():
    growing = Usage(allocated=GIB, written=GIB, seconds=10 * DAY)
    settings = {"system_max_use": "20G", "max_retention_sec": "150d", "max_file_sec": "2d"}
    measured = (
        "expected a time whose records the size can hold (the journal has 1.0G of 10.0 days, so {} hold {} days)."
    )
    assert [str(problem) for problem in plan(host(NEW, usage=growing), settings)[1]] == [
        f'max_retention_sec: found "150d"; {measured.format("12.5G", "125.0")} '
        "Raise system_max_files to at least 120, or write a shorter time."
    ]
    assert plan(host(NEW, usage=growing), {**settings, "system_max_files": 120})[1] == []
    assert plan(host(NEW, usage=growing), {**settings, "system_max_files": 0})[1] == []
    assert plan(host(NEW, usage=growing), {**settings, "system_max_file_size": "1G"})[1] == []


def test_sizes_that_cannot_be_are_not_held_against_a_retention():
    problems = plan(host(NEW, usage=GROWING), {"system_keep_free": "1T", **RETENTION})[1]
    assert [problem.option for problem in problems] == ["system_keep_free"]
