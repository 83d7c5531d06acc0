"""The operator's world: an API server, requests and pods."""
