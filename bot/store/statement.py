"""Statements that are compiled once and then run straight through the driver.

SQLAlchemy's `execute` takes ten times as long as what SQLite does for a small statement, and a command waits for a
dozen of them before it is acknowledged. It knows how SQLAlchemy compiles, and how it words what a driver raises. It
refuses to know what is asked.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ClauseElement, Connection, exc

T = TypeVar("T")

_PUT_OFF = "actcode_put_off"
"""The option with the changes that a connection is still to send; without it each is sent at once."""


class Rows:
    """What a statement has returned.

    Attributes:
        count: how many rows it has found or changed.
    """

    __slots__ = ("_named", "_rows", "count")

    def __init__(self, rows: list[Any], named: Callable[[Iterable[Any]], Any], count: int) -> None:
        self._rows = rows
        self._named = named
        self.count = count

    def all(self) -> list[Any]:
        """Return all rows; their values have the names of the columns."""
        return list(map(self._named, self._rows))

    def plain(self) -> list[tuple[Any, ...]]:
        """Return all rows as the driver has them, which is quicker where there are very many."""
        return self._rows

    def first(self) -> Any:
        """Return the first row, named; None where there is none."""
        return self._named(self._rows[0]) if self._rows else None

    def scalar(self) -> Any:
        """Return the first value of the first row; None where there is none."""
        return self._rows[0][0] if self._rows else None

    def scalars(self) -> list[Any]:
        """Return the first value of each row."""
        return [row[0] for row in self._rows]


class Statement:
    """One statement, for both databases.

    Args:
        built: with a `bindparam` for each value that differs from run to run, and none of them `expanding`.
    """

    def __init__(self, built: ClauseElement) -> None:
        self._built = built
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, /, **values: Any) -> Rows:
        """Run it in the connection's transaction.

        Args:
            connection: of SQLAlchemy.
            values: of its parameters.

        Raises:
            sqlalchemy.exc.DBAPIError: as `Connection.execute` does; a connection that broke is given up.
        """
        compiled = self._for(connection)
        return _execute(connection, [(compiled.text, compiled.arguments(values))], compiled.rows)

    def later(self, connection: Connection, /, **values: Any) -> None:
        """Run a change whose answer nobody needs, at the latest with the commit; see `run`.

        What is wrong with it may be raised only then.
        """
        changes = connection.get_execution_options().get(_PUT_OFF)
        if changes is None:
            self.run(connection, **values)
        else:
            compiled = self._for(connection)
            changes.append((compiled.text, compiled.arguments(values)))

    def _for(self, connection: Connection) -> "_Compiled":
        name = connection.dialect.name
        found = self._compiled.get(name)
        if found is None:  # two threads may compile it at once: either will do
            found = self._compiled[name] = _Compiled(self._built, connection)
        return found


class _Compiled:
    def __init__(self, built: ClauseElement, connection: Connection) -> None:
        compiled: Any = built.compile(dialect=connection.dialect)
        self.text: str = compiled.string
        self._fixed: Mapping[str, Any] = compiled.params
        # SQLite counts its parameters, PostgreSQL names them.
        self._order: list[str] | None = compiled.positiontup
        self._named: Callable[[Iterable[Any]], Any] | None = None

    def arguments(self, values: Mapping[str, Any]) -> Any:
        given = {**self._fixed, **values}
        return given if self._order is None else tuple([given[name] for name in self._order])

    def rows(self, cursor: Any) -> Rows:
        if cursor.description is None:
            return Rows([], tuple, cursor.rowcount)
        named = self._named
        if named is None:
            names = [column[0] for column in cursor.description]
            kind: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - known only here
            named = self._named = kind._make
        return Rows(cursor.fetchall(), named, cursor.rowcount)


def putting_off(connection: Connection) -> Connection:
    """Let changes leave together with the commit where the database can take them so: each is a way to it and back.

    Whatever else is run on the connection has to come after a `send`, and so has the commit.
    """
    return connection.execution_options(**{_PUT_OFF: []}) if connection.dialect.name == "postgresql" else connection


def send(connection: Connection, *, commit: bool = False) -> None:
    """Make the changes that were put off.

    Args:
        connection: of SQLAlchemy.
        commit: together with the commit, if there are any: one wait for all of them. What comes before it goes one by
            one, because the message that ends psycopg's pipeline stops PostgreSQL's clock for idle transactions.

    Raises:
        sqlalchemy.exc.DBAPIError: one of them has failed, and none has happened; or the connection broke, and with the
            commit among them it is not known whether they have.
    """
    put_off = connection.get_execution_options().get(_PUT_OFF)
    if not put_off:
        return
    changes = list(put_off)
    put_off.clear()
    for group in [[*changes, ("COMMIT", None)]] if commit else [[one] for one in changes]:
        _execute(connection, group, lambda _: None)


def _execute(connection: Connection, statements: Sequence[tuple[str, Any]], answer: Callable[[Any], T]) -> T:
    """Run statements on the driver's connection, and return the answer of the last one's cursor.

    What the driver raises is raised in SQLAlchemy's words, and who listens to SQLAlchemy hears of them as ever.
    """
    for listener in connection.engine.dispatch.before_cursor_execute:
        for text, arguments in statements:
            listener(connection, None, text, arguments, None, False)  # noqa: FBT003 - the signature is SQLAlchemy's
    driver: Any = connection.connection.driver_connection
    dialect = connection.dialect
    try:
        if len(statements) == 1:
            return answer(driver.execute(*statements[0]))
        with driver.pipeline():
            cursor = [driver.execute(*one) for one in statements][-1]
        return answer(cursor)
    except dialect.loaded_dbapi.Error as fault:
        broken = dialect.is_disconnect(fault, driver, None)
        if broken:
            connection.invalidate(fault)
        raise exc.DBAPIError.instance(
            "; ".join(text for text, _ in statements),
            None,
            fault,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=broken,
            dialect=dialect,
        ) from fault
