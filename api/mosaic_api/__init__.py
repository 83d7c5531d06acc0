"""The REST API, the page, the database, the executor, and the synchronization with a cluster.

Whatever uses the database or the store raises PassingError if that does not answer. Docstrings do not repeat this.
"""
