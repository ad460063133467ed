"""Text from the hub on its way into a mock configuration: never executed by mock's templates (contract 7.3).

Mock renders every string of its configuration as a Jinja template, as root and again and again until nothing changes
(CVE-2023-6395). No escaping survives that, so the three sequences that begin a template, `{{`, `{%` and `{#`, must not
occur at all. In rpm macros a helper macro stands for the brace, so that rpm sees exactly the text that the tag has;
anywhere else the braces are parted by a blank.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Dict, List

import koji

LEFT, RIGHT = "%_kojid_lbrace", "%_kojid_rbrace"
# Their bodies begin with %{nil}: a body that begins with a brace would be read as one in braces.
BRACE_MACROS: Dict[str, str] = {LEFT: "%{nil}{", RIGHT: "%{nil}}"}

_OPENING = re.compile(r"\{(?=[{%#])")
_TEMPLATE = re.compile(r"\{[{%#]")
_BARE_NEWLINE = re.compile(r"(?<!\\)\n")


def neutral(value: Any) -> Any:
    """The value with a blank after every brace that would begin a template; lists and dicts are gone through."""
    if isinstance(value, str):
        return _OPENING.sub("{ ", value)
    if isinstance(value, (list, tuple)):
        return type(value)(neutral(item) for item in value)
    if isinstance(value, dict):
        return {neutral(key): neutral(item) for key, item in value.items()}
    return value


def begins_template(text: str) -> bool:
    """Whether mock would take a part of the text for a template."""
    return _TEMPLATE.search(text) is not None


def macro_body(text: str) -> str:
    """An rpm macro's body that expands to what `text` would, without anything that begins a template.

    A replaced brace takes its partner with it, so that `%{?x:{{y}}}` stays balanced. A newline gets the backslash that
    a macro file needs, else what follows it would be another definition; an empty body, which mock refuses, becomes
    the macro that is empty.
    """
    text = _BARE_NEWLINE.sub("\\\\\n", text.replace("%{#}", "%#"))
    out: List[str] = []
    open_braces: List[bool] = []  # for each brace that is open: whether it has been replaced
    percents = 0  # how many % come just before
    for index, character in enumerate(text):
        helper = ""
        if character == "{":
            helper = LEFT if _OPENING.match(text, index) else ""
            open_braces.append(bool(helper))
        elif character == "}" and open_braces and open_braces.pop():
            helper = RIGHT
        # A single % before the helper would turn it into plain text.
        out.append(("%" if percents % 2 else "") + f"%{{{helper[1:]}}}" if helper else character)
        percents = percents + 1 if character == "%" else 0
    return "".join(out) or "%{nil}"


def check_plain(config: str) -> None:
    """Make sure of a finished configuration: statements that assign literals to config_opts and nothing else.

    Raises:
        koji.BuildrootError: there is any other statement, or a text that begins a template.
    """
    try:
        statements = ast.parse(config).body
    except SyntaxError as error:
        raise koji.BuildrootError(f"the mock configuration can't be parsed: {error}") from error
    for statement in statements:
        if not _is_plain(statement):
            raise koji.BuildrootError(f"line {statement.lineno} of the mock configuration is not a plain setting")
        for node in ast.walk(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and begins_template(node.value):
                raise koji.BuildrootError(f"line {statement.lineno} of the mock configuration begins a template")


def _is_plain(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        return all(_is_setting(target) for target in statement.targets) and _is_literal(statement.value)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        appends = isinstance(call.func, ast.Attribute) and call.func.attr == "append" and _is_setting(call.func.value)
        return appends and not call.keywords and all(_is_literal(argument) for argument in call.args)
    return False


def _is_setting(node: ast.expr) -> bool:
    """Whether an expression is `config_opts[...]`, on one or more levels."""
    while isinstance(node, ast.Subscript):
        if not _is_literal(node.slice):
            return False
        node = node.value
        if isinstance(node, ast.Name):
            return node.id == "config_opts"
    return False


def _is_literal(node: ast.AST) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True
