"""Backups of an installation on one machine: one file with the database and the files that its rows name."""
