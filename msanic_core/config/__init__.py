"""Settings: flags before the environment before `msanic.toml` before the defaults.

Read `sections.py` first (each setting with its limits and default), then `load.py`, `sources.py` (where values are
written) and `text.py` (how they are shown to people). Other rooms import the three names below, a section's type from
`sections`, and `masked` from `text`.
"""

from msanic_core.config.load import load_settings, settings_from
from msanic_core.config.sections import Settings

__all__ = ["Settings", "load_settings", "settings_from"]
