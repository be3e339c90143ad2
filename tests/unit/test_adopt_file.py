# Copyright: stability.baseline contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a host: YAML that says exactly the lists, with what is to be decided beside each item, and never overwritten."""

from __future__ import annotations

import os
import stat
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.stability.baseline.plugins.module_utils.adopt_environments import describe, python_that_made
from ansible_collections.stability.baseline.plugins.module_utils.adopt_file import text_of, write_file
from ansible_collections.stability.baseline.plugins.module_utils.adopt_secrets import Secrets, is_template
from ansible_collections.stability.baseline.plugins.module_utils.problems import InvalidInput
from hypothesis import given
from hypothesis import strategies as st


class Loader(yaml.SafeLoader):
    """Reads ``!unsafe`` as text, as Ansible does, and remembers it."""


class Unsafe(str):
    """Text that is no template."""


Loader.add_constructor("!unsafe", lambda _loader, node: Unsafe(node.value))


def found(services: Any = (), environments: Any = (), marks: Any = (), unseen: Any = ()) -> dict[str, Any]:
    return {
        "services": list(services),
        "environments": list(environments),
        "marks": list(marks),
        "unseen": list(unseen),
    }


def loaded(text: str) -> Any:
    return yaml.load(text, Loader)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcXYZ_", min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=6), VALUES, max_size=5))
def test_the_file_says_exactly_the_lists(values: dict[str, Any]) -> None:
    item = {"name": "api", **values}
    assert loaded(text_of("web", found([item])))["stability_services"] == [item]


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "No",
        "0027",
        "1:30",
        "1e5",
        "0x1f",
        "12_000",
        "null",
        "~",
        "",
        " a",
        "a: b",
        "a #b",
        "-",
        "=",
        "512M",
        "5s",
        "2024-01-01",
        ".5",
        "*",
        "@x",
        "a,b",
    ],
)
def test_text_stays_text(text: str) -> None:
    assert loaded(text_of("web", found([{"name": "a", "x": text, "y": [text], "z": {"k": {"l": text}}}])))[
        "stability_services"
    ] == [{"name": "a", "x": text, "y": [text], "z": {"k": {"l": text}}}]


@pytest.mark.parametrize(
    ("text", "unsafe"),
    [
        ("{{ vault_api_token }}", False),
        ("a={{ vault_x }}", False),
        ("{{ x }}", True),
        ("{% if %}", True),
        ("{#", True),
        ("%({x}i)s", False),
    ],
)
def test_what_only_looks_like_a_template_is_none(text: str, unsafe: bool) -> None:
    value = loaded(text_of("web", found([{"name": "a", "x": text}])))["stability_services"][0]["x"]
    assert (value, isinstance(value, Unsafe)) == (text, unsafe)


def test_marks_stand_beside_their_items():
    marks = [
        {"subject": "b", "text": "it runs\nas root"},
        {"subject": "/v", "text": "no version"},
        {"subject": "/etc/cron.d/x:3", "text": "@reboot is no time"},
    ]
    lists = found(
        [{"name": "a", "user": "a"}, {"name": "b", "user": "root"}],
        [{"virtualenv": "/v", "pins": []}],
        marks,
        ["x (y)"],
    )
    text = text_of("web", lists)
    assert text.partition("go on.\n")[2] == textwrap.dedent(
        """\
        # decide: /etc/cron.d/x:3: @reboot is no time
        # not seen: x (y)
        stability_services:
          - name: a
            user: a
          # decide: it runs as root
          - name: b
            user: root
        stability_environments:
          # decide: no version
          - virtualenv: /v
            pins: []
        """
    )
    assert loaded(text) == {"stability_services": lists["services"], "stability_environments": lists["environments"]}


@given(st.text(max_size=300))
def test_no_text_breaks_out_of_its_comment(text: str) -> None:
    marks = [{"subject": "a", "text": text}, {"subject": text, "text": text}]
    assert loaded(text_of(text, found([{"name": "a"}], marks=marks, unseen=[text]))) == {
        "stability_services": [{"name": "a"}],
        "stability_environments": [],
    }


def test_only_the_one_who_runs_it_can_read_the_file(tmp_path):
    folder = tmp_path / "new" / "adopted"
    predicted = write_file(str(folder), "web", "a\n", check_mode=True)
    assert not folder.exists()
    written = write_file(str(folder), "web", "a\n", check_mode=False)
    assert predicted == written and written.changed and written.path == f"{folder}/web.yml"
    assert stat.S_IMODE(os.stat(written.path).st_mode) == 0o600
    assert Path(written.path).read_text() == "a\n"
    assert not write_file(str(folder), "web", "a\n", check_mode=False).changed


