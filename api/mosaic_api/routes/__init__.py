"""The routes, a module for each kind of resource. The other packages do the work."""
