"""The only users of Tortoise ORM in the core."""
