"""One database for all plugins, through Tortoise ORM: connection, models, pages, migrations, outbox, split tables.

Read `database.py` (the connection) and `apps.py` (each plugin's models), then what models are made of: `fields.py`,
`querysets.py`, `upsert.py`, `model.py`, `soft_delete.py`; `pages.py` lists rows; `faults.py` tells a conflict from an
outage. `migration/`, `outbox/` and `split/` are rooms of their own. Plugins import the names below from here.
Importing this package imports no Tortoise. Only this room and `testing` use Tortoise in the core.

Not public or not documented, of Tortoise 1.1 and its pypika; `tests/db/test_tortoise_contract.py` fails when an upgrade
moves one. Models: `_meta` with `_default_ordering` and `_model`, `_choose_db`, `_custom_generated_pk`, `_init_from_db`,
`_listeners`, `_partial`, `_saved_in_db`, `_set_async_default_field`, `_wait_for_listeners`; `_no_comments` as the mark
of a migration's models. Fields: `_generated`, `_db_mysql`. Managers: `_model`. Queries: `_make_query`, `_select_other`,
`Parameterizer`, `resolve_to_python_value`. Executors: `regular_columns`, `regular_columns_all`, `parameter`;
`EXECUTOR_CACHE` by connection, schema and table. Connections: `_create_connection`, `_current_context`,
`_in_transaction`, `_parent`, `pool_minsize`, `pool_maxsize`. Migrations: `_project_state`, `_project_state_cache`,
`_schema_editor`, `_run_sql`, and the loader's `graph` and `recorder`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msanic_core.db.fields import NameField, UtcDatetimeField
    from msanic_core.db.model import Model
    from msanic_core.db.pages import MAX_PAGE, Page, PageAfter, page, page_after
    from msanic_core.db.querysets import ModelManager, SoftDeleteManager
    from msanic_core.db.soft_delete import SoftDeleteModel
    from msanic_core.db.split import AlterParts, Part, SplitModel, SplitQuery

__all__ = [
    "MAX_PAGE",
    "AlterParts",
    "Model",
    "ModelManager",
    "NameField",
    "Page",
    "PageAfter",
    "Part",
    "SoftDeleteManager",
    "SoftDeleteModel",
    "SplitModel",
    "SplitQuery",
    "UtcDatetimeField",
    "page",
    "page_after",
]

_HOMES = {
    "MAX_PAGE": "pages",
    "AlterParts": "split",
    "Model": "model",
    "ModelManager": "querysets",
    "NameField": "fields",
    "Page": "pages",
    "PageAfter": "pages",
    "Part": "split",
    "SoftDeleteManager": "querysets",
    "SoftDeleteModel": "soft_delete",
    "SplitModel": "split",
    "SplitQuery": "split",
    "UtcDatetimeField": "fields",
    "page": "pages",
    "page_after": "pages",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use: a server without models does not spend the time that Tortoise takes."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
