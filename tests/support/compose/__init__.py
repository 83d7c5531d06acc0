"""The services of compose.yaml."""
