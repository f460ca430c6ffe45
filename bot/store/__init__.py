"""The database: its tables, its transactions, and the working state."""
