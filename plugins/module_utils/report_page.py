# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every page of a report has: text from outside made harmless, the style, and a script that the page can do without."""

from __future__ import annotations

import base64
import hashlib
from html import escape

#: Letters that are not printable and are kept all the same where lines are.
_LAYOUT = "\n\t"


def shown(value: object, kept: str = "") -> str:
    """Return text for HTML: markup is none, and what would not be seen, or would turn text around, is written out."""
    text = str(value)
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() or letter in kept else _written_out(letter) for letter in text)
    return escape(text)


def shown_lines(value: object) -> str:
    """Return text of several lines for HTML."""
    return shown(value, _LAYOUT)


def _written_out(letter: str) -> str:
    code = ord(letter)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def policy() -> str:
    """Return the policy by which a browser loads nothing at all, and runs and applies nothing but what is below."""
    style, script = (_digest(text) for text in (STYLE, SCRIPT))
    return f"default-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


#: A browser asks the server for an icon where a page brings none.
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' "
    "fill='%23205493'/%3E%3Cpath d='M2 9h3l2-5 3 8 2-3h2' fill='none' stroke='%23fff' stroke-width='1.5'/%3E%3C/svg%3E"
)

#: Classes of one letter stand thousands of times in a page: e w i x o are error, warning, info, waived and nothing found;
#: c a chip, f a finding, s what was seen, y why, d what to do, p where, n new, k a chart.
STYLE = """
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--fg:#1c2128;--dim:#57606a;--line:#d5dae1;--soft:#eef1f4;--link:#0b57b0;
--e:#a40e26;--eb:#ffebe9;--el:#e5a19d;--w:#7a4b00;--wb:#fff4d1;--wl:#d9b65c;--i:#0a4fa3;--ib:#e3f0ff;--il:#94bdea;
--o:#1a5e2e;--ol:#d5dae1;--x:#57606a}
@media(prefers-color-scheme:dark){:root{--bg:#0e1217;--card:#161b22;--fg:#e4e9ef;--dim:#9aa4af;--line:#30373f;--soft:#1e242c;
--link:#79b8ff;--e:#ff9d95;--eb:#3a1719;--el:#7d3a38;--w:#ecc158;--wb:#33280c;--wl:#6e581d;--i:#8cc4ff;--ib:#10243c;--il:#2f557f;
--o:#7fd796;--ol:#30373f;--x:#9aa4af}}
*{box-sizing:border-box}
html{scroll-padding-top:4.5rem;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
"Noto Sans","Liberation Sans",Arial,sans-serif;overflow-wrap:anywhere}
code,pre,.s,.p{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.87em}
h1,h2,h3,h4,h5,p,ul,ol,pre,dl,dd{margin:0;padding:0}
ul,ol{list-style:none}
h1{font-size:1.5rem;line-height:1.25;letter-spacing:-.01em}
h2{font-size:1.15rem;margin:2rem 0 .6rem}
h3,h4,h5{font-size:1em}
a{color:var(--link);text-underline-offset:.15em}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
:target{scroll-margin-top:4.5rem}
[hidden]{display:none!important}
.wrap{max-width:1200px;margin:0 auto;padding:0 16px}
.skip{position:absolute;left:-999em;top:0;padding:.5em 1em;background:var(--card);z-index:9}
.skip:focus{left:0}
.vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
header{background:var(--card);border-bottom:1px solid var(--line);padding:1.25rem 0 1rem}
header p,.note{color:var(--dim)}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin-top:.75rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:10px;margin-top:1.25rem}
.tiles div{background:var(--card);border:1px solid var(--line);border-left-width:4px;border-radius:6px;padding:.5rem .75rem}
.tiles dt{color:var(--dim);font-size:.87em}
.tiles dd{font-size:1.55rem;line-height:1.2;font-weight:600;font-variant-numeric:tabular-nums}
.tiles small{font-size:.8rem;font-weight:400;color:var(--dim)}
.tiles .e{border-left-color:var(--e)}.tiles .w{border-left-color:var(--wl)}.tiles .i{border-left-color:var(--il)}
.tiles .e dd{color:var(--e)}.tiles .w dd{color:var(--w)}.tiles .i dd{color:var(--i)}
.box{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.75rem 1rem;margin-top:.75rem}
.box li+li{border-top:1px solid var(--line)}
.box li{padding:.35rem 0}
summary{cursor:pointer}
.tools{position:sticky;top:0;z-index:2;background:var(--bg);border-bottom:1px solid var(--line);padding:.6rem 0;margin-top:1.25rem;
display:flex;flex-wrap:wrap;gap:.4rem .9rem;align-items:center}
.tools fieldset{border:0;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem .9rem}
.tools label{display:inline-flex;align-items:center;gap:.35rem;min-height:28px}
.tools input[type=search]{font:inherit;color:inherit;background:var(--card);border:1px solid var(--dim);border-radius:5px;
padding:.25rem .5rem;width:16rem;min-width:0}
.tools button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--dim);border-radius:5px;padding:.25rem .7rem;
cursor:pointer}
.tools p{color:var(--dim);margin-left:auto}
table{display:block;background:var(--card);border:1px solid var(--line);border-radius:6px}
thead,tbody{display:block}
tr{display:grid;grid-template-columns:minmax(9rem,20%) 4.2rem 5.4rem 3.6rem minmax(0,1fr);gap:0 .6rem;padding:.4rem .75rem}
tbody tr{border-top:1px solid var(--line);content-visibility:auto;contain-intrinsic-size:auto 2.4rem}
th,td{display:block;padding:0;text-align:left}
thead tr{background:var(--soft);border-radius:6px 6px 0 0}
thead th{color:var(--dim);font-weight:600;font-size:.87em}
.num{text-align:right;font-variant-numeric:tabular-nums}
.num.e,.num.w,.num.i{font-weight:600}.num.e{color:var(--e)}.num.w{color:var(--w)}.num.i{color:var(--i)}
.num.o{color:var(--dim)}
.wide{grid-column:2/-1}
.chips,.last{padding-left:.6rem}
.chips{display:flex;flex-wrap:wrap;gap:5px;align-items:flex-start;align-content:flex-start}
.c,.b{display:inline-block;border:1px solid;border-radius:4px;padding:0 .4em;font-size:.87em;line-height:1.6}
.c{color:var(--fg);text-decoration:none;min-width:24px;max-width:100%}
.c:hover{text-decoration:underline}
.c.e,.b.e{color:var(--e);background:var(--eb);border-color:var(--el)}
.c.w,.b.w{color:var(--w);background:var(--wb);border-color:var(--wl)}
.c.i,.b.i{color:var(--i);background:var(--ib);border-color:var(--il)}
.c.o,.b.o{color:var(--o);background:none;border-color:var(--ol)}
.b.x{color:var(--x);background:none;border-color:var(--line)}
.c.v{border-style:dashed}
.b{font-weight:600}
.n{color:var(--card);background:var(--fg);border-radius:4px;padding:0 .4em;font-size:.8em;font-weight:600}
.known h5::after{content:"known";margin-left:.5em;color:var(--dim);font-weight:400;font-size:.87em}
.legend{display:flex;flex-wrap:wrap;gap:.3rem .9rem;margin:.5rem 0 0;color:var(--dim)}
.since{margin-top:.75rem}
.h:not([open]){content-visibility:auto;contain-intrinsic-size:auto 3rem}
.h{background:var(--card);border:1px solid var(--line);border-radius:6px;margin-top:10px}
.h>summary{padding:.6rem 1rem;list-style-position:outside;display:flex;flex-wrap:wrap;gap:.3rem .6rem;align-items:baseline}
.h>summary::before,.box>summary::before{content:"\\25B8";color:var(--dim);width:1em;display:inline-block}
.h[open]>summary::before,.box[open]>summary::before{content:"\\25BE"}
.h>summary::-webkit-details-marker,.box>summary::-webkit-details-marker{display:none}
.box>summary{list-style:none}
.h>summary h3{font-size:1.05rem;margin-right:auto}
.h[open]>summary{border-bottom:1px solid var(--line)}
.h>div{padding:.75rem 1rem 1rem}
.alarm{border:1px solid var(--el);background:var(--eb);color:var(--e);border-radius:5px;padding:.5rem .75rem;white-space:pre-wrap}
.facts{color:var(--dim)}
.unseen{margin-top:.5rem;border-left:3px solid var(--wl);padding:.1rem .75rem}
.u{display:grid;grid-template-rows:auto auto 1fr;grid-template-columns:minmax(0,1fr) 240px;gap:.2rem 1.5rem;
padding:.9rem 0 .4rem;border-top:1px solid var(--line)}
.u:first-child{border-top:0}
.u>*{grid-column:1}
.u>.k{grid-column:2;grid-row:1/span 3}
.u h4{font-size:1.02em}
.k{display:block;width:100%;max-width:240px;margin-top:4px;background:var(--soft);border-radius:3px}
.k path{fill:none;stroke:var(--link);stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
.k .l{stroke:var(--dim);stroke-width:1;stroke-dasharray:3 3}
.k .r{fill:var(--wl);stroke:var(--w);stroke-width:1}
.k text{font:9.5px system-ui,sans-serif;fill:var(--dim)}
.f{margin:.6rem 0;padding:.1rem 0 .2rem .8rem;border-left:3px solid var(--line)}
.f.e{border-color:var(--e)}.f.w{border-color:var(--wl)}.f.i{border-color:var(--il)}.f.x{border-left-style:dotted}
.f h5{font-weight:600}
.f>p::before{display:inline-block;width:4.2rem;text-indent:0;color:var(--dim);font:13px/1.5 system-ui,sans-serif}
.f>p{padding-left:4.2rem;text-indent:-4.2rem}
.s{white-space:pre-wrap}
.s::before{content:"Seen"}.y::before{content:"Why"}.d::before{content:"Mend"}.p::before{content:"Where"}.q::before{content:"Waived"}
pre{background:var(--soft);border-radius:5px;padding:.45rem .7rem;margin:.3rem 0 .3rem 4.2rem;white-space:pre-wrap;tab-size:2}
.fine{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:10px 20px;padding-top:.9rem;border-top:1px solid
var(--line)}
.fine .b{margin-top:.2rem}
.envs,.waived{margin-top:.9rem;padding-top:.7rem;border-top:1px solid var(--line)}
footer{margin:2.5rem 0 1.5rem;color:var(--dim);font-size:.87em}
@media(max-width:760px){
html{scroll-padding-top:.5rem}
.tools{position:static}
.tools input[type=search]{width:100%}
.tools label.find{flex:1 1 100%;flex-wrap:wrap}
.tools p{margin-left:0}
.wrap{padding:0 12px}
.tiles{grid-template-columns:repeat(3,minmax(0,1fr));gap:8px}
.tiles div:first-child{grid-column:1/-1}
.tiles dt{font-size:.8em}
.tiles div{padding:.35rem .55rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{display:block}
.num{display:inline-block;margin-right:.9rem;font-size:.9em}
.num::after{content:" " attr(data-of)}
.chips{padding:.25rem 0 0}
.u{display:block}
.u>.k{margin:.3rem 0}
.f>p,.f>p::before{padding-left:0;text-indent:0}
.f>p::before{width:auto;margin-right:.6em}
pre{margin-left:0}
.h>div{padding:.6rem .75rem}
.h>summary{padding:.6rem .75rem}
}
@media(max-width:420px){.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media(forced-colors:active){.c,.b,.n{border:1px solid}}
@media print{
:root{--bg:#fff;--card:#fff;--fg:#000;--dim:#444;--line:#bbb;--soft:#f3f3f3;--link:#000;--e:#8a0c20;--eb:#fff;--w:#5f3a00;--wb:#fff;
--i:#083f82;--ib:#fff;--o:#144a24;--n:#000}
body{font-size:10pt}
.tools,.skip,nav{display:none!important}
details::details-content{content-visibility:visible!important;display:block!important;block-size:auto!important}
.h,.box{border-color:#bbb}
.f,tr,.tiles div{break-inside:avoid}
summary,h2,h3,h4{break-after:avoid}
a{text-decoration:none}
}
"""

