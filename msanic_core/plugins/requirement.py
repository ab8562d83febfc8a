"""The requirements of a plugin's package: a version of the core, and other packages."""

import importlib.metadata
import re
from collections.abc import Iterable

CORE = "msanic-core"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?=\s*(?:$|[\[(<>=!~;@]))")
_SEPARATORS = re.compile(r"[-_.]+")
_RELEASE = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PLAIN = re.compile(rf"{CORE}((?:>=|<){_RELEASE.pattern}(?:,(?:>=|<){_RELEASE.pattern})*)")


def running_version() -> str | None:
    """Return the version of the installed core; None if it runs without an installation."""
    try:
        return importlib.metadata.version(CORE)
    except importlib.metadata.PackageNotFoundError:
        return None


def version_needed(requirements: Iterable[str], running: str) -> str | None:
    """Return the requirement of the core that the running version does not meet; None if it meets all."""
    for line in requirements:
        # Most requirements are not of the core, and parsing a requirement is slow.
        about_core = line[: len(CORE)].lower().replace("_", "-").replace(".", "-") == CORE
        if about_core and not _plainly_fits(line, running) and (needed := _needed(line, running)):
            return needed
    return None


def canonical(package: str) -> str:
    """Return the normalized name of a package (PEP 503)."""
    return _SEPARATORS.sub("-", package).lower()


def packages_required(requirements: Iterable[str]) -> dict[str, str]:
    """Return each required package except the core: canonical name to requirement as written.

    Requirements of extras are left out, and requirements whose marker does not match this environment.
    """
    found = {}
    for line in requirements:
        name = _NAME.match(line)
        if name is None or canonical(name[0]) == CORE:
            continue
        if ";" in line and not _applies(line):
            continue
        found[canonical(name[0])] = line.partition(";")[0].strip()
    return found


def is_installed(package: str) -> bool:
    """Whether a package is installed, in any version."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _applies(line: str) -> bool:
    # Most markers are for extras, and importing `packaging` takes longer than loading ten plugins.
    marker = line.partition(";")[2]
    if "extra" in marker and " or " not in marker:
        return False
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return False
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _plainly_fits(line: str, running: str) -> bool:
    """Whether a plain requirement like `msanic-core>=0.1,<1` is met by a plain release like 0.2.1.

    Most requirements are plain, and importing `packaging` takes longer than loading ten plugins.
    """
    plain = _PLAIN.fullmatch(line)
    if plain is None or not _RELEASE.fullmatch(running):
        return False
    release = _numbers(running)
    return all(
        release >= _numbers(bound[2:]) if bound.startswith(">=") else release < _numbers(bound[1:])
        for bound in plain[1].split(",")
    )


def _numbers(release: str) -> list[int]:
    """Return the numbers without zeros at the end: 1.0 is the same release as 1."""
    numbers = [int(part) for part in release.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def _needed(line: str, running: str) -> str | None:
    """Check any form of a requirement with `packaging`. Returns it if the running version does not meet it."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    if canonicalize_name(requirement.name) != CORE or requirement.specifier.contains(running, prereleases=True):
        return None
    applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return f"{CORE}{requirement.specifier}" if applies else None
