"""The routes, a file for each kind of thing; what they do is in the modules beside this folder."""
