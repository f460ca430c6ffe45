"""The tests of the stand-ins: they are only as good as these say."""
