"""The running daemon: loop, admission, schedule, supervision and housekeeping."""
