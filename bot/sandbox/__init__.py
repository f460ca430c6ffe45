"""A Slack and an MPC on loopback, for `demo` and for the tests.

They know how the two services behave from outside: their documentation, and what others have reported. They refuse
to know the bot: nothing here imports anything from the rest of `bot`, so a slip there is not repeated here.
"""
