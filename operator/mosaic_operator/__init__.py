"""The operator: watches MosaicRequests, creates their Jobs, and writes their status."""
