"""A real Kubernetes: releases in it, and the servers beside it."""
