"""Pushes that are part of a transaction, and are delivered once it has committed.

Read `models.py` (the table: a row for each message that waits) and `app.py` (the Tortoise app that has it), then
`transaction.py` (writes a row in a plugin's transaction) and `relay.py` (delivers the rows, on one node for all).
`migrations/` makes the table. `context` and `node` import `TransactionOutbox` from here, `node` the `Relay` too, and
`plugins` imports `core_app`. Plugins import nothing: they push with `using=`.
"""
