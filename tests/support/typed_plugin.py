"""A plugin that uses what the core offers to authors, for type checkers: it is checked and never run."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from types import ModuleType
from typing import Any, assert_type

import msgspec
from sanic import Blueprint, Request
from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.functions import Count
from tortoise.transactions import in_transaction

from msanic_core import AnyCommand, Context, Server, command, hookimpl
from msanic_core.constraints import Paging, RowId
from msanic_core.db import (
    Model,
    ModelManager,
    NameField,
    Page,
    PageAfter,
    Part,
    SoftDeleteModel,
    SplitModel,
    SplitQuery,
    UtcDatetimeField,
    page,
    page_after,
)
from msanic_core.http import body, login_required, query
from msanic_core.testing import UnitServer


class Author(Model):
    name = NameField(unique=True)
    born = UtcDatetimeField(null=True)
    books: fields.ReverseRelation["Book"]

    class Meta:
        table = "library_author"
        manager = ModelManager()


class Book(SoftDeleteModel):
    title = fields.CharField(max_length=100)
    pages = fields.IntField(default=0)
    author: fields.ForeignKeyRelation[Author] = fields.ForeignKeyField("library.Author", related_name="books")
    author_id: int

    class Meta:
        table = "library_book"
        unique_together = (("author", "title"),)

    async def save(
        self,
        using_db: BaseDBAsyncClient | None = None,
        update_fields: Iterable[str] | None = None,
        force_create: bool = False,
        force_update: bool = False,
    ) -> None:
        self.title = self.title.strip()
        await super().save(using_db, update_fields, force_create, force_update)

    async def delete(self, using_db: BaseDBAsyncClient | None = None) -> None:
        await super().delete(using_db)


class Loan(SplitModel):
    id = fields.BigIntField(primary_key=True)
    book_id = fields.BigIntField()
    at = UtcDatetimeField()

    class Meta:
        indexes = (("book_id", "at"),)

    class Split:
        by = "month"
        field = "at"


class Shown(msgspec.Struct):
    id: int
    title: str
    created_at: datetime


class Add(msgspec.Struct):
    title: str
    author: str


@command("library.list")
async def list_books(ctx: Context, data: Paging) -> Page[Shown]:
    found = await page(Book.all(), as_type=Shown, orders=["title"], page=data.page, size=data.size, order=data.order)
    assert_type(found, Page[Shown])
    assert_type(found.items, list[Shown])
    return found


@command("library.rows")
async def list_rows(ctx: Context, data: Paging) -> Page:
    return assert_type(await page(Book.all(), fields=["id", "title"]), Page[dict[str, Any]])


@command("library.more")
async def more_books(ctx: Context, data: int | None) -> PageAfter[Shown]:
    rows = assert_type(await page_after(Book.all(), fields=["id"]), PageAfter[dict[str, Any]])
    return assert_type(
        await page_after(Book.filter(pages__gt=1), as_type=Shown, after=data or rows.next), PageAfter[Shown]
    )


@command("library.add")
async def add(ctx: Context, data: Add) -> Shown:
    async with in_transaction() as connection:
        author, created = await Author.upsert({}, name=data.author)
        assert_type(author, Author)
        assert_type(created, bool)
        book = assert_type(Book.from_struct(data, exclude=["author"], author=author), Book)
        await book.save(using_db=connection)
        await book.save(update_fields=book.update_from_struct(data, exclude=["author"]))
        await ctx.push(ctx.user, "library.added", book.to_dict(), using=connection)
    found = await Book.get(id=book.id)
    title: str = found.title
    deleted: datetime | None = found.deleted_at
    ctx.log.info("%s of %s, %s", title, found.author_id, deleted)
    await found.delete()
    await found.restore()
    assert_type(await Book.purge(found.created_at), int)
    return assert_type(book.to_struct(Shown), Shown)


class LibrarySettings(msgspec.Struct):
    open_at: int = 9


class Desk:
    def __init__(self, open_at: int) -> None:
        self.open_at = open_at


@command("library.hours")
def hours(ctx: Context[LibrarySettings, Desk]) -> list[int]:
    assert_type(ctx.settings, LibrarySettings)
    assert_type(ctx.state, Desk)
    return [ctx.settings.open_at, ctx.state.open_at, ctx.server.state_of("library", Desk).open_at]


@command("library.free")
async def free(ctx: Context[LibrarySettings]) -> int:
    assert_type(ctx.server.settings_of("library", LibrarySettings), LibrarySettings)
    anything: str = ctx.state
    return len(anything) + len(await in_a_test())


async def in_a_test() -> list[int]:
    server = UnitServer(settings=LibrarySettings(), state=Desk(8))
    ctx = assert_type(await server.context("ada"), Context[LibrarySettings, Desk])
    return assert_type(hours(ctx), list[int])


async def loans(start: datetime, end: datetime) -> AsyncIterator[Loan]:
    asked = assert_type(Loan.between(start, end).filter(book_id=1).order_by("-at").limit(10), SplitQuery[Loan])
    rows = assert_type(await asked, list[Loan])
    assert_type(await asked.first(), Loan | None)
    assert_type(await asked.count(), int)
    assert_type(await asked.aggregate("book_id", n=Count("id")), list[dict[str, Any]])
    await Loan.bulk_create(rows)
    parts: list[Part] = await Loan.drop_before(start, dry_run=True)
    assert_type([part.rows for part in parts], list[int | None])
    async for row in Loan.everywhere():
        yield assert_type(row, Loan)


def blueprint() -> Blueprint:
    routes = login_required(Blueprint("library", version=1))

    @routes.get("/")
    @query
    async def find(request: Request, query: Paging) -> Page[Shown]:
        return await page(Book.all(), as_type=Shown, page=query.page, size=query.size)

    @routes.post("/<book_id:int>")
    @body
    async def change(request: Request, book_id: RowId, body: Add) -> Shown:
        book = await Book.get(id=book_id)
        await book.save(update_fields=book.update_from_struct(body, exclude=["author"]))
        return book.to_struct(Shown)

    return routes


@hookimpl
def ws_command() -> list[AnyCommand]:
    return [list_books, list_rows, more_books, add, hours, free]


@hookimpl
def server_start(settings: LibrarySettings) -> Desk:
    return Desk(settings.open_at)


@hookimpl
async def server_stop(server: Server, state: Desk) -> None:
    assert_type(server.state_of("library", Desk), Desk)


@hookimpl
def http_blueprint(server: Server) -> Blueprint:
    return blueprint()


@hookimpl
def db_models() -> ModuleType:
    import tests.support.typed_plugin

    return tests.support.typed_plugin
