"""Package repositories: createrepo, merging external ones, origins."""
