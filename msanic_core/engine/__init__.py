"""Where users are and how messages reach them: one protocol, one file per engine."""
