"""`python -m msanic_core` is `msanic-core`."""

from msanic_core.cli import main

raise SystemExit(main())
