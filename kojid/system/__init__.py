"""The only floor that forks, executes, kills and mounts."""
