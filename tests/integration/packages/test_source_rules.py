# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about source, with real distributions: what they find there was judged by people, and few of it is false.

``tests/data/logging_source.json`` and ``memory_source.json`` have all that is found in the distributions that were looked at, and of those
that were drawn from it whether they are true. A rule that finds something else than it did then has to be judged again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_rules import BY_ID
from ansible_collections.stability.baseline.plugins.module_utils.audit_source_rules import SourceRules, needs_names
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
SETS = {
    name: json.loads((ROOT / "tests" / "data" / f"{name}_source.json").read_text()) for name in ("logging", "memory")
}
RULES = {
    "logging": ("SB203", "SB204", "SB205", "SB206", "SB209"),
    "memory": ("SB301", "SB302", "SB303", "SB308"),
}
FINDINGS = [one for labels in SETS.values() for one in labels["findings"]]
VERSIONS = {name: version for labels in SETS.values() for name, version in labels["distributions"].items()}
NAMES = sorted({one["distribution"] for one in FINDINGS})
#: So many findings of one distribution are drawn at most: what one author is used to should not decide.
MOST = 8


def key(finding):
    return finding["distribution"], finding["file"], finding["rule"], finding["line"]


def judged(labels):
    return [one for one in labels["findings"] if one["verdict"] is not None]


def draw(labels):
    """Return the findings that were drawn."""
    keys, drawn = sorted(map(key, labels["findings"])), []
    for one in random.Random(labels["seed"]).sample(keys, len(keys)):
        if sum(other[0] == one[0] for other in drawn) < MOST and len(drawn) < labels["drawn"]:
            drawn.append(one)
    return drawn


def found_in(name, site):
    """Return what the rules find in a distribution, as if it were an application whose dependencies log."""
    (distribution, *_others) = installed_distributions([str(site)])[name]
    rules = SourceRules()
    for path in contents(distribution).sources:
        try:
            content = read_source(path)
            if rules.wants(SourceFile(path, str(site)), content):
                tree = parse_source(content)
                names = scan(tree, package_of(path)) if needs_names(content) else Scan((), frozenset())
                rules.add(path, tree, names)
        except UnreadableSource:
            continue
    faults = rules.judge(lambda modules: "one of its dependencies")
    return [(name, os.path.relpath(one.file, site), one.rule, one.line) for one in faults]


def test_both_sets_are_of_the_same_distributions():
    assert SETS["logging"]["distributions"] == SETS["memory"]["distributions"] and len(VERSIONS) >= 30


@pytest.mark.parametrize(("name", "rule"), [(name, rule) for name, rules in RULES.items() for rule in rules])
def test_what_the_rules_say_of_their_false_alarms_is_what_was_judged(name, rule):
    labels, number = SETS[name], len(VERSIONS)
    verdicts = [one["verdict"] for one in judged(labels) if one["rule"] == rule]
    found = sum(one["rule"] == rule for one in labels["findings"])
    if found and not verdicts:
        told = f"None of its {found} findings in {number} distributions was drawn to be judged."
    elif found:
        told = f"{verdicts.count(False)} of {len(verdicts)} findings in {number} distributions that were judged one by one are false"
    else:
        told = f"In the source of {number} distributions it finds nothing."
    assert told in BY_ID[rule].experiment


@pytest.mark.parametrize("name", SETS)
def test_few_of_the_findings_that_were_drawn_are_false(name):
    labels = SETS[name]
    verdicts = judged(labels)
    assert sorted(draw(labels)) == sorted(map(key, verdicts)) and len(verdicts) >= 100
    assert all(one["why"] for one in verdicts)
    false = sum(one["verdict"] is False for one in verdicts)
    print(f"{false} of {len(verdicts)} findings are false alarms")
    assert false / len(verdicts) < 0.05
    guide = (ROOT / "docs" / "audit.md").read_text()
    told = f"find {len(labels['findings'])}; of {len(verdicts)} of them that were drawn and judged one by one, {false} are false alarms"
    assert told in " ".join(guide.split())


@pytest.mark.parametrize("rule", RULES["memory"])
def test_the_guide_says_how_many_of_each_rule_are_false(rule):
    verdicts = [one["verdict"] for one in judged(SETS["memory"]) if one["rule"] == rule]
    found = sum(one["rule"] == rule for one in SETS["memory"]["findings"])
    guide = (ROOT / "docs" / "audit.md").read_text()
    assert f"| {rule} | {found} | {len(verdicts)} | {verdicts.count(False)} |" in guide


def test_the_rules_find_what_was_judged_and_nothing_else(bare_template, tmp_path):
    with proof("source-rules", {"sample": 6, "full": len(NAMES)}, budget={"sample": 300, "full": 3600}) as size:
        drawn = random.Random(SEED).sample(NAMES, size)
        pins = [f"{name}=={VERSIONS[name]}" for name in drawn]
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
