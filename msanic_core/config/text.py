"""Texts about settings for people: expected types, similar keys, and values without secrets."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

MASK = "***"
_SECRET_WORDS = ("secret", "passw", "passphrase", "token", "key", "credential")
# Up to the last "@": hides also a password in which "/" or "@" is not escaped.
_URL_PASSWORD = re.compile(r"(://[^/?#\s:@]*:).*@", re.DOTALL)
_URL_PARAMETER = re.compile(rf"(?i)([?&][^=&#]*(?:{'|'.join(_SECRET_WORDS)})[^=&#]*=)[^&#\s]*")


def masked(key: str, value: Any) -> Any:
    """Return `value` with secrets as `***`: passwords in URLs, and values of a plugin's keys that look secret.

    `key`: the dotted key. Values in containers are masked too.
    """
    section, *below = key.lower().split(".")
    if section == "plugins" and any(word in name for name in below[1:] for word in _SECRET_WORDS):
        return MASK
    if isinstance(value, str):
        return _URL_PARAMETER.sub(rf"\1{MASK}", _URL_PASSWORD.sub(rf"\1{MASK}@", value))
    if isinstance(value, Mapping):
        return {name: masked(f"{key}.{name}", inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(key, inner) for inner in value]
    return value


def nearest(wanted: str, known: Iterable[str]) -> str:
    """Return the known dotted key most similar to `wanted`, as a whole and in its last part."""
    from difflib import SequenceMatcher

    def likeness(candidate: str) -> float:
        whole = SequenceMatcher(None, wanted, candidate).ratio()
        return whole + SequenceMatcher(None, wanted.rpartition(".")[2], candidate.rpartition(".")[2]).ratio()

    return max(known, key=likeness)


def bare(type_: Any) -> msgspec.inspect.Type:
    """Return msgspec's description of a field's type, without its `Meta`."""
    info = msgspec.inspect.type_info(type_)
    return info.type if isinstance(info, msgspec.inspect.Metadata) else info


def expected(type_: Any) -> str:
    """Describe the values of a field's type, as `an integer from 0 to 65535`."""
    info = msgspec.inspect.type_info(type_)
    extra = (info.extra or {}) if isinstance(info, msgspec.inspect.Metadata) else {}
    kind = bare(type_)
    if "form" in extra:
        return str(extra["form"])
    if isinstance(kind, msgspec.inspect.LiteralType):
        return "one of " + ", ".join(f'"{value}"' for value in kind.values)
    if isinstance(kind, msgspec.inspect.IntType):
        until = "" if kind.le is None else f" to {kind.le}"
        unit = f" ({extra['unit']})" if extra.get("unit") else ""
        return f"an integer from {kind.ge}{until}{unit}" if until else f"an integer of at least {kind.ge}{unit}"
    if isinstance(kind, msgspec.inspect.FloatType):
        return f"a number of {extra['unit']} greater than {kind.gt:g}, at most {kind.le:.0f}"
    raise AssertionError(f"a setting of type {type_} needs a form")
