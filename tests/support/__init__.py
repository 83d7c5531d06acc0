"""What tests share: servers, worlds, scenes. Nothing here is a test."""
