from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="OutboxMessage",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("user", fields.CharField(max_length=255)),
                ("message", fields.BinaryField()),
                ("key", fields.CharField(max_length=255)),
                ("failure", fields.TextField(null=True, unique=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "msanic_core_outbox",
                "app": "msanic_core",
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
    ]
