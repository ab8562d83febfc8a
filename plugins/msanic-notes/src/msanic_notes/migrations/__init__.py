"""The migrations, written by `msanic-core db make notes`."""
