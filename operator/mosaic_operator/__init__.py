"""The operator: watches MosaicRequests, creates the Jobs that make them, and tells how they stand."""
