"""Man pages and shell completions, made from the option table and the argument parsers.

`python -m kojid.cli.manual FILE` prints one of `kojid.8`, `kojid.conf.5`, `kojid.bash`, `_kojid`; `make generated`
writes them below `packaging/`, and a test holds the committed files against it.
"""
