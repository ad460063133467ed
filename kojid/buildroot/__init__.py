"""Buildroots: mock, its configuration, its logs and what is installed in them.

The daemon itself looks at warm roots only: a buildroot is `buildroot.BuildRoot`, which tasks import.
"""
