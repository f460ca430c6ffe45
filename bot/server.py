"""gunicorn around `bot.web`: how HTTP mode starts, forks and stops.

Each process builds its own service after the fork, and stops it before it ends. SIGINT is as gentle as SIGTERM:
what is under way is somebody's request.
"""

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from types import FrameType
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.errors import InvalidHeader, UnsupportedTransferCoding
from gunicorn.workers.gthread import TConn, ThreadWorker

from bot import wiring
from bot.config import Settings
from bot.store.errors import DatabaseUnavailable
from bot.web import Site

THREADS = 64
"""A command that waits for a database in trouble holds its thread for seconds: so many at once still hear in time."""
ARRIVE_S = 3.0
"""How long a request may take to arrive: Slack waits no longer for its answer."""
MARGIN_S = 10
"""What a stopping process needs beside `GRACE_S`, before gunicorn kills it."""
RETRY_S = 1.0

log = logging.getLogger(__name__)


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, with our settings instead of its own files and flags."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service: wiring.Service | None = None
        self._open = ExitStack()
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        settings = self.settings
        for name, value in {
            "bind": f"0.0.0.0:{settings.port}",
            "workers": settings.web_workers,
            "worker_class": ServiceWorker,
            "threads": THREADS,
            "graceful_timeout": round(settings.grace_s) + MARGIN_S,
            "logger_class": ServerLog,
            "control_socket_disable": True,
            "proc_name": "actcode",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Site:
        """Build the service of this process; called after the fork.

        Raises:
            DatabaseUnavailable: the database does not answer; nothing is open then.
        """
        with ExitStack() as opened:
            database = opened.enter_context(wiring.database_of(self.settings))
            self.service = wiring.service(self.settings, database)
            self._open = opened.pop_all()
        return Site(
            app=self.service.app,
            database=database,
            signing_secret=self.settings.slack_signing_secret or "",
            numbers=self.service.numbers,
            answered=self.service.worker.wake,
        )

    def close(self) -> None:
        """Let go of what `load` opened."""
        self._open.close()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; raises SystemExit."""
        # Each worker counts in files of its own there, and whichever is asked for the numbers adds them all up. A
        # worker that has ended leaves its files: what it counted has happened.
        folder = tempfile.mkdtemp(prefix="actcode-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        master = os.getpid()
        try:
            GentleArbiter(self).run()
        finally:
            if os.getpid() == master:  # the workers come through here, too
                shutil.rmtree(folder, ignore_errors=True)


class GentleArbiter(Arbiter):  # type: ignore[misc]
    """The process that forks the others."""

    def handle_int(self) -> None:
        """Stop as for SIGTERM: gunicorn's own way cuts off what is under way."""
        self.handle_term()


class ServiceWorker(ThreadWorker):  # type: ignore[misc]
    """A process that serves, with the threads of `bot.worker` behind it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[TConn, float] = {}

    def init_signals(self) -> None:
        """Let Ctrl-C on a terminal, which every process gets, end this one as gently as SIGTERM."""
        super().init_signals()
        signal.signal(signal.SIGINT, self.handle_exit)

    def load_wsgi(self) -> None:
        """Build the service, once the database answers.

        It did when the first process looked, before it forked any. One that is forked later, in the place of one that
        died, must not end because it does not answer now: gunicorn would take that for a fault of the program's, and
        end all the others, too.
        """
        while self.alive:
            try:
                super().load_wsgi()
            except DatabaseUnavailable as fault:
                log.error("a new process waits for the database, which does not answer (%s)", fault)  # noqa: TRY400
                self.notify()
                time.sleep(RETRY_S)
            else:
                return
        sys.exit(0)

    def handle(self, conn: TConn) -> Any:
        """Serve one request, on one of the threads."""
        self._arriving[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._arriving[conn]

    def murder_pending(self) -> None:
        """End what has waited for too long; called about once a second.

        gunicorn lets a request that dribbles, head or body, have its thread for ever. It hears that nothing more
        comes; an answer that is under way still goes out.
        """
        super().murder_pending()
        late = time.monotonic() - ARRIVE_S
        for conn, since in list(self._arriving.items()):
            if since < late:
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what is no HTTP; a transfer coding that nobody knows is the sender's fault, too."""
        known = InvalidHeader("Transfer-Encoding") if isinstance(exc, UnsupportedTransferCoding) else exc
        super().handle_error(req, client, addr, known)

    def run(self) -> None:
        """Serve until told to stop, then let the background finish."""
        service: wiring.Service = self.app.service
        service.worker.start()
        try:
            super().run()
        finally:
            service.worker.stop(grace_s=self.app.settings.grace_s)
            self.app.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take no more; `run` goes on from there."""
        if self.app.service is not None:  # the signal may come while this process is still starting
            self.app.service.worker.drain()
        super().handle_exit(sig, frame)


class ServerLog(Logger):  # type: ignore[misc]
    """gunicorn's log, in the form of ours."""

    def setup(self, cfg: Config) -> None:
        """Hand every line to the root logger, which `bot.logs` has set up."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def access(self, *_: Any) -> None:
        """Keep no log of accesses: the trail is that."""
