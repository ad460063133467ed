"""Stands for oz, the library that installs virtual machines; ImageFactory alone uses it."""
