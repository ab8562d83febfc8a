"""Applies one migration, or takes it back, and records that: in one transaction where the database can do so.

Tortoise's own executor records a migration after its transaction. A process that is killed in between would then try
to create existing tables at each start. Where changes of tables cannot be rolled back, a journal says how far it came.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from typing import NamedTuple

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.migration import Migration
from tortoise.migrations.operations import Operation, RunPython, RunSQL
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State
from tortoise.transactions import in_transaction

from msanic_core.db.database import CONNECTION
from msanic_core.db.faults import DatabaseFault, fault_of
from msanic_core.db.migration.journal import DESCRIPTION, Begun, Journal, Statements
from msanic_core.db.migration.sqlite_references import keeping_references
from msanic_core.errors import MigrationError

MakeEditor = Callable[[bool], BaseSchemaEditor]
"""Makes a schema editor; the argument: whether the whole migration is one transaction."""


class PreparedOperation(NamedTuple):
    """One operation of a migration, ready to be run."""

    operation: Operation
    run: Callable[[BaseSchemaEditor], Awaitable[None]]


async def run_step(
    key: MigrationKey, migration: Migration, state: State, make_editor: MakeEditor, *, backward: bool
) -> None:
    """Run all operations of a migration and record it. `state`: before the migration; this changes it to that after.

    Raises `MigrationError` that says which operation failed, why, what was changed and what to do. Raises the
    database's own error only if it is away.
    """
    try:
        await _run(key, migration, state, make_editor(migration.atomic), backward)
    except MigrationError:
        raise
    except Exception as error:
        if fault_of(error) is DatabaseFault.TRY_AGAIN:
            raise
        text = " ".join(str(error).split())
        raise MigrationError(
            f"{key}: its operations were run, and to complete it failed: {type(error).__name__}: {text}; run it again"
        ) from error


async def _run(key: MigrationKey, migration: Migration, state: State, editor: BaseSchemaEditor, backward: bool) -> None:
    operations = (_backward if backward else _forward)(migration, state)
    if not editor.atomic_migration:
        await _run_one_by_one(key, migration, operations, editor, backward)
    elif editor.client.capabilities.dialect == "sqlite" and not all(map(_changes_rows_only, migration.operations)):
        async with keeping_references(editor.client) as check:
            await _run_at_once(key, migration, operations, editor, backward, check)
    else:
        await _run_at_once(key, migration, operations, editor, backward, None)


async def _run_at_once(
    key: MigrationKey,
    migration: Migration,
    operations: Iterator[PreparedOperation],
    editor: BaseSchemaEditor,
    backward: bool,
    check: Callable[[], Awaitable[None]] | None,
) -> None:
    async with in_transaction(CONNECTION) as connection:
        editor.client = connection
        for number, prepared in enumerate(operations, 1):
            try:
                await prepared.run(editor)
                if check is not None and number == len(migration.operations):
                    await check()
            except Exception as error:
                raise _failure(key, migration, number, prepared, error, "nothing of it stands", backward) from error
        await _record(connection, key, backward)


async def _run_one_by_one(
    key: MigrationKey,
    migration: Migration,
    operations: Iterator[PreparedOperation],
    editor: BaseSchemaEditor,
    backward: bool,
) -> None:
    client = editor.client
    journal = Journal(client, key, "backward" if backward else "forward")
    before = await journal.read()
    for number, prepared in enumerate(operations, 1):
        description = prepared.operation.describe()
        begun = before.get(number)
        if begun is not None and begun.description != description[:DESCRIPTION]:
            raise MigrationError(
                f"{key}: its operation {number} was {begun.description!r} when it was applied before the migration "
                f"failed, and is now {description!r}; write it as it was, and what has to differ as a further operation"
            )
        if begun is None or begun.state != "done":
            statements = Statements(editor, begun)
            try:
                await _run_prepared(migration, number, prepared, editor, journal, statements)
            except Exception as error:
                stands = _what_stands(number, statements.executed)
                raise _failure(key, migration, number, prepared, error, stands, backward) from error
            finally:
                statements.end(editor)
    async with in_transaction(CONNECTION) as connection:
        await _record(connection, key, backward)
        await journal.clear(connection)


async def _run_prepared(
    migration: Migration,
    number: int,
    prepared: PreparedOperation,
    editor: BaseSchemaEditor,
    journal: Journal,
    statements: Statements,
) -> None:
    client = editor.client
    operation = prepared.operation
    description = operation.describe()
    # As Tortoise does: an operation that changes rows is one transaction, one that changes tables is none.
    atomic = operation.atomic or (migration.atomic and operation.atomic is not False)
    await journal.write(client, number, Begun(description, "begun", 0))
    try:
        async with in_transaction(CONNECTION) if atomic else nullcontext(client) as connection:
            editor.client = connection
            await prepared.run(editor)
            await journal.write(connection, number, Begun(description, "done", 0))
    except Exception:
        # If the connection is lost, this fails too: the operation stays recorded as begun.
        if atomic:
            statements.executed = 0
        await journal.failed(number, description, statements.executed)
        raise
    finally:
        editor.client = client


def _forward(migration: Migration, state: State) -> Iterator[PreparedOperation]:
    app = migration.app_label
    for operation in migration.operations:
        before = state.clone()
        operation.state_forward(app, state)

        async def run(editor: BaseSchemaEditor, operation: Operation = operation, before: State = before) -> None:
            await operation.database_forward(app, before, state, editor)

        yield PreparedOperation(operation, run)
    state.validate_relations_initialized()


def _backward(migration: Migration, state: State) -> Iterator[PreparedOperation]:
    app = migration.app_label
    steps: list[tuple[Operation, State, State]] = []
    after = state
    for operation in migration.operations:
        after = after.clone()
        before = after.clone()
        operation.state_forward(app, after)
        steps.append((operation, before, after))
    for operation, before, after in reversed(steps):

        async def run(
            editor: BaseSchemaEditor, operation: Operation = operation, before: State = before, after: State = after
        ) -> None:
            await operation.database_backward(app, after, before, editor)

        yield PreparedOperation(operation, run)


def _changes_rows_only(operation: Operation) -> bool:
    return isinstance(operation, RunPython | RunSQL)


async def _record(connection: BaseDBAsyncClient, key: MigrationKey, backward: bool) -> None:
    recorder = MigrationRecorder(connection)
    if backward:
        await recorder.record_unapplied(key.app_label, key.name)
    else:
        await recorder.record_applied(key.app_label, key.name)


def _what_stands(number: int, statements: int) -> str:
    parts = [f"operation{'' if number == 2 else 's 1 to'} {number - 1}"] if number > 1 else []
    if statements:
        parts.append(f"of operation {number} the first {statements} of its statements")
    return f"of it stand: {', '.join(parts)}" if parts else "nothing of it stands"


def _failure(
    key: MigrationKey,
    migration: Migration,
    number: int,
    prepared: PreparedOperation,
    error: Exception,
    stands: str,
    backward: bool,
) -> MigrationError:
    recorded = "it is still recorded as applied" if backward else "it is not recorded as applied"
    text = " ".join(str(error).split())
    return MigrationError(
        f"{key}: operation {number} of {len(migration.operations)} ({prepared.operation.describe()}) failed: "
        f"{type(error).__name__}: {text}; {stands}, and {recorded}; repair the migration and run it again"
    )
