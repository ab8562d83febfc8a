"""What the core relies on in Tortoise ORM 1.1 although it is not public or not documented.

If one of these tests fails after an upgrade, read what changed there, then the docstring of `msanic_core.db`. It lists
the parts in use: mend the files that use them first.
"""

import ast
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any, ClassVar

import pytest
from packaging.requirements import Requirement
from pypika_tortoise.terms import LiteralValue, Parameterizer
from tortoise import fields
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.backends.base.executor import EXECUTOR_CACHE, BaseExecutor
from tortoise.backends.mysql.client import MySQLClient
from tortoise.connection import ConnectionHandler, get_connections
from tortoise.context import TortoiseContext, _current_context
from tortoise.fields.relational import ManyToManyFieldInstance
from tortoise.manager import Manager
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.operations import CreateModel
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State
from tortoise.migrations.schema_generator.state_apps import StateApps
from tortoise.models import Model
from tortoise.queryset import QuerySet, ValuesQuery
from tortoise.signals import Signals
from tortoise.transactions import in_transaction

from msanic_core import db
from tests.support.clients import in_loop

UPGRADE = "an upgrade moved something that is not public: see the docstring of this file"
PACKAGE = Path(db.__file__).parent


class Row(Model):
    name = fields.CharField(max_length=10)
    heard: ClassVar[list[Any]] = []

    async def _wait_for_listeners(self, signal: Signals, *arguments: Any) -> None:
        self.heard.append(signal)
        await super()._wait_for_listeners(signal, *arguments)


@asynccontextmanager
async def opened() -> AsyncIterator[BaseDBAsyncClient]:
    EXECUTOR_CACHE.clear()
    async with TortoiseContext() as context:
        await context.init(db_url="sqlite://:memory:", modules={"models": [__name__]})
        await context.generate_schemas()
        yield context.db()


def test_versions_are_those_that_were_checked() -> None:
    installed = version("tortoise-orm")
    assert installed.startswith("1.1."), f"tortoise-orm {installed} is new here: {UPGRADE}"
    pin = next(each for each in map(Requirement, requires("msanic-core") or []) if each.name == "tortoise-orm")
    assert installed in pin.specifier
    assert "1.2" not in pin.specifier, f"{pin} lets versions in that were not checked"


def private_names() -> Iterator[str]:
    """The private names that the room uses and does not define."""
    used, own = set(), set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(ast.Name("self"), name, ast.Store()):
                    own.add(name)
                case ast.Attribute(attr=name):
                    used.add(name)
                case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                    own.add(name)
                case ast.AnnAssign(ast.Name(name)):
                    own.add(name)
                case ast.ImportFrom(names=names):
                    used |= {alias.name for alias in names}
    return (name for name in used - own if name.startswith("_") and not name.startswith("__"))


