# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is pinned, where the distributions come from, and what installs them."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that say which distributions are wanted, which indexes and folders have them, and what installs them."""

    DOCUMENTATION = r"""
options:
  pins:
    description:
      - Requirements of the form C(name[extras]==version; marker), each with one exact version, or direct references of the
        form C(name @ https://…/name-1.0-py3-none-any.whl#sha256=…). A wheel at C(file:///…) needs no hash.
      - O(pins), O(requirements) and O(requirements_content) are combined. At least one of them is needed; an empty list
        only makes the virtual environment.
      - Names are compared normalised (PEP 503), versions by the rules of PEP 440, so that V(1.0) is V(1.0.0), and V(2.0)
        is also V(2.0+cpu). Environment markers are those of the interpreter of the virtual environment.
      - Extras are allowed and change nothing; what they need has to be pinned.
    type: list
    elements: str
  requirements:
    description:
      - A requirements file on the managed node, in which every line is fully pinned. C(--hash) is honoured.
      - C(-r) and C(-c) name further files, relative to the one that they stand in. A constraint says the version of what is
        required without one, and installs nothing.
      - A file called C(pylock*.toml) is read as a lock file of PEP 751.
      - Ranges, editable installs, addresses without a hash and other options of pip are refused, each with its line.
    type: str
  requirements_content:
    description: The text of a requirements file, in which C(-r) and C(-c) are refused, since it has no folder.
    type: str
  locked:
    description:
      - Whether everything that is installed has to be pinned, and everything that pinned distributions require, with markers
        and extras evaluated. The message names each pin to add.
      - pip, setuptools and wheel need no pin.
      - What a distribution requires that is not installed yet is known only in the staged copy, and refused there.
    type: bool
    default: false
  installer:
    description:
      - V(auto) is C(uv) where one is found that O(run_as) can run (in the virtual environment, on the system, in
        C(~/.local/bin)) and pip has no C(pip.conf) on the managed node, and pip otherwise.
      - V(pip) is the pip inside of the virtual environment. V(uv) needs no pip there, and does not read C(pip.conf).
      - Both install the same files, look at all indexes, and take nothing from a cache.
    type: str
    choices: [auto, pip, uv]
    default: auto
  index_url:
    description:
      - The address of the index. Without it, the configuration of the installer on the managed node decides.
      - It reaches the installer in the process environment, never among its arguments, and is not shown.
    type: str
  extra_index_urls:
    description: Addresses of further indexes. They are treated like O(index_url).
    type: list
    elements: str
  find_links:
    description: Folders (absolute paths) or pages with distribution archives. Credentials are refused here.
    type: list
    elements: str
  no_index:
    description: Whether only O(find_links) is searched, and no index.
    type: bool
    default: false
  require_hashes:
    description: Whether each pin must have a hash. One pin with a hash demands hashes of all, as with pip.
    type: bool
    default: false
"""
