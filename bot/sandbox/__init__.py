"""A Slack and an MPC on loopback, for `demo` and for the tests."""