def test_what_somebody_decided_is_kept(tmp_path):
    (tmp_path / "web.yml").write_text("decided\n")
    for text, changed in (("a\n", True), ("a\n", False), ("b\n", True), ("decided\n", False)):
        written = write_file(str(tmp_path), "web", text, check_mode=False)
        assert (written.changed, (tmp_path / "web.yml").read_text()) == (changed, "decided\n")
    assert (tmp_path / "web.yml.new").read_text() == "b\n"
    assert sorted(os.listdir(tmp_path)) == ["web.yml", "web.yml.new"]


def test_a_folder_or_host_that_cannot_have_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="dest: found"):
        write_file(str(tmp_path / "file"), "web", "a", check_mode=False)
    for host in ("../web", ".web"):
        with pytest.raises(InvalidInput, match="inventory_hostname: found"):
            write_file(str(tmp_path), host, "a", check_mode=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--token=abc x", "--token={{ vault_s_token }} x"),
        ("--api-key abc x", "--api-key {{ vault_s_api_key }} x"),
        ("A_PASSWORD='a b' x", "A_PASSWORD='{{ vault_s_a_password }}' x"),
        ("redis://:pw@h/0 y", "{{ vault_s_address }} y"),
        ("--keyfile=/etc/passwd --key /etc/passwd", "--keyfile=/etc/passwd --key /etc/passwd"),
        ("--keep-alive 5 https://h/x", "--keep-alive 5 https://h/x"),
        ("TOKEN=x {{ y }}", "{{ vault_s_value }}"),
        ("TOKEN=x; run", "TOKEN={{ vault_s_token }}; run"),
        ("TOKEN=x;run", "{{ vault_s_value }}"),
        ("TOKEN=a'b c'd run", "TOKEN={{ vault_s_token }} run"),
        ("TOKEN=a\\ b run", "TOKEN={{ vault_s_token }} run"),
        ("'--token=a b' run", "'--token={{ vault_s_token }}' run"),
        ('sh -c "TOKEN=a b"', 'sh -c "TOKEN={{ vault_s_token }} b"'),
        ('run "TOKEN=a b"', 'run "TOKEN={{ vault_s_token }}"'),
        ("--token $TOKEN --key=${KEY} x", "--token $TOKEN --key=${KEY} x"),
        ("A_TOKEN=x B_TOKEN=y", "A_TOKEN={{ vault_s_a_token }} B_TOKEN={{ vault_s_b_token }}"),
        ("DSN=postgres://u:p@h/d http://u:p@h", "DSN={{ vault_s_dsn }} {{ vault_s_address }}"),
        ("--token --other", "--token --other"),
        ("mysql -u a -phunter2 db && run", "mysql -u a -p{{ vault_s_password }} db && run"),
        ("mysql -e 'a; b' -p'hunter2'; x -p 80", "mysql -e 'a; b' -p'{{ vault_s_password }}'; x -p 80"),
        ('sh -c "/usr/bin/redis-cli -a hunter2 ping"', 'sh -c "/usr/bin/redis-cli -a {{ vault_s_password }} ping"'),
        ("curl -su me:hunter2 https://h/ | x", "curl -su {{ vault_s_password }} https://h/ | x"),
        ("mysql -p$PW x; gunicorn -p /run/pid", "mysql -p$PW x; gunicorn -p /run/pid"),
        (
            "curl -H 'Authorization: Bearer hunter2' https://h",
            "curl -H 'Authorization: {{ vault_s_authorization }}' https://h",
        ),
        ('--header="X-Api-Key:hunter2" x', '--header="X-Api-Key:{{ vault_s_x_api_key }}" x'),
        ("-H 'Api-Key: hunter2' auth.wsgi:app", "-H 'Api-Key: {{ vault_s_api_key }}' auth.wsgi:app"),
        ("run Bearer hunter2 x", "run Bearer {{ vault_s_bearer }} x"),
        (
            "https://h/x?token=hunter2&page=2&api_key=hunter3",
            "https://h/x?token={{ vault_s_token }}&page=2&api_key={{ vault_s_api_key }}",
        ),
        ("'https://h/x?a=1&sig=hunter2'", "'https://h/x?a=1&sig={{ vault_s_sig }}'"),
        ("https://u:hunter2@h/x?token=hunter3&a=b y", "{{ vault_s_address }} y"),
        ("""run '{"a": {"password": "hunter2"}}'""", """run '{"a": {"password": "{{ vault_s_password }}"}}'"""),
        (
            r"""run "{\"password\": \"hunter2\"}" x""",
            r"""run "{\"password\": \"{{ vault_s_password }}\"}" x""",
        ),
        ("""run '{"token": 12345, "keep": 1}'""", """run '{"token": {{ vault_s_token }}, "keep": 1}'"""),
        ('{"password": "hunter2"}', "{{ vault_s_value | string }}"),
        ("""run '{"tokens": ["hunter2"]}'""", "{{ vault_s_value }}"),
        ("--author me --pw hunter2", "--author me --pw {{ vault_s_pw }}"),
        ("--password -9s!d x", "--password {{ vault_s_password }} x"),
        ("run --password -v --token --now", "run --password -v --token --now"),
        ("curl https://hc.example/6a9b2d1e-1111-4e2f-8a0b-123456789abc x", "curl {{ vault_s_address }} x"),
        ("curl 'https://hooks.example/services/T0/B0/hunter2'; x", "curl '{{ vault_s_address }}'; x"),
        ("https://api.example/bot12:hunter2/sendMessage", "{{ vault_s_address }}"),
        ("https://h/releases/my-service-2024.12-final.tar.gz", "https://h/releases/my-service-2024.12-final.tar.gz"),
    ],
)
def test_secrets_in_any_text(text: str, expected: str) -> None:
    assert Secrets("s", {}).text(text) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mysql", "-uapp", "-phunter2"], ["mysql", "-uapp", "-p{{ vault_s_password }}"]),
        (["/usr/bin/sshpass", "-p", "hunter2", "ssh"], ["/usr/bin/sshpass", "-p", "{{ vault_s_password }}", "ssh"]),
        (["python", "-m", "twine", "-p", "hunter2"], ["python", "-m", "twine", "-p", "{{ vault_s_password }}"]),
        (["gunicorn", "-p", "/run/pid", "-b", "[::]:80"], ["gunicorn", "-p", "/run/pid", "-b", "[::]:80"]),
        (["curl", "--user", "me:hunter2"], ["curl", "--user", "{{ vault_s_password }}"]),
        (
            ["x", "--header", "Authorization: Bearer hunter2"],
            ["x", "--header", "Authorization: {{ vault_s_authorization }}"],
        ),
        (["x", "--header=Api-Key: hunter2"], ["x", "--header=Api-Key: {{ vault_s_api_key }}"]),
        (["x", "Cookie: a=b; c=d"], ["x", "Cookie: {{ vault_s_cookie }}"]),
        (["x", "auth.wsgi:app", "tokens:app"], ["x", "auth.wsgi:app", "tokens:app"]),
        (["x", '{"db": {"password": "hunter2"}}'], ["x", "{{ vault_s_value | string }}"]),
        (["x", '{"workers": 4}'], ["x", '{"workers": 4}']),
        (
            ["x", "--url", "https://h/?access_token=hunter2"],
            ["x", "--url", "https://h/?access_token={{ vault_s_access_token }}"],
        ),
        (["sh", "-c", "mysql -phunter2 | x"], ["sh", "-c", "mysql -p{{ vault_s_password }} | x"]),
        (["x", "--key", "{{ vault_s_y }}"], ["x", "--key", "{{ vault_s_y }}"]),
        (["x", "--password", "-9s!d"], ["x", "--password", "{{ vault_s_password }}"]),
        (["x", "--token", "--now"], ["x", "--token", "--now"]),
        (["python", "-c", "password = b'hunter2'"], ["python", "-c", "password = b'{{ vault_s_password }}'"]),
        (["python", "-c", 'password= "hunter2"'], ["python", "-c", 'password= "{{ vault_s_password }}"']),
        (["python", "-c", 'password ="hunter2"'], ["python", "-c", 'password ="{{ vault_s_password }}"']),
        (
            ["python", "-c", "x = {'password': b'hunter2'}"],
            ["python", "-c", "x = {'password': b'{{ vault_s_password }}'}"],
        ),
        (
            ["python", "-c", "environ['TOKEN'] = rb'hunter2'"],
            ["python", "-c", "environ['TOKEN'] = rb'{{ vault_s_token }}'"],
        ),
        (["python", "-c", "token: str = 'hunter2'"], ["python", "-c", "token: str = '{{ vault_s_token }}'"]),
        (["python", "-c", 'key = """hunter2"""; a'], ["python", "-c", 'key = """{{ vault_s_key }}"""; a']),
        (["x", "-----BEGIN PRIVATE KEY-----\nabc"], ["x", "{{ vault_s_value }}"]),
        (["x", "--fernet", "hunter2"], ["x", "--fernet", "{{ vault_s_fernet }}"]),
        (["x", "--pin", "1234", "--path", "a"], ["x", "--pin", "{{ vault_s_pin }}", "--path", "a"]),
        (["x", "--dbpw", "hunter2", "--pwm", "9"], ["x", "--dbpw", "{{ vault_s_dbpw }}", "--pwm", "9"]),
        (
            ["python", "-c", "token = 'hunter2'; f(a, 'b')"],
            ["python", "-c", "token = '{{ vault_s_token }}'; f(a, 'b')"],
        ),
        (
            ["python", "-c", "environ['API_KEY'] = 'hunter2'; putenv(\"A_TOKEN\", \"hunter3\")"],
            [
                "python",
                "-c",
                "environ['API_KEY'] = '{{ vault_s_api_key }}'; putenv(\"A_TOKEN\", \"{{ vault_s_a_token }}\")",
            ],
        ),
    ],
)
def test_secrets_in_the_words_of_a_command(words: list[str], expected: list[str]) -> None:
    assert Secrets("s", {}).argv(words) == expected


