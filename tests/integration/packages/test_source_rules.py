# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about how source logs, with real distributions: what they find there was judged by people, and few of it is false.

``tests/data/logging_source.json`` has all that is found in the distributions that were looked at, and of those that were drawn from it
whether they are true. A rule that finds something else than it did then has to be judged again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_logging_facts import needs_names
from ansible_collections.stability.baseline.plugins.module_utils.audit_logging_source import Logging
from ansible_collections.stability.baseline.plugins.module_utils.audit_rules import BY_ID
from ansible_collections.stability.baseline.plugins.module_utils.dist_info import installed_distributions
from ansible_collections.stability.baseline.plugins.module_utils.import_packages import contents
from ansible_collections.stability.baseline.plugins.module_utils.source_scan import scan
from ansible_collections.stability.baseline.plugins.module_utils.source_tree import (
    SourceFile,
    UnreadableSource,
    package_of,
    parse_source,
    read_source,
)
from ansible_collections.stability.baseline.plugins.module_utils.source_uses import Scan

from proofs import SEED, proof

ROOT = Path(__file__).parents[3]
LABELS = json.loads((ROOT / "tests" / "data" / "logging_source.json").read_text())
FINDINGS = LABELS["findings"]
JUDGED = [one for one in FINDINGS if one["verdict"] is not None]
NAMES = sorted({one["distribution"] for one in FINDINGS})
RULES = ("SB203", "SB204", "SB205", "SB206", "SB209")


#: So many findings of one distribution are drawn at most: what one author is used to should not decide.
MOST = 8


def key(finding):
    return finding["distribution"], finding["file"], finding["rule"], finding["line"]


def draw(keys):
    """Return the findings that were drawn."""
    drawn = []
    for one in random.Random(LABELS["seed"]).sample(keys, len(keys)):
        if sum(other[0] == one[0] for other in drawn) < MOST and len(drawn) < LABELS["drawn"]:
            drawn.append(one)
    return drawn


def found_in(name, site):
    """Return what the rules find in a distribution, as if it were an application whose dependencies log."""
    (distribution, *_others) = installed_distributions([str(site)])[name]
    logs = Logging()
    for path in contents(distribution).sources:
        try:
            content = read_source(path)
            if logs.wants(SourceFile(path, str(site)), content):
                tree = parse_source(content)
                names = scan(tree, package_of(path)) if needs_names(content) else Scan((), frozenset())
                logs.add(path, tree, names)
        except UnreadableSource:
            continue
    faults = logs.judge(lambda modules: "one of its dependencies")
    return [(name, os.path.relpath(one.file, site), one.rule, one.line) for one in faults]


@pytest.mark.parametrize("rule", RULES)
def test_what_the_rules_say_of_their_false_alarms_is_what_was_judged(rule):
    judged, number = [one["verdict"] for one in JUDGED if one["rule"] == rule], len(LABELS["distributions"])
    if any(one["rule"] == rule for one in FINDINGS):
        told = f"{judged.count(False)} of {len(judged)} findings in {number} distributions that were judged one by one are false"
    else:
        told = f"In the source of {number} distributions it finds nothing."
    assert told in BY_ID[rule].experiment


def test_few_of_the_findings_that_were_drawn_are_false():
    drawn = draw(sorted(map(key, FINDINGS)))
    assert sorted(drawn) == sorted(map(key, JUDGED)) and len(drawn) >= 100
    assert all(one["why"] for one in JUDGED) and len(LABELS["distributions"]) >= 30
    false = sum(one["verdict"] is False for one in JUDGED)
    print(f"{false} of {len(JUDGED)} findings are false alarms")
    assert false / len(JUDGED) < 0.05
    guide = (ROOT / "docs" / "audit.md").read_text()
    assert f"of {len(JUDGED)} of them that were drawn and judged one by one, {false} are false alarms" in guide


def test_the_rules_find_what_was_judged_and_nothing_else(bare_template, tmp_path):
    with proof("logging-source", {"sample": 6, "full": len(NAMES)}, budget={"sample": 300, "full": 3600}) as size:
        drawn = random.Random(SEED).sample(NAMES, size)
        pins = [f"{name}=={LABELS['distributions'][name]}" for name in drawn]
        pip = [
            bare_template / "bin" / "python",
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "-q",
            "--no-deps",
        ]
        # Nothing is run: any Python's wheel will do, and this one has wheels of all of them.
        kind = ["--no-compile", "--only-binary", ":all:", "--python-version", "3.11", "--ignore-requires-python"]
        subprocess.run([*pip, *kind, "--target", tmp_path, *pins], check=True)
        found = [one for name in drawn for one in found_in(name, tmp_path)]
        assert sorted(found) == sorted(key(one) for one in FINDINGS if one["distribution"] in drawn)
