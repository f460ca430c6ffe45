"""`retrieve`: the same request as in Slack, with the same rules and the same trail, from a terminal."""

import json
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from rich.progress import Progress

from bot import labels, trail, wiring, wording
from bot.cli.terminal import console, rich_text
from bot.config import Settings
from bot.decisions import Admission, Delivery
from bot.findings import note
from bot.labels import Parsed
from bot.outcomes import Outcome
from bot.slack import messages
from bot.store import ending, outbox
from bot.store.outbox import Ended
from bot.trail import Asker
from bot.wiring import Terminal

LOOK_S = 0.25
ASKER = Asker(source="cli")


def run(settings: Settings, typed: Sequence[str], *, as_json: bool) -> int:
    """Ask for the codes of what was typed; returns the exit code."""
    parsed = labels.parse_all("\n".join(typed))
    with wiring.database_of(settings) as database:
        terminal = wiring.terminal(settings, database)
        admission = terminal.retrieval.admit(ASKER, parsed, Delivery(key=trail.new_id()))
        if admission.command_id:
            ended = _finished(settings, terminal, admission)
        else:
            ended = tuple(one.as_denied() for one in admission.items)
        # Asked here, too: what was refused is shown in the audit channel like everything else.
        if admission.command_id is None:
            terminal.worker.stop(grace_s=settings.grace_s)
    if as_json:
        print(json.dumps(_array(parsed, ended), ensure_ascii=False, indent=2))
    else:
        lines = (
            messages.fault_lines(parsed, command="actcode retrieve") if admission.invalid else _lines(admission, ended)
        )
        shown = console()
        for line in lines:
            shown.print(rich_text(line))
    if admission.invalid:
        return 2
    return 0 if all(one.outcome == Outcome.ACCEPTED for one in ended) and ended else 1


def _finished(settings: Settings, terminal: Terminal, admission: Admission) -> tuple[Ended, ...]:
    """Wait until every request of the command has its outcome. Ctrl-C withdraws what was not sent yet."""
    command_id = admission.command_id or ""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    shown = console()
    several = len(admission.items) > 1 and sys.stderr.isatty()
    with Progress(console=type(shown)(stderr=True), disable=not several, transient=True) as progress:
        bar = progress.add_task("Asking the MPC", total=len(admission.items))
        terminal.worker.start()
        try:
            while (count := _count(terminal, command_id)) < len(admission.items):
                progress.update(bar, completed=count)
                terminal.worker.wait(LOOK_S)
        except KeyboardInterrupt:
            terminal.retrieval.withdraw(command_id)
        finally:
            terminal.worker.stop(grace_s=settings.grace_s)
    ended = terminal.database.read(lambda connection: outbox.ended(connection, command_id))
    terminal.database.write(lambda tx: ending.drop(tx, command_id))
    return ended


def _count(terminal: Terminal, command_id: str) -> int:
    return terminal.database.read(lambda connection: len(outbox.ended(connection, command_id)))


def _lines(admission: Admission, ended: tuple[Ended, ...]) -> list[wording.Text]:
    if ended or admission.denial is None:
        return messages.outcome_lines(ended)
    sentence, advice = wording.denial(admission.denial.rule, until=admission.denial.until, limit=admission.denial.limit)
    return [sentence, advice]


def _array(parsed: Parsed, ended: tuple[Ended, ...]) -> list[dict[str, Any]]:
    """Return what `--json` prints: an entry a label; `outcome` is null for a good one beside an invalid one."""
    array: list[dict[str, Any]] = [
        {
            "label": one.label,
            "kinds": list(one.kinds),
            "outcome": str(one.outcome),
            "detail": note(one.detail, one.finding) or one.rule,
            "request_id": one.request_id,
        }
        for one in ended
    ]
    if not ended:
        beside = "not sent: another label is invalid"
        array += [
            {"label": one.text, "kinds": list(one.kinds), "outcome": None, "detail": beside, "request_id": None}
            for one in parsed.labels
        ]
    array += [
        {"label": one.text or None, "kinds": [], "outcome": "invalid", "detail": one.reason, "request_id": None}
        for one in parsed.faults
    ]
    return array
