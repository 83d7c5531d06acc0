"""What a request may make a process open, and the files of this machine that it may."""
