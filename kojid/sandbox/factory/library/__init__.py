"""What has to be on the module path of a daemon that is to find ImageFactory and oz."""
