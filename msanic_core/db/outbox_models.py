"""Pushes that wait in the database until the transaction they were made in is committed, and they are delivered."""

from tortoise import fields
from tortoise.models import Model


class OutboxMessage(Model):
    """One push to one user. `message`: the packed push. `key`: what makes it safe to deliver twice, if it has one."""

    id = fields.BigIntField(primary_key=True)
    user = fields.CharField(max_length=255)
    message = fields.BinaryField()
    key = fields.CharField(max_length=255, null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """The table."""

        table = "msanic_core_outbox"
