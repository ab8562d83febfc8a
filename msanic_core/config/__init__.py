"""Settings. Flags override the environment, the environment overrides `msanic.toml`, the file overrides defaults.

Read `sections.py` first (each setting with its limits and default), then `load.py`, `sources.py` (file, environment and
flags) and `text.py` (texts for people). Other rooms import the three names below, a section's type from `sections`,
`same_name` from `sources`, and `masked` from `text`; `cli` also imports `flat` and `Origins` from `load`.
"""

from msanic_core.config.load import load_settings, settings_from
from msanic_core.config.sections import Settings

__all__ = ["Settings", "load_settings", "settings_from"]