def test_names_of_variables_that_speak_of_a_secret():
    secret = ("GITHUB_PAT", "PAT", "MY_PIN", "PIN2", "DBPW", "PW_OF_DB")
    plain = ("PATH", "PATTERN", "COMPAT", "SPIN", "PINNED", "MAPPING", "PWM_PORT")
    found = Secrets("s", {}).environment(dict.fromkeys((*secret, *plain), "hunter2"))
    assert {name for name, value in found.items() if value != "hunter2"} == set(secret)


def test_an_object_stays_text_where_it_is_a_variable():
    found = Secrets("s", {}).environment(
        {"LOGIN_KEY": '{"a": 1}', "X": '[{"token": "hunter2"}]', "Y": "Token: hunter2"}
    )
    assert found == {
        "LOGIN_KEY": "{{ vault_s_login_key | string }}",
        "X": "{{ vault_s_value | string }}",
        "Y": "Token: {{ vault_s_token }}",
    }
    text = text_of("web", {"services": [{"name": "a", "x": found}], "environments": [], "marks": [], "unseen": []})
    assert "!unsafe" not in text and loaded(text)["stability_services"][0]["x"] == found


def test_secrets_of_a_command_and_of_an_environment():
    secrets = Secrets("my-app", {})
    assert secrets.argv(["--db-password=p w", "API_KEY=;x", "-c", "API_KEY=y run"]) == [
        "--db-password={{ vault_my_app_db_password }}",
        "API_KEY={{ vault_my_app_api_key }}",
        "-c",
        "API_KEY={{ vault_my_app_api_key_2 }} run",
    ]
    secrets = Secrets("my-app", {})
    assert secrets.argv(["/x", "--password", "p", "-k", "v", "--secret", "--flag", "a=b"]) == [
        "/x",
        "--password",
        "{{ vault_my_app_password }}",
        "-k",
        "v",
        "--secret",
        "--flag",
        "a=b",
    ]
    assert secrets.environment({"DB_PASSWORD": "q", "X": "amqp://u:p@h", "EMPTY_KEY": "", "PLAIN": "1"}) == {
        "DB_PASSWORD": "{{ vault_my_app_db_password }}",
        "X": "{{ vault_my_app_x }}",
        "EMPTY_KEY": "",
        "PLAIN": "1",
    }
    assert "vault_my_app_password, vault_my_app_db_password, vault_my_app_x" in secrets.told()
    assert not is_template("%({x}i)s")


