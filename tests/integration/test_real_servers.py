"""Servers of other versions: what the other tests stand on."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.support.real_servers import VERSIONS, RealServer


@pytest.mark.parametrize("major", VERSIONS)
def test_a_server_of_each_version_runs_and_lets_a_plain_role_in(
    major: int, real_server: Callable[[int], RealServer]
) -> None:
    server = real_server(major)
    server.execute("CREATE ROLE plain LOGIN")

    with psycopg.connect(server.url(role="plain")) as connection:
        (version, is_superuser) = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, rolsuper FROM pg_roles WHERE rolname = user"
        ).fetchone() or (0, True)
    assert (version, is_superuser) == (major, False)
