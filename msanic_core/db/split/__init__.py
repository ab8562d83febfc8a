"""Split tables: one model whose rows live in several tables, its parts."""

from msanic_core.db.split.split_model import SplitModel
from msanic_core.db.split.upkeep import AlterParts

__all__ = ["AlterParts", "SplitModel"]
