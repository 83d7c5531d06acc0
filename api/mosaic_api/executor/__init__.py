"""The executor, for installations without a cluster: it processes requests of the database on this machine."""
