# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking everything away: what ends, what goes on, and what a run inside a unit leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.stability.baseline.plugins.module_utils import manifest, unit_state
from ansible_collections.stability.baseline.plugins.module_utils.manifest import (
    Entry,
    Found,
    Manifest,
    Started,
    digest_text,
)
from ansible_collections.stability.baseline.plugins.module_utils.unit_plan import NOTHING
from ansible_collections.stability.baseline.plugins.module_utils.unit_removal import plan_removal, virtualenvs_of
from ansible_collections.stability.baseline.plugins.module_utils.unit_state import Observed

UP = {"ActiveState": "active", "Names": ""}
DOWN = {"ActiveState": "inactive", "Names": ""}
WANTS = frozenset({"multi-user.target.wants"})
DROP_IN = "vendor.service.d/50-stability.conf"
ENTRIES = {
    "ours.service": Entry("ours"),
    "stopped.service": Entry("stopped"),
    "pack.service": Entry("pack", found=Found(True, ("multi-user.target.wants",))),
    "idle.service": Entry("idle", found=Found(False, ())),
    DROP_IN: Entry("vendor", Started(digest_text(NOTHING), {}, "")),
}
OBSERVED = Observed(
    version=252,
    units={"ours.service": UP, "stopped.service": DOWN, "pack.service": UP, "idle.service": UP},
    files=dict.fromkeys(ENTRIES, "text"),
    links={**dict.fromkeys(ENTRIES, WANTS), "stopped.service": frozenset()},
    manifest=Manifest(ENTRIES),
    digests={},
    generations={},
    own_units=frozenset(),
    accounts=(),
    strays=(),
    kept=frozenset(),
    packaged=frozenset({"pack.service", "idle.service"}),
    staged=(),
    triggers={},
    later={},
    now=0.0,
)
ETC = "/etc/systemd/system"


def with_own(unit: str) -> Observed:
    return replace(OBSERVED, own_units=frozenset({unit}))


def test_what_was_there_before_goes_on_and_the_rest_ends():
    assert plan_removal(OBSERVED, []).actions() == [
        "stop ours.service: it is removed",
        "stop idle.service: it did not run before",
        "disable ours.service",
        "disable pack.service",
        "disable idle.service",
        f"remove {ETC}/ours.service",
        f"remove {ETC}/stopped.service",
        f"remove {ETC}/pack.service",
        f"remove {ETC}/idle.service",
        f"remove {ETC}/{DROP_IN}",
        "daemon-reload",
        "enable pack.service, as it was",
        "restart pack.service under its own unit file",
    ]


def test_what_a_killed_run_has_done_already_is_not_done_again():
    """To disable a unit that is back under its own file would remove the links that were just made again."""
    files = {**OBSERVED.files, "pack.service": None}
    removal = plan_removal(replace(OBSERVED, files=files), [])
    assert "disable pack.service" not in removal.actions()
    assert "restart pack.service under its own unit file" in removal.actions()


def test_a_unit_that_the_run_takes_place_in_stays_with_all_that_is_remembered():
    removal = plan_removal(with_own("ours.service"), [])
    assert removal.remains == ["ours.service"]
    assert removal.plan.warnings == [
        "ours.service is not removed, because this run takes place inside it. Remove it from elsewhere."
    ]
    assert not [line for line in removal.actions() if "ours.service" in line or "/var/lib/stability" in line]


def test_a_drop_in_whose_directives_still_run_is_told():
    entry = Entry("vendor", Started("other", {}, ""))
    manifest = Manifest({**ENTRIES, DROP_IN: entry})
    removal = plan_removal(replace(OBSERVED, manifest=manifest), [])
    assert removal.plan.warnings == [
        "vendor.service goes on as it was started, with what the drop-in said. Restart it when that suits."
    ]


def test_only_marks_that_are_there_are_removed(tmp_path):
    mark = tmp_path / "venv" / "stability-generation.json"
    mark.parent.mkdir()
    mark.write_text("{}")
    assert plan_removal(OBSERVED, [f"{mark.parent}/"]).marks == {str(mark.parent): [str(mark)]}
    kept = tmp_path / ".venv.stability" / "generation-0"
    kept.mkdir(parents=True)
    removal = plan_removal(OBSERVED, [f"{mark.parent}/"])
    assert removal.marks == {str(mark.parent): [str(mark), str(kept.parent)]}
    assert f"remove {kept.parent}" in removal.actions()


def test_what_lost_its_unit_file_meanwhile_ends_and_is_told():
    removal = plan_removal(replace(OBSERVED, packaged=frozenset({"idle.service"})), [])
    assert removal.plan.warnings == [
        "pack.service was there before, but its unit file is gone from the host: it ends. Install what brings it."
    ]
    assert removal.back == {"idle.service": Found(False, ())}
    assert "stop pack.service: it is removed" in removal.actions()


def test_a_kept_file_that_belongs_to_nothing_is_never_deleted():
    removal = plan_removal(replace(OBSERVED, kept=frozenset({"lost.service"})), [])
    assert removal.plan.warnings == [
        "/var/lib/stability/replaced holds lost.service, which belongs to no unit that is known. Put it back or remove it by hand."
    ]
    assert "remove /var/lib/stability" not in removal.actions()


@pytest.mark.parametrize(
    ("kept", "there", "is_lost"),
    [
        ("text", "text", False),
        ("text", "other", True),
        ("text", None, True),
        (("/a",), ("/a",), False),
        (("/a",), ("/b",), True),
        (("/a",), "text", True),
    ],
)
def test_a_kept_file_that_never_left_its_place_is_forgotten(monkeypatch, tmp_path, kept, there, is_lost):
    """A run that is killed before it claims the unit leaves it there; a text in a tuple is the target of a link."""
    for folder, content in (("kept", kept), ("units", there)):
        path = tmp_path / folder / "cut.service"
        path.parent.mkdir()
        if isinstance(content, tuple):
            path.symlink_to(content[0])
        elif content is not None:
            path.write_text(content)
    monkeypatch.setattr(manifest, "REPLACED", str(tmp_path / "kept"))
    monkeypatch.setattr(unit_state, "UNIT_FOLDER", str(tmp_path / "units"))
    removal = plan_removal(replace(OBSERVED, kept=frozenset({"cut.service"})), [])
    assert bool(removal.remains) is is_lost


def test_what_was_about_to_be_kept_is_no_kept_file(monkeypatch, tmp_path):
    (tmp_path / "a.service.d").mkdir()
    for name in ("a.service", "b.service.stability-staged", "a.service.d/50-stability.conf.stability-staged"):
        (tmp_path / name).write_text("text")
    monkeypatch.setattr(manifest, "REPLACED", str(tmp_path))
    assert manifest.kept_names() == {"a.service"}
    assert unit_state._staged([]) == (
        f"{tmp_path}/a.service.d/50-stability.conf.stability-staged",
        f"{tmp_path}/b.service.stability-staged",
    )


@pytest.mark.parametrize(
    ("environments", "paths"),
    [([], []), ([{"virtualenv": "/a"}, {"pins": []}, "/b", {"virtualenv": 3}], ["/a"])],
)
def test_a_list_that_is_wrong_does_not_stop_the_removal(environments, paths):
    assert virtualenvs_of(environments) == paths
