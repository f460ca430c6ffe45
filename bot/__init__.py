"""The action-code bot: asks the Minor Planet Center, from Slack, to mail an action code again."""

__version__ = "0.1.0"
