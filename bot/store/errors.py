"""What may be wrong with a database, in sentences without secrets.

DatabaseError
├── DatabaseUnavailable   locked, full, read-only, gone: what was asked for did not happen
│   ├── CommitUnheard     … or it did: whether the commit was stored is not known
│   └── HeadMissing       somebody removed the row that says where the trail ends, or what it says is nonsense
└── SchemaError           it answers, but its tables are not this program's

It needs no library, so that whoever only mistyped a command hears of it at once.
"""


class DatabaseError(Exception):
    """Something is wrong with the database; the sentence says what, without secrets."""


class DatabaseUnavailable(DatabaseError):  # noqa: N818 - it names a state that the user is told of
    """The database could not do it now; nothing of the transaction has happened."""


class CommitUnheard(DatabaseUnavailable):
    """The commit was asked for, and its answer was lost: the transaction may have happened, or may not."""


class HeadMissing(DatabaseUnavailable):
    """The row that says where the trail ends is gone, or does not say it: nothing shows a cut-off tail.

    Attributes:
        state: what is wrong with it, as in "the head is …".
    """

    def __init__(self, state: str = "missing") -> None:
        super().__init__(f"the head of the trail is {state}; python -m bot audit verify says more")
        self.state = state


class SchemaError(DatabaseError):
    """The tables are missing, or older or newer than this program."""
