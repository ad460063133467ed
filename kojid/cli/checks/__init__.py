"""What `kojid check` looks at: one module per section, one row per item, listed in `table`."""
