"""How requests enter the queue: behind their asker's others, but not behind everybody's.

It knows the turn that a request gets. It refuses to know whether it may be asked at all.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select

from bot.store.database import Transaction
from bot.store.presence import CHECKED
from bot.store.tables import commands, requests
from bot.trail import Asker


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
    asked = select(requests.c.label).where(
        requests.c.label.in_(labels), requests.c.state != "done", requests.c.outcome.is_distinct_from(CHECKED)
    )
    return set(tx.connection.execute(asked).scalars())


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
        insert(commands).values(
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
            reply_tries=0,
        )
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
    tx.connection.execute(insert(requests), rows)


def ahead_of(tx: Transaction, asker: Asker) -> int:
    """Return how many of the open requests leave before a new one of this asker."""
    first = _first_turn(tx, asker)
    return tx.connection.execute(
        select(func.count()).where(requests.c.state == "open", requests.c.turn <= first)
    ).scalar_one()


def _first_turn(tx: Transaction, asker: Asker) -> int:
    """Return the turn of an asker's next request: after their own, but not after others' later ones."""
    same_user = commands.c.user_id.is_(None) if asker.user_id is None else commands.c.user_id == asker.user_id
    now_serving = select(func.min(requests.c.turn)).where(requests.c.state == "open").scalar_subquery()
    own_last = (
        select(func.max(requests.c.turn))
        .join(commands, commands.c.command_id == requests.c.command_id)
        .where(requests.c.state == "open", same_user)
        .scalar_subquery()
    )
    row = tx.connection.execute(select(now_serving.label("serving"), own_last.label("own"))).one()
    return max(row.serving or 0, 0 if row.own is None else row.own + 1)
