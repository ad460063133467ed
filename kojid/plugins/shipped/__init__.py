"""The plugins that come with the builder, each a module of its name, which the `plugin` option loads (contract 10.1).

They are found after the directories of `pluginpath`: a file of the same name there takes a shipped one's place. What a
plugin needs beside its handler lives in `kojid.plugins`, since every module here is a plugin that can be named. One
that has a configuration has a function `check(options)`, called at the start, that raises ConfigError.
"""
