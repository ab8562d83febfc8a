"""Migrations of all plugins: which there are, in which order, and applying them, one process at a time.

Read `graph.py` (the migrations on disk) and `migrator.py` (what is applied, applying, taking back, adopting), then
`migration_lock.py`, `step.py` (one migration) with `journal.py` and `sqlite_references.py`, `adoption.py`, and
`writer.py` (writes new migrations). `node` imports `Migrator` from here; `cli` imports that, `show_sql` and
`write_migrations`. Plugins import nothing.
"""
