"""The text that entries are searched by is kept beside them, folded; that of older entries is made here."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = depends_on = None


def upgrade() -> None:
    """Add it."""
    # The default is for a replica of the version before, which may still run for a moment and does not know it.
    op.add_column("entries", sa.Column("searched", sa.Text, nullable=False, server_default=""))
    entries = sa.table("entries", *map(sa.column, ("id", "name", "description", "creator", "searched")))
    connection = op.get_bind()
    for row in connection.execute(sa.select(entries.c.id, entries.c.name, entries.c.description, entries.c.creator)):
        text = _folded("\n".join((row.name, row.description, row.creator)))
        connection.execute(sa.update(entries).where(entries.c.id == row.id).values(searched=text))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("entries", "searched")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
