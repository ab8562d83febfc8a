"""What can be done with notes, by command as by HTTP; a change and the messages about it are one transaction."""

from typing import Any

from tortoise import timezone
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from msanic_core import CommandError, ReplyCode, Server
from msanic_core.db import Page, page
from msanic_notes.messages import Add, Changes, Done, Find, Listed, OfNote, Past, Seen, Shared, Shown, Whole
from msanic_notes.models import Activity, Member, Note, Person
from msanic_notes.settings import NotesSettings

CHANGED = 101
"""The code of an answer: somebody else has changed the note; `data` is the note as it is now."""
ORDERS = ("created_at", "updated_at", "title", "owner")


class Notebook:
    """The notes of one user. All methods raise `CommandError` for what the user cannot do."""

    def __init__(self, server: Server, user: str, settings: NotesSettings) -> None:
        self._server = server
        self._user = user
        self._settings = settings

    async def find(self, query: Find) -> Page[Listed]:
        """List the notes that the user has, without their texts; the newest first unless `query` says otherwise."""
        times = {"created_at__gte": query.start, "created_at__lt": query.end}
        notes = Note.filter(members__user=self._user, **{name: at for name, at in times.items() if at is not None})
        return await page(notes, as_type=Listed, orders=ORDERS, page=query.page, size=query.size, order=query.order)

    async def get(self, note_id: int) -> Whole:
        """A note, and who has it."""
        note = await Note.get_or_none(id=note_id)
        users = [] if note is None else await self._users(note)
        if note is None or self._user not in users:
            raise _no_such_note(note_id)
        people = {person.user: person for person in await Person.filter(user__in=users)}
        return Whole(note.to_struct(Shown), [_seen(user, people.get(user)) for user in users])

    async def add(self, data: Add) -> Shown:
        """Write a note."""
        async with in_transaction() as connection:
            # The row stays locked until the commit: of two additions one counts what the other has added.
            await Person.upsert({}, user=self._user)
            if await Note.filter(owner=self._user).count() >= self._settings.max_notes:
                most = self._settings.max_notes
                raise CommandError(ReplyCode.FORBIDDEN, f"you have {most} notes, which is all one may have")
            note = Note.from_struct(data, owner=self._user)
            await note.save()
            await Member.create(note=note, user=self._user)
            shown = note.to_struct(Shown)
            await self._done(connection, note, "added", shown)
        return shown

    async def edit(self, note_id: int, data: Changes) -> Shown:
        """Change a note, unless another was quicker."""
        async with in_transaction() as connection:
            note = await self._locked(note_id)
            if note.version != data.version:
                hint = f"version {data.version} is no longer there, the note has version {note.version}"
                raise CommandError(CHANGED, hint, note.to_struct(Shown), status=409)
            changed = note.update_from_struct(data, exclude=["id", "version"])
            note.version += 1
            await note.save(update_fields=[*changed, "version"])
            shown = note.to_struct(Shown)
            await self._done(connection, note, "edited", shown)
        return shown

    async def remove(self, note_id: int) -> None:
        """Delete a note; it stays in its table until it is purged."""
        async with in_transaction() as connection:
            note = await self._owned(note_id)
            await note.delete()
            await self._done(connection, note, "removed", OfNote(note.id))

    async def share(self, note_id: int, user: str) -> None:
        """Let somebody have a note too. Nothing happens if they have it."""
        async with in_transaction() as connection:
            note = await self._owned(note_id)
            _, is_new = await Member.upsert({}, note_id=note.id, user=user)
            if not is_new:
                return
            if await note.members.all().count() > self._settings.max_members:
                most = self._settings.max_members
                raise CommandError(ReplyCode.FORBIDDEN, f"{most} users have the note, which is all that may have it")
            await self._done(connection, note, "shared", Shared(note.to_struct(Shown), user))

    async def activity(self, query: Past) -> Page[Done]:
        """List what the user did with notes, the latest first."""
        done = Activity.between(query.start, query.end).filter(user=self._user)
        rows = done.order_by("-at").limit(query.size).offset(query.offset)
        items = [Done(**row) for row in await rows.values(*Done.__struct_fields__)]
        return Page(items, await done.count(), query.page, query.size)

    async def _locked(self, note_id: int) -> Note:
        """A note that the user has. Nobody else changes it, or who has it, until the transaction ends."""
        # Locked first: MySQL shows a transaction what was there when it first looked at a table without a lock.
        note = await Note.filter(id=note_id).select_for_update().get_or_none()
        if note is None or not await note.members.filter(user=self._user).exists():
            raise _no_such_note(note_id)
        return note

    async def _owned(self, note_id: int) -> Note:
        note = await self._locked(note_id)
        if note.owner != self._user:
            raise CommandError(ReplyCode.FORBIDDEN, f"the note is of {note.owner}, who alone may do this")
        return note

    async def _users(self, note: Note) -> list[str]:
        return [member.user for member in await note.members.all().order_by("id")]

    async def _done(self, connection: BaseDBAsyncClient, note: Note, action: str, data: Any) -> None:
        """Note down what was done, and tell everybody who has the note, the user's own devices too; on the commit."""
        await Activity.create(at=timezone.now(), user=self._user, note_id=note.id, action=action)
        for user in await self._users(note):
            await self._server.push(user, f"notes.{action}", data, using=connection)


def _seen(user: str, person: Person | None) -> Seen:
    return Seen(user, None, None) if person is None else person.to_struct(Seen)


def _no_such_note(note_id: int) -> CommandError:
    # As for one that others have: whether it is there is their business.
    return CommandError(ReplyCode.FAILED, f"you have no note {note_id}", status=404)
