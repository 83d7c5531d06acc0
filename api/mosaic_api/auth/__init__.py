"""Authentication and roles: tokens, sessions, OpenID Connect, and the single user of a laptop."""
