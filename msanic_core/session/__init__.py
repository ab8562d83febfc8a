"""One connection's life: its session, what it has to send, who else is here, and what happens when it is lost."""
