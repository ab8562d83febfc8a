"""The tables."""

from tortoise import fields

from msanic_core.db import Model, NameField, SoftDeleteModel, SplitModel, UtcDatetimeField


class Note(SoftDeleteModel):
    """A note. `version` is 1, and one more with each change."""

    owner = NameField(db_index=True)
    title = fields.CharField(max_length=200)
    text = fields.TextField()
    colour = fields.CharField(max_length=9)
    version = fields.IntField(default=1)

    members: fields.ReverseRelation["Member"]


class Member(Model):
    """Somebody who has a note: its owner, or a user it was shared with."""

    note: fields.ForeignKeyRelation[Note] = fields.ForeignKeyField("notes.Note", related_name="members")
    note_id: int
    user = NameField(db_index=True)

    class Meta:
        """Nobody has a note twice."""

        unique_together = (("note", "user"),)


class Person(Model):
    """A user, and when and why the last connection was lost: null if it never was."""

    user = NameField(unique=True)
    seen_at = UtcDatetimeField(null=True)
    seen_reason = fields.CharField(max_length=20, null=True)


class Activity(SplitModel):
    """What a user did with a note, and when: a table for each month."""

    id = fields.BigIntField(primary_key=True)
    at = UtcDatetimeField()
    user = NameField()
    note_id = fields.BigIntField()
    action = fields.CharField(max_length=10)

    class Meta:
        """What one user did, in order."""

        indexes = (("user", "at"),)

    class Split:
        """Old months go as a whole."""

        by = "month"
        field = "at"
