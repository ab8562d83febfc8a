"""Checks whether another program has already made the tables and columns that migrations would make."""

from collections.abc import Iterable

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import OperationalError
from tortoise.fields.relational import ManyToManyFieldInstance
from tortoise.models import Model

from msanic_core.db.faults import DatabaseFault, fault_of
from msanic_core.errors import MigrationError


async def check_tables(models: Iterable[type[Model]], client: BaseDBAsyncClient) -> None:
    """Raise `MigrationError` for the first table that does not exist, or lacks a column of its model.

    Types, indexes and constraints are not compared, since databases and programs write them differently.
    """
    for model in models:
        await _check(model._meta.db_table, model._meta.fields_db_projection.values(), client)
        for name in sorted(model._meta.m2m_fields):
            field = model._meta.fields_map[name]
            assert isinstance(field, ManyToManyFieldInstance)
            if not field._generated:
                await _check(field.through, (field.backward_key, field.forward_key), client)


async def _check(table: str, columns: Iterable[str], client: BaseDBAsyncClient) -> None:
    quote = "`" if client.capabilities.dialect == "mysql" else '"'
    # With the table before it: SQLite takes a quoted name that is no column for a text.
    listed = ", ".join(f"t.{quote}{column}{quote}" for column in columns)
    try:
        await client.execute_query(f"select {listed} from {quote}{table}{quote} t where 1 = 0")
    except OperationalError as error:
        if fault_of(error) is DatabaseFault.TRY_AGAIN:
            raise
        text = " ".join(str(error).split())
        raise MigrationError(
            f"table {table} is not as the migrations would make it: {text}; name the tables and columns in the models "
            "as they are, or apply the migrations without --fake"
        ) from error