def test_the_docstring_lists_the_private_names_in_use() -> None:
    names = set(private_names())
    assert {"_meta", "_saved_in_db", "_run_sql"} <= names
    assert not {name for name in names if f"`{name}`" not in (db.__doc__ or "")}


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (Model, ["_meta", "_choose_db", "_init_from_db", "_listeners", "_set_async_default_field"]),
        (Manager(), ["_model"]),
        (QuerySet, ["_make_query"]),
        (ValuesQuery, ["_make_query", "resolve_to_python_value"]),
        (BaseExecutor, ["parameter"]),
        (ConnectionHandler, ["_create_connection"]),
        (BaseDBAsyncClient, ["_in_transaction", "acquire_connection", "query_class", "executor_class"]),
        (MigrationExecutor, ["_project_state", "_project_state_cache", "_schema_editor", "collect_sql"]),
        (BaseSchemaEditor, ["_run_sql"]),
        (State, ["clone", "validate_relations_initialized"]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_names_exist(owner: object, names: list[str]) -> None:
    assert not [name for name in names if not hasattr(owner, name)], UPGRADE


@in_loop
async def test_what_a_model_keeps_of_its_rows_and_its_table() -> None:
    async with opened() as client:
        row = Row(name="tea")
        assert (row._saved_in_db, row._partial, row._custom_generated_pk) == (False, False, False), UPGRADE
        await row.save()
        assert row._saved_in_db, UPGRADE
        assert Row.heard[-2:] == [Signals.pre_save, Signals.post_save], UPGRADE
        assert (await Row.all().only("name"))[0]._partial, UPGRADE
        made: Any = Row._init_from_db(id=7, name="milk")
        assert (made.id, made.name, made._saved_in_db) == (7, "milk", True), UPGRADE
        assert Row._choose_db(True) is client, UPGRADE
        meta = Row._meta
        assert meta.fields_db_projection == {"id": "id", "name": "name"}, UPGRADE
        assert (meta.pk_attr, meta.db_table, meta.schema, meta.db is client) == ("id", "row", None, True), UPGRADE
        assert not meta._default_ordering, UPGRADE
        assert meta._model is Row, UPGRADE
        missing = [name for name in ("basetable", "basequery", "basequery_all_fields") if not hasattr(meta, name)]
        assert not missing, UPGRADE


@in_loop
async def test_statements_are_kept_by_connection_schema_and_table() -> None:
    async with opened() as client:
        await Row.create(name="tea")
        assert list(EXECUTOR_CACHE) == [(client.connection_name, None, "row")], UPGRADE
        executor = client.executor_class(Row, client)
        assert (executor.regular_columns, executor.regular_columns_all) == (["name"], ["id", "name"]), UPGRADE
        assert executor.parameter(0).get_sql(client.query_class.SQL_CONTEXT) == "?", UPGRADE


@in_loop
async def test_a_statement_can_be_written_with_marks_for_its_values() -> None:
    async with opened() as client:
        values: Any = Row.filter(name="tea").limit(3).values("name")
        values._make_query()
        values.query._select_other(LiteralValue("5").as_("number"))
        marks = Parameterizer(placeholder_factory=lambda _: "@")
        text = values.query.get_sql(client.query_class.SQL_CONTEXT.copy(parameterizer=marks))
        assert text == 'SELECT "name" "name",5 "number" FROM "row" WHERE "name"=@ LIMIT @', UPGRADE
        assert marks.values == ["tea", 3], UPGRADE
        assert values.resolve_to_python_value(Row, "name")("tea") == "tea", UPGRADE


@in_loop
async def test_connections() -> None:
    async with opened() as client:
        context = _current_context.get()
        assert context is not None
        assert context.db() is client, UPGRADE
        other = get_connections()._create_connection(client.connection_name)
        assert (type(other), other is client) == (type(client), False), UPGRADE
        async with in_transaction() as outer, outer._in_transaction() as inner:
            for transaction, parent in ((outer, client), (inner, outer)):
                assert isinstance(transaction, TransactionalDBClient), UPGRADE
                assert vars(transaction)["_parent"] is parent, UPGRADE


@pytest.mark.parametrize(("kind", "port"), [(AsyncpgDBClient, 5432), (MySQLClient, 3306)])
def test_a_pool_has_a_size_before_it_is_made(kind: Any, port: int) -> None:
    client = kind(user="u", password="p", database="d", host="127.0.0.1", port=port, connection_name="default")
    assert client.pool_minsize <= client.pool_maxsize, UPGRADE


def test_models_of_migrations_have_a_mark() -> None:
    state = State(models={}, apps=StateApps())
    options = {"table": "thing", "app": "a", "pk_attr": "id"}
    CreateModel("Thing", [("id", fields.IntField(primary_key=True))], options).state_forward("a", state)
    assert "_no_comments" in vars(state.apps.get_model("a", "Thing")), UPGRADE
    assert "_no_comments" not in vars(Row), UPGRADE


def test_the_other_end_of_a_relation_is_marked() -> None:
    class End(Model):
        class Meta:
            abstract = True

        rows: fields.ManyToManyRelation[Row] = fields.ManyToManyField("models.Row", related_name="ends")

    field = End._meta.fields_map["rows"]
    assert isinstance(field, ManyToManyFieldInstance)
    assert field._generated is False, UPGRADE
