"""Moments as people on the platform read them. Everything that is stored is in UTC; what is said is in their time.

The zone is the process's own, set once where its settings are read, as its log is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

DEFAULT_ZONE = "Africa/Tunis"

_zone = [ZoneInfo(DEFAULT_ZONE)]


def find_zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises `ValueError` for one that does not exist."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone, write one like {DEFAULT_ZONE} or Europe/Paris") from None


def use_zone(zone: ZoneInfo) -> None:
    """What moments are shown in from now on, in this process."""
    _zone[0] = zone


def to_local(moment: datetime) -> datetime:
    """The same moment in the platform's time; one without a zone is in UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(_zone[0])


def hour(moment: datetime) -> str:
    """`14:05`."""
    return f"{to_local(moment):%H:%M}"


def day_and_hour(moment: datetime) -> str:
    """`29/11/2026 à 14:05`."""
    return f"{to_local(moment):%d/%m/%Y à %H:%M}"
