"""A fake Kubernetes for tests of the operator: API server, requests and pods."""
