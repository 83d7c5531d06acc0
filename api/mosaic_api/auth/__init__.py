"""Who makes a call, and what this user may do: tokens, sessions, OpenID Connect, and the one user of a laptop."""
