# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``locked`` with a real pip: nothing may be there that no pin explains, and nothing may be missing from the pins."""

from __future__ import annotations

import pytest
from pip_pinned_environments import FLASK, LATER, applied, module, pins, refused, site_of, wheel

REQUESTS = ("requests", "certifi", "charset-normalizer", "idna", "urllib3")


def later(*names):
    return [f"{name}=={LATER[name]}" for name in names]


def test_a_complete_list_is_locked(bare_env, wheelhouse):
    result = applied(bare_env, locked=True, pins=later(*REQUESTS), find_links=[str(wheelhouse)], no_index=True)
    assert (result["unlocked"], result["drift"]) == ([], [])


def test_what_a_pin_needs_is_told_after_the_installation_and_before_the_next(bare_env, wheelhouse):
    options = {"find_links": [str(wheelhouse)], "no_index": True, "locked": True, "pip_check": "ignore"}
    result = module(bare_env, pins=later("requests", "idna", "certifi"), **options)
    assert result["failed"]
    assert result["msg"].splitlines()[:2] == [
        "not locked: requests needs charset-normalizer, which is not pinned. Add charset-normalizer==<version> to pins.",
        "not locked: requests needs urllib3, which is not pinned. Add urllib3==<version> to pins.",
    ]
    assert result["unlocked"] == ["charset-normalizer", "urllib3"]
    assert not list(site_of(bare_env).glob("requests*"))
    applied(bare_env, pins=later(*REQUESTS), find_links=options["find_links"], no_index=True)
    message = refused(bare_env, pins=later("requests", "idna", "certifi", "charset-normalizer"), **options)
    assert message == (
        f"not locked: requests needs urllib3, which is not pinned. Add urllib3=={LATER['urllib3']} to pins."
    )


def test_extras_need_their_pins_too(bare_env, wheelhouse):
    options = {"find_links": [str(wheelhouse)], "no_index": True, "locked": True}
    applied(bare_env, pins=later(*REQUESTS), **options)
    wanted = [f"requests[socks]=={LATER['requests']}", *later(*REQUESTS[1:])]
    message = refused(bare_env, pins=wanted, **options)
    assert message == "not locked: requests needs pysocks, which is not pinned. Add pysocks==<version> to pins."
    applied(bare_env, pins=[*wanted, *later("pysocks")], **options)


@pytest.mark.parametrize("check", [False, True])
def test_what_nothing_pins_is_refused_before_anything_changes(flask_env, wheelhouse, check):
    options = {"find_links": [str(wheelhouse)], "no_index": True, "check": check}
    wanted = [*pins(click=None, blinker=None), *later("idna")]
    result = module(flask_env, locked=True, pins=[pin for pin in wanted if not pin.startswith("flask")], **options)
    assert result["failed"] and not result["changed"] and result["commands"] == []
    assert result["msg"].splitlines() == [
        f"not locked: {name} is installed, and nothing pins it. Add {name}=={FLASK[name]} to pins, or uninstall it."
        for name in ("blinker", "click", "flask")
    ]
    assert result["unlocked"] == ["blinker", "click", "flask"]
    assert [step["name"] for step in result["reinstalled"]] == ["idna"]
    assert not list(site_of(flask_env).glob("idna*"))


def test_without_locked_it_is_only_told(flask_env):
    result = module(flask_env, pins=pins(click=None))
    assert (result["unlocked"], result["changed"]) == (["click"], False)


def test_pip_may_be_pinned_but_need_not_be(bare_env, tmp_path):
    wheel(tmp_path, "one", "1", requires=["setuptools", "pip", "wheel"])
    options = {"pins": ["one==1"], "find_links": [str(tmp_path)], "no_index": True, "pip_check": "ignore"}
    assert applied(bare_env, locked=True, **options)["unlocked"] == []