def distribution(site: Path, name: str, version: str, **files: str) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    for file, text in files.items():
        (folder / file.replace("__", ".")).write_text(text)


def test_an_environment_is_its_pins(tmp_path):
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    distribution(site, "Flask", "3.0.3")
    distribution(site, "pip", "24.0")
    distribution(site, "torch", "2.1.0+cpu")
    distribution(site, "odd", "not-a-version")
    distribution(
        site, "mine", "1.0", direct_url__json='{"url": "https://me:pw@example.com/mine.zip", "archive_info": {}}'
    )
    distribution(site, "twice", "1.0")
    distribution(site, "twice", "2.0")
    (site / "old.egg-link").write_text("/srv/old\n")
    (site / "~flask").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.11").write_text("")
    (tmp_path / "pyvenv.cfg").write_text(f"home = {tmp_path}/bin\nversion = 3.11.2\n")
    item = describe(str(tmp_path), [])
    assert item is not None
    assert item.values["pins"] == ["flask==3.0.3", "torch==2.1.0+cpu"]
    assert item.values["python"] == f"{tmp_path}/bin/python3.11"
    assert [mark.split()[0] for mark in item.marks] == ["mine", "odd", "torch==2.1.0+cpu", "twice", "old", "~flask:"]
    assert "pw" not in str(item.marks)


def test_an_environment_that_does_not_say_what_made_it(tmp_path):
    (tmp_path / "pyvenv.cfg").write_text("home = /nowhere\n")
    assert python_that_made(str(tmp_path)) == ""
    item = describe(str(tmp_path), [])
    assert item is not None and "name one in python" in item.marks[0]
    unseen: list[str] = []
    assert describe(str(tmp_path / "none"), unseen) is None and "none" in unseen[0]
