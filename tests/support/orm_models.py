"""The models of the tests of `Model` and what belongs to it."""

import enum

from tortoise import fields

from msanic_core.db import Model, NameField, SoftDeleteModel, UtcDatetimeField


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Author(SoftDeleteModel):
    name = fields.CharField(max_length=50, unique=True)
    email = fields.CharField(max_length=50, unique=True, null=True)
    password = fields.CharField(max_length=50, default="secret")

    notes: fields.ReverseRelation["Note"]


class Note(SoftDeleteModel):
    title = fields.CharField(max_length=50)
    rank = fields.IntField(default=0)
    author: fields.ForeignKeyNullableRelation[Author] = fields.ForeignKeyField(
        "models.Author", related_name="notes", null=True
    )
    author_id: int | None
    tags: fields.ManyToManyRelation["Tag"] = fields.ManyToManyField("models.Tag", related_name="notes")


class Tag(SoftDeleteModel):
    name = fields.CharField(max_length=50, unique=True)


class Comment(Model):
    text = fields.CharField(max_length=50)
    note: fields.ForeignKeyRelation[Note] = fields.ForeignKeyField("models.Note", related_name="comments")


class Setting(Model):
    user: fields.ForeignKeyRelation[Author] = fields.ForeignKeyField("models.Author", related_name="settings")
    user_id: int
    name = fields.CharField(max_length=50)
    value = fields.CharField(max_length=50)
    count = fields.IntField(default=0)

    class Meta:
        unique_together = (("user", "name"),)


class Account(Model):
    """Two unique keys beside the primary one."""

    name = fields.CharField(max_length=50, unique=True)
    email = fields.CharField(max_length=50, unique=True)
    city = fields.CharField(max_length=50, default="")
    visits = fields.IntField(default=0)


class Token(Model):
    id = fields.UUIDField(primary_key=True)
    text = fields.CharField(max_length=50)


class Member(Model):
    user = NameField(unique=True)
    group = NameField()


class Kinds(Model):
    """A column of each kind that is no plain number or string."""

    at = UtcDatetimeField(null=True)
    day = fields.DateField(null=True)
    length = fields.TimeDeltaField(null=True)
    price = fields.DecimalField(max_digits=12, decimal_places=2, null=True)
    uuid = fields.UUIDField(null=True)
    data = fields.JSONField[object](null=True)
    colour = fields.CharEnumField(Colour, null=True)
    done = fields.BooleanField(default=False)
    blob = fields.BinaryField(null=True)