SCRIPT = """
(() => {
'use strict';
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const tools = document.getElementById('tools'), find = document.getElementById('find'), told = document.getElementById('told');
const boxes = all('input[name=kind]', tools), fresh = document.getElementById('fresh');
const hosts = all('.h'), opened = new Map(hosts.map(host => [host, host.open]));
let index = null, waiting = 0;

function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.closest('[hidden]')) clear();
  // Older browsers do not unfold by themselves what a link leads to.
  for (let one = target; one; one = one.parentElement) if (one.tagName === 'DETAILS') one.open = true;
  target.scrollIntoView();
}

function text(element) { return element ? element.textContent.toLowerCase() : ''; }

function read() {
  const rows = new Map(all('.matrix tbody tr').map(row => [row.dataset.h, row]));
  const chips = new Map(all('.matrix .c').map(chip => [chip.hash.slice(1), chip]));
  index = hosts.map(host => ({
    host, row: rows.get(host.id), name: text(host.querySelector('h3')), problem: host.dataset.problem !== undefined,
    units: all('[data-u]', host).map(unit => ({
      unit, chip: chips.get(unit.id), name: text(unit.querySelector('h4')),
      findings: all('.f', unit).map(element => ({
        element, kind: element.classList[1], fresh: element.classList.contains('new'), name: text(element.firstElementChild)
      }))
    }))
  }));
}

function apply() {
  if (!index) read();
  const words = find.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const kinds = new Set(boxes.filter(box => box.checked).map(box => box.value));
  const narrowed = kinds.size < boxes.length || Boolean(fresh && fresh.checked);
  const active = narrowed || words.length > 0;
  let count = 0, many = 0;
  for (const one of index) {
    let seen = 0, units = 0;
    const fits = name => words.every(word => name.includes(word) || one.name.includes(word));
    for (const unit of one.units) {
      const whole = fits(unit.name);
      let here = 0;
      for (const finding of unit.findings) {
        const good = kinds.has(finding.kind) && !(fresh && fresh.checked && !finding.fresh)
          && (whole || fits(unit.name + ' ' + finding.name));
        finding.element.hidden = !good;
        here += good;
      }
      const there = here > 0 || (whole && !narrowed);
      unit.unit.hidden = !there;
      if (unit.chip) unit.chip.hidden = !there;
      units += there;
      seen += here;
    }
    const host = units > 0 || (fits('') && (!narrowed || one.problem));
    one.host.hidden = one.row.hidden = !host;
    all('[data-rest]', one.host).forEach(rest => { rest.hidden = !all('[data-u]', rest).some(unit => !unit.hidden); });
    many += host;
    count += seen;
  }
  const open = active && count <= 60;
  for (const host of hosts) host.open = open ? !host.hidden : opened.get(host);
  for (const waived of all('.h details')) waived.open = open && all('.f', waived).some(element => !element.hidden);
  told.textContent = active ? `${count} ${count === 1 ? 'finding' : 'findings'} on ${many} ${many === 1 ? 'host' : 'hosts'}` : '';
}

function clear() {
  find.value = '';
  for (const box of boxes) box.checked = true;
  if (fresh) fresh.checked = false;
  apply();
}

function later() { clearTimeout(waiting); waiting = setTimeout(apply, 120); }

tools.hidden = false;
find.addEventListener('input', later);
for (const box of [...boxes, fresh]) if (box) box.addEventListener('change', apply);
document.getElementById('reset').addEventListener('click', () => {
  clear();
  find.focus();
});
addEventListener('hashchange', reveal);
let folded = [];
addEventListener('beforeprint', () => {
  folded = all('details:not([open])');
  for (const one of folded) one.open = true;
});
addEventListener('afterprint', () => { for (const one of folded) one.open = false; });
if (location.hash) reveal();
})();
"""
