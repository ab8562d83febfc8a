from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from msanic_core.db.fields import NameField, UtcDatetimeField


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Activity",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("at", UtcDatetimeField(auto_now=False, auto_now_add=False)),
                ("user", NameField(max_length=255)),
                ("note_id", fields.BigIntField()),
                ("action", fields.CharField(max_length=10)),
            ],
            options={
                "table": "notes_activity",
                "app": "notes",
                "indexes": [Index(fields=["user", "at"])],
                "pk_attr": "id",
            },
            bases=["SplitModel"],
        ),
        ops.CreateModel(
            name="Note",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("created_at", UtcDatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", UtcDatetimeField(auto_now=True, auto_now_add=False)),
                ("deleted_at", UtcDatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("owner", NameField(db_index=True, max_length=255)),
                ("title", fields.CharField(max_length=200)),
                ("text", fields.TextField(unique=False)),
                ("colour", fields.CharField(max_length=9)),
                ("version", fields.IntField(default=1)),
            ],
            options={
                "table": "notes_note",
                "app": "notes",
                "pk_attr": "id",
            },
            bases=["SoftDeleteModel"],
        ),
        ops.CreateModel(
            name="Member",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("created_at", UtcDatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", UtcDatetimeField(auto_now=True, auto_now_add=False)),
                (
                    "note",
                    fields.ForeignKeyField(
                        "notes.Note",
                        source_field="note_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="members",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("user", NameField(db_index=True, max_length=255)),
            ],
            options={
                "table": "notes_member",
                "app": "notes",
                "unique_together": (("note", "user"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Person",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("created_at", UtcDatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", UtcDatetimeField(auto_now=True, auto_now_add=False)),
                ("user", NameField(unique=True, max_length=255)),
                ("seen_at", UtcDatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("seen_reason", fields.CharField(null=True, max_length=20)),
            ],
            options={
                "table": "notes_person",
                "app": "notes",
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
    ]
