import asyncio
import datetime

import pytest
from tortoise.exceptions import DoesNotExist, IntegrityError, OperationalError
from tortoise.manager import Manager

from msanic_core.db import SoftDeleteManager, SoftDeleteModel
from tests.support.clients import in_loop
from tests.support.orm import tables
from tests.support.orm_models import Author, Comment, Note, Tag

HOUR = datetime.timedelta(hours=1)


async def deleted_note(title: str = "gone") -> Note:
    note = await Note.create(title=title)
    await note.delete()
    return note


@in_loop
async def test_a_deleted_row_is_hidden_and_still_there(database_url: str) -> None:
    async with tables(database_url):
        kept, gone = await Note.create(title="kept"), await deleted_note()
        assert [note.title for note in await Note.all()] == ["kept"]
        assert await Note.filter(title="gone").count() == 0
        assert not await Note.exists(id=gone.id)
        assert await Note.get_or_none(id=gone.id) is None
        with pytest.raises(DoesNotExist):
            await Note.get(id=gone.id)
        assert await Note.first() == kept
        assert await Note.in_bulk([kept.id, gone.id]) == {kept.id: kept}
        assert await Note.exclude(title="kept").values() == []
        found = await Note.with_deleted().get(id=gone.id)
        assert found.deleted_at is not None
        assert found.deleted_at == gone.deleted_at
        assert found.deleted_at.utcoffset() == datetime.timedelta(0)
        assert await Note.with_deleted().count() == 2


@in_loop
async def test_a_deleted_row_is_not_updated(database_url: str) -> None:
    async with tables(database_url):
        gone = await deleted_note()
        assert await Note.filter(id=gone.id).update(title="new") == 0
        gone.rank = 5
        assert await Note.bulk_update([gone], ["rank"]) == 0
        assert await Note.with_deleted().filter(id=gone.id, title="gone", rank=0).update(title="new") == 1


@in_loop
async def test_deleting_and_restoring_again_changes_nothing(database_url: str) -> None:
    async with tables(database_url):
        note = await deleted_note()
        first = note.deleted_at
        await note.delete()
        assert (await Note.with_deleted().get(id=note.id)).deleted_at == note.deleted_at == first
        await note.restore()
        assert note.deleted_at is None
        assert await Note.get(id=note.id) == note
        changed = note.updated_at
        await note.restore()
        assert (await Note.get(id=note.id)).updated_at == note.updated_at == changed


@in_loop
async def test_deleting_a_queryset_marks_its_rows_too(database_url: str) -> None:
    async with tables(database_url):
        await deleted_note("a")
        notes = [await Note.create(title=title) for title in "abc"]
        assert await Note.filter(title__in=["a", "b"]).delete() == 2
        assert [note.title for note in await Note.all()] == ["c"]
        marked = await Note.with_deleted().filter(deleted_at__not_isnull=True)
        assert len(marked) == 3
        assert all(row.updated_at >= row.deleted_at for row in marked if row.deleted_at)
        assert await Note.with_deleted().delete() == 1
        assert await Note.with_deleted().count() == len(notes) + 1


@in_loop
async def test_saving_an_old_copy_restores_nothing(database_url: str) -> None:
    async with tables(database_url):
        note = await Note.create(title="old")
        copy = await Note.get(id=note.id)
        await note.delete()
        copy.title = "new"
        await copy.save()
        found = await Note.with_deleted().get(id=note.id)
        assert (found.title, found.deleted_at) == ("new", note.deleted_at)


@in_loop
async def test_a_row_that_was_never_saved_can_be_neither_deleted_nor_restored() -> None:
    async with tables("sqlite://:memory:"):
        for change in (Note.delete, Note.restore, Note.hard_delete):
            with pytest.raises(OperationalError):
                await change(Note(title="a"))


@in_loop
async def test_what_others_did_meanwhile(database_url: str) -> None:
    async with tables(database_url):
        note = await Note.create(title="a")
        copy = await Note.get(id=note.id)
        await note.delete()
        await copy.delete()
        assert copy.deleted_at == note.deleted_at
        await note.restore()
        await copy.restore()
        assert (copy.deleted_at, copy.updated_at) == (None, note.updated_at)
        await note.hard_delete()
        await copy.delete()
        with pytest.raises(DoesNotExist):
            await copy.restore()


