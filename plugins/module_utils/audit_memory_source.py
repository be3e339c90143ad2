# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules about what the source of an application keeps in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from .audit_memory_caches import caches_on_methods
from .audit_memory_collections import Grown, growing_collections, kept_exceptions, may_grow, may_keep_errors, shrinking
from .audit_memory_collector import collector_is_off, dropped_tasks, finalizers_that_hold
from .audit_memory_finalizers import finalizers
from .audit_rules import BY_ID, SEVERITIES
from .audit_source_facts import Fault, Found, SourceFacts

_COLLECTOR = re.compile(rb"\bgc\b")
_TURNED_OFF = re.compile(rb"\b(?:disable|freeze|set_threshold|set_debug)[ \t]*\(")
_CACHED = re.compile(rb"^[ \t]*@[\w.]*cache\b", re.MULTILINE)
#: Somebody has told a linter that this cache or task is meant.
_MEANT = re.compile(rb"#[^\n]*(?:\bnoqa\b(?!:)|\bnoqa:[^\n]*\b(?:B019|RUF006)\b|\bruff: ignore\[)")
_AT_MOST_ONE: tuple[Callable[[SourceFacts], Iterator[Found]], ...] = (
    caches_on_methods,
    finalizers_that_hold,
    dropped_tasks,
)


def needs_names(content: bytes) -> bool:
    """Whether it has to be known what the names in a file come from."""
    if b"create_task" in content or b"ensure_future" in content or (b"finalize(" in content and b"weakref" in content):
        return True
    if b"cache" in content and _CACHED.search(content) is not None:
        return True
    return b"gc" in content and _COLLECTOR.search(content) is not None and _TURNED_OFF.search(content) is not None


@dataclass
class Memory:
    """What all files of an application keep in memory; ``add`` takes them one by one."""

    faults: list[Fault] = field(default_factory=list)
    #: What only grows in its own file, by the name of the collection.
    grown: list[tuple[str, Fault]] = field(default_factory=list)
    shrinking: set[str] = field(default_factory=set)
    _grows: bool = False
    _keeps_errors: bool = False
    #: Lines of the file that stay as they are.
    _meant: frozenset[int] = frozenset()

    def wants(self, content: bytes) -> bool:
        """Take what the bytes of a file show, and return whether its syntax tree is needed."""
        self.shrinking |= shrinking(content)
        self._meant = frozenset(content.count(b"\n", 0, one.start()) + 1 for one in _MEANT.finditer(content))
        self._grows, self._keeps_errors = may_grow(content), may_keep_errors(content)
        return self._grows or self._keeps_errors or b"__del__" in content or needs_names(content)

    def add(self, facts: SourceFacts) -> None:
        """Look at one file, the last that was wanted."""
        by_rule: dict[str, list[Found]] = {}
        for rule, found in finalizers(facts):
            by_rule.setdefault(rule, []).append(found)
        by_rule["SB303"] = list(collector_is_off(facts))
        for rule, several in by_rule.items():
            self.faults += _worst(rule, facts.path, several)
        for find in _AT_MOST_ONE:
            self.faults += _worst("SB308", facts.path, [one for one in find(facts) if one.line not in self._meant])
        self._grown(facts, growing_collections(facts) if self._grows else ())
        self._grown(facts, kept_exceptions(facts) if self._keeps_errors else ())

    def _grown(self, facts: SourceFacts, found: Iterable[Grown]) -> None:
        for name, one in found:
            self.grown += [(name.rpartition(".")[2], fault) for fault in _worst("SB308", facts.path, [one])]

    def judge(self) -> list[Fault]:
        """Return all faults."""
        kept = [fault for name, fault in self.grown if name not in self.shrinking]
        return [*self.faults, *kept]


def _worst(rule: str, path: str, found: list[Found]) -> list[Fault]:
    """Return what a file has of a rule as one fault, the worst of all."""
    if not found:
        return []
    first = min(found, key=lambda one: (SEVERITIES.index(one.severity or BY_ID[rule].severity), one.line))
    return [Fault(rule, path, first.line, first.text, len(found), first.severity)]
