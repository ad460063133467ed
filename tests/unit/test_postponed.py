"""What a daemon does not load before it is wanted, in processes of their own: this one has loaded everything."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

START = "import sys; from kojid import postponed; postponed.postpone(); import kojid.cli.start, koji; "


def told(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_daemon_at_its_start_has_loaded_nothing_that_it_may_never_need() -> None:
    big = (
        "gssapi",
        "cryptography",
        "OpenSSL",
        "smtplib",
        "sqlite3",
        "kojid.tasks.build",
        "kojid.sources.scm",
        "kojid.buildroot.buildroot",
        "dnf",
    )
    assert told(f"print([name for name in {big} if name in sys.modules])") == "[]"


def test_a_library_that_is_postponed_is_there_when_it_is_wanted() -> None:
    assert told("print(koji.xmlrpcplus.xmlrpc_server.SimpleXMLRPCDispatcher.__name__)") == "SimpleXMLRPCDispatcher"
    assert told("import xmlrpc.server as it; print(it.SimpleXMLRPCServer.__name__)") == "SimpleXMLRPCServer"
    assert told("from xmlrpc.server import SimpleXMLRPCServer as it; print(it.__name__)") == "SimpleXMLRPCServer"


def test_requests_begins_anew_where_it_will_not_do_with_one_of_two_that_guess() -> None:
    code = (
        "import importlib.metadata as it; told = it.version; "
        "it.version = lambda name: '99.0.0' if name == 'charset_normalizer' else told(name); "
        "from kojid import postponed; postponed.postpone(); import requests; "
        "print(requests.compat.chardet.__name__ in ('chardet', 'charset_normalizer'), requests.Session().get.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True get", done.stderr
    hinted = importlib.util.find_spec("chardet") is None
    assert ("supported version" in done.stderr) == hinted, done.stderr


def test_the_encoding_of_a_page_that_is_no_hub_can_still_be_guessed() -> None:
    text = "Seite nicht gefunden: größer"
    code = f"import requests; it = requests.Response(); it._content = {text!r}.encode(); print(len(it.text))"
    assert told(code) == str(len(text))


def test_kerberos_is_there_when_it_is_wanted_if_it_is_installed() -> None:
    code = "k = koji.reqgssapi; print(k is None or k.HTTPSPNEGOAuth.__name__)"
    assert told(code) in ("True", "HTTPSPNEGOAuth")
