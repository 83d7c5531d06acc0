"""What people touch: the REST API, the page, the database behind them, and what works off or syncs its requests."""
