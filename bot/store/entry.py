"""How requests enter the queue: behind their asker's others, but not behind everybody's.

It knows the turn that a request gets. It refuses to know whether it may be asked at all.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, insert, literal_column, select

from bot.store.database import Transaction
from bot.store.presence import CHECKED
from bot.store.tables import commands, requests
from bot.trail import Asker

# Built once: building a statement costs several times what running it does, and these run for each command.
_UNDER_WAY = select(requests.c.label).where(
    requests.c.label.in_(bindparam("labels", expanding=True)),
    requests.c.state != "done",
    requests.c.outcome.is_distinct_from(CHECKED),
)
_NEW_COMMAND = insert(commands)
_NEW_REQUESTS = insert(requests)
_SERVING = select(func.min(requests.c.turn)).where(requests.c.state == "open").scalar_subquery()
_LAST = (
    select(func.max(requests.c.turn))
    .join(commands, commands.c.command_id == requests.c.command_id)
    # Not a comparison that an index knows: by way of the user there are few, by way of the state a whole backlog.
    .where(requests.c.state.concat(literal_column("''")) == "open")
)
_TURNS_OF_USER, _TURNS_OF_TERMINAL = (
    select(_SERVING.label("serving"), _LAST.where(whose).scalar_subquery().label("own"))
    for whose in (commands.c.user_id == bindparam("user_id"), commands.c.user_id.is_(None))
)
_AHEAD = select(func.count()).where(requests.c.state == "open", requests.c.turn <= bindparam("turn"))


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


def under_way(tx: Transaction, labels: Collection[str]) -> set[str]:
    """Return those of the labels that are being asked for."""
    return set(tx.connection.execute(_UNDER_WAY, {"labels": list(labels)}).scalars())


def add(
    tx: Transaction,
    *,
    command_id: str,
    asker: Asker,
    response_url: str | None,
    response_url_until: int | None,
    announced: bool,
    new: Sequence[NewRequest],
) -> None:
    """Queue the requests of one command; those with an outcome are done already."""
    tx.connection.execute(
        _NEW_COMMAND,
        {
            "command_id": command_id,
            "source": asker.source,
            "team_id": asker.team_id,
            "channel_id": asker.channel_id,
            "user_id": asker.user_id,
            "admitted_at": tx.now,
            "response_url": response_url,
            "response_url_until": response_url_until,
            "announced": announced,
            "open_count": sum(one.outcome is None for one in new),
            "reply_tries": 0,
        },
    )
    first = _first_turn(tx, asker)
    rows = [
        {
            "request_id": one.request_id,
            "command_id": command_id,
            "place": place,
            "label": one.label,
            "kinds": " ".join(one.kinds),
            "stations": " ".join(one.stations),
            "turn": first + place,
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
    tx.connection.execute(_NEW_REQUESTS, rows)


def ahead_of(tx: Transaction, asker: Asker) -> int:
    """Return how many of the open requests leave before a new one of this asker."""
    first = _first_turn(tx, asker)
    return tx.connection.execute(_AHEAD, {"turn": first}).scalar_one()


def _first_turn(tx: Transaction, asker: Asker) -> int:
    """Return the turn of an asker's next request: after their own, but not after others' later ones."""
    turns = _TURNS_OF_TERMINAL if asker.user_id is None else _TURNS_OF_USER
    row = tx.connection.execute(turns, {"user_id": asker.user_id}).one()
    return max(row.serving or 0, 0 if row.own is None else row.own + 1)
