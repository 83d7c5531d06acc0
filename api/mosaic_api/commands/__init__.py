"""What the api adds to the `mosaic` command; each imports what takes long when it runs."""
