# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of a host, checked on the controller for the actions that need them."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.stability.baseline.plugins.module_utils.preflight import (
    JOURNAL_PREFIX,
    Checked,
    check_extra_only,
    check_lists,
)
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput


def checked_lists(
    action: ActionBase, visible: dict[str, Any], services: object, environments: object, journal: object
) -> Checked:
    """Return what the lists say together, the settings of the journal by its variables where ``journal`` is true.

    ``visible`` are the variables of the task of ``action``. Raises AnsibleActionFail with every problem in one message.
    """
    try:
        check_extra_only(visible, load_extra_vars(action._loader))
        settings = _settings(action, visible) if journal is True else journal
        return check_lists(services, environments, settings, visible)
    except InvalidInput as invalid:
        raise AnsibleActionFail(f"Nothing was touched; the lists have problems:\n{invalid}") from None


def _settings(action: ActionBase, visible: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the journal by the variables of the role, of which hardly any is a template."""
    given = {name: value for name, value in visible.items() if name.startswith(JOURNAL_PREFIX)}
    return {name[len(JOURNAL_PREFIX) :]: action._templar.template(value) for name, value in given.items()}
