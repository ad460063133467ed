"""The measuring suite: how fast kojid is, every figure beside a builder of the koji library's own parts.

`python -m bench` runs it; bench/README.md says how, and how to add a figure.
"""
