"""What a plugin's package requires: a version of the core, and other packages, some of which bring plugins too."""

import importlib.metadata
import re
from collections.abc import Iterable

CORE = "msanic-core"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?=\s*(?:$|[\[(<>=!~;@]))")
_SEPARATORS = re.compile(r"[-_.]+")
_RELEASE = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PLAIN = re.compile(rf"{CORE}((?:>=|<){_RELEASE.pattern}(?:,(?:>=|<){_RELEASE.pattern})*)")


def running_version() -> str | None:
    """Return the version of the core; None if it runs without having been installed, so that nobody knows."""
    try:
        return importlib.metadata.version(CORE)
    except importlib.metadata.PackageNotFoundError:
        return None


def version_needed(requirements: Iterable[str], running: str) -> str | None:
    """Return what these requirements of a package ask of the core, if the version that is running does not fit."""
    for line in requirements:
        # Most of what a package needs is not the core, and reading a requirement takes its time.
        about_core = line[: len(CORE)].lower().replace("_", "-").replace(".", "-") == CORE
        if about_core and not _plainly_fits(line, running) and (needed := _needed(line, running)):
            return needed
    return None


def canonical(package: str) -> str:
    """The name under which a package is known, however it is spelt (PEP 503)."""
    return _SEPARATORS.sub("-", package).lower()


def packages_required(requirements: Iterable[str]) -> dict[str, str]:
    """Return by canonical name each package that is required here, the core apart, with the requirement as written.

    Requirements of extras are left out, and those whose marker says that they are for elsewhere.
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
    """Whether a package is installed, whatever its version."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _applies(line: str) -> bool:
    # Most markers are of extras, and importing packaging takes longer than finding and loading ten plugins.
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
    """Whether it is a requirement like `msanic-core>=0.1,<1`, of a release like 0.2.1, and fulfilled.

    Most are, and importing packaging takes longer than finding and loading ten plugins.
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
    """1.0 is the same release as 1, so zeros at the end do not count."""
    numbers = [int(part) for part in release.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def _needed(line: str, running: str) -> str | None:
    """Read any requirement of the core, with markers and whatever else there may be."""
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
