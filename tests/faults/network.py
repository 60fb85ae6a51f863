"""Hosts in network namespaces: a server with PostgreSQL, Redis and a model, machines around it, and what cuts them off.

Every address here belongs to a namespace that was made for the run; nothing of the machine's own network is touched.
The suite itself speaks with PostgreSQL over a Unix socket, which no cut reaches.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

import psycopg
import redis

from tests.faults.servers import Servers
from tests.support.namespaces import enter
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.db.engine import sqlalchemy_url
from worker.db.schema import upgrade
from worker.embedded import start_services, stop_services
from worker.settings import Settings

T = TypeVar("T")
Way = Literal["to", "from", "both"]
NET = "10.77.0"
FIRST, SECOND = f"{NET}.1", f"{NET}.2"  # both of the server


def find_missing() -> str | None:
    """What this machine lacks for hosts in namespaces of their own; None when it has everything."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if lacking := [name for name in ("ip", "nft") if shutil.which(name) is None]:
        return f"not installed: {', '.join(lacking)} (Debian: iproute2, nftables)"
    probe = f"medq-{os.getpid()}-probe"
    try:
        run("ip", "netns", "add", probe)
    except subprocess.CalledProcessError as error:
        return f"no network namespaces here: {error.stderr.strip()}"
    try:
        run("ip", "-n", probe, "link", "add", "name", "medq0", "type", "veth", "peer", "name", "medq1")
        run("ip", "-n", probe, "link", "add", "name", "medq2", "type", "bridge")
        nft(probe, "add table inet medq")
    except subprocess.CalledProcessError as error:
        return f"this kernel lacks veth, bridge or nftables: {error.stderr.strip()}"
    finally:
        run("ip", "netns", "delete", probe)
    return None


def run(*command: str, given: str | None = None) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True, capture_output=True, text=True, input=given)


def nft(namespace: str, rules: str) -> None:
    """Apply rules in a namespace."""
    run("ip", "netns", "exec", namespace, "nft", "-f", "-", given=rules + "\n")


def inside(namespace: str, work: Callable[[], T]) -> T:
    """Do something as if on that machine: in a thread whose sockets, and whose children's, are there."""
    found: list[T] = []
    faults: list[BaseException] = []

    def enter_and_work() -> None:
        try:
            enter(namespace)
            found.append(work())
        except BaseException as error:  # noqa: BLE001 (raised where it was asked for)
            faults.append(error)

    thread = threading.Thread(target=enter_and_work)
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
    return found[0]


@dataclass
class Host:
    """A machine beside the server. `namespace` is what a process of it must enter."""

    namespace: str
    server: str  # the server's namespace
    number: int
    ports: dict[str, int]

    @property
    def address(self) -> str:
        return f"{NET}.{10 + self.number}"

    def cut(self, what: str, way: Way = "both") -> None:
        """Drop every packet to a service, or from it, where it arrives: the sender hears nothing."""
        port = self.ports[what]
        if way in ("to", "both"):
            nft(self.server, f"add rule inet medq h{self.number} tcp dport {port} drop")
        if way in ("from", "both"):
            nft(self.namespace, f"add rule inet medq in ip saddr {{ {FIRST}, {SECOND} }} tcp sport {port} drop")

    def forget(self, port: int) -> None:
        """Drop every packet of one connection, by the host's port, as a firewall does that has forgotten it."""
        nft(self.server, f"add rule inet medq h{self.number} tcp sport {port} drop")
        nft(self.namespace, f"add rule inet medq in tcp dport {port} drop")

    def reset(self, what: str) -> None:
        """Answer every packet to a service with a reset."""
        nft(self.namespace, f"add rule inet medq out tcp dport {self.ports[what]} reject with tcp reset")

    def heal(self) -> None:
        """Everything passes again."""
        nft(self.server, f"flush chain inet medq h{self.number}")
        nft(self.namespace, "flush chain inet medq in\nflush chain inet medq out")

    def vanish(self) -> None:
        """As if its plug were pulled: nobody is told anything."""
        run("ip", "-n", self.namespace, "link", "set", "eth0", "down")


class LlmInside:
    """The scripted model on the server, spoken to from there; see `ScriptedLlm`."""

    def __init__(self, namespace: str, llm: ScriptedLlm) -> None:
        self._namespace, self._llm = namespace, llm

    def configure(self, **script: Any) -> None:
        inside(self._namespace, lambda: self._llm.configure(**script))

    def stats(self) -> dict[str, Any]:
        return inside(self._namespace, self._llm.stats)


class NetworkSite(Platform):
    """The platform, its database reached over the Unix socket."""

    llm: LlmInside


