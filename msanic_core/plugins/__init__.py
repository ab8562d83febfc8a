"""Plugins: which are installed, what they declare, and how their hooks are called.

At start `loading.py` goes through `discovery.py` (entry points, imports, `requirement.py`) and `declarations.py`
(settings, commands, models), and gives a `PluginSet`. While the server runs `calling.py` calls the hooks and awaits
them. Other rooms import `PluginSet`, `Plugin` and `Implementation`, `load_plugins`, and the functions of `calling`.
"""
