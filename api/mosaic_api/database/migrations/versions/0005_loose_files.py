"""Record the files of the store that no dataset names; only these are deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "loose_files",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("swept", sa.Boolean, nullable=False),
    )
    op.create_index("loose_files_since", "loose_files", ["since"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("loose_files")
