"""What the chart renders."""
