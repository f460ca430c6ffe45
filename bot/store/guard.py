"""The guard of the trail: triggers by which the database itself refuses to change or remove an event.

It knows how each database is told so, for the migration that puts the guard up and for the one transaction that
may lift it (`bot.pruning`). It refuses to know what is removed, and why.

A change of these statements reaches databases that exist already only by a migration of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from bot.outcomes import Outcome

REFUSAL = "the trail is append-only"

_OUTCOMES = ", ".join(f"'{one}'" for one in Outcome)

_SQLITE = {
    "events_no_update": f"BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    "events_no_delete": f"BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    # OR REPLACE deletes without asking the trigger above, unless the client has set recursive_triggers.
    "events_no_replace": "BEFORE INSERT ON events WHEN EXISTS (SELECT 1 FROM events WHERE "  # noqa: S608 - nothing of a user's is in it
    "seq = NEW.seq OR "
    f"(NEW.event IN ({_OUTCOMES}) AND event IN ({_OUTCOMES}) AND request_id = NEW.request_id)) "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
}

_POSTGRESQL = (
    f"CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
    "CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


def put_up(connection: Connection) -> None:
    """Guard the table `events`, which has no guard yet."""
    if connection.dialect.name == "sqlite":
        for name, what in _SQLITE.items():
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {what}")
        return
    for statement in _POSTGRESQL:
        connection.exec_driver_sql(statement)


@contextmanager
def lifted(connection: Connection) -> Iterator[None]:
    """Lift the guard for what is done inside, within the connection's transaction, which must hold the head's lock.

    Both databases make these changes a part of the transaction. Nobody else sees them: whoever writes has to wait
    for its end, whoever reads goes on with what was there before. If it fails anywhere, or the process or the
    machine dies, everything is as it was, the guard included; so there is nothing to put right after an error.
    """
    if connection.dialect.name == "sqlite":
        for name in _SQLITE:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        yield
        put_up(connection)
        return
    # With the head's lock no other append is under way. What may be in the way is a vacuum, which steps aside
    # after a second.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
    connection.exec_driver_sql("ALTER TABLE events DISABLE TRIGGER events_append_only")
    yield
    connection.exec_driver_sql("ALTER TABLE events ENABLE TRIGGER events_append_only")
