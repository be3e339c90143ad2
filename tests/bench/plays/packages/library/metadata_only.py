# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor of the benchmark of packages: compares the metadata of what is installed with pins, and nothing else."""

from __future__ import annotations

import glob
from importlib.metadata import distributions

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
        argument_spec={"virtualenv": {"type": "path", "required": True}, "pins": {"type": "list", "elements": "str"}}
    )
    site = glob.glob(f"{module.params['virtualenv']}/lib/python3*/site-packages")
    installed = {f"{found.metadata['Name']}=={found.version}" for found in distributions(path=site)}
    missing = sorted(set(module.params["pins"]) - installed)
    if missing:
        module.fail_json(msg=f"not installed: {', '.join(missing)}")
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
