"""Store the folded text that datasets are searched by, also of existing rows."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = depends_on = None


def upgrade() -> None:
    """Add the column."""
    # The default is for replicas of the previous version, which still run for a moment and do not know the column.
    op.add_column("entries", sa.Column("searched", sa.Text, nullable=False, server_default=""))
    entries = sa.table("entries", *map(sa.column, ("id", "name", "description", "creator", "searched")))
    connection = op.get_bind()
    for row in connection.execute(sa.select(entries.c.id, entries.c.name, entries.c.description, entries.c.creator)):
        text = _folded("\n".join((row.name, row.description, row.creator)))
        connection.execute(sa.update(entries).where(entries.c.id == row.id).values(searched=text))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("entries", "searched")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
