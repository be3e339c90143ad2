# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All rules about the source of an application: each file is shown once to those that want it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from . import audit_logging_facts, audit_memory_source
from .audit_logging_source import Logging
from .audit_memory_source import Memory
from .audit_source_facts import Fault, SourceFacts, is_run
from .source_tree import SourceFile
from .source_uses import Scan


def needs_names(content: bytes) -> bool:
    """Whether it has to be known what the names in a file come from."""
    return audit_logging_facts.needs_names(content) or audit_memory_source.needs_names(content)


@dataclass
class SourceRules:
    """What the files of an application show of its logging and of its memory; ``add`` takes them one by one."""

    logging: Logging = field(default_factory=Logging)
    memory: Memory = field(default_factory=Memory)
    _for_logging: bool = False
    _for_memory: bool = False

    def wants(self, file: SourceFile, content: bytes) -> bool:
        """Take what the bytes of a file show, and return whether its syntax tree is needed."""
        is_seen = is_run(file)
        self._for_logging = is_seen and self.logging.wants(file, content)
        self._for_memory = is_seen and self.memory.wants(content)
        return self._for_logging or self._for_memory

    def add(self, path: str, tree: ast.Module, scan: Scan) -> None:
        """Look at one file, the last that was wanted; its names are needed only where :func:`needs_names` says so."""
        facts = SourceFacts(path, tree, scan)
        if self._for_logging:
            self.logging.add(facts)
        if self._for_memory:
            self.memory.add(facts)

    def judge(self, dependencies_log: Callable[[frozenset[str]], str] = lambda modules: "") -> list[Fault]:
        """Return all faults; ``dependencies_log`` names a distribution among those that bring ``modules`` which logs by itself."""
        found = [*self.logging.judge(dependencies_log), *self.memory.judge()]
        return sorted(found, key=lambda one: (one.file, one.line, one.rule))
