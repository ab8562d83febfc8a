"""The table of pushes that were written in a transaction and are not delivered yet."""

from tortoise import fields
from tortoise.models import Model


class OutboxMessage(Model):
    """A push to one user that is not delivered yet."""

    id = fields.BigIntField(primary_key=True)
    user = fields.CharField(max_length=255)
    message = fields.BinaryField()
    """The packed push."""
    key = fields.CharField(max_length=255)
    """The key of the push: with it a second delivery is recognized."""
    failure = fields.TextField(null=True)
    """Why it cannot be delivered; the relay skips such rows."""
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        """The table."""

        table = "msanic_core_outbox"
