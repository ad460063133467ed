from __future__ import annotations

import subprocess
from pathlib import Path

import koji
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kojid.buildroot.literals import BRACE_MACROS, begins_template, check_plain, macro_body, neutral
from tests.support.fakebuildroot import need

braces = st.text(alphabet="{}%# ax\n\\", max_size=40)


@given(braces)
def test_nothing_that_begins_a_template_survives(text: str) -> None:
    assert not begins_template(neutral(text))
    assert not begins_template(macro_body(text))


@given(braces)
def test_text_without_templates_is_left_as_it_is(text: str) -> None:
    if not begins_template(text):
        assert neutral(text) == text


def test_lists_and_dicts_are_gone_through() -> None:
    assert neutral({"{{a": ["{%b", ("{#c", 1)]}) == {"{ {a": ["{ %b", ("{ #c", 1)]}


@pytest.mark.parametrize("text", [
    "plain",
    "{{ 7*7 }}",
    "{% for x in y %}{{ x }}{% endfor %}",
    "{# note #}",
    "{{{deep}}}",
    "first\nsecond",
    "a {{ b }} c {{ d }} e",
])  # fmt: skip
def test_rpm_sees_the_text_of_the_tag(tmp_path: Path, text: str) -> None:
    assert _expand(tmp_path, text, "%mine") == text


def test_braces_inside_a_conditional_stay_balanced(tmp_path: Path) -> None:
    body = "%{?_vendor:{{ yes }}}%{!?_vendor:{{ no }}}"
    assert _expand(tmp_path, body, "%mine|%after") == "{{ yes }}|after"


def test_an_empty_macro_is_empty_and_not_refused_by_mock(tmp_path: Path) -> None:
    assert macro_body("") != ""
    assert _expand(tmp_path, "", "<%mine>") == "<>"


def test_a_newline_does_not_begin_another_definition(tmp_path: Path) -> None:
    assert _expand(tmp_path, "x\n%after hijacked", "%after") == "after"


def _expand(tmp_path: Path, text: str, expression: str) -> str:
    """What rpm makes of it, from a file in the form that mock writes."""
    need("rpm")
    macros = {**BRACE_MACROS, "%mine": macro_body(text), "%after": "after"}
    file = tmp_path / "macros"
    file.write_text("".join(f"{name} {body}\n" for name, body in macros.items()))
    command = ["rpm", "--load", str(file), "--eval", expression]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout[:-1]


@pytest.mark.parametrize("config", [
    "config_opts['a'] = 'b'",
    "config_opts['plugin_conf']['a'] = {}\nconfig_opts['n'] = [('a', -1, None, True, {'x': 1.5})]",
    "config_opts['plugin_conf']['bind_mount_opts']['dirs'].append(('/a', '/b'))",
    "# a comment\n",
])  # fmt: skip
def test_plain_settings_pass(config: str) -> None:
    check_plain(config)


@pytest.mark.parametrize("config", [
    "import os",
    "config_opts['a'] = open('/etc/passwd').read()",
    "config_opts['a'] = [x for x in y]",
    "other['a'] = 'b'",
    "config_opts[open('x')] = 'b'",
    "config_opts['a'].clear()",
    "config_opts['a'].append(open('x'))",
    "config_opts['a'] = '{{ x }}'",
    "config_opts['a'] = ['{% x %}']",
    "config_opts['a'] = 'unfinished",
    "config_opts['a'] = nan",
])  # fmt: skip
def test_anything_else_does_not(config: str) -> None:
    with pytest.raises(koji.BuildrootError):
        check_plain(config)
