"""Buildroots: mock, its configuration, its logs and what is installed in them."""
