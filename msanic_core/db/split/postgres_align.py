"""Changes a part's table to match its template on PostgreSQL, by comparing both in the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import asyncpg

from msanic_core.db.split.tables import Changes, surplus_columns
from msanic_core.errors import SplitError

_COLUMNS = """
    SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
           pg_get_expr(d.adbin, d.adrelid) AS default, a.attidentity::text <> '' AS identity
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_INDEXES = """
    SELECT pg_get_indexdef(i.indexrelid) AS definition, i.indexrelid::regclass::text AS index,
           c.conname::text AS constraint
    FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
    WHERE i.indrelid = to_regclass($1) AND NOT i.indisprimary
"""
_INDEX = re.compile(r"(CREATE (?:UNIQUE )?INDEX) .+? ON .+? (USING .+)", re.DOTALL)


async def align(connection: Any, template: str, table: str, changes: Changes) -> list[str]:
    """Change the columns and indexes of a table to match another's, within the connection's transaction.

    Raises `SplitError` for columns that may not be dropped, and for rows that do not fit.
    """
    try:
        done = await _align_columns(connection, template, table, changes)
        return done + await _align_indexes(connection, template, table)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
        raise SplitError(f"the rows of {table} do not fit its template: {error}") from error


async def _align_columns(connection: Any, template: str, table: str, changes: Changes) -> list[str]:
    wanted, found = await _columns(connection, template), await _columns(connection, table)
    steps = []
    for old, new in changes.rename.items():
        if old in found and new in wanted and new not in found:
            steps.append(f"RENAME COLUMN {_quoted(old)} TO {_quoted(new)}")
            found[new] = found.pop(old)
    for name in changes.drop & (found.keys() - wanted.keys()):
        steps.append(f"DROP COLUMN {_quoted(name)}")
        del found[name]
    if surplus := [name for name in found if name not in wanted]:
        raise SplitError(surplus_columns(table, surplus))
    for step in steps:
        await connection.execute(f"ALTER TABLE {_quoted(table)} {step}")
    for name, column in wanted.items():
        if name in found:
            steps += await _alter(connection, table, column, found[name])
        else:
            steps.append(await _add(connection, table, column, changes.fill))
    return [f"{table}: {step}" for step in steps]


async def _add(connection: Any, table: str, column: Any, fill: Mapping[str, object]) -> str:
    name = _quoted(column["name"])
    step = f"ADD COLUMN {name} {column['type']}" + (f" DEFAULT {column['default']}" if column["default"] else "")
    await connection.execute(f"ALTER TABLE {_quoted(table)} {step}")
    if column["required"]:
        if column["name"] in fill and not column["default"]:
            await connection.execute(f"UPDATE {_quoted(table)} SET {name} = $1", fill[column["name"]])
        await connection.execute(f"ALTER TABLE {_quoted(table)} ALTER COLUMN {name} SET NOT NULL")
    return step


async def _alter(connection: Any, table: str, wanted: Any, found: Any) -> list[str]:
    name = _quoted(wanted["name"])
    steps = []
    if wanted["type"] != found["type"]:
        steps.append(f"ALTER COLUMN {name} TYPE {wanted['type']} USING {name}::{wanted['type']}")
    counted = found["identity"] or (found["default"] or "").startswith("nextval(")
    if wanted["default"] != found["default"] and not counted:
        steps.append(
            f"ALTER COLUMN {name} " + (f"SET DEFAULT {wanted['default']}" if wanted["default"] else "DROP DEFAULT")
        )
    if wanted["required"] != found["required"]:
        steps.append(f"ALTER COLUMN {name} {'SET' if wanted['required'] else 'DROP'} NOT NULL")
    for step in steps:
        await connection.execute(f"ALTER TABLE {_quoted(table)} {step}")
    return steps


async def _align_indexes(connection: Any, template: str, table: str) -> list[str]:
    wanted, found = await _indexes(connection, template), await _indexes(connection, table)
    steps = []
    for definition in found.keys() - wanted.keys():
        row = found[definition]
        if row["constraint"]:
            steps.append(f"ALTER TABLE {_quoted(table)} DROP CONSTRAINT {_quoted(row['constraint'])}")
        else:
            steps.append(f"DROP INDEX {row['index']}")
    for create, what in wanted.keys() - found.keys():
        steps.append(f"{create} ON {_quoted(table)} {what}")
    for step in steps:
        await connection.execute(step)
    return [f"{table}: {step}" for step in steps]


async def _columns(connection: Any, table: str) -> dict[str, Any]:
    return {row["name"]: row for row in await connection.fetch(_COLUMNS, _quoted(table))}


async def _indexes(connection: Any, table: str) -> dict[tuple[str, str], Any]:
    """Give a table's indexes by their definitions without names."""
    found = {}
    for row in await connection.fetch(_INDEXES, _quoted(table)):
        if shape := _INDEX.fullmatch(row["definition"]):
            found[shape[1], shape[2]] = row
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
