"""What is computed for each pixel: scenes masked, composed, and measured."""
