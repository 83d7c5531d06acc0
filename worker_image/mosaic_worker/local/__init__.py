"""A request on one machine, in processes."""
