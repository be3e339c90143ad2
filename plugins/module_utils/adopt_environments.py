# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments as members of ``stability_environments``: what is installed, as pins."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from .adopt_model import Found, Item, in_order
from .audit_environments import environment_of
from .commands import acting_as, user_with
from .dist_info import Distribution, installed_distributions, leftovers
from .environment_layout import configuration_of, sites_of
from .masking import masked
from .pep440 import is_version
from .virtual_environments import SEED

_LEGACY = ".egg-link"
#: How many files or distributions a mark names.
_SHOWN = 5


def environment_among(programs: Iterable[str]) -> str:
    """Return the virtual environment that a service runs in; empty for none."""
    return next(filter(None, map(environment_of, programs)), "")


def python_that_made(virtualenv: str) -> str:
    """Return the interpreter that an environment was made with; empty when it does not say, or it is gone."""
    said = configuration_of(virtualenv)
    version = said.get("version", "") or said.get("version_info", "")
    home = said.get("home", "")
    named = os.path.join(home, f"python{'.'.join(version.split('.')[:2])}")
    return next(
        (path for path in (named, said.get("executable", "")) if path.startswith("/") and os.path.exists(path)), ""
    )


def _pin(name: str, own: Sequence[Distribution], item: Item) -> str:
    """Return the pin of an installed distribution; empty for what no version pins, which is told."""
    first = own[0]
    if len(own) > 1:
        item.mark(f"{name} is installed more than once; pin the version that is meant")
    elif not is_version(first.version):
        item.mark(f"{name} has no version that can be pinned; install it from a wheel, and pin that")
    elif first.origin is not None:
        item.mark(
            f"{name} came from {masked(first.origin.url)}, not from an index, and is left as it is; "
            "build a wheel, pin name==version and give its folder as find_links"
        )
    elif "+" in first.version:
        item.mark(f"{name}=={first.version} is of an index of its own; give it as index_url or extra_index_urls")
        return f"{name}=={first.version}"
    else:
        return f"{name}=={first.version}"
    return ""


def _owner(uid: int, item: Item) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        item.mark(f"it belongs to the number {uid}, which no user of the host has; say in run_as who changes it")
        return ""


def describe(virtualenv: str, unseen: list[str]) -> Optional[Item]:
    """Return an environment as a member of the list; ``None`` when it cannot be read, of which ``unseen`` then tells."""
    values: dict[str, Any] = {"virtualenv": virtualenv}
    item = Item(values, virtualenv)
    try:
        status = os.stat(virtualenv)
        user = user_with(status.st_uid, status.st_gid) if os.geteuid() == 0 else None
        if user is None:
            sites = sites_of(virtualenv)
            distributions, left = installed_distributions(sites), leftovers(sites)
        else:
            with acting_as(user):
                sites = sites_of(virtualenv)
                distributions, left = installed_distributions(sites), leftovers(sites)
    except OSError as error:
        unseen.append(f"{error.filename or virtualenv} ({error.strerror})")
        return None
    python = python_that_made(virtualenv)
    if python:
        values["python"] = python
    else:
        item.mark("the Python that made it is gone, or it does not say which; name one in python")
    owner = _owner(status.st_uid, item) if status.st_uid else ""
    if owner:
        values["run_as"] = owner
    pins = [_pin(name, own, item) for name, own in sorted(distributions.items()) if name not in SEED]
    values["pins"] = [pin for pin in pins if pin]
    linked = [name for site in sites for name in sorted(os.listdir(site)) if name.endswith(_LEGACY)]
    for name in linked:
        item.mark(f"{name[: -len(_LEGACY)]} is an editable installation, and is left as it is; build a wheel of it")
    if left:
        names = ", ".join(map(os.path.basename, left[:_SHOWN]))
        item.mark(f"{names}: left by an installation that was killed; a change of the baseline removes it")
    return item


def environments_of(items: Iterable[Item], found: Found) -> list[Item]:
    """Tie services to their virtual environments, and return these."""
    described: dict[str, Optional[Item]] = {}
    for item in items:
        path = environment_among(item.programs)
        if not path or item.values.get("drop_in"):
            continue
        if path not in described:
            described[path] = describe(path, found.unseen)
        if described[path] is not None:
            item.values = in_order({**item.values, "virtualenv": path})
    return [item for item in described.values() if item is not None]
