"""The state of sharing names its action."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = depends_on = None

_RENAME = """
    UPDATE datasets SET sharing = sharing - '{old}' || jsonb_build_object('{new}', sharing -> '{old}')
    WHERE sharing -> '{old}' IS NOT NULL
"""


def upgrade() -> None:
    """Rename the key."""
    _rename("wish", "action")


def downgrade() -> None:
    """Restore the old name."""
    _rename("action", "wish")


def _rename(old: str, new: str) -> None:
    op.execute(_RENAME.format(old=old, new=new))
