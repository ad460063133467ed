"""Where sources come from: source packages, spec files and version control."""
