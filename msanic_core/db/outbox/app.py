"""The core's own app of models: the table of the outbox, and its migrations."""

from msanic_core.db.apps import CORE_LABEL, PluginApp
from msanic_core.db.outbox import models


def core_app() -> PluginApp:
    """Make the app, which comes before those of the plugins."""
    return PluginApp(CORE_LABEL, "", (models,), f"{__package__}.migrations")
