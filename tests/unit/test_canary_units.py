# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes in the place of services: what of a unit they have, what they import, and where there are none."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.stability.baseline.plugins.module_utils.audit_model import Unit, UnitFile
from ansible_collections.stability.baseline.plugins.module_utils.canary_applications import Served, served_by
from ansible_collections.stability.baseline.plugins.module_utils.canary_unit import obstacle, text_of, with_name


def unit(text: str, name: str = "api.service", **properties: Any) -> Unit:
    path = f"/etc/systemd/system/{name}"
    return Unit(name, {"FragmentPath": path, **properties}, (UnitFile(path, f"[Service]\n{text}\n", 1.0),))


@pytest.mark.parametrize(
    ("command", "served"),
    [
        ("/v/bin/gunicorn --bind unix:shop.sock wsgi:app", Served("wsgi", ("/srv",))),
        ("/v/bin/python3 /v/bin/gunicorn -b localhost:http --user www:www shop.wsgi", Served("shop.wsgi", ("/srv",))),
        ("/v/bin/gunicorn --reload shop.web:app", Served("shop.web", ("/srv",))),
        ("/v/bin/gunicorn --chdir=/opt/shop -w 4 web:create_app()", Served("web", ("/opt/shop", "/srv"), True)),
        ("/v/bin/gunicorn -c conf.py web:app", Served("web", ("/srv",), True)),
        ("/v/bin/gunicorn --log-config-json /x.json web:app", Served("web", ("/srv",), True)),
        ("/v/bin/python -m uvicorn --app-dir src --proxy-headers shop:app", Served("shop", ("/srv/src", "/srv"))),
        ("/v/bin/uvicorn shop:make --factory", Served("shop", ("/srv",), True)),
        ("/v/bin/uvicorn shop:app --log-config log.json", Served("shop", ("/srv",), True)),
        ("/v/bin/celery -A proj.tasks:app worker -l info", Served("proj.tasks", ("/srv",), True)),
        ("/v/bin/celery --app=proj worker", Served("proj", ("/srv",), True)),
        ("/usr/bin/python3 copy.py source:target", Served()),
        ("/usr/bin/python3 -c x:y", Served()),
        ("/opt/x.py -A all", Served()),
        ("/v/bin/gunicorn --bind unix:shop.sock", Served("", ("/srv",))),
        ("", Served()),
    ],
)
def test_what_a_server_runs(command: str, served: Served) -> None:
    assert served_by(command.split(), "/srv") == served


def test_settings_are_kept_and_what_is_about_the_program_is_not() -> None:
    text = text_of(
        unit(
            "Type=notify\nUser=old\nGroup=www\nExecStart=/bin/api\nExecStartPre=+/bin/chown api /x\nRestart=always\n"
            "RestrictRealtime=yes\nExecPaths=/opt\nKillMode=mixed\nAppArmorProfile=api\nEnvironment=A=1\nEnvironment=\n"
            "Environment=B=%n C=50%%\nEnvironment=TOKEN='x\n"
            "Environment=TOKEN-X=y OK=1\nEnvironment=y\nEnvironment=T=%z\nEnvironmentFile=-/etc/default/%j\nRuntimeDirectory=api\nRuntimeDirectoryMode=0700\n"
            "StateDirectory=a b:c\nStandardInput=socket\nSocketBindDeny=any\nReadWriteDirectories=/srv",
            "my-api@one-two.service",
            User="now",
        ),
        ["/usr/bin/python3", "/run/x.py", "50%"],
    )
    assert text.split("\n") == [
        *("[Unit]", "CollectMode=inactive-or-failed", "[Service]", "Type=oneshot"),
        *("TimeoutStartSec=30", "TimeoutStopSec=5", "OOMScoreAdjust=1000"),
        'ExecStart=/usr/bin/python3 /run/x.py "50%%"',
        "User=now",
        *("Environment=RUNTIME_DIRECTORY=/run/api", "ReadWritePaths=-/run/api"),
        *("Environment=STATE_DIRECTORY=/var/lib/a:/var/lib/b", "ReadWritePaths=-/var/lib/a -/var/lib/b"),
        *("Group=www", "RestrictRealtime=yes", "ExecPaths=/opt", "AppArmorProfile=api"),
        *("Environment=B=my-api@one-two.service C=50%%", "EnvironmentFile=-/etc/default/api"),
        *("SocketBindDeny=any", "ReadWriteDirectories=/srv", "UnsetEnvironment=STABILITY_PROBE", ""),
    ]


def test_a_dynamic_user_stays_one() -> None:
    lines = text_of(unit("DynamicUser=yes\nStateDirectory=api", User="api"), ["/bin/true"]).split("\n")
    assert "DynamicUser=yes" in lines and not [line for line in lines if line.startswith(("User=", "ReadWritePaths="))]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("%n %N %p %i %I", "a-b@c-d.service a-b@c-d a-b c-d c/d"),
        ("%j %J %P %f %y %Y", "b b a/b /c/d /x/a-b@.service /x"),
        ("%%n %H %", "%%n %H %"),
    ],
)
def test_what_names_the_unit_is_written_out(value: str, written: str) -> None:
    assert with_name(value, "a-b@c-d.service", "/x/a-b@.service") == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "StandardError=append:/var/log/x",
            "its output goes to a file, which another process would write into (SB201)",
        ),
        ("StandardOutput=file:/x\nStandardOutput=journal", ""),
        ("RootDirectory=/srv/root", "it has a root folder of its own"),
        ("RootImage=/srv/root.img", "it has a root folder of its own"),
        ("TemporaryFileSystem=/var /run:ro", "it does not see /run"),
        ("InaccessiblePaths=-/run/", "it does not see /run"),
        ("InaccessiblePaths=/run/secrets", ""),
        ("RestrictAddressFamilies=AF_INET AF_INET6", "it may not use AF_UNIX"),
        ("RestrictAddressFamilies=AF_INET AF_UNIX", ""),
        ("RestrictAddressFamilies=~AF_UNIX", "it may not use AF_UNIX"),
        ("RestrictAddressFamilies=~AF_PACKET", ""),
        ("User=api", ""),
    ],
)
def test_where_no_process_can_stand_in(text: str, reason: str) -> None:
    assert obstacle(unit(text)) == reason
