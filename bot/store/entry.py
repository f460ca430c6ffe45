"""How requests enter the queue: behind their asker's others, but not behind everybody's.

It knows the turn that a request gets. It refuses to know whether it may be asked at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, literal_column, select

from bot.store.presence import CHECKED
from bot.store.statement import Statement
from bot.store.tables import commands, requests
from bot.store.writing import Transaction
from bot.trail import Asker

COUNTED = 1_000
"""Of a longer queue nobody counts who is ahead: a command is acknowledged as soon as in a short one."""

_UNDER_WAY = Statement(
    select(requests.c.request_id)
    .where(
        requests.c.label == bindparam("label"),
        requests.c.state != "done",
        requests.c.outcome.is_distinct_from(CHECKED),
    )
    .limit(literal_column("1"))
)
_NEW_COMMAND = Statement(insert(commands))
_NEW_REQUESTS = Statement(insert(requests))
_SERVING = select(func.min(requests.c.turn)).where(requests.c.state == "open").scalar_subquery()
_TURNS_OF_USER, _TURNS_OF_TERMINAL = (
    Statement(
        select(
            _SERVING.label("serving"),
            # In the words of an index of `bot/migrations`.
            select(func.max(commands.c.last_turn))
            .where(whose, commands.c.open_count > literal_column("0"))
            .scalar_subquery()
            .label("own"),
        )
    )
    for whose in (commands.c.user_id == bindparam("user_id"), commands.c.user_id.is_(None))
)
_AHEAD = Statement(
    select(func.count()).select_from(
        select(requests.c.turn)
        .where(requests.c.state == "open", requests.c.turn <= bindparam("turn"))
        .limit(literal_column(f"{COUNTED}"))
        .subquery()
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request that was admitted, or a label that was denied beside one that was admitted."""

    request_id: str
    label: str
    kinds: tuple[str, ...]
    stations: tuple[str, ...] = ()
    outcome: str | None = None
    rule: str | None = None
    until: int | None = None


def is_under_way(tx: Transaction, label: str) -> bool:
    """Return whether the label is being asked for."""
    return _UNDER_WAY.run(tx.connection, label=label).first() is not None


def add(
    tx: Transaction,
    *,
    command_id: str,
    asker: Asker,
    response_url: str | None,
    response_url_until: int | None,
    announced: bool,
    turn: int,
    new: Sequence[NewRequest],
) -> None:
    """Queue the requests of one command from `turn` on; those with an outcome are done already."""
    rows: list[dict[str, Any]] = [
        {
            "request_id": one.request_id,
            "command_id": command_id,
            "place": place,
            "label": one.label,
            "kinds": " ".join(one.kinds),
            "stations": " ".join(one.stations),
            "turn": turn + place,
            "admitted_at": tx.now,
            "state": "open" if one.outcome is None else "done",
            "attempts": 0,
            "not_before": 0,
            "outcome": one.outcome,
            "rule": one.rule,
            "until": one.until,
        }
        for place, one in enumerate(new)
    ]
    _NEW_COMMAND.run(
        tx.connection,
        command_id=command_id,
        source=asker.source,
        team_id=asker.team_id,
        channel_id=asker.channel_id,
        user_id=asker.user_id,
        admitted_at=tx.now,
        response_url=response_url,
        response_url_until=response_url_until,
        announced=announced,
        open_count=sum(one.outcome is None for one in new),
        last_turn=max((row["turn"] for row in rows if row["state"] == "open"), default=None),
        reply_tries=0,
    )
    _NEW_REQUESTS.run_each(tx.connection, rows)


def next_turn(tx: Transaction, asker: Asker) -> int:
    """Return the turn of an asker's next request: after their own, but not after others' later ones."""
    turns = _TURNS_OF_TERMINAL if asker.user_id is None else _TURNS_OF_USER
    row = turns.run(tx.connection, user_id=asker.user_id).first()
    return max(row.serving or 0, 0 if row.own is None else row.own + 1)


def ahead_of(tx: Transaction, turn: int) -> int:
    """Return how many of the open requests leave before a new one with that turn; not more than `COUNTED`."""
    ahead: int = _AHEAD.run(tx.connection, turn=turn).scalar()
    return ahead