@dataclass
class Network:
    """The server, what runs on it, and the hosts."""

    server: str
    servers: Servers
    sockets: Path  # the folder of the Unix socket
    ports: dict[str, int]
    secret: str
    hosts: list[Host] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)

    def add_host(self) -> Host:
        """One more machine."""
        number = len(self.hosts)
        host = Host(f"{self.server}-h{number}", self.server, number, self.ports)
        run("ip", "netns", "add", host.namespace)
        self.hosts.append(host)
        port = f"h{number}"
        run("ip", "-n", self.server, "link", "add", "name", port, "type", "veth", "peer", "name", "eth0",
            "netns", host.namespace)  # fmt: skip
        run("ip", "-n", self.server, "link", "set", port, "master", "br0", "up")
        run("ip", "-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            run("ip", "-n", host.namespace, "link", "set", link, "up")
        chains = "\n".join(
            f"add chain inet medq {name} {{ type filter hook {hook} priority 0; policy accept; }}"
            for name, hook in (("in", "input"), ("out", "output"))
        )
        nft(host.namespace, f"add table inet medq\n{chains}")
        nft(self.server, f"add chain inet medq h{number}\n"
            f"add rule inet medq in ip saddr {host.address} jump h{number}")  # fmt: skip
        return host

    def own_url(self, database: str) -> str:
        """Of a database, over the Unix socket."""
        place = f"{quote(str(self.sockets), safe='')}:{self.ports['postgresql']}"
        return f"postgresql://medq:{self.secret}@{place}/{database}"

    @contextmanager
    def open_site(self, folder: Path) -> Iterator[NetworkSite]:
        """A platform of its own on the server: a new database, an empty Redis, a model. Every line is whole again."""
        database = f"medq_{len(self.databases)}"
        self.databases.append(database)
        with psycopg.connect(self.own_url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database} TEMPLATE medq")
        inside(self.server, self.servers.flush_redis)
        llm = inside(self.server, lambda: ScriptedLlm.start(ledger=folder / "ledger.jsonl", host=FIRST))
        self.ports["llm"] = urlsplit(llm.url).port or 0
        nft(self.server, "flush chain inet medq lost")
        try:
            site = NetworkSite(self.own_url(database), "", folder, llm.url)
            site.llm = LlmInside(self.server, llm)
            yield site
            site.engine.dispose()
        finally:
            llm.stop()

    def environment(self, site: NetworkSite, *, both_addresses: bool = False) -> dict[str, str]:
        """Where a host finds everything."""
        addresses = [FIRST, SECOND] if both_addresses else [FIRST]
        places = ",".join(f"{address}:{self.ports['postgresql']}" for address in addresses)
        return {
            "DATABASE_URL": f"postgresql://medq:{self.secret}@{places}/{urlsplit(site.database_url).path[1:]}",
            "REDIS_URL": f"redis://:{self.secret}@{FIRST}:{self.ports['redis']}/0",
            "OPENAI_BASE_URL": site.llm_url,
            "NO_PROXY": "*",
        }

    def lose_first_address(self) -> None:
        """Nothing that is sent to the database's first address arrives any more."""
        nft(self.server, f"add rule inet medq lost ip daddr {FIRST} tcp dport {self.ports['postgresql']} drop")


@contextmanager
def open_network(*, max_connections: int = 300) -> Iterator[Network]:
    """The server with everything on it, no host yet."""
    server = f"medq-{os.getpid()}"
    with ExitStack() as stack:
        run("ip", "netns", "add", server)
        made: list[Host] = []
        stack.callback(_delete, server, made)
        run("ip", "-n", server, "link", "add", "name", "br0", "type", "bridge")
        for address in (FIRST, SECOND):
            run("ip", "-n", server, "address", "add", f"{address}/24", "dev", "br0")
        for link in ("lo", "br0"):
            run("ip", "-n", server, "link", "set", link, "up")
        chain = "{ type filter hook input priority 0; policy accept; }"
        nft(server, f"add table inet medq\nadd chain inet medq in {chain}\nadd chain inet medq lost {chain}")
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="medq-net-")))
        settings = Settings.model_validate({"MEDQ_HOME": str(home), "DATABASE_URL": None, "REDIS_URL": None})
        stack.callback(inside, server, lambda: stop_services(settings))
        servers = Servers(home, settings, inside(server, lambda: start_services(settings)))
        sockets = home / "sockets"
        sockets.mkdir()
        sockets.chmod(0o777)
        inside(server, lambda: _open_up(servers, sockets, max_connections))
        database, broker = urlsplit(servers.urls.database_url), urlsplit(servers.urls.redis_url)
        ports = {"postgresql": database.port or 0, "redis": broker.port or 0}
        network = Network(server, servers, sockets, ports, database.password or "", made)
        upgrade(sqlalchemy_url(network.own_url("medq")))
        yield network


def _open_up(servers: Servers, sockets: Path, max_connections: int) -> None:
    """Have both servers listen beyond loopback, and PostgreSQL on a Unix socket."""
    with psycopg.connect(servers.urls.database_url, autocommit=True) as connection:
        for name, value in {
            "listen_addresses": "*",
            "unix_socket_directories": str(sockets),
            "max_connections": str(max_connections),
        }.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    with (servers.home / "postgresql/pg_hba.conf").open("a") as file:
        file.write("local all all scram-sha-256\nhost all all 10.77.0.0/24 scram-sha-256\n")
    servers.stop_postgresql()
    servers.start()
    with redis.Redis.from_url(servers.urls.redis_url) as client:
        client.config_set("bind", "*")


def _delete(server: str, hosts: list[Host]) -> None:
    for namespace in [*(host.namespace for host in hosts), server]:
        with suppress(subprocess.CalledProcessError):
            run("ip", "netns", "delete", namespace)
