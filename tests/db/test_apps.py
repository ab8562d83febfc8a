"""What plugins hand in through `db_models`, right and wrong; each fault is one line that names plugin and mend."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from msanic_core.config import settings_from
from msanic_core.hookspecs import hookimpl
from msanic_core.plugins.loading import load_plugins
from msanic_core.plugins.plugin import PluginSet
from tests.support.model_packages import WriteModels

NOTE = """
    class Note(Model):
        id = fields.IntField(primary_key=True)
"""


def loaded(**plugins: object) -> PluginSet:
    return load_plugins(settings_from({"plugins": {"load": []}}), plugins)


def problem(**plugins: object) -> str:
    found = loaded(**plugins)
    (line,) = found.problems
    assert "\n" not in line
    return line


def giving(result: object) -> ModuleType:
    """A plugin whose `db_models` returns this, or raises it."""

    def db_models() -> object:
        if isinstance(result, Exception):
            raise result
        return result

    plugin = ModuleType("giving")
    vars(plugin)["db_models"] = hookimpl(db_models)
    return plugin


def test_a_plugin_is_an_app_with_its_models_and_tables(plugin: WriteModels) -> None:
    notes = plugin(
        "notes",
        """
        class SharedNote(Model):
            id = fields.IntField(primary_key=True)

        class HTTPLog(Model):
            id = fields.IntField(primary_key=True)

        class Base(Model):
            class Meta:
                abstract = True

        class Kept(Base):
            id = fields.IntField(primary_key=True)

            class Meta:
                table = "kept"
        """,
    )
    found = loaded(**{"my-notes": notes})
    found.check()
    core, app = found.apps
    assert (core.label, core.plugin, core.migrations) == ("msanic_core", "", "msanic_core.db.outbox.migrations")
    assert [model.__name__ for model in core.models()] == ["OutboxMessage"]
    assert (app.label, app.plugin, app.migrations) == ("my_notes", "my-notes", "sample_notes.migrations")
    tables = {model.__name__: model._meta.db_table for model in app.models()}
    assert tables == {"SharedNote": "my_notes_shared_note", "HTTPLog": "my_notes_http_log", "Kept": "kept"}


def test_without_models_there_is_no_app() -> None:
    plugin = ModuleType("plain")
    vars(plugin)["ws_command"] = hookimpl(lambda: [])
    assert loaded(plain=plugin).apps == ()


def test_a_model_stays_with_the_plugin_that_wrote_it(plugin: WriteModels) -> None:
    users = plugin("users", NOTE.replace("Note", "User"))
    # By name it comes first, and has both.
    audit = plugin("audit", f"    from sample_users.models import User\n{NOTE}")
    found = loaded(audit=audit, users=users)
    found.check()
    assert {app.label: [model.__name__ for model in app.models()] for app in found.apps[1:]} == {
        "audit": ["Note"],
        "users": ["User"],
    }


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("text", "its db_models returned 'text'; return the module in which the models are, or a list of modules"),
        ([], "its db_models returned no module; return the one in which the models are, or leave the hook out"),
        (ValueError("no"), "its db_models failed: ValueError: no; repair it or block it"),
        (ImportError("No module named 'x'"), "No module named 'x'; install what it needs or block it"),
        (sys, "its db_models returned sys, in which there is no model; derive one from tortoise.models.Model"),
        (ModuleType("nowhere"), "its db_models returned 'nowhere', which cannot be imported by that name; put the"),
    ],
)
def test_what_is_no_module_with_models(given: object, error: str) -> None:
    line = problem(chat=giving(given))
    assert line.startswith("plugin 'chat': ")
    assert error in line


def test_two_plugins_with_the_same_label(plugin: WriteModels) -> None:
    line = problem(**{"x-y": plugin("a", NOTE), "x_y": plugin("b", NOTE)})
    assert line.startswith("plugin 'x-y' and plugin 'x_y': their models would both be called x_y.NAME; give one of")


def test_the_label_of_the_core(plugin: WriteModels) -> None:
    assert "its models would be called msanic_core.NAME, as the core's" in problem(msanic_core=plugin("a", NOTE))


def test_two_plugins_with_the_same_table(plugin: WriteModels) -> None:
    table = f"{NOTE}\n        class Meta:\n            table = 'notes'\n"
    line = problem(a=plugin("a", table), b=plugin("b", table))
    assert line.startswith(
        "plugin 'a' and plugin 'b': their models Note and Note have the same table 'notes'; give one"
    )


def test_two_models_of_one_plugin_with_the_same_table(plugin: WriteModels) -> None:
    models = """
    class One(Model):
        id = fields.IntField(primary_key=True)
        class Meta:
            table = "t"

    class Two(Model):
        id = fields.IntField(primary_key=True)
        class Meta:
            table = "T"
    """
    line = problem(a=plugin("a", models))
    assert "its models One and Two have the same table 'T'; give one another Meta.table" in line


@pytest.mark.parametrize("table", ["tortoise_migrations", "msanic_core_outbox", "msanic_core_migration_progress"])
def test_the_tables_of_the_core(plugin: WriteModels, table: str) -> None:
    note = f"{NOTE}\n        class Meta:\n            table = {table!r}\n"
    assert f"its model Note has the table {table!r}, which is the core's" in problem(a=plugin("a", note))


def test_two_models_of_one_name(plugin: WriteModels, site: Path) -> None:
    package = plugin("a", NOTE)
    (site / "sample_a" / "more.py").write_text((site / "sample_a" / "models.py").read_text())
    modules = [package.models, importlib.import_module("sample_a.more")]
    line = problem(a=giving(modules))
    assert "sample_a.models and sample_a.more both have a model Note; rename one of the two" in line


def test_an_app_of_its_own_name(plugin: WriteModels) -> None:
    line = problem(a=plugin("a", f"{NOTE}\n        class Meta:\n            app = 'models'\n"))
    assert "its model Note says in its Meta app = 'models'; take that out" in line


def test_a_reference_to_nobodys_model(plugin: WriteModels) -> None:
    line = problem(a=plugin("a", f"{NOTE}        owner = fields.ForeignKeyField('a.Notes')\n"))
    assert "its field Note.owner refers to 'a.Notes', a model that nobody has; correct it (PLUGIN.Model)" in line
    assert "did you mean 'a.Note'?" in line
