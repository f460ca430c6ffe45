"""How the databases find what is asked for: by an index, however long the trail is.

The statements are caught on their way to the database while the program's own functions run, and the database is asked
how it runs those.
"""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from sqlalchemy import event, text

from bot import labels, trail
from bot.decisions import Delivery
from bot.mpc import MPC
from bot.outcomes import Outcome
from bot.policy import Policy
from bot.retrieval import Retrieval
from bot.slack.actcode import Actcode
from bot.slack.audit_channel import AuditChannel
from bot.store import entry, presence, queue, standing
from bot.store.database import Database
from bot.store.writing import Transaction
from bot.trail import Asker, Event
from tests.bench.events import CHANNELS, TEAM, USERS, label
from tests.bench.filling import fill
from tests.conftest import database_of_kind, opened

COUNT = 20_000
AUDIT = "C0AUDIT"
CLOSED_PORT = "http://127.0.0.1:9/"

Statement = tuple[str, Any]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def long_trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Give a database with a trail that is long enough for an index to be worth it; the tests add little to it."""
    folder = tmp_path_factory.mktemp(request.param)
    with database_of_kind(request.param, request, folder) as url, opened(url) as database:
        fill([database], COUNT, now=time.time_ns() // 1_000_000)
        yield database


@pytest.fixture
def caught(long_trail: Database) -> Iterator[list[Statement]]:
    """Give the list of the statements that are executed, with their parameters, as they are."""
    found: list[Statement] = []

    def catch(_: object, __: object, statement: str, parameters: Any, ___: object, many: bool) -> None:  # noqa: FBT001
        found.append((statement, parameters[0] if many else parameters))

    event.listen(long_trail.engine, "before_cursor_execute", catch)
    yield found
    event.remove(long_trail.engine, "before_cursor_execute", catch)


def plan_of(database: Database, statement: str, parameters: Any) -> str:
    """Return how the database runs a statement, in its own words."""
    if database.dialect == "sqlite":
        with database.reading() as connection:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        return "\n".join(row[3] for row in rows)
    # Prepared, as the driver does it: the plan is then the one that is kept for any values.
    names: list[str] = re.findall(r"%\((\w+)\)s", statement)
    for number, name in enumerate(names, start=1):
        statement = statement.replace(f"%({name})s", f"${number}", 1)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"PREPARE probe AS {statement}")
        values = ", ".join(_literal(parameters[name]) for name in names)
        execute = f"EXECUTE probe({values})" if names else "EXECUTE probe"
        rows = connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {execute}").all()
        connection.exec_driver_sql("DEALLOCATE probe")
    return "\n".join(row[0] for row in rows)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def plans(database: Database, caught: list[Statement], pattern: str) -> str:
    """Return the plans of those of the caught statements that a pattern fits; there is at least one."""
    found = [plan_of(database, *one) for one in list(caught) if re.search(pattern, one[0])]
    assert found, f"nothing was asked that fits {pattern}: {caught}"
    return "\n".join(found)


def goes_by(plan: str, index: str) -> bool:
    """Return whether a plan finds its rows by an index; no plan here may read a whole table of many rows."""
    reads_all = re.search(r"Seq Scan on (events|requests)|SCAN (events|requests)\b", plan)
    found = re.search(rf"(using|on|USING INDEX|USING COVERING INDEX|USING) {index}\b", plan)
    return reads_all is None and found is not None


def is_sorted_by_its_index(plan: str) -> bool:
    """Return whether rows come in the order that is asked for, so that the last of many need not be read first."""
    return re.search(r"^\W*Sort$|Bitmap|TEMP B-TREE FOR ORDER BY", plan, re.MULTILINE) is None


KEY = {"sqlite": "INTEGER PRIMARY KEY", "postgresql": "events_pkey"}


def retrieval_on(database: Database) -> Retrieval:
    """Build the use case; the MPC is never asked."""
    return Retrieval(
        database=database,
        mpc=MPC(api_url=f"{CLOSED_PORT}api", timeout_s=1),
        policy=Policy(),
        owner="here",
        rate_per_s=5,
        jitter=lambda: 0.0,
    )


@pytest.mark.parametrize(("typed", "index"), [("log 20", "events_of_a_channel"), ("log 20 mine", "events_of_a_user")])
@pytest.mark.parametrize("place", [0, -1], ids=["busiest", "most silent"])
def test_the_log_reads_the_newest_of_its_channel_or_user(
    long_trail: Database, caught: list[Statement], typed: str, index: str, place: int
) -> None:
    """It goes backwards through the events of the one that is asked for, and stops when it has enough."""
    actcode = Actcode(database=long_trail, retrieval=retrieval_on(long_trail), count=lambda _, __: None)
    said: list[dict[str, Any]] = []
    command = {"text": typed, "team_id": TEAM, "channel_id": CHANNELS[place], "user_id": USERS[place]}
    actcode.handle(lambda **answer: said.append(answer), command)  # type: ignore[arg-type]
    assert said
    plan = plans(long_trail, caught, "FROM events")
    assert goes_by(plan, index), plan
    assert is_sorted_by_its_index(plan), plan


@pytest.mark.parametrize(
    ("user_id", "asked"), [(USERS[0], label(2_100)), (None, label(2_101))], ids=["a user", "the terminal"]
)
def test_a_command_looks_for_no_more_than_its_rules_need(
    long_trail: Database, caught: list[Statement], user_id: str | None, asked: str
) -> None:
    """The cool-down is one step in an index, the hourly count a stretch of one."""
    long_trail.write(_backlog, within_s=None)
    with long_trail.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    asker = Asker(source="slash", team_id=TEAM, channel_id=CHANNELS[0], user_id=user_id)
    caught.clear()
    retrieval_on(long_trail).admit(asker, labels.parse_all(asked), Delivery())
    cool_down = plans(long_trail, caught, r"FROM events\s+WHERE label")
    assert goes_by(cool_down, "events_that_may_have_mailed"), cool_down
    assert is_sorted_by_its_index(cool_down), cool_down
    hourly = plans(long_trail, caught, r"FROM events\s+WHERE user_id")
    assert goes_by(hourly, "events_asked"), hourly


def test_the_audit_channel_reads_on_from_where_it_is(long_trail: Database, caught: list[Statement]) -> None:
    """The next post begins at its place in the trail, whatever stands before that."""
    client = WebClient(token="xoxb-0", base_url=CLOSED_PORT, retry_handlers=[], timeout=1)
    channel = AuditChannel(database=long_trail, client=client, channel_id=AUDIT, owner="here")
    channel.follow()
    with long_trail.engine.begin() as connection:
        connection.execute(text("UPDATE channels SET seq = :seq"), {"seq": COUNT - 500})
    channel.step()
    plan = plans(long_trail, caught, "FROM events")
    assert goes_by(plan, KEY[long_trail.dialect]), plan
    assert is_sorted_by_its_index(plan), plan


def test_an_export_goes_through_the_trail_in_pages(long_trail: Database, caught: list[Statement]) -> None:
    """Each page begins where the last one ended: also with a filter, nothing is read twice or held."""
    with long_trail.reading() as connection:
        read = sum(1 for _ in trail.read(connection, trail.Filter(events=(trail.REQUESTED,)), page=2_000))
    pages = [one for one in caught if "FROM events" in one[0]]
    assert len(pages) == read // 2_000 + 1
    for statement, parameters in pages[1:]:
        plan = plan_of(long_trail, statement, parameters)
        assert goes_by(plan, KEY[long_trail.dialect]), plan
        assert is_sorted_by_its_index(plan), plan


def test_an_append_reads_no_other_event(long_trail: Database, caught: list[Statement]) -> None:
    """It takes the head, adds the event and moves the head. What refuses a replacement looks in two indexes."""
    asker = Asker(source="cli")
    new = Event(event=Outcome.ACCEPTED, request_id=trail.new_id(), asker=asker, label="A10cnQO", kinds=("trksub",))
    long_trail.write(lambda tx: trail.append(tx, [new]))
    assert not re.search(r"Scan.* on events|(SCAN|SEARCH) events", plans(long_trail, caught, "events|head"))
    if long_trail.dialect == "postgresql":
        return
    with long_trail.reading() as connection:
        asked = text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%BEFORE INSERT ON events%'")
        trigger: str = connection.execute(asked).scalar_one()
    question = re.search(r"WHEN EXISTS \((.*)\)\s+BEGIN", trigger, re.DOTALL)
    assert question is not None
    values = {"NEW.seq": COUNT + 9, "NEW.event": "accepted", "NEW.request_id": "r"}
    statement = re.sub(r"NEW\.\w+", lambda found: _literal(values[found[0]]), question[1])
    plan = plan_of(long_trail, statement, ())
    assert goes_by(plan, KEY["sqlite"]), plan
    assert goes_by(plan, "one_outcome_a_request"), plan


def test_the_queue_is_worked_off_in_turn_without_reading_all_of_it(
    long_trail: Database, caught: list[Statement]
) -> None:
    """However many requests wait, the next one is found by an index; and nobody looks at the trail for that."""
    long_trail.write(_backlog, within_s=None)
    with long_trail.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    retrieval = retrieval_on(long_trail)
    caught.clear()
    assert isinstance(retrieval.take(), queue.Taken)
    plan = plans(long_trail, caught, r"FROM requests JOIN commands")
    assert goes_by(plan, "requests_in_turn"), plan
    assert is_sorted_by_its_index(plan), plan
    caught.clear()
    long_trail.write(lambda tx: presence.look(tx, announce_after_ms=5_000))
    assert "events" not in plans(long_trail, caught, "EXISTS")


def _backlog(tx: Transaction) -> None:
    for number in range(400):
        new = [
            entry.NewRequest(request_id=trail.new_id(), label=label(10 * number + place), kinds=("trksub",))
            for place in range(10)
        ]
        asker = Asker(source="slash", team_id=TEAM, channel_id=CHANNELS[0], user_id=USERS[number])
        entry.add(
            tx,
            command_id=trail.new_id(),
            asker=asker,
            response_url=None,
            response_url_until=None,
            announced=False,
            turn=standing.of_asker(tx.connection, asker, now=tx.now).turn,
            new=new,
        )
