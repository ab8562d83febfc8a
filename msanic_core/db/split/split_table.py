"""The description of a split table: its template, how rows are divided into parts, and by which field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar

from tortoise import Model, timezone
from tortoise.fields import CharField, DateField, DatetimeField, Field
from tortoise.fields.relational import ForeignKeyFieldInstance

from msanic_core.db.split.naming import PERIODS, Calendar, Keys, Splitting, table_of
from msanic_core.errors import SplitError

RowT = TypeVar("RowT", bound=Model)
RowT_co = TypeVar("RowT_co", bound=Model, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class SplitTable(Generic[RowT_co]):
    """The description of a split table; there is one for each model.

    `model`: the class of the template, from which the classes of the parts derive. `field`: the name of the split
    field. `splitting`: which of its values belong into which part.
    """

    model: type[RowT_co]
    field: str
    splitting: Splitting

    @property
    def name(self) -> str:
        """The name of the model, for people."""
        return self.model.__name__

    @property
    def template(self) -> str:
        """The table of the template in the database."""
        return self.model._meta.db_table

    def table_of(self, part: str) -> str:
        """Name the table of a part."""
        return table_of(self.template, part)

    def part_of(self, row: Model) -> str:
        """Name the part a row belongs to. Raises `SplitError` if its value of the split field belongs to none."""
        value = getattr(row, self.field)
        field = self.model._meta.fields_map[self.field]
        if value is None and getattr(field, "auto_now_add", False):
            setattr(row, self.field, value := timezone.now())
        return self.splitting.part_of(self.comparable(value) if isinstance(value, date) else value)

    def comparable(self, value: date) -> date:
        """Convert a value as the split field would, in UTC. Raises `SplitError` for a datetime where it is a date."""
        field = self.model._meta.fields_map[self.field]
        if isinstance(field, DateField) and isinstance(value, datetime):
            raise SplitError(f"{self.name}.{self.field} is a date: {value!r} is a datetime")
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = value.astimezone(UTC)
        converted = field.to_python_value(value)
        assert isinstance(converted, date), "what a date or datetime field gives"
        return converted


@dataclass(frozen=True, slots=True, eq=False)
class PartModel(Generic[RowT_co]):
    """A part that can be queried: its name, the class of its rows, and its table in the database."""

    name: str
    model: type[RowT_co]
    table: str


def declared(model: type[RowT]) -> SplitTable[RowT]:
    """Read `class Split` of a model. Raises `SplitError` if that, or the model, is not as a split table needs it."""
    declaration = getattr(model, "Split", None)
    by, name = getattr(declaration, "by", None), getattr(declaration, "field", None)
    where = f"{model.__module__}.{model.__name__}"
    if by not in ("key", *PERIODS) or not isinstance(name, str):
        raise SplitError(
            f'{where}: say how it is split, `class Split: by = "month"; field = "at"`; by is one of key, '
            f"{', '.join(PERIODS)}"
        )
    if extra := [each for each in vars(declaration) if not each.startswith("__") and each not in ("by", "field")]:
        raise SplitError(f"{where}.Split has {', '.join(extra)}: it has by and field, and nothing else")
    field = model._meta.fields_map.get(name)
    kinds: tuple[type[Field[Any]], ...] = (CharField,) if by == "key" else (DatetimeField, DateField)
    if not isinstance(field, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise SplitError(f"{where} is split by {by}: {name} must be a {names}")
    if field.null or field.has_db_default() or getattr(field, "auto_now", False):
        raise SplitError(f"{where}.{name} must be set before a row is saved: no null, db_default or auto_now")
    _check_relations(model, where)
    if model._meta._default_ordering:
        raise SplitError(f"{where}: parts have no order of their own; leave out Meta.ordering and use order_by")
    if model._meta.schema:
        raise SplitError(f"{where}: a split model is in the schema of the connection; leave out Meta.schema")
    return SplitTable(model, name, Keys() if by == "key" else Calendar(by))


def _check_relations(model: type[Model], where: str) -> None:
    """Refuse relations that copies of a table do not have, or that would look into the template."""
    if model._meta.m2m_fields:
        raise SplitError(f"{where}: a split model has no many-to-many fields ({', '.join(model._meta.m2m_fields)})")
    for name in sorted(model._meta.fk_fields | model._meta.o2o_fields):
        field = model._meta.fields_map[name]
        assert isinstance(field, ForeignKeyFieldInstance)
        if field.db_constraint or field.related_name is not False:
            raise SplitError(
                f"{where}.{name}: parts have no foreign keys, and nothing leads back from one row to many parts; give "
                "it db_constraint=False, related_name=False"
            )
