# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a test host: executes one module of the collection with the arguments that arrive on standard input.

Usage: ``python3 run_module.py NAME < arguments.json``. It does what Ansible's own wrapper does after unpacking.
"""

from __future__ import annotations

import runpy
import sys

from ansible.module_utils import basic


def main() -> None:
    basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
    basic._ANSIBLE_PROFILE = "legacy"
    runpy.run_module(f"ansible_collections.stability.baseline.plugins.modules.{sys.argv[1]}", run_name="__main__")


if __name__ == "__main__":
    main()
