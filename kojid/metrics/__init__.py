"""What the daemon counts: the table of metrics, and the tally that every floor may add to."""
