"""The line to Slack: keeps one connection standing, whatever comes between, and says over it what is to be said.

It knows when a connection is to be replaced, and that the new one comes before the old one goes, so that a command
which arrives on either is acknowledged. It refuses to know what a delivery means.

A connection can be deaf although every ping is answered (python-slack-sdk#1701, bolt-python#1529): nothing but a
delivery proves the contrary. So one over which nothing has come for a while is replaced, too, after pauses that grow
until something comes.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from bot.config import ConfigurationError
from bot.socket_delivery import Deliveries
from bot.socket_link import CLOSE_S, LOOK_S, Envelope, Link, Patience
from bot.socket_ticket import NotNow, no_socket_mode
from bot.socket_trouble import Pauses, Trouble

LINGER_S = 10.0
"""How long a connection is read which Slack has said that it will close."""
SWITCHED_OFF = "link_disabled"
ORDERLY = {"refresh_requested", "warning", SWITCHED_OFF}
"""Slack's reasons for closing a connection after which it wants another to be opened, or may refuse it, at once."""

log = logging.getLogger(__name__)


class Line:
    """The connection to Slack.

    Args:
        ticket: returns the URL of a new connection, or raises as `Tickets.ask` does; it is told whether Slack
            has closed the last one because Socket Mode is off.
        answer: returns the acknowledgement of a delivery, JSON; None where there is to be none.
        answered: called behind each acknowledgement, when it is out; what was asked for may begin then.
        proxy: the URL of an HTTP proxy, or None.
        given_up: called when `fault` was set.
        patience: of each connection.
        pauses: between them.

    Attributes:
        fault: why Slack will give no connection until somebody changes a setting.
    """

    def __init__(
        self,
        *,
        ticket: Callable[[bool], str],
        answer: Callable[[Envelope], str | None],
        answered: Callable[[], None],
        proxy: str | None,
        given_up: Callable[[], object],
        patience: Patience | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        self._ticket = ticket
        self._proxy = proxy
        self._given_up = given_up
        self._patience = patience or Patience()
        self._pauses = pauses or Pauses()
        self.fault: ConfigurationError | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._link: Link | None = None
        self._others: list[Link] = []
        self._trouble = Trouble(self._pauses)
        self._idle_s = self._pauses.idle_s
        self._switched_off = False
        self._ever = False
        self._deliveries = Deliveries(answer=answer, say=self._say, answered=answered, ack_s=self._patience.ack_s)
        self._keeper = threading.Thread(target=self._keep, name="line", daemon=True)

    @property
    def standing(self) -> bool:
        """Whether Slack can deliver."""
        link = self._link
        return link is not None and link.standing

    def start(self) -> None:
        """Connect, and stay connected; does not wait."""
        self._keeper.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it stands, or for so long; returns whether it stands."""
        with self._changed:
            return self._changed.wait_for(lambda: self.standing, timeout_s)

    def close(self) -> None:
        """Take nothing more, send the acknowledgements that are under way, and end every connection."""
        with self._changed:
            self._closing = True
            links = [*self._others, *filter(None, [self._link])]
            self._changed.notify_all()
        for link in links:
            link.leave()
        for link in links:
            link.join(self._patience.ack_s + CLOSE_S)
            link.cut()
        self._deliveries.close()

    def _keep(self) -> None:
        while not self._closing:
            try:
                self._step()
            except Exception:
                # The edge: whatever one attempt stumbles over must not end the thread that makes the next.
                log.exception("the line to Slack failed in an unforeseen way; trying again")
                self._trouble.failed()
            with self._changed:
                self._changed.wait_for(self._is_pressing, LOOK_S)

    def _is_pressing(self) -> bool:
        if self._link is None:
            return self._closing or (self.fault is None and not self._trouble.pausing)
        return self._closing or not self._link.standing

    def _step(self) -> None:
        link = self._link
        if link is not None and not link.standing:
            self._part(link)
        elif link is not None:
            self._look(link)
        elif self.fault is None and not self._trouble.pausing:
            self._connect()
        with self._changed:
            self._others = [one for one in self._others if not one.ended]
        for one in self._others:
            if one.overdue(self._patience.ack_s + CLOSE_S):
                one.cut()

    def _part(self, link: Link) -> None:
        """Want another connection; this one is read until that stands."""
        with self._changed:
            self._link = None
            self._others.append(link)
        if link.leaving in ORDERLY:
            log.debug("Slack closes the connection (%s); opening another", link.leaving)
        else:
            self._trouble.tell(f"the connection to Slack was lost: {link.why}; connecting again")
            if not self._has_lasted(link):
                self._trouble.failed()
        if link.leaving == SWITCHED_OFF:
            if self._switched_off and not self._has_lasted(link):
                self._give_up(no_socket_mode(SWITCHED_OFF))
            self._switched_off = True

    def _look(self, link: Link) -> None:
        if self._has_lasted(link):
            self._trouble.survived()
            self._switched_off = False
        if self._trouble.over():
            log.info("connected to Slack again")
        if time.monotonic() - link.heard_at >= self._idle_s:
            self._idle_s = min(3 * self._idle_s, self._pauses.idle_most_s)
            try:
                other = self._open()
            except (NotNow, ConfigurationError) as fault:
                # This one stands: if Slack means it, it will close it.
                log.debug("an idle connection was not replaced (%s)", fault)
            else:
                with self._changed:
                    self._link = other
                    self._others.append(link)
                link.leave()

    def _connect(self) -> None:
        try:
            link = self._open()
        except ConfigurationError as fault:
            self._give_up(fault)
        except NotNow as fault:
            if not self._closing:
                self._trouble.tell(f"{fault}; trying again")
                self._trouble.failed(fault.pause_s)
        else:
            self._link = link
            self._idle_s = self._pauses.idle_s
            for one in self._others:
                one.leave(LINGER_S if one.leaving else 0)
            if not self._ever:
                self._ever = True
                self._trouble.survived()
                self._trouble.over()
                log.info("connected to Slack; /actcode is served")
            self._wake()

    def _open(self) -> Link:
        """Return a connection over which Slack has said hello.

        Raises:
            NotNow: there was none to be had.
            ConfigurationError: nor will there be.
        """
        url = self._ticket(self._switched_off)
        link = Link(url, proxy=self._proxy, deliver=self._take, changed=self._wake, patience=self._patience)
        with self._changed:
            if self._closing:
                raise NotNow("the line is closing")
            self._others.append(link)
            link.start()
            self._changed.wait_for(lambda: link.greeted or not link.hopeful or self._closing)
            if link.greeted:
                self._others.remove(link)
                return link
        link.leave()
        raise NotNow(f"Slack did not give a connection ({link.why})")

    def _give_up(self, fault: ConfigurationError) -> None:
        if not self._closing:
            self.fault = fault
            self._given_up()

    def _has_lasted(self, link: Link) -> bool:
        return link.delivered or time.monotonic() - link.began_at >= self._pauses.lasting_s

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _take(self, link: Link, envelope: Envelope) -> None:
        self._idle_s = self._pauses.idle_s
        self._deliveries.take(link, envelope)

    def _say(self, text: str, link: Link, until: float) -> bool:
        """Send over the connection that the delivery came over, over another, or over the next one within that time."""
        other = self._link
        while not any(one.send(text) for one in (link, other, *self._others) if one):
            with self._changed:
                come = self._changed.wait_for(partial(self._has_other, other), max(0, until - time.monotonic()))
                if self._closing or not come:
                    return False
                other = self._link
        return True

    def _has_other(self, link: Link | None) -> bool:
        return self._closing or self._link not in (None, link)
