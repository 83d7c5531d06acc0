"""HTTP for all routes: problems, schemas, validation, limits, file responses and calls to other servers."""
