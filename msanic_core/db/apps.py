"""The models of each plugin, as a Tortoise app: finds them, names their tables, and checks that all fit together."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from inspect import isclass
from types import ModuleType
from typing import NamedTuple

from tortoise.fields.relational import ForeignKeyFieldInstance, ManyToManyFieldInstance
from tortoise.models import Model

from msanic_core.errors import did_you_mean

CORE_LABEL = "msanic_core"
"""What the app of the core's own models is called."""
MIGRATIONS_TABLE = "tortoise_migrations"
"""Where Tortoise writes down which migrations were applied."""
PROGRESS_TABLE = "msanic_core_migration_progress"
"""Where the core writes down how far a migration has come."""

_WORD_END = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(slots=True, frozen=True)
class PluginApp:
    """One plugin's models. `label`: the app's name in references between models, such as `notes.Note`.

    `plugin`: the plugin's name, "" for the core. `migrations`: the package of its migrations, which may not exist yet.
    """

    label: str
    plugin: str
    modules: tuple[ModuleType, ...]
    migrations: str

    @classmethod
    def of(cls, plugin: str, modules: Sequence[ModuleType]) -> "PluginApp":
        """Make the app of a plugin. The package of its migrations is beside the first of the modules."""
        first = modules[0]
        package, _, _ = first.__name__.rpartition(".")
        if not package:
            # A package beside a top-level module would be shared by all plugins.
            package = first.__name__ if hasattr(first, "__path__") else ""
        migrations = f"{package}.migrations" if package else f"{first.__name__}_migrations"
        return cls(re.sub(r"\W", "_", plugin), plugin, tuple(modules), migrations)

    @property
    def owner(self) -> str:
        """What to call it in a message."""
        return f"plugin {self.plugin}" if self.plugin else "the core"

    def models(self) -> list[type[Model]]:
        """The models that belong to the app, in the order of its modules."""
        return list(dict.fromkeys(model for module in self.modules for model in self.models_in(module)))

    def models_in(self, module: ModuleType) -> list[type[Model]]:
        """The models of one of its modules, without those that the module only imports."""
        return [model for model in _named_in(module) if model._meta.app == self.label]


class AppFault(NamedTuple):
    """What is wrong with the models of one plugin, or of several together. `what`: one line, without their names."""

    plugins: tuple[str, ...]
    what: str


def check_apps(apps: Sequence[PluginApp]) -> list[AppFault]:
    """Give each model its app and its table, and return what is wrong. `apps`: with the core's own."""
    faults = [fault for app in apps for fault in _module_faults(app)]
    if not faults:
        faults.extend(_same_labels(apps))
    if not faults:
        _claim(apps)
        faults.extend(fault for app in apps for fault in _model_faults(app))
        faults.extend(_same_tables(apps))
        faults.extend(_unknown_references(apps))
    return faults


def referred_by(field: object) -> tuple[str, str] | None:
    """The app's label and the name of the model that a field refers to; None if the field is no reference."""
    if not isinstance(field, ForeignKeyFieldInstance | ManyToManyFieldInstance):
        return None
    if isinstance(field, ManyToManyFieldInstance) and field._generated:
        return None  # Tortoise has added it, as the other end of a relation
    target = field.model_name
    if isinstance(target, str):
        label, _, name = target.partition(".")
        return label, name
    return target._meta.app or "", target.__name__


def _module_faults(app: PluginApp) -> Iterator[AppFault]:
    for module in app.modules:
        if sys.modules.get(module.__name__) is not module:
            what = f"its db_models returned {module.__name__!r}, which cannot be imported by that name"
            yield AppFault((app.plugin,), f"{what}; put the models into a module of the package")
        elif not _named_in(module):
            what = f"its db_models returned {module.__name__}, in which there is no model"
            yield AppFault((app.plugin,), f"{what}; derive one from tortoise.models.Model, or leave the module out")


def _same_labels(apps: Sequence[PluginApp]) -> Iterator[AppFault]:
    by_label: dict[str, PluginApp] = {}
    for app in apps:
        other = by_label.setdefault(app.label, app)
        if other is app:
            continue
        mend = "give one of the two another name in its entry point"
        if other.plugin:
            what = f"their models would both be called {app.label}.NAME; {mend}"
            yield AppFault((other.plugin, app.plugin), what)
        else:
            yield AppFault((app.plugin,), f"its models would be called {app.label}.NAME, as the core's; {mend}")


