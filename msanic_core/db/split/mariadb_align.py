"""Changes a part's table to match its template on MariaDB, by comparing SHOW CREATE TABLE of both."""

from __future__ import annotations

import re
from typing import NamedTuple

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError, OperationalError

from msanic_core.db.split.tables import Changes, surplus_columns
from msanic_core.errors import SplitError

_COLUMN = re.compile(r"`((?:[^`]|``)+)` (.+)")
_KEY = re.compile(r"(?:UNIQUE |FULLTEXT |SPATIAL )?KEY `((?:[^`]|``)+)` .+")


class _Definition(NamedTuple):
    """A table's columns and keys, as MariaDB writes them; names are escaped for quoting."""

    columns: dict[str, str]
    keys: dict[str, str]


async def align(client: BaseDBAsyncClient, template: str, table: str, changes: Changes) -> list[str]:
    """Change the columns and keys of a table to match another's. A new column has its values from the start.

    Raises `SplitError` for columns that may not be dropped, and for rows that do not fit.
    """
    wanted, found = await _definition(client, template), await _definition(client, table)
    new = [name for name in wanted.columns if name not in {changes.rename.get(old, old) for old in found.columns}]
    bare = [name for name in new if "NOT NULL" in wanted.columns[name] and " DEFAULT " not in wanted.columns[name]]
    await _refuse_empty(client, table, [name for name in bare if name not in changes.fill])
    filled = [name for name in bare if name in changes.fill]
    steps = _column_steps(table, wanted.columns, found.columns, changes)
    # Without a default MariaDB would fill in zeros and empty texts. It is dropped in the next statement.
    steps += [f"ADD COLUMN `{name}` {wanted.columns[name]}" for name in new if name not in filled]
    steps += [f"DROP KEY `{name}`" for name, key in found.keys.items() if wanted.keys.get(name) != key]
    steps += [f"ADD {key}" for name, key in wanted.keys.items() if found.keys.get(name) != key]
    steps = [step.replace("%", "%%") for step in steps]
    steps = [*(f"ADD COLUMN `{n}` {wanted.columns[n]}".replace("%", "%%") + " DEFAULT %s" for n in filled), *steps]
    if not steps:
        return []
    try:
        values = [changes.fill[name] for name in filled]
        await client.execute_query(f"ALTER TABLE `{_escaped(table)}` {', '.join(steps)}", values)
        if filled:
            without = ", ".join(f"ALTER COLUMN `{name}` DROP DEFAULT" for name in filled)
            await client.execute_script(f"ALTER TABLE `{_escaped(table)}` {without}")
    except (OperationalError, IntegrityError) as error:
        raise SplitError(f"the rows of {table} do not fit its template: {error}") from error
    return [f"{table}: {step}" for step in steps]


def _column_steps(table: str, wanted: dict[str, str], found: dict[str, str], changes: Changes) -> list[str]:
    """Write the changes of the existing columns."""
    steps, surplus = [], []
    for old, definition in found.items():
        name = changes.rename.get(old, old)
        if name in wanted and name != old:
            steps.append(f"CHANGE COLUMN `{old}` `{name}` {wanted[name]}")
        elif name in wanted and wanted[name] != definition:
            steps.append(f"MODIFY COLUMN `{name}` {wanted[name]}")
        elif name not in wanted and name in changes.drop:
            steps.append(f"DROP COLUMN `{name}`")
        elif name not in wanted:
            surplus.append(old)
    if surplus:
        raise SplitError(surplus_columns(table, surplus))
    return steps


async def _refuse_empty(client: BaseDBAsyncClient, table: str, columns: list[str]) -> None:
    if columns and await client.execute_query_dict(f"SELECT 1 AS x FROM `{_escaped(table)}` LIMIT 1"):
        raise SplitError(
            f"the rows of {table} do not fit its template: {', '.join(columns)} must not be null and has no default"
        )


async def _definition(client: BaseDBAsyncClient, table: str) -> _Definition:
    row = (await client.execute_query_dict(f"SHOW CREATE TABLE `{_escaped(table)}`"))[0]
    lines = [line.strip().removesuffix(",") for line in row["Create Table"].splitlines()[1:-1]]
    columns = {found[1]: found[2] for line in lines if (found := _COLUMN.fullmatch(line))}
    keys = {found[1]: line for line in lines if (found := _KEY.fullmatch(line))}
    return _Definition(columns, keys)


def _escaped(name: str) -> str:
    return name.replace("`", "``")