@in_loop
async def test_hard_delete_removes_a_row(database_url: str) -> None:
    async with tables(database_url):
        live, gone = await Note.create(title="live"), await deleted_note()
        for note in (live, gone):
            await note.hard_delete()
        assert await Note.with_deleted().count() == 0


@in_loop
async def test_purge_removes_what_was_deleted_before(database_url: str) -> None:
    async with tables(database_url):
        now = datetime.datetime.now(datetime.UTC)
        old, new, live = await deleted_note("old"), await deleted_note("new"), await Note.create(title="live")
        await Note.with_deleted().filter(id=old.id).update(deleted_at=now - 2 * HOUR)
        east = datetime.timezone(8 * HOUR)
        assert await Note.purge((now - HOUR).astimezone(east)) == 1
        assert {note.id for note in await Note.with_deleted()} == {new.id, live.id}


@in_loop
async def test_relations_pass_deleted_rows_by(database_url: str) -> None:
    async with tables(database_url):
        author = await Author.create(name="ann")
        kept, gone = [await Note.create(title=title, author=author) for title in ("kept", "gone")]
        tags = [await Tag.create(name=name) for name in "ab"]
        await kept.tags.add(*tags)
        comment = await Comment.create(text="hm", note=gone)
        await gone.delete()
        await tags[0].delete()

        assert await author.notes == [kept]
        assert await author.notes.filter(title="gone").count() == 0
        (fetched,) = await Author.all().prefetch_related("notes")
        assert list(fetched.notes) == [kept]
        assert await kept.tags == [tags[1]]
        (tagged,) = await Note.all().prefetch_related("tags")
        assert list(tagged.tags) == [tags[1]]
        assert await (await Comment.get(id=comment.id)).note is None
        (commented,) = await Comment.all().prefetch_related("note")
        assert commented.note is None


@in_loop
async def test_joins_see_deleted_rows(database_url: str) -> None:
    async with tables(database_url):
        gone = await Note.create(title="gone")
        comment = await Comment.create(text="hm", note=gone)
        await gone.delete()
        assert await Comment.filter(note__title="gone") == [comment]
        assert await Comment.filter(note__title="gone", note__deleted_at__isnull=True) == []
        (joined,) = await Comment.all().select_related("note")
        assert joined.note == gone


@in_loop
async def test_deleting_reaches_no_other_table(database_url: str) -> None:
    async with tables(database_url):
        note = await Note.create(title="a")
        await Comment.create(text="hm", note=note)
        await note.delete()
        assert await Comment.all().count() == 1
        await note.hard_delete()
        assert await Comment.all().count() == 0


@in_loop
async def test_a_unique_key_stays_taken(database_url: str) -> None:
    async with tables(database_url):
        author = await Author.create(name="ann")
        await author.delete()
        with pytest.raises(IntegrityError):
            await Author.create(name="ann")
        with pytest.raises(IntegrityError):
            await Author.get_or_create(name="ann")
        row, created = await Author.upsert({"email": "ann@a.b"}, name="ann")
        assert (row.id, row.deleted_at, created) == (author.id, None, False)
        assert (await Author.get(name="ann")).email == "ann@a.b"


@in_loop
async def test_a_deletion_that_is_rolled_back(database_url: str) -> None:
    from tortoise.transactions import in_transaction

    async with tables(database_url):
        note = await Note.create(title="a")
        with pytest.raises(KeyError):
            async with in_transaction() as connection:
                await note.delete(connection)
                raise KeyError
        assert await Note.exists(id=note.id)


def test_a_manager_in_meta_stays() -> None:
    class Own(SoftDeleteManager):
        pass

    class Managed(SoftDeleteModel):
        class Meta:
            manager = Own()

    class Plain(SoftDeleteModel):
        pass

    assert type(Managed._meta.manager) is Own
    assert type(Plain._meta.manager) is SoftDeleteManager
    assert isinstance(Plain._meta.manager, Manager)
    assert Plain._meta.manager._model is Plain
    assert Managed._meta.manager is not Plain._meta.manager


@in_loop
async def test_many_delete_and_restore_at_once(database_url: str) -> None:
    async with tables(database_url):
        note = await Note.create(title="a")
        copies = [await Note.get(id=note.id) for _ in range(20)]
        counts = await asyncio.gather(*(Note.filter(id=copy.id).delete() for copy in copies))
        assert sum(counts) == 1
