"""The command line: argument parsing, the daemon's start, one module per sub-command."""
