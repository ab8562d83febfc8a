"""Plugins: which are installed, what they declare, and how their hooks are called.

Read `plugin.py` (the data), then `loading.py`: at start it uses `discovery.py` (entry points, `requirement.py`,
`order.py`) and `declarations.py` (settings, commands, models) and returns a `PluginSet`. While the server runs,
`calling.py` calls the hooks. Other rooms import the classes of `plugin`, `load_plugins`, `running_version`, and the
functions of `calling`.
"""
