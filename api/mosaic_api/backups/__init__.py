"""Backups of an installation on one machine: its database, and the files of its store that rows name, in one file."""
