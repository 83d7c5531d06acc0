"""PostgreSQL: tables, migrations and sessions."""

from mosaic_api.database.engine import Database
from mosaic_api.database.models import Audit, Base, Dataset, Failure, OrphanFile, Request, Token, User, Workforce

__all__ = ["Audit", "Base", "Database", "Dataset", "Failure", "OrphanFile", "Request", "Token", "User", "Workforce"]
