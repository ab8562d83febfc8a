"""Split tables: one model whose rows live in several tables, its parts. An extension of Tortoise that plugins use.

Read `naming.py` (which part a value belongs to), `split_table.py` (the description that the other files take),
`tables.py` (what is needed of a database; `*_tables.py` and `*_align.py` do it, `dialects.py` chooses), `parts.py`
(which parts exist), `query.py` with `union.py`, `rows.py` and `aggregate.py`, `upkeep.py`, and last `split_model.py`.
Plugins import the names below from `msanic_core.db`. The room imports nothing of the core but `errors`.
"""

from msanic_core.db.split.parts import Part
from msanic_core.db.split.query import SplitQuery
from msanic_core.db.split.split_model import SplitModel
from msanic_core.db.split.upkeep import AlterParts

__all__ = ["AlterParts", "Part", "SplitModel", "SplitQuery"]