def _claim(apps: Sequence[PluginApp]) -> None:
    """Set the app of each model: Tortoise would take the first app that imports it."""
    homes = {module.__name__: app for app in apps for module in app.modules}
    for app in apps:
        for module in app.modules:
            for model in _named_in(module):
                owner = _home(model, homes) or app
                model._meta.app = owner.label
                model._meta.db_table = _own_option(model, "table") or f"{owner.label}_{_snake(model.__name__)}"
                # Tortoise takes the docstring: every change of that would need a migration.
                model._meta.table_description = _own_option(model, "table_description")


def _model_faults(app: PluginApp) -> Iterator[AppFault]:
    names: dict[str, type[Model]] = {}
    for model in app.models():
        other = names.setdefault(model.__name__, model)
        if other is not model:
            what = (
                f"{other.__module__} and {model.__module__} both have a model {model.__name__}; rename one of the two"
            )
            yield AppFault((app.plugin,), what)
        label = _own_option(model, "app")
        if label not in ("", app.label):
            what = f"its model {model.__name__} says in its Meta app = {label!r}; take that out"
            yield AppFault((app.plugin,), what)
    if not names:
        what = f"every model in {app.modules[0].__name__} is another plugin's"
        yield AppFault((app.plugin,), f"{what}; leave the module out of what db_models returns")


def _same_tables(apps: Sequence[PluginApp]) -> Iterator[AppFault]:
    tables: dict[str, tuple[PluginApp, str]] = {}
    for app in apps:
        for model in app.models():
            table = model._meta.db_table
            owner, name = tables.setdefault(table.lower(), (app, model.__name__))
            if table.lower() in (MIGRATIONS_TABLE, PROGRESS_TABLE) or (owner is not app and not owner.plugin):
                what = f"its model {model.__name__} has the table {table!r}, which is the core's"
                yield AppFault((app.plugin,), f"{what}; give it another Meta.table")
            elif owner is app and name != model.__name__:
                what = (
                    f"its models {name} and {model.__name__} have the same table {table!r}; give one another Meta.table"
                )
                yield AppFault((app.plugin,), what)
            elif owner is not app:
                both = f"their models {name} and {model.__name__}"
                what = f"{both} have the same table {table!r}; give one another Meta.table"
                yield AppFault((owner.plugin, app.plugin), what)


def _unknown_references(apps: Sequence[PluginApp]) -> Iterator[AppFault]:
    known = {f"{app.label}.{model.__name__}" for app in apps for model in app.models()}
    for app in apps:
        for model in app.models():
            for name, field in model._meta.fields_map.items():
                pair = referred_by(field)
                if pair is not None and (target := ".".join(pair)) not in known:
                    what = f"its field {model.__name__}.{name} refers to {target!r}, a model that nobody has"
                    mend = "correct it (PLUGIN.Model), or install and load the plugin"
                    yield AppFault((app.plugin,), f"{what}; {mend}{did_you_mean(target, sorted(known))}")


def _named_in(module: ModuleType) -> list[type[Model]]:
    """All models that a module has a name for, imported ones too; those in `__models__` if it has that."""
    values: Iterable[object] = getattr(module, "__models__", None) or [getattr(module, name) for name in dir(module)]
    found = [each for each in values if isclass(each) and issubclass(each, Model) and not each._meta.abstract]
    return list(dict.fromkeys(found))


def _home(model: type[Model], homes: dict[str, PluginApp]) -> PluginApp | None:
    """The app that a model belongs to: the model is defined in one of its modules, or in a module below it."""
    name = model.__module__
    while name:
        if name in homes:
            return homes[name]
        name = name.rpartition(".")[0]
    return None


def _own_option(model: type[Model], name: str) -> str:
    """An option in the model's own Meta, without what Tortoise or the core have added."""
    return getattr(vars(model).get("Meta"), name, None) or ""


def _snake(name: str) -> str:
    return _WORD_END.sub("_", name).lower()
