"""Chat rooms and direct messages for msanic-core, and a page that shows them."""
