"""kojid: a builder daemon for the Koji RPM build system."""

__version__ = "0.1.0"
