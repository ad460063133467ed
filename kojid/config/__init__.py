"""Options: one row each, and how the configuration file is read."""
