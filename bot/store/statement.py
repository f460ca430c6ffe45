"""Statements that are compiled once and then run straight through the driver.

SQLAlchemy's `execute` takes ten times as long as what SQLite does for a small statement, and a command waits for a
dozen of them before it is acknowledged. It knows how SQLAlchemy compiles, and how it words what a driver raises. It
refuses to know what is asked.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import ClauseElement, Connection, exc

T = TypeVar("T")


class Rows:
    """What a statement has returned.

    Attributes:
        count: how many rows it has found or changed.
    """

    __slots__ = ("_rows", "count")

    def __init__(self, rows: list[Any], count: int) -> None:
        self._rows = rows
        self.count = count

    def all(self) -> list[Any]:
        """Return all rows; their values have the names of the columns."""
        return self._rows

    def first(self) -> Any:
        """Return the first row; None where there is none."""
        return self._rows[0] if self._rows else None

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

        arguments = compiled.arguments(values)

        def execute(driver: Any) -> Rows:
            cursor = driver.execute(compiled.text, arguments)
            return Rows([] if cursor.description is None else compiled.named(cursor), cursor.rowcount)

        return _worded(connection, compiled.text, arguments, execute)

    def run_each(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it for each of the rows; see `run`."""
        compiled = self._for(connection)
        arguments = [compiled.arguments(values) for values in rows]

        def execute(driver: Any) -> None:
            driver.cursor().executemany(compiled.text, arguments)

        _worded(connection, compiled.text, arguments[0] if arguments else {}, execute)

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
        self._row: Callable[[Iterable[Any]], Any] | None = None

    def arguments(self, values: Mapping[str, Any]) -> Any:
        given = {**self._fixed, **values}
        return given if self._order is None else tuple([given[name] for name in self._order])

    def named(self, cursor: Any) -> list[Any]:
        make = self._row
        if make is None:
            names = [column[0] for column in cursor.description]
            kind: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - known only here
            make = self._row = kind._make
        return [make(row) for row in cursor.fetchall()]


def _worded(connection: Connection, text: str, arguments: Any, execute: Callable[[Any], T]) -> T:
    """Run something on the driver's connection, and raise what it raises in SQLAlchemy's words."""
    if listeners := connection.engine.dispatch.before_cursor_execute:  # who listens to SQLAlchemy hears of it as ever
        for listener in listeners:
            listener(connection, None, text, arguments, None, False)  # noqa: FBT003 - the signature is SQLAlchemy's
    driver: Any = connection.connection.driver_connection
    dialect = connection.dialect
    try:
        return execute(driver)
    except dialect.loaded_dbapi.Error as fault:
        broken = dialect.is_disconnect(fault, driver, None)
        if broken:
            connection.invalidate(fault)
        raise exc.DBAPIError.instance(
            text,
            None,
            fault,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=broken,
            dialect=dialect,
        ) from fault
