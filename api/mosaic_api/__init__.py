"""The REST API, the page, the database, the executor, and the synchronization with a cluster."""
