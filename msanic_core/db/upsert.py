"""Insert or update by a unique key, in one transaction, on SQLite, PostgreSQL and MySQL or MariaDB.

Tortoise's `bulk_create(on_conflict=...)` does not work on MariaDB, and does not give the row.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError
from tortoise.fields.base import DatabaseDefault
from tortoise.models import Model
from tortoise.transactions import in_transaction

from msanic_core.db.querysets import ModelQuerySet

ModelT = TypeVar("ModelT", bound=Model)

_ATTEMPTS = 3


async def upsert(
    model: type[ModelT],
    key: Mapping[str, Any],
    update: Mapping[str, Any],
    create: Mapping[str, Any],
    connection: BaseDBAsyncClient,
) -> tuple[ModelT, bool]:
    """See `Model.upsert`. `update`: set in an existing row. `create`: set in a new one."""
    _check_key(model, key)
    for _ in range(_ATTEMPTS - 1):
        # PostgreSQL looks for the key first and inserts then. If another transaction inserts the same row in between,
        # PostgreSQL may report another unique column than the key. The next attempt finds the key.
        with suppress(IntegrityError):
            return await _upsert(model, key, update, create, connection)
    return await _upsert(model, key, update, create, connection)


async def _upsert(
    model: type[ModelT],
    key: Mapping[str, Any],
    update: Mapping[str, Any],
    create: Mapping[str, Any],
    connection: BaseDBAsyncClient,
) -> tuple[ModelT, bool]:
    async with in_transaction(connection.connection_name) as transaction:
        created = await _insert(transaction, model(**{**create, **key}), list(key))
        rows = ModelQuerySet(model).using_db(transaction).filter(**key)
        if not created:
            await rows.update(**update)
        # With the lock we read the current row, even if the caller's transaction has an older snapshot of the table.
        row = await rows.select_for_update().get_or_none()
        if row is None:
            raise IntegrityError(f"another {model.__name__} has a unique value of the one to insert, with {dict(key)}")
        return row, created


async def _insert(connection: BaseDBAsyncClient, row: Model, key: list[str]) -> bool:
    """Insert the row unless its key exists, and lock the existing row. Gives whether it was inserted."""
    await row._set_async_default_field()
    meta = row._meta
    executor = connection.executor_class(type(row), connection)
    columns = executor.regular_columns_all if row._custom_generated_pk else executor.regular_columns
    values = {
        meta.fields_db_projection[name]: meta.fields_map[name].to_db_value(value, row)
        for name in columns
        if not isinstance(value := getattr(row, name), DatabaseDefault)
    }
    query = connection.query_class.into(meta.basetable).columns(*values)
    sql = query.insert(*map(executor.parameter, range(len(values)))).get_sql()

    quote = connection.query_class.SQL_CONTEXT.quote_char
    names = [f"{quote}{meta.fields_db_projection[name]}{quote}" for name in key]
    match connection.capabilities.dialect:
        case "mysql":
            # IGNORE would hide other errors too. Here any unique key counts as existing; the caller checks which.
            sql += f" ON DUPLICATE KEY UPDATE {names[0]}={names[0]}"
            count, _ = await connection.execute_query(sql, list(values.values()))
            return count == 1
        case "postgres":
            # An update without a change locks the row; xmax is 0 in a row that no transaction has updated or locked.
            sql += f" ON CONFLICT ({','.join(names)}) DO UPDATE SET {names[0]}=EXCLUDED.{names[0]}"
            (found,) = await connection.execute_query_dict(f"{sql} RETURNING xmax = 0 AS inserted", [*values.values()])
            return bool(found["inserted"])
        case _:
            sql += f" ON CONFLICT ({','.join(names)}) DO NOTHING RETURNING 1"
            return bool(await connection.execute_query_dict(sql, list(values.values())))


def _check_key(model: type[Model], key: Mapping[str, Any]) -> None:
    meta = model._meta
    unique: list[tuple[str, ...]] = [(name,) for name in meta.fields_db_projection if meta.fields_map[name].unique]
    unique += [tuple(_column(model, name) for name in names) for names in meta.unique_together]
    if not any(set(names) == set(key) for names in unique):
        known = " or ".join(" and ".join(names) for names in unique)
        raise ValueError(f"{', '.join(key) or 'nothing'} is no unique key of {model.__name__}; it has {known}")
    if empty := [name for name, value in key.items() if value is None]:
        raise ValueError(f"{', '.join(empty)} of the key is None, which is equal to nothing, not even to itself")


def _column(model: type[Model], name: str) -> str:
    """The field that is the column of a field: for a relation it is another, `author_id` for `author`."""
    field = model._meta.fields_map[name]
    return field.source_field or name if name in model._meta.fetch_fields else name
