"""Files of the store that no entry names are written down, so that these alone are swept."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "loose_files",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("swept", sa.Boolean, nullable=False),
    )
    op.create_index("loose_files_since", "loose_files", ["since"])


def downgrade() -> None:
    """Take it away."""
    op.drop_table("loose_files")
