# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of the memory and the restarts of a service, as SVG inside of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Optional

from .report_page import shown

Points = list[tuple[int, Optional[int]]]

_WIDTH, _HEIGHT, _STEPS, _CAPTION = 240, 52, 20, 13
#: Room for the line's own width at the upper edge.
_MARGIN = 3
#: A limit is in sight when it is at most so many times what was used: farther away it would press the line flat.
_IN_SIGHT = 2
#: Memory that never changes is no line along the upper edge.
_HEADROOM = 1.2
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_LATEST_DAY = 253_402_300_799  # the year 9999


@dataclass(frozen=True)
class _Part:
    """A part of a chart: how high it is, what it says in words and in short, and what is drawn."""

    height: int = 0
    spoken: str = ""
    range: str = ""
    drawn: str = ""


def size(number: Optional[int]) -> str:
    """Return a number of bytes for people."""
    if number is None:
        return "not known"
    value, unit = float(number), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 10 or not unit else f"{value:.1f} {_UNITS[unit]}"


def chart(service: Mapping[str, Any]) -> str:
    """Return the chart of a service, memory above restarts; empty when there are not two samples to compare."""
    history = service["history"]
    if len(history) < 2:
        return ""
    across = _across([sample[0] for sample in history])
    memory = _memory(service, across)
    restarts = _restarts([sample[2] for sample in history], across, memory.height)
    parts = [part for part in (memory, restarts) if part.spoken]
    if not memory.height + restarts.height:
        return ""
    since, until = _day(history[0][0]), _day(history[-1][0])
    when = f"{len(history)} samples of {since}" + (f" to {until}" if since != until else "")
    label = "; ".join([*(part.spoken for part in parts), when])
    height = memory.height + restarts.height
    caption = f"{', '.join(part.range for part in parts)} since {since}"
    return (
        f'<svg class=k viewBox="0 0 {_WIDTH} {height + _CAPTION}" role=img aria-label="{shown(label)}"><title>Memory and restarts'
        f"</title>{memory.drawn}{restarts.drawn}<text x=3 y={height + _CAPTION - 3}>{shown(caption)}</text></svg>"
    )


def _across(times: Sequence[int]) -> list[int]:
    """Return where each sample is between left and right: by its time, or by its number where the times say nothing."""
    first, last = times[0], times[-1]
    if last <= first or any(not first <= one <= last for one in times):
        first, last, times = 0, len(times) - 1, range(len(times))
    return [round((one - first) * _WIDTH / (last - first)) for one in times]


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST_DAY), timezone.utc).strftime("%Y-%m-%d")


def _memory(service: Mapping[str, Any], across: Sequence[int]) -> _Part:
    used = [sample[1] for sample in service["history"]]
    known: list[int] = [one for one in used if one is not None]
    if not known:
        return _Part()
    least, most = min(known), max(known)
    limits: list[tuple[str, int]] = [
        (name, service[f"memory_{name}"]) for name in ("high", "max") if service[f"memory_{name}"] is not None
    ]
    in_sight = [(name, limit) for name, limit in limits if limit <= _IN_SIGHT * most]
    top = max([1, most * _HEADROOM, *(limit for _name, limit in in_sight)])
    scale = (_HEIGHT - 2 * _MARGIN) / top

    def level(one: int) -> int:
        return round(_HEIGHT - _MARGIN - one * scale)

    points = [(x, None if one is None else level(one)) for x, one in zip(across, used)]
    drawn = "".join(_limit(name, level(limit)) for name, limit in in_sight)
    drawn += f'<path class=m d="{_line(points)}"/>'
    spoken = [f"Memory {size(known[-1])}, between {size(least)} and {size(most)}"]
    spoken += [f"memory_{name} {size(limit)}" for name, limit in limits]
    return _Part(_HEIGHT, ", ".join(spoken), _range(size(least), size(most)), drawn)


def _range(least: str, most: str) -> str:
    if least == most:
        return most
    amount, _space, unit = least.partition(" ")
    return f"{amount if most.endswith(f' {unit}') else least} to {most}"


def _limit(name: str, level: int) -> str:
    """Return the line of a limit; the names of two that are near to each other stand side by side."""
    below = level + 9 if level < 12 else level - 2
    beside = 3 if name == "max" else 28
    return f'<path class=l d="M0,{level}h{_WIDTH}"/><text class=a x={beside} y={below}>{name}</text>'


def _line(points: Points) -> str:
    """Return the path through points, with a gap where the memory is not known, and a dot for a sample between two gaps."""
    return "".join(_strokes(points))


def _strokes(points: Points) -> Iterator[str]:
    last: Optional[tuple[int, int]] = None
    drawn = 0
    for x, y in [*points, (0, None)]:
        if y is None:
            if last and not drawn:
                yield "h0"
            last = None
        elif last is None:
            last, drawn = (x, y), 0
            yield f"M{x},{y}"
        else:
            # A minus separates as well as a blank, and further lines need no letter: there are very many of them in a page.
            yield f"{' ' if drawn else 'l'}{x - last[0]}{'' if y < last[1] else ' '}{y - last[1]}"
            last, drawn = (x, y), drawn + 1


def _restarts(counted: Sequence[int], across: Sequence[int], top: int) -> _Part:
    """Return the restarts as steps below ``top``: systemd counts them up until somebody starts the service by hand."""
    most = max(counted)
    if not most:
        return _Part(0, "no restarts", "no restarts")
    ground = top + _STEPS
    levels = [round(ground - one * (_STEPS - _MARGIN) / most) for one in counted]
    path, last = f"M0,{ground}V{levels[0]}", levels[0]
    for x, level in zip(across[1:], levels[1:]):
        if level != last:
            path += f"H{x}V{level}"
        last = level
    spoken = f"restarts {counted[-1]}, between {min(counted)} and {most}"
    told = f"{_range(str(min(counted)), str(most))} restarts"
    return _Part(_STEPS, spoken, told, f'<path class=r d="{path}H{_WIDTH}V{ground}z"/>')
