"""The sandboxed process that reads uploaded files, and the process that starts it."""
