"""Pushes that wait in the database until the transaction they were made in is committed, and they are delivered."""

from tortoise import fields
from tortoise.models import Model


class OutboxMessage(Model):
    """A push to one user that is not delivered yet."""

    id = fields.BigIntField(primary_key=True)
    user = fields.CharField(max_length=255)
    message = fields.BinaryField()
    """The packed push."""
    key = fields.CharField(max_length=255)
    """What makes it safe to deliver twice."""
    failure = fields.TextField(null=True)
    """Why it cannot be delivered, of one that is left lying."""
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """The table."""

        table = "msanic_core_outbox"
